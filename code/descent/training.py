"""Training: many seeds, and many hyper-parameters, in one batched run."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt

from descent._checks import Floats, check_callable, check_count
from descent.models import Data, LinearRegression, Problem
from descent.rules import Rule
from descent.stepping import Schedule, follow, scheduled_steps

__all__ = ["History", "train"]


@dataclass(frozen=True, eq=False)
class History:
    """How training went. Compared by identity, and so hashed.

    `losses` (records, ..., seeds) over all examples, `examples` (records,) seen by then, the final
    `params` (..., seeds, size), and `diverged` (..., seeds).
    """

    losses: Floats
    examples: npt.NDArray[np.int64]
    params: Floats
    diverged: npt.NDArray[np.bool_]


def train(
    rule: Rule,
    data: Data,
    *,
    model: Callable[[Any], Problem] = LinearRegression,
    seeds: Iterable[int] = (0,),
    batch_size: int = 10,
    epochs: int = 2,
    record_every: int = 100,
    shuffle: bool = True,
    schedule: Schedule | None = None,
) -> History:
    """Train `model(data)` with `rule`, once for each seed, all at once.

    `data` has features (n, d) and targets (n,); `epochs` passes over its rows are made, in batches
    of `batch_size`, in a new order each time if `shuffle`; the last batch of a pass may be smaller.

    Each of `seeds`, integers of at least 0, gives its run an initialisation and one shuffle an
    epoch, the same for every rule. Array hyper-parameters broadcast against the parameters (seeds,
    size): an `lr` of shape (7, 1, 1) gives 7 × seeds runs. The loss is recorded before training,
    after every `record_every` examples, or at the first step past them, and after the last step.
    `schedule(t)` multiplies the learning rate of step t, from 0; it is asked for each t once, in
    order, before the run.

    A run that diverges stays at its last parameters within 1e30 and is marked. ValueError for a
    batch larger than the data, for no seeds, and for hyper-parameters of another shape.
    """
    batch_size = check_count("batch_size", batch_size, 1)
    epochs = check_count("epochs", epochs, 0)
    record_every = check_count("record_every", record_every, 1)
    if not isinstance(rule, Rule):
        raise ValueError(f"rule must be a rule such as SGD(lr=0.1), got {rule!r}")
    check_callable("model", model, "a model such as LinearRegression")
    if not isinstance(shuffle, bool):
        raise ValueError(f"shuffle must be True or False, got {shuffle!r}")
    if not isinstance(seeds, Iterable):
        raise ValueError(f"seeds must be a list of integers of at least 0, got {seeds!r}")
    problem = model(data)
    if batch_size > problem.examples:
        raise ValueError(
            f"batch_size must be at most the {problem.examples} examples, got {batch_size}"
        )
    rngs = [np.random.default_rng(check_count("seeds", seed, 0)) for seed in seeds]
    if not rngs:
        raise ValueError("seeds must hold at least one seed, got none")
    start = np.stack([problem.init(rng) for rng in rngs])
    x = np.broadcast_to(start, _sweep_shape(rule, start.shape)).copy()

    def batches() -> Iterator[npt.NDArray[np.int64]]:
        while True:
            order = np.stack(
                [
                    rng.permutation(problem.examples) if shuffle else np.arange(problem.examples)
                    for rng in rngs
                ]
            )
            for first in range(0, problem.examples, batch_size):
                yield order[:, first : first + batch_size]

    ends = np.append(np.arange(batch_size, problem.examples, batch_size), problem.examples)
    seen = np.append(0, np.add.outer(problem.examples * np.arange(epochs), ends))
    passed = np.diff(seen // record_every, prepend=-1) > 0
    records = np.flatnonzero(passed | (seen == seen[-1]))
    losses, rows = np.empty((len(records), *x.shape[:-1])), batches()

    def record(i: int, x: Floats) -> None:
        losses[i] = problem.loss(x if i else start)

    x, diverged = follow(
        rule,
        x,
        lambda x, t: problem.grad(x, next(rows)),
        records,
        record,
        scheduled_steps(schedule, len(seen) - 1),
    )
    return History(losses, seen[records], x, diverged)


def _sweep_shape(rule: Rule, shape: tuple[int, ...]) -> tuple[int, ...]:
    """Shape of the parameters of all runs: `shape` broadcast with the hyper-parameters."""
    swept = {f.name: np.shape(getattr(rule, f.name)) for f in fields(rule)}
    for name, h in swept.items():
        if h and (len(h) < 3 or h[-2:] != (1, 1)):
            raise ValueError(f"{name} must be a number or have a shape (..., 1, 1), got {h}")
    try:
        return np.broadcast_shapes(shape, *swept.values())
    except ValueError:
        shapes = ", ".join(f"{name} {h}" for name, h in swept.items() if h)
        raise ValueError(f"hyper-parameters must broadcast together, got {shapes}") from None
