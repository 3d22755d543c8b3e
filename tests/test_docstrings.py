"""The docstrings: each parameter of what the package offers is named where its reader looks."""

import importlib
import inspect
import pkgutil
import re
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest

import descent

MODULES = [
    name
    for _, name, _ in pkgutil.walk_packages(descent.__path__, "descent.")
    if "._" not in name and name != "descent.book.d2l"  # which is d2l's own module
]


def parameters(module: ModuleType) -> Iterator[tuple[str, str, list[Any]]]:
    """Each parameter of the functions, classes and methods offered, and whose docstrings count."""
    protocol = getattr(module, "Problem", None)
    for name in getattr(module, "__all__", ()):
        offered = getattr(module, name)
        if not inspect.isfunction(offered) and not inspect.isclass(offered):
            continue
        if offered is not protocol:  # which nobody calls
            for parameter in inspect.signature(offered).parameters:
                yield name, parameter, [offered]
        for method, function in inspect.getmembers(offered, inspect.isfunction):
            if method in vars(offered) and not method.startswith("_"):
                described = [function, offered, getattr(protocol, method, function)]
                for parameter in list(inspect.signature(function).parameters)[1:]:
                    yield f"{name}.{method}", parameter, described


def docstring(thing: Any) -> str:
    """The written one: `dataclass` and NamedTuple make up one that repeats the signature."""
    text = inspect.getdoc(thing) or ""
    return "" if text.startswith(f"{thing.__name__}(") else text


@pytest.mark.parametrize("name", MODULES)
def test_every_parameter_is_named(name: str) -> None:
    module = importlib.import_module(name)
    assert [
        f"{where}: {parameter}"
        for where, parameter, described in parameters(module)
        if f"`{parameter}`" not in docstring(module)
        and not any(re.search(rf"\b{parameter}\b", docstring(thing)) for thing in described)
    ] == []
