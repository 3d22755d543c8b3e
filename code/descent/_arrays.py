"""The few functions that the rules and surfaces need of whatever library their arrays come from."""

import sys
from functools import cache
from typing import Any

from descent._checks import Array


def library(array: Array) -> Any:
    """The module whose functions take such arrays: NumPy, torch, jax.numpy and the like."""
    if hasattr(array, "__array_namespace__"):
        return array.__array_namespace__()
    # torch has no such method, and an array may be of a class of the user's own.
    for kind in type(array).__mro__:
        module = sys.modules[kind.__module__.partition(".")[0]]
        if hasattr(module, "zeros_like"):
            return module
    raise ValueError(f"x must be an array, got {type(array).__name__}: {array!r}")


def zeros_like(x: Array) -> Array:
    """Zeros in the shape, dtype and place of x, also where x is infinite."""
    return library(x).zeros_like(x)


def maximum(a: Array, b: Array) -> Array:
    """Elementwise maximum of two arrays."""
    return library(a).maximum(a, b)


def sign(x: Array) -> Array:
    """-1, 0 or 1, elementwise."""
    return library(x).sign(x)


def stack(parts: list[Array]) -> Array:
    """Arrays of one shape side by side, on a new last axis."""
    return library(parts[0]).stack(parts, axis=-1)


def scaled(array: Array, factors: tuple[float, ...]) -> Array:
    """An array (..., k) times k numbers, one for each place on its last axis."""
    return array * _row(library(array), factors, array.dtype, array.device)


@cache
def _row(module: Any, factors: tuple[float, ...], dtype: Any, device: Any) -> Array:
    """The factors as an array: one for all the steps of a run."""
    return module.asarray(factors, dtype=dtype, device=device)
