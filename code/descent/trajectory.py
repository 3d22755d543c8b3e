"""Rules meet surfaces: one function, one result."""

import math
from dataclasses import dataclass, fields, replace
from math import inf
from typing import Any

import numpy as np
import numpy.typing as npt

from descent._checks import Floats, check_count, check_interval
from descent.rules import Rule
from descent.stepping import FAR, Schedule, follow, scheduled_steps
from descent.surfaces import Surface, as_points

__all__ = ["Trajectory", "minimize", "steps_text", "steps_to_stay", "sweep"]

# So many lanes at a time: few enough for their arrays to stay in cache for all the steps of a run,
# enough for NumPy's calls to cost little, and for it to write intermediate results in place (from
# 256 KB on).
_BLOCK = 65536


@dataclass(frozen=True, eq=False)
class Trajectory:
    """Where a run went. Compared by identity, and so hashed.

    `points` (records, ..., 2), `values` (records, ...) and `iterations` (records,), the first
    record being the start; `diverged` (...) marks the runs that left for infinity, which stay at
    their last point within 1e30.
    """

    points: Floats
    values: Floats
    diverged: npt.NDArray[np.bool_]
    iterations: npt.NDArray[np.int64]

    def steps_to_stay(self, tolerance: float, error: npt.ArrayLike | None = None) -> Floats:
        """Steps after which every run stays within `tolerance` to its end; inf where it does not.

        `error` (records, ...) is what has to stay small, such as a distance from the minimum; by
        default the height above 0, `values`. The result has the shape of `diverged`, and is exact
        to `record_every`. Raises ValueError as the function of this name does.
        """
        return steps_to_stay(self.values if error is None else error, tolerance, self.iterations)


def steps_to_stay(
    error: npt.ArrayLike, tolerance: float, iterations: npt.ArrayLike | None = None
) -> Floats:
    """Steps after which `error` (records, ...) stays at or below `tolerance`, to the last record.

    Shape (...), with inf, "not within the budget", where the last record is above it (or is no
    number). Passing through does not count. `iterations` (records,) says at which steps the records
    were made; by default at all, from 0. Raises ValueError for a negative tolerance and for an
    error without records.
    """
    check_interval("tolerance", tolerance, "[0, inf)")
    outside = np.logical_not(np.asarray(error) <= tolerance)
    if outside.ndim == 0 or len(outside) == 0:
        raise ValueError(f"error must have at least one record, got shape {outside.shape}")
    steps = np.arange(len(outside)) if iterations is None else np.asarray(iterations)
    after_last = len(outside) - outside[::-1].argmax(axis=0)  # the record after the last outside
    first = np.where(outside.any(axis=0), after_last, 0)
    stays: Floats = np.where(outside[-1], inf, steps[np.minimum(first, len(outside) - 1)])
    return stays


def steps_text(steps: float, budget: int) -> str:
    """A number of steps for the reader: "266", or "not within 2500".

    steps: as `steps_to_stay` gives it, inf where they did not suffice. budget: how many there were.
    """
    return f"not within {budget}" if steps == inf else f"{steps:.0f}"


def sweep(*values: npt.ArrayLike, trailing: int = 1) -> Any:
    """Arrays of hyper-parameters that make one run for each combination of their values.

    Each of `values` is a list of numbers and gets an axis of its own, in the order given. After
    these axes come `trailing` of length 1: one for the coordinates, and another where starts or
    seeds vary too. One list gives one array, several give a tuple.

    >>> lr, momentum = sweep([0.1, 0.2, 0.3], [0.0, 0.9])
    >>> lr.shape, momentum.shape
    ((3, 1, 1), (2, 1))

    Raises ValueError for values that are not one-dimensional, and for none.
    """
    trailing = check_count("trailing", trailing, 1)
    lists = [np.asarray(value) for value in values]
    if not lists or any(one.ndim != 1 for one in lists):
        raise ValueError(f"values must be lists of numbers, got shapes {[v.shape for v in lists]}")
    axes = [one.reshape(-1, *[1] * (len(lists) - 1 - i + trailing)) for i, one in enumerate(lists)]
    return axes[0] if len(axes) == 1 else tuple(axes)


def minimize(
    rule: Rule,
    surface: Surface,
    start: npt.ArrayLike,
    steps: int,
    *,
    schedule: Schedule | None = None,
    record_every: int = 1,
    noise: float = 0.0,
    seed: int = 0,
) -> Trajectory:
    """Follow `rule` down `surface` from `start` for `steps` steps.

    `start` has shape (..., 2), and array hyper-parameters broadcast against it: starts, learning
    rates and momenta can all vary in one call. An `lr` of shape (7, 1) gives 7 runs; one of shape
    (1, 2) gives one run with a rate for each coordinate. `schedule(t)` multiplies the learning rate
    of the step from iterate t, counted from 0; it is asked for each t once, in order, before the
    run.

    `noise` makes the gradients stochastic: to each coordinate is added, at every step, a normal
    number of this standard deviation, drawn with `seed` for each start. All hyper-parameters meet
    the same draws, so that runs can be compared in pairs; thirty copies of one start are thirty
    random runs.

    Every `record_every`-th iterate is kept, and the last. Memory is 24 bytes for each record of
    each run, and a few megabytes to work in; noise takes 16 more for each step of each start.
    `record_every=steps` keeps the first and the last alone.

    A run that diverges is data: it is marked, and neither warns nor raises. ValueError for a start
    that is not finite or not of shape (..., 2), for negative `steps`, for hyper-parameters that do
    not broadcast against the start, and for a surface whose values or gradients have another shape
    than its points say.
    """
    steps = check_count("steps", steps, 0)
    record_every = check_count("record_every", record_every, 1)
    schedule = scheduled_steps(schedule, steps)
    check_interval("noise", noise, "[0, inf)")
    seed = check_count("seed", seed, 0)
    if not isinstance(rule, Rule):
        raise ValueError(f"rule must be a rule such as SGD(lr=0.1), got {rule!r}")
    if not isinstance(surface, Surface):
        raise ValueError(f"surface must be a Surface, got {surface!r}")
    x = _start_points(start)
    swept = {
        f.name: np.asarray(getattr(rule, f.name))
        for f in fields(rule)
        if np.ndim(getattr(rule, f.name)) > 0
    }
    for name, h in swept.items():
        if h.shape[1:] == () and len(h) > 1:
            raise ValueError(
                f"{name} must have a last axis of length 1 (shape ({len(h)}, 1) gives {len(h)} "
                f"runs), or shape (..., 1, 2) for a value of each coordinate, got shape {h.shape}"
            )
    try:
        shape = np.broadcast_shapes(x.shape, *(h.shape for h in swept.values()))
    except ValueError:
        shapes = ", ".join(f"{name} {h.shape}" for name, h in swept.items())
        raise ValueError(
            f"hyper-parameters must broadcast against start {x.shape}, got {shapes}"
        ) from None
    _check_surface(surface, x)

    iterations = np.unique(np.append(np.arange(0, steps + 1, record_every), steps))
    runs = shape[:-1]
    count = math.prod(runs)
    points = np.empty((len(iterations), 2, count))
    values = np.empty((len(iterations), count))
    diverged = np.empty(count, dtype=bool)
    drawn = np.random.default_rng(seed).normal(size=(steps if noise else 0, *x.shape))
    drawn *= noise

    for first in range(0, count, _BLOCK):
        block = slice(first, first + _BLOCK)

        def lanes(array: Floats, block: slice = block) -> Floats:
            """Of (..., k), what the block's runs have: (n, k) over contiguous memory of (k, n)."""
            every = np.broadcast_to(array, (*runs, array.shape[-1])).reshape(count, -1)
            return np.ascontiguousarray(every[block].T).T

        def grad(x: Floats, t: int, lanes: Any = lanes) -> Floats:
            found: Floats = surface.grad(x)
            return found + lanes(drawn[t]) if noise else found

        def record(i: int, x: Floats, block: slice = block) -> None:
            points[i, :, block] = x.T

        diverged[block] = follow(
            replace(rule, **{name: lanes(h) for name, h in swept.items()}),
            lanes(x),
            grad,
            iterations,
            record,
            schedule,
        )[1]
        # So many records at a time that what the surface needs to compute them stays small.
        paths = points[:, :, block].swapaxes(1, 2)
        few = max(1, _BLOCK // paths.shape[1])
        with np.errstate(all="ignore"):
            for i in range(0, len(paths), few):
                values[i : i + few, block] = surface.value(paths[i : i + few])
    return Trajectory(
        np.moveaxis(points, 1, -1).reshape(len(iterations), *shape),
        values.reshape(len(iterations), *runs),
        diverged.reshape(runs),
        iterations,
    )


def _check_surface(surface: Surface, x: Floats) -> None:
    """Refuse a surface that gives other shapes than (3,) and (3, 2) at three of the points x."""
    three = np.resize(x, (3, 2))  # no two axes alike, so that a transposed gradient shows
    with np.errstate(all="ignore"):
        found = {"value": np.shape(surface.value(three)), "grad": np.shape(surface.grad(three))}
    for (name, shape), right in zip(found.items(), ((3,), (3, 2)), strict=True):
        if shape != right:
            raise ValueError(
                f"surface.{name} must have shape {right} at points of shape (3, 2), got {shape}"
            )


def _start_points(start: npt.ArrayLike) -> Floats:
    x = np.array(as_points(start, "start"))
    if x.size == 0:
        raise ValueError(f"start must have shape (..., 2), got {x.shape}")
    check_interval("start", x, f"[-{FAR}, {FAR}]")
    return x
