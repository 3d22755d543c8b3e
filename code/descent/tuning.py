r"""How optimizers are compared in this book: equal trials for each, and pairs with an interval.

    found = compare(contenders("SGD", "Momentum", "Adam"), on_data(data, model=MLP, epochs=5))
    found.difference("Adam", "Momentum").outcome       # "lower", "higher" or "no difference"

`compare` gives every contender the same number of trials over all the hyper-parameters that its
users tune. They are spent in rounds. In the first, half of the trials sweep the learning rate, the
rest at torch's defaults, and half are a Sobol sequence over all hyper-parameters; as long as none
of them comes to a finite score, the same range is searched again at other points, and while the
best rate stands at the edge, the next round goes on beyond it. Further rounds are Sobol sequences
around the best so far, in a box that halves. A contender that contains another one tries that one's
best setting too, and so cannot lose to it for want of a trial. Settings are chosen by the median of
the quantity that is reported, on seeds (or starts, or data) that the report does not use; the
report is one score for each of those, the same ones for all contenders, so that differences are
taken in pairs.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import combinations
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import stats

from descent import rules
from descent._checks import Floats, check_callable, check_count, check_one_of
from descent.models import Data, LinearRegression, Problem
from descent.rules import Rule
from descent.stepping import Schedule
from descent.surfaces import Surface
from descent.training import History, train
from descent.trajectory import Trajectory, minimize, steps_to_stay

__all__ = [
    "Comparison",
    "Contender",
    "Difference",
    "Tuned",
    "compare",
    "contenders",
    "on_data",
    "on_surface",
]

# A task: scores (trials, pairs) of a rule whose tuned hyper-parameters have the shape (trials, 1,
# 1); lower is better. "tune" and "report" must share no seed, start or data.
Task = Callable[[Rule, Literal["tune", "report"]], Floats]

ALL_PAIRS_ERROR = 0.05  # how often any of a comparison's intervals misses, all pairs taken together
FEWEST_PAIRS = 12


class _Range(NamedTuple):
    """What a search does with a hyper-parameter: the first box, and the ends it may grow to.

    On a "log" scale, or for a "memory" β on the log scale of 1 - β, where 0 is the end.
    """

    scale: str
    low: float
    high: float
    least: float
    most: float


_MEMORY = _Range("memory", 0.0, 0.99, 0.0, 0.9999)
_RANGES = {
    "lr": _Range("log", 1e-3, 1.0, 0.0, np.inf),
    "momentum": _MEMORY,
    "alpha": _Range("memory", 0.5, 0.999, 0.0, 0.9999),
    "beta1": _MEMORY,
    "beta2": _Range("memory", 0.9, 0.9999, 0.0, 0.99999),
    "eps": _Range("log", 1e-10, 1.0, 1e-16, 1e6),
    "weight_decay": _Range("log", 1e-4, 1.0, 1e-8, 1e2),
}


@dataclass(frozen=True)
class Contender:
    """A rule, and what is tuned of it.

    rule: a rule with torch's defaults, or others, for what the first sweep leaves alone.
    tuned: the hyper-parameters that its users tune, "lr" first.
    contains: contenders that it is a case of: their names, and what makes it so.
    schedule: from the number of a step to what multiplies its learning rate.

    Raises ValueError where "lr" is not tuned first, and for a name that the rule does not have or
    that the search does not know.
    """

    rule: Rule
    tuned: tuple[str, ...] = ("lr",)
    contains: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    schedule: Schedule | None = None

    def __post_init__(self) -> None:
        """Refuse a contender whose learning rate is not tuned, or an unknown name (ValueError)."""
        if not isinstance(self.rule, Rule):
            raise ValueError(f"rule must be a rule such as SGD(), got {self.rule!r}")
        if self.tuned[:1] != ("lr",):
            raise ValueError(f"tuned must begin with 'lr', got {self.tuned!r}")
        for name in self.tuned:
            check_one_of("tuned", name, set(_RANGES) & set(vars(self.rule)))


_CONTAINS_SGD = {"SGD": {"momentum": 0.0}}
_ADAM = ("lr", "beta1", "beta2", "eps")
_CONTENDERS = {
    "SGD": Contender(rules.SGD()),
    "Momentum": Contender(rules.Momentum(), ("lr", "momentum"), _CONTAINS_SGD),
    "Nesterov": Contender(rules.Nesterov(), ("lr", "momentum"), _CONTAINS_SGD),
    "AdaGrad": Contender(rules.AdaGrad()),
    "RMSprop": Contender(rules.RMSprop(), ("lr", "alpha", "eps")),
    "Adam": Contender(rules.Adam(), _ADAM),
    "AMSGrad": Contender(rules.AMSGrad(), _ADAM),
    "AdamW": Contender(rules.AdamW(), (*_ADAM, "weight_decay")),
    "NAdam": Contender(rules.NAdam(), _ADAM),
}


def contenders(*names: str) -> dict[str, Contender]:
    """The book's contenders by their names, each with the hyper-parameters that its users tune.

    names: of rules, such as "Adam". Momentum and Nesterov contain SGD, which is momentum 0. Raises
    ValueError for the name of a rule that is none of the contenders.
    """
    for name in names:
        check_one_of("names", name, _CONTENDERS)
    return {name: _CONTENDERS[name] for name in names}


@dataclass(frozen=True)
class Tuned:
    """A contender after its trials.

    rule: it, with its best setting. score: the median that chose it.
    trials: every setting tried, (trials,) for each hyper-parameter; scores (trials,): their
    medians on the tuning pairs, inf where more than half diverged.
    report: the scores (pairs,) of `rule` on pairs that tuning has not seen.
    at_edge: whether no larger, or no smaller, learning rate than the best was tried.
    """

    rule: Rule
    score: float
    trials: Mapping[str, Floats]
    scores: Floats
    report: Floats
    at_edge: bool

    @property
    def median(self) -> float:
        """Median of the report."""
        return float(np.median(self.report))

    def span(self, within: float = 2.0) -> float:
        """Largest over smallest learning rate of the trials that score within a factor of the best.

        within: this factor, at least 1.
        """
        good = self.trials["lr"][self.scores <= within * self.score]
        return float(good.max() / good.min())


class Difference(NamedTuple):
    """The difference between two contenders' reports, in pairs.

    middle: its median. low, high: an interval for it. wins: of how many of the `pairs` the first
    is the lower one. of_logs: whether these are differences of logarithms, to base 10.
    """

    middle: float
    low: float
    high: float
    wins: int
    pairs: int
    of_logs: bool

    @property
    def outcome(self) -> str:
        """ "lower", "higher", or "no difference" where the interval holds 0."""
        if self.high < 0:
            return "lower"
        return "higher" if self.low > 0 else "no difference"

    def __str__(self) -> str:
        pairs = f"{self.wins} of {self.pairs} pairs"
        if self.of_logs:
            ends = " to ".join(f"{10**x:.3g}" for x in (self.low, self.high))
            return f"{10**self.middle:.3g} times ({ends}), lower in {pairs}"
        return f"{self.middle:+.3g} ({self.low:+.3g} to {self.high:+.3g}), lower in {pairs}"


@dataclass(frozen=True)
class Comparison:
    """Contenders after the same number of trials each.

    tuned: by their names, what came of the trials of each. trials: how many each had.
    `comparison["Adam"]` is short for `comparison.tuned["Adam"]`; an unknown name is a ValueError.
    """

    tuned: Mapping[str, Tuned]
    trials: int

    def __getitem__(self, name: str) -> Tuned:
        check_one_of("name", name, self.tuned)
        return self.tuned[name]

    def difference(self, name: str, other: str, *, of_logs: bool = False) -> Difference:
        """How much lower or higher `name` ends than `other`: the median over pairs.

        The interval is the exact one for a median, which supposes nothing about the distribution
        (`scipy.stats.quantile_test`), at a level at which the intervals of all pairs of contenders
        hold together with probability 95 % (Bonferroni). `of_logs` takes logarithms first, for
        scores that span powers of ten. Raises ValueError for a name that is not in `tuned`, and for
        fewer than 12 pairs.
        """
        a, b = self[name].report, self[other].report
        with np.errstate(all="ignore"):
            gap = np.log10(a) - np.log10(b) if of_logs else a - b
        gap = np.where(np.isnan(gap), 0.0, gap)  # both diverged, or both at 0
        if len(gap) < FEWEST_PAIRS:
            raise ValueError(f"an interval needs {FEWEST_PAIRS} pairs or more, got {len(gap)}")
        level = 1 - ALL_PAIRS_ERROR / max(len(list(combinations(self.tuned, 2))), 1)
        low, high = stats.quantile_test(gap, q=0, p=0.5).confidence_interval(level)
        return Difference(
            float(np.median(gap)), float(low), float(high), int((gap < 0).sum()), len(gap), of_logs
        )

    def first(self, *, of_logs: bool = False) -> list[str]:
        """The names of the contenders that no other one beats, the lowest median first.

        `of_logs` and what is raised: as in `difference`, which decides.
        """
        unbeaten = [
            name
            for name in self.tuned
            if all(
                self.difference(other, name, of_logs=of_logs).outcome != "lower"
                for other in self.tuned
                if other != name
            )
        ]
        return sorted(unbeaten, key=lambda name: self[name].median)


def compare(
    among: Mapping[str, Contender],
    task: Task | Mapping[str, Task],
    *,
    lr: tuple[float, float] = (1e-3, 1.0),
    per_round: int = 16,
    rounds: int = 4,
) -> Comparison:
    """Tune every contender with the same number of trials, and report it on fresh pairs.

    among: the contenders by their names, as `contenders` gives them. task: what is scored, such as
    `on_data` or `on_surface` give, or one for each contender. lr: the first sweep of learning
    rates, from and to. per_round: trials in a round, at least 4. rounds: how many there are, at
    least; as long as any contender's best learning rate stands at the edge of those tried, all get
    one more, up to twice as many.

    Settings are rounded to three digits before they are tried, so that what is printed is what ran.
    Raises ValueError for no contenders, bad counts and a bad range of learning rates.
    """
    per_round = check_count("per_round", per_round, 4)
    rounds = check_count("rounds", rounds, 1)
    if not among or not all(isinstance(c, Contender) for c in among.values()):
        raise ValueError(f"among must be contenders by their names, got {among!r}")
    if not 0 < lr[0] < lr[1]:
        raise ValueError(f"lr must be two rates, the smaller first, got {lr!r}")
    tasks = dict(task) if isinstance(task, Mapping) else dict.fromkeys(among, task)
    for name in among:
        check_callable("task", tasks.get(name), f"a task for {name}")
    searches = {
        name: _Search(contender, tasks[name], lr, per_round) for name, contender in among.items()
    }
    done = 0
    while done < rounds or (done < 2 * rounds and any(s.at_edge for s in searches.values())):
        for search in searches.values():
            search.round()
        done += 1
    for search in searches.values():
        for other, setting in search.contender.contains.items():
            if other in searches:
                search.adopt(searches[other].best | dict(setting))
    return Comparison({n: s.report() for n, s in searches.items()}, done * per_round)


class _Search:
    """The trials of one contender."""

    def __init__(
        self, contender: Contender, task: Task, lr: tuple[float, float], per_round: int
    ) -> None:
        self.contender, self.task, self.count = contender, task, per_round
        self.ranges = {name: _RANGES[name] for name in contender.tuned}
        self.ranges["lr"] = self.ranges["lr"]._replace(low=lr[0], high=lr[1])
        self.width = {
            name: abs(_up(r.scale, r.high) - _up(r.scale, r.low)) for name, r in self.ranges.items()
        }
        self.tried: dict[str, list[float]] = {name: [] for name in contender.tuned}
        self.scores: list[float] = []
        self.refined = 0
        self.vain = 0

    @property
    def best(self) -> dict[str, float]:
        i = int(np.argmin(self.scores))
        return {name: values[i] for name, values in self.tried.items()}

    @property
    def at_edge(self) -> bool:
        lr = self.best["lr"]
        return self.arrived and lr in (min(self.tried["lr"]), max(self.tried["lr"]))

    @property
    def arrived(self) -> bool:
        """Whether any trial has a finite score; until then there is no best to search around."""
        return bool(np.isfinite(self.scores).any())

    def round(self) -> None:
        r = self.ranges["lr"]
        if not self.arrived:
            self.vain += bool(self.scores)
            given = {name: float(getattr(self.contender.rule, name)) for name in self.ranges}
            self._try(self._scan(given, r.low, r.high))
        elif self.at_edge and not self.refined:
            best, factor = self.best, r.high / r.low
            up = best["lr"] == max(self.tried["lr"])
            ends = (best["lr"], best["lr"] * factor) if up else (best["lr"] / factor, best["lr"])
            self._try(self._scan(best, *ends))
        else:
            centre = {n: float(_up(r.scale, self.best[n])) for n, r in self.ranges.items()}
            share = 0.5 ** (self.refined + 1)
            self._try(self._box(centre, {n: share * w for n, w in self.width.items()}, self.count))
            self.refined += 1

    def _scan(self, given: Mapping[str, float], low: float, high: float) -> dict[str, Floats]:
        """Rates from low to high: half of them with the others as given, half with all of them."""
        others = len(self.ranges) - 1
        count = self.count // 2 if others else self.count
        sweep = {name: np.full(count, given[name]) for name in self.ranges}
        # A scan in vain is followed by one between its rates: the golden ratio never repeats.
        between = self.vain * 0.618 % 1
        sweep["lr"] = np.geomspace(low, high, count) * (high / low) ** (between / (count - 1))
        if not others:
            return sweep
        centre = {
            n: (_up(r.scale, r.low) + _up(r.scale, r.high)) / 2 for n, r in self.ranges.items()
        }
        centre["lr"] = (np.log10(low) + np.log10(high)) / 2
        width = self.width | {"lr": np.log10(high / low)}
        box = self._box(centre, width, self.count - count)
        return {name: np.concatenate([sweep[name], box[name]]) for name in self.ranges}

    def _box(
        self, centre: Mapping[str, float], width: Mapping[str, float], count: int
    ) -> dict[str, Floats]:
        """A Sobol sequence in a box on the scales of the search, cut off at the ends of a range."""
        skip = 1 + self.vain * count if not self.arrived else 1
        power = int(np.ceil(np.log2(count + skip)))
        points = stats.qmc.Sobol(len(self.ranges), scramble=False).random_base2(power)
        settings = {}
        for (name, r), column in zip(
            self.ranges.items(), points[skip : count + skip].T, strict=True
        ):
            ends = sorted((_up(r.scale, r.least), _up(r.scale, r.most)))
            place = centre[name] + width[name] * (column - 0.5)
            settings[name] = _down(r.scale, np.clip(place, *ends))
        return settings

    def adopt(self, setting: Mapping[str, float]) -> None:
        """Try a setting in place of the worst trial, so that the number of trials stays."""
        worst = int(np.argmax(self.scores))
        for values in (self.scores, *self.tried.values()):
            del values[worst]
        self._try({name: np.array([setting[name]]) for name in self.tried})

    def _try(self, settings: Mapping[str, Floats]) -> None:
        settings = {name: _rounded(values) for name, values in settings.items()}
        scores = self._scored(settings, "tune")
        self.scores += np.median(scores, axis=1).tolist()
        for name, values in settings.items():
            self.tried[name] += values.tolist()

    def _scored(self, settings: Mapping[str, Floats], part: Literal["tune", "report"]) -> Floats:
        columns: dict[str, Any] = {name: v[:, None, None] for name, v in settings.items()}
        rule = replace(self.contender.rule, **columns)
        task = self.task
        if self.contender.schedule is not None:
            task = partial(task, schedule=self.contender.schedule)  # type: ignore[call-arg]
        scores = np.asarray(task(rule, part), dtype=float)
        if scores.ndim != 2 or len(scores) != len(settings["lr"]):
            raise ValueError(
                f"a task must give scores of shape ({len(settings['lr'])}, pairs), "
                f"got {scores.shape}"
            )
        return np.where(np.isnan(scores), np.inf, scores)

    def report(self) -> Tuned:
        best = self.best
        rule = replace(self.contender.rule, **best)
        (scores,) = self._scored({name: np.array([v]) for name, v in best.items()}, "report")
        trials = {name: np.array(values) for name, values in self.tried.items()}
        return Tuned(rule, min(self.scores), trials, np.array(self.scores), scores, self.at_edge)


def _up(scale: str, value: Any) -> Any:
    """A hyper-parameter on the scale on which it is searched."""
    with np.errstate(divide="ignore"):
        return np.log10(value) if scale == "log" else -np.log10(1 - np.asarray(value))


def _down(scale: str, place: Floats) -> Floats:
    return 10**place if scale == "log" else 1 - 10**-place


def _rounded(values: Floats) -> Floats:
    """To three significant digits, or as many of 1 - β where that is the smaller number."""

    def one(value: float) -> float:
        if 0.5 < value < 1:
            return round(1 - float(f"{1 - value:.2g}"), 12)
        return float(f"{value:.3g}")

    return np.array([one(v) for v in values])


def on_data(
    data: Data,
    *,
    model: Callable[[Any], Problem] = LinearRegression,
    score: Callable[[History], npt.ArrayLike] | None = None,
    tune: Iterable[int] = range(100, 110),
    report: Iterable[int] = range(30),
    **training: Any,
) -> Task:
    """The task of training a model: by default scored by the final loss, in pairs by seed.

    data, model: as in `train`. score: from a `History` with runs (trials, seeds) to scores (trials,
    seeds), lower is better; runs that diverged score inf whatever it says. tune, report: seeds.
    training: what else `train` takes: epochs, batch_size, record_every, schedule.

    Raises ValueError for a seed in both tune and report.
    """
    parts = {"tune": list(tune), "report": list(report)}
    if set(parts["tune"]) & set(parts["report"]):
        raise ValueError("tune and report must share no seed")

    def task(
        rule: Rule, part: Literal["tune", "report"], schedule: Schedule | None = None
    ) -> Floats:
        options = training | ({"schedule": schedule} if schedule is not None else {})
        history = train(rule, data, model=model, seeds=parts[part], **options)
        found = history.losses[-1] if score is None else score(history)
        return np.where(history.diverged, np.inf, np.asarray(found, dtype=float))

    return task


def on_surface(
    surface: Surface,
    steps: int,
    starts: npt.ArrayLike,
    *,
    score: Callable[[Trajectory], npt.ArrayLike] | None = None,
    stays_within: float | None = None,
    lowest: float = 0.0,
    floor: float = 0.0,
    leash: float = 2.0,
    noise: float = 0.0,
) -> Task:
    """The task of descending a surface: scored by the last height above `lowest`, paired by start.

    starts: (starts, 2); every second one, from the first, is for the report, the others are for
    tuning. floor: heights below it count as this, the minimum for all purposes. stays_within: score
    by the number of steps until the height stays within this, in place of the height (inf: not
    within `steps`). score: from a `Trajectory` with runs (trials, starts) to scores of that shape,
    in place of both. leash: a run that is ever so many times farther from its start than the
    surface's window is wide has diverged, although a jump so far may land well on a quadratic.
    surface, steps, noise: as in `minimize`. Raises ValueError for starts of another shape and for
    fewer than two.
    """
    points = np.asarray(starts, dtype=float)
    if points.ndim != 2 or len(points) < 2:
        raise ValueError(f"starts must have shape (2 or more, 2), got {points.shape}")
    parts = {"tune": points[1::2], "report": points[::2]}
    reach = leash * max(high - low for low, high in surface.window)

    def task(
        rule: Rule, part: Literal["tune", "report"], schedule: Schedule | None = None
    ) -> Floats:
        run = minimize(
            rule,
            surface,
            parts[part],
            steps,
            schedule=schedule,
            noise=noise,
            seed=1 if part == "tune" else 2,
        )
        if score is not None:
            found = np.asarray(score(run), dtype=float)
        elif stays_within is not None:
            found = steps_to_stay(run.values - lowest, stays_within)
        else:
            found = np.maximum(run.values[-1] - lowest, floor)
        strayed = (np.abs(run.points - run.points[0]) > reach).any(axis=(0, -1))
        return np.where(run.diverged | strayed, np.inf, found)

    return task
