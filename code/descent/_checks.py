"""Checks of arguments, so that every refusal in the package reads the same."""

from collections.abc import Iterable
from numbers import Integral, Real
from typing import Any, TypeAlias

# A NumPy array, a torch tensor, or anything else that has their arithmetic. No narrower type holds
# for all of them, and the rules need no more than +, -, *, /, ** and comparison.
Array: TypeAlias = Any


def check_interval(name: str, value: Any, interval: str) -> None:
    """Refuse a hyper-parameter outside `interval`, written as in mathematics: "[0, 1)".

    `value` is a real number or a floating-point array of them; NaN lies in no interval, and
    infinity in none whose end is open.
    """
    number = isinstance(value, Real) and not isinstance(value, bool)
    if not number and "float" not in str(getattr(value, "dtype", "")):
        raise ValueError(
            f"{name} must be a real number or a floating-point array in {interval}, got {value!r}"
        )
    if 0 in getattr(value, "shape", ()):
        raise ValueError(f"{name} must have at least one element, got {value!r}")
    low, high = (float(end) for end in interval[1:-1].split(","))
    inside = (value >= low if interval[0] == "[" else value > low) & (
        value <= high if interval[-1] == "]" else value < high
    )
    if not (inside.all() if hasattr(inside, "all") else inside):
        raise ValueError(f"{name} must be in {interval}, got {value!r}")


def check_count(name: str, value: Any, low: int) -> None:
    """Refuse anything but an integer of at least `low`."""
    if not isinstance(value, Integral) or isinstance(value, bool) or value < low:
        raise ValueError(f"{name} must be an integer of at least {low}, got {value!r}")


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
    if "float" not in str(getattr(value, "dtype", "")):
        kind = getattr(value, "dtype", type(value).__name__)
        raise ValueError(f"{name} must be a floating-point array, got {kind}: {value!r}")
    if 0 in value.shape:
        raise ValueError(f"{name} must have at least one element, got shape {tuple(value.shape)}")
