"""d2l's own training functions on a page: without their figures and their seconds.

`train_ch11` and `train_concise_ch11` draw a figure after every 200 examples and print a time that
is another one on each run. `recorded` runs them, not a rewrite of them: the function's own source,
in a copy of its module's names in which a few stand for something else. The module itself, standard
output and the random generator are never touched, so there is nothing to put back when a trainer
raises. `from descent.book import d2l` gives both functions of this module as `d2l.recorded` and
`d2l.with_parts`.
"""

import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from types import FunctionType, SimpleNamespace
from typing import Any, cast

import numpy as np
import torch

from descent._checks import Floats, check_count

__all__ = ["Run", "recorded", "with_parts"]

Function = Callable[..., Any]


@dataclass(frozen=True, eq=False)
class Run:
    """What one run of a d2l trainer recorded.

    Attributes:
        examples: examples seen at each record, from 0.
        losses: loss over the whole set at each record; the first is that of the initial weights.
        epochs: where d2l draws each record on its axis.
        line: the line that d2l prints, up to its seconds.
        seconds: time of training before each record but the first, by d2l's own timer, which
            stands still during the evaluations.
    """

    examples: np.ndarray[Any, np.dtype[np.int64]]
    losses: Floats
    epochs: Floats
    line: str
    seconds: Floats = field(repr=False)


def with_parts(function: Function, **parts: Any) -> Function:
    """A copy of `function`, one of d2l's, for which each name of `parts` means what is given here.

    It finds a part both as `name` and as `d2l.name`. The module keeps its own.
    """
    function = inspect.unwrap(function)
    assert isinstance(function, FunctionType)
    names = {**function.__globals__, **parts}
    names["d2l"] = SimpleNamespace(**names)
    copy = FunctionType(
        function.__code__, names, function.__name__, function.__defaults__, function.__closure__
    )
    return cast(Function, copy)


def _edited(function: Function, changes: dict[str, str]) -> Function:
    """The function again, from its own source with a few places of the text replaced."""
    source = inspect.getsource(function)
    for old, new in changes.items():
        if source.count(old) != 1:
            raise ValueError(
                f"{function.__name__} must have {old!r} in one place, where {new!r} can stand "
                f"instead, but has it in {source.count(old)}"
            )
        source = source.replace(old, new)
    names = dict(function.__globals__)
    exec(source, names)
    return cast(Function, names[function.__name__])


class _Still:
    """An optimizer that leaves everything as it is."""

    def zero_grad(self) -> None: ...

    def step(self) -> None: ...


class _Watch:
    """What a trainer sees of its loader, its Animator, its Timer and its `print`."""

    def __init__(self, d2l: Any, batches: Any, most: int | None = None) -> None:
        self.d2l, self.batches, self.most = d2l, batches, most
        self.seen, self.examples = 0, [0]
        self.X: list[list[float]] = [[0.0]]
        self.Y: list[list[float]] = [[]]
        self.line = ""

    def __len__(self) -> int:
        return len(self.batches)

    def __iter__(self) -> Iterator[Any]:
        for batch in islice(self.batches, self.most):
            self.seen += len(batch[0])
            yield batch

    def parts(self) -> dict[str, Any]:
        return {
            "Animator": lambda **_: self,
            "Timer": self.started,
            "evaluate_loss": self.evaluated,
            "print": self.said,
        }

    def started(self) -> Any:
        self.timer = self.d2l.Timer()
        return self.timer

    def evaluated(self, net: Any, _: object, loss: Any) -> Any:
        # A pass over a shuffled loader draws from the generator; the next epoch must not notice.
        with torch.random.fork_rng(devices=[]):
            return self.d2l.evaluate_loss(net, self.batches, loss)

    def add(self, x: float, y: tuple[float]) -> None:
        self.examples.append(self.seen)
        self.X[0].append(x)
        self.Y[0].append(y[0])

    def said(self, line: str) -> None:
        self.line = line.partition(",")[0]


def recorded(
    function: Function, *arguments: Any, every: int = 100, torch_init: bool = False, **options: Any
) -> Run:
    """Run d2l's `train_ch11` or `train_concise_ch11` with these arguments, and keep its losses.

    For example, `recorded(d2l.train_ch11, sgd_momentum, states, hyperparams, batches, 5)`, or
    `recorded(d2l.train_concise_ch11, torch.optim.SGD, {"lr": 0.004}, batches, num_epochs=2)`.

    The losses are d2l's own evaluations, in double precision of a sum of float32. The first comes
    from a rehearsal: the same function from the same random state, stopped after one batch, with an
    optimizer that does nothing.

    d2l evaluates through the loader that it trains on. Each pass of a shuffled loader draws a
    permutation from torch's random generator, so d2l's later epochs have other batches the more
    often it looks. Here every evaluation leaves the generator as it was. A seed therefore gives the
    same run whatever `every` is, namely the one that d2l makes if it never evaluates; d2l's own run
    from that seed has the same weights and the same batches in its first epoch only.

    Args:
        function: `d2l.train_ch11` or `d2l.train_concise_ch11`.
        *arguments: what the function takes.
        every: record after each number of examples that this divides; d2l has 200 here.
        torch_init: leave weights and bias of `train_concise_ch11` where `torch.nn.Linear` starts
            them, as d2l's first edition did; d2l 0.17.0 redraws the weights.
        **options: what the function takes by name, such as `num_epochs`.

    Raises:
        ValueError: `function` has not the lines that are replaced, or `every` is not a count.
    """
    every = check_count("every", every, 1)
    changes = {"n % 200 == 0": "n % every == 0"}
    if torch_init:
        changes["net.apply(init_weights)"] = "pass"
    edited = _edited(function, changes)
    d2l = edited.__globals__["d2l"]
    bound = inspect.signature(edited).bind(*arguments, **options)
    bound.apply_defaults()
    batches = bound.arguments["data_iter"]

    def run(watch: _Watch, every: int, **changed: Any) -> _Watch:
        call = {**bound.arguments, "data_iter": watch, **changed}
        with_parts(edited, every=every, **watch.parts())(**call)
        return watch

    with torch.random.fork_rng(devices=[]):
        rehearsal = run(
            _Watch(d2l, batches, most=1), 1, trainer_fn=lambda *_, **__: _Still(), num_epochs=1
        )
    watch = _Watch(d2l, batches)
    watch.Y[0] += rehearsal.Y[0]
    run(watch, every)
    return Run(
        examples=np.array(watch.examples),
        losses=np.array(watch.Y[0]),
        epochs=np.array(watch.X[0]),
        line=watch.line,
        seconds=np.array(watch.timer.times),
    )
