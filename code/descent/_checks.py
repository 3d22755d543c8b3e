"""Checks of arguments, so that every refusal in the package reads the same."""

import math
from collections.abc import Iterable
from numbers import Integral, Real
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

# A NumPy array, a torch tensor, or anything else that has their arithmetic. No narrower type holds
# for all of them.
Array: TypeAlias = Any

Floats: TypeAlias = npt.NDArray[np.float64]


def is_floating(value: Any) -> bool:
    """Whether a value is an array of real floating-point numbers, in either order of bytes.

    Not one of NumPy's old matrices, whose product is another.
    """
    dtype = getattr(value, "dtype", None)
    # The kind first: to write the name of NumPy's type takes longer than many a step of a rule.
    real = getattr(dtype, "kind", "") == "f" or "float" in str(dtype)
    return real and not isinstance(value, np.matrix)


def _check_plain(name: str, value: Any) -> None:
    """Refuse one of NumPy's old matrices, and say what to give instead."""
    if isinstance(value, np.matrix):
        raise ValueError(
            f"{name} must be a plain array, such as np.asarray makes of a matrix, got {value!r}"
        )


def check_interval(name: str, value: Any, interval: str) -> Any:
    """Refuse a hyper-parameter outside `interval`, written as in mathematics: "[0, 1)".

    `value` is a real number or a floating-point array of them; NaN lies in no interval, and
    infinity in none whose end is open. A number, also NumPy's array of one, comes back as Python's
    own float, an array as it is.
    """
    given = value
    if isinstance(value, np.ndarray) and value.ndim == 0:
        value = value[()]
    if isinstance(value, Real) and not isinstance(value, bool):
        try:
            value = float(value)
        except OverflowError:  # a whole number that no float can hold
            value = math.inf if value > 0 else -math.inf
        given = given if value == given else value  # a refusal tells what became of it
    elif not is_floating(value):
        _check_plain(name, value)
        raise ValueError(
            f"{name} must be a real number or a floating-point array in {interval}, got {given!r}"
        )
    if 0 in getattr(value, "shape", ()):
        raise ValueError(f"{name} must have at least one element, got {given!r}")
    low, high = (float(end) for end in interval[1:-1].split(","))
    inside = (value >= low if interval[0] == "[" else value > low) & (
        value <= high if interval[-1] == "]" else value < high
    )
    if not (inside.all() if hasattr(inside, "all") else inside):
        raise ValueError(f"{name} must be in {interval}, got {given!r}")
    return value


def as_float64(name: str, value: Any, interval: str) -> np.float64 | npt.NDArray[np.float64]:
    """The value in float64, a number where it is one; refused like `check_interval` does.

    What a float64 cannot hold, such as a longer float, is refused for what becomes of it.
    """
    with np.errstate(over="ignore"):
        number = np.asarray(check_interval(name, value, interval), dtype=np.float64)[()]
    check_interval(name, number, interval)
    return number


def check_number(name: str, value: Any, interval: str) -> float:
    """The value as a Python float; refuses what `check_interval` does, and arrays."""
    number = as_float64(name, value, interval)
    if np.ndim(number):
        raise ValueError(f"{name} must be one real number in {interval}, got {value!r}")
    return float(number)


def check_count(name: str, value: Any, low: int) -> int:
    """Refuse anything but an integer of at least `low`; return it as Python's own, which has no
    largest."""
    if not isinstance(value, Integral) or isinstance(value, bool) or value < low:
        raise ValueError(f"{name} must be an integer of at least {low}, got {value!r}")
    return int(value)


def check_one_of(name: str, value: Any, allowed: Iterable[str]) -> None:
    """Refuse a name that is not among `allowed`."""
    allowed = sorted(allowed)
    if value not in allowed:
        raise ValueError(f"{name} must be one of {', '.join(allowed)}; got {value!r}")


def check_callable(name: str, value: Any, what: str) -> None:
    """Refuse what cannot be called; `what` says in words what it should be."""
    if not callable(value):
        raise ValueError(f"{name} must be {what}, got {value!r}")


def check_floating(name: str, value: Any) -> None:
    """Refuse what is not a floating-point array with at least one element."""
    if not is_floating(value):
        _check_plain(name, value)
        kind = getattr(value, "dtype", type(value).__name__)
        raise ValueError(f"{name} must be a floating-point array, got {kind}: {value!r}")
    if 0 in value.shape:
        raise ValueError(f"{name} must have at least one element, got shape {tuple(value.shape)}")
