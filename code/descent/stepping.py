"""The loop that `minimize` and `train` share: step, hold what diverges, record."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from descent._checks import Floats, check_callable, check_interval
from descent.rules import Rule

__all__ = ["FAR", "Schedule", "follow", "scheduled", "scheduled_steps"]

# A point farther out than this in any coordinate has diverged. Well inside the range of float64,
# so that no value or gradient of a surface (degree 8 at most) overflows on the way there.
FAR = 1e30


# The allocator of glibc gives large arrays back to the system and asks for them anew, step by step,
# until an array as large has been freed once. This one is never touched, and costs nothing.
np.empty(30 << 20, dtype=np.uint8)

_PART = 4096

# What multiplies the learning rate of the step from iterate t, counted from 0.
Schedule = Callable[[int], float]


def scheduled(rule: Rule, schedule: Schedule | None, t: int) -> Rule:
    """`rule` with its learning rate multiplied by `schedule(t)`, for the step from iterate `t`."""
    if schedule is None:
        return rule
    return replace(rule, lr=rule.lr * schedule(t))  # type: ignore[attr-defined, call-arg]


def scheduled_steps(schedule: Schedule | None, steps: int) -> Schedule | None:
    """`schedule` as a table of its first `steps` factors, each asked for once and in order.

    Raises ValueError where it is neither None nor a function, and where a factor is negative or no
    number.
    """
    if schedule is None:
        return None
    check_callable("schedule", schedule, "a function of the number of the step, or None")
    factors = [schedule(t) for t in range(steps)]
    for t, factor in enumerate(factors):
        check_interval(f"schedule({t})", factor, "[0, inf)")
    return factors.__getitem__


def _square(x: Floats) -> float:
    """Sum of squares, or what is no number where x holds any such.

    No coordinate is past `FAR` where this is within FAR². It is one pass that needs no memory; in
    parts so short that BLAS wakes no threads, which would cost more than they save.
    """
    flat = x.ravel(order="K")
    rest = len(flat) % _PART
    total = flat[:rest] @ flat[:rest]
    if rest < len(flat):
        parts = flat[rest:].reshape(-1, _PART)
        total += np.vecdot(parts, parts).sum()
    return float(total)


def follow(
    rule: Rule,
    x: Floats,
    grad: Callable[[Floats, int], Floats],
    records: npt.NDArray[np.int64],
    record: Callable[[int, Floats], None],
    schedule: Schedule | None = None,
) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """Follow `rule` from x (..., k): where all runs end, and which of them diverged (...).

    A run whose next point is past `FAR`, or is no number, has diverged, and stays where it is.
    `grad(x, t)` is the gradient for the step from iterate t. `records` are the numbers of the
    iterates to keep, from 0 and ascending; the last one ends the run. `record(i, x)` takes the i-th
    of them. `schedule(t)` multiplies the learning rate of that step.
    """
    state = rule.init(x)
    diverged = np.zeros(x.shape[:-1], dtype=bool)
    any_diverged, kept = False, 1
    with np.errstate(all="ignore"):
        record(0, x)
        for t in range(records[-1]):
            new, state = scheduled(rule, schedule, t)._step(x, grad(x, t), state)
            if any_diverged or not _square(new) <= FAR**2:
                inside = (new <= FAR) & (new >= -FAR)
                diverged |= ~inside.all(axis=-1)
                np.copyto(new, x, where=diverged[..., None])
                any_diverged = True
            x = new
            if records[kept] == t + 1:
                record(kept, x)
                kept += 1
    return x, diverged
