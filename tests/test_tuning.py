"""tuning: equal trials, settings chosen on what the report does not use, intervals that hold."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal

import numpy as np
import pytest
from scipy import stats

from descent import LinearRegression, rules, sparse_features, train
from descent.surfaces import ravine
from descent.tuning import (
    Comparison,
    Contender,
    Difference,
    Tuned,
    compare,
    contenders,
    on_data,
    on_surface,
)

STARTS = np.random.default_rng(0).normal(0, 3, (48, 2))


class Recorded:
    """A task that remembers what was asked of it; scores are distances from a best setting."""

    def __init__(self, **best: float) -> None:
        self.best, self.calls = best, []

    def __call__(self, rule: rules.Rule, part: Literal["tune", "report"]) -> Any:
        shape = np.shape(rule.lr)  # type: ignore[attr-defined]
        self.calls.append((part, shape, rule))
        score = sum(
            np.abs(np.log10(getattr(rule, name)) - np.log10(value))
            if name == "lr"
            else np.abs(getattr(rule, name) - value)
            for name, value in self.best.items()
        )
        return np.broadcast_to(score[..., 0], (shape[0], 20)) + np.arange(20) * 1e-3


def test_every_contender_gets_the_same_number_of_trials() -> None:
    tasks = {"SGD": Recorded(lr=0.03), "Momentum": Recorded(lr=0.03, momentum=0.7)}
    found = compare(contenders("SGD", "Momentum"), tasks, per_round=8, rounds=3)
    assert found.trials == 24
    for name, tuned in found.tuned.items():
        assert len(tuned.scores) == 24
        assert {len(v) for v in tuned.trials.values()} == {24}
        tries = [shape for part, shape, _ in tasks[name].calls if part == "tune"]
        assert sum(shape[0] for shape in tries) >= 24
        assert all(shape[1:] == (1, 1) for shape in tries)
        assert [shape for part, shape, _ in tasks[name].calls if part == "report"] == [(1, 1, 1)]


def test_the_search_finds_the_best_setting() -> None:
    task = Recorded(lr=0.0371, momentum=0.83)
    found = compare(contenders("Momentum"), task, per_round=32, rounds=6)
    best = found["Momentum"].rule
    assert best.lr == pytest.approx(0.0371, rel=0.1)  # type: ignore[attr-defined]
    assert best.momentum == pytest.approx(0.83, abs=0.03)  # type: ignore[attr-defined]


@pytest.mark.parametrize("lr", [1e-6, 300.0])
def test_the_range_grows_while_the_best_stands_at_its_edge(lr: float) -> None:
    tasks = {"SGD": Recorded(lr=lr), "AdaGrad": Recorded(lr=0.05)}
    found = compare(contenders("SGD", "AdaGrad"), tasks, per_round=8, rounds=3)
    assert found["SGD"].rule.lr == pytest.approx(lr, rel=0.3)  # type: ignore[attr-defined]
    assert not found["SGD"].at_edge
    assert len(found["SGD"].scores) == len(found["AdaGrad"].scores) == found.trials


def test_a_search_without_a_finite_score_looks_elsewhere() -> None:
    class Narrow(Recorded):
        def __call__(self, rule: Any, part: Literal["tune", "report"]) -> Any:
            scores = super().__call__(rule, part)
            return np.where(scores < (0.25 if "momentum" in self.best else 0.1), scores, np.inf)

    task = Narrow(lr=0.02, momentum=0.6)
    found = compare(contenders("Momentum"), task, per_round=8, rounds=12)["Momentum"]
    assert np.isinf(found.scores[:8]).all()
    assert np.isfinite(found.score) and not found.at_edge
    assert len(set(zip(found.trials["lr"], found.trials["momentum"], strict=True))) > 40
    line = compare(contenders("SGD"), Narrow(lr=0.02), per_round=4, rounds=12)["SGD"]
    assert np.isinf(line.scores[:4]).all() and np.isfinite(line.score)
    never = compare(contenders("SGD"), lambda rule, part: np.full((len(rule.lr), 20), np.inf))
    assert np.isinf(never["SGD"].score) and not never["SGD"].at_edge


def test_a_winner_at_the_edge_is_told() -> None:
    found = compare(contenders("SGD"), Recorded(lr=1e30), per_round=4, rounds=2)
    assert found["SGD"].at_edge


def test_what_is_printed_is_what_ran() -> None:
    task = Recorded(lr=0.0371, momentum=0.83)
    compare(contenders("Momentum"), task, per_round=8, rounds=3)
    for _, _, rule in task.calls:
        for value in np.ravel(rule.lr):  # type: ignore[attr-defined]
            assert float(f"{value:.3g}") == value
        for value in np.ravel(rule.momentum):  # type: ignore[attr-defined]
            assert len(repr(float(value))) <= 8


def test_momentum_cannot_lose_to_gradient_descent_by_design() -> None:
    """Where momentum only harms, its best trial is gradient descent's best."""
    tasks = {"SGD": Recorded(lr=0.0123), "Momentum": Recorded(lr=0.0123, momentum=0.0)}
    found = compare(contenders("SGD", "Momentum"), tasks, per_round=8, rounds=3)
    assert found["Momentum"].score <= found["SGD"].score
    assert found.difference("Momentum", "SGD").outcome != "higher"


def test_the_report_uses_no_seed_of_the_tuning(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[list[int]] = []

    def recorded(*args: Any, seeds: Any, **kwargs: Any) -> Any:
        seen.append(list(seeds))
        return train(*args, seeds=seeds, **kwargs)

    monkeypatch.setattr("descent.tuning.train", recorded)
    data = sparse_features(60, 5)
    task = on_data(data, tune=range(50, 53), report=range(12), epochs=1, batch_size=20)
    compare(contenders("SGD"), task, per_round=4, rounds=2)
    assert seen[-1] == list(range(12))
    assert all(s == [50, 51, 52] for s in seen[:-1])
    with pytest.raises(ValueError, match="share no seed"):
        on_data(data, tune=range(5), report=range(4, 9))


def test_data_is_scored_by_the_final_loss() -> None:
    data = sparse_features(60, 5)
    options: dict[str, Any] = {"epochs": 2, "batch_size": 20, "record_every": 120}
    rule = rules.SGD(lr=np.array([0.1, 1e9])[:, None, None])
    scores = on_data(data, report=range(12), **options)(rule, "report")
    one = train(rules.SGD(lr=0.1), data, seeds=range(12), **options)
    assert np.array_equal(scores[0], one.losses[-1])
    assert np.isinf(scores[1]).all() or (scores[1] > 1e6).all()
    assert LinearRegression(data).examples == 60


def test_starts_are_split_and_runaways_have_diverged() -> None:
    task = on_surface(ravine, 20, STARTS)
    rule = rules.SGD(lr=np.array([0.3, 0.6])[:, None, None])
    tune, report = task(rule, "tune"), task(rule, "report")
    assert tune.shape == report.shape == (2, 24)
    assert not np.isin(tune[0], report[0]).any()
    assert np.isfinite(report[0]).all()
    # 1.4 to the power of 20 carries a start of size 3 out of the window many times over.
    assert np.isinf(report[1][np.abs(STARTS[::2, 1]) > 0.5]).all()


def test_scores_of_a_surface() -> None:
    rule = rules.SGD(lr=np.array([0.3])[:, None, None])
    height = on_surface(ravine, 60, STARTS, floor=1e-3)(rule, "report")
    assert height.min() == 1e-3
    steps = on_surface(ravine, 60, STARTS, stays_within=0.01)(rule, "report")
    assert np.isin(steps[np.isfinite(steps)], np.arange(61)).all()
    own = on_surface(ravine, 60, STARTS, score=lambda run: run.points[-1, ..., 0])(rule, "report")
    assert own == pytest.approx(0.94**60 * STARTS[None, ::2, 0])
    loud = on_surface(ravine, 60, STARTS, noise=1.0)(rule, "report")
    assert (loud != on_surface(ravine, 60, STARTS)(rule, "report")).all()


def reports(**scores: Any) -> Comparison:
    made = {
        name: Tuned(rules.SGD(), 0.0, {"lr": np.ones(1)}, np.zeros(1), np.asarray(s, float), False)
        for name, s in scores.items()
    }
    return Comparison(made, 1)


def test_differences_are_taken_in_pairs() -> None:
    noise = np.random.default_rng(1).normal(0, 10, 30)
    found = reports(a=noise, b=noise + 1 + np.linspace(0, 0.1, 30))
    gap = found.difference("a", "b")
    assert gap.outcome == "lower" and gap.wins == 30
    assert -1.1 <= gap.low <= gap.middle <= gap.high <= -1
    assert found.difference("b", "a").outcome == "higher"
    assert found.difference("a", "a").outcome == "no difference"
    assert found.first() == ["a"]


def test_the_interval_is_scipys_at_the_level_of_all_pairs() -> None:
    rng = np.random.default_rng(2)
    found = reports(a=rng.normal(size=30), b=rng.normal(size=30), c=rng.normal(size=30))
    gap = found.difference("a", "b")
    d = found["a"].report - found["b"].report
    low, high = stats.quantile_test(d, q=0, p=0.5).confidence_interval(1 - 0.05 / 3)
    assert (gap.low, gap.high) == (low, high)


def test_equals_seldom_differ() -> None:
    """Of many comparisons of equals at most one in twenty finds a difference."""
    rng = np.random.default_rng(3)
    alarms = sum(
        reports(a=a, b=b).difference("a", "b").outcome != "no difference"
        for a, b in rng.normal(size=(400, 2, 30))
    )
    assert 2 <= alarms <= 32


def test_what_diverged_is_higher_and_what_is_equal_is_equal() -> None:
    wild = reports(a=np.ones(20), b=np.full(20, np.inf))
    assert wild.difference("a", "b", of_logs=True).outcome == "lower"
    assert reports(a=np.zeros(20), b=np.zeros(20)).difference("a", "b", of_logs=True).middle == 0
    assert "times" in str(wild.difference("a", "b", of_logs=True))


def test_span_counts_good_rates() -> None:
    lrs, scores = np.array([0.1, 0.2, 0.4, 0.8]), np.array([3.0, 1.0, 1.9, 9.0])
    tuned = Tuned(rules.SGD(), 1.0, {"lr": lrs}, scores, np.ones(12), False)
    assert tuned.span() == pytest.approx(2.0)
    assert tuned.span(3) == pytest.approx(4.0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"among": {}}, "among must be contenders"),
        ({"among": {"SGD": rules.SGD()}}, "among must be contenders"),
        ({"per_round": 3}, "per_round"),
        ({"rounds": 0}, "rounds"),
        ({"lr": (1.0, 0.1)}, "lr must be two rates"),
        ({"task": {"Adam": lambda rule, part: 0}}, "task must be"),
        ({"task": lambda rule, part: np.ones(3)}, "shape"),
    ],
)
def test_compare_refuses(change: dict[str, Any], message: str) -> None:
    given = {"among": contenders("SGD"), "task": Recorded(lr=0.1)} | change
    with pytest.raises(ValueError, match=message):
        compare(given.pop("among"), given.pop("task"), **given)


def test_other_refusals() -> None:
    with pytest.raises(ValueError, match="names"):
        contenders("Sgd")
    with pytest.raises(ValueError, match="begin with 'lr'"):
        Contender(rules.Momentum(), ("momentum",))
    with pytest.raises(ValueError, match="tuned must be one of"):
        Contender(rules.SGD(), ("lr", "momentum"))
    with pytest.raises(ValueError, match="rule must be a rule"):
        Contender(rules.SGD)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="12 pairs"):
        reports(a=np.ones(11), b=np.ones(11)).difference("a", "b")
    with pytest.raises(ValueError, match="starts"):
        on_surface(ravine, 5, (1.0, 2.0))
    with pytest.raises(ValueError, match="name must be one of"):
        reports(a=np.ones(12))["b"]


def test_a_schedule_belongs_to_its_contender() -> None:
    plain = contenders("SGD")
    among = plain | {"falling": replace(plain["SGD"], schedule=lambda t: 1 / (1 + t))}
    found = compare(among, on_surface(ravine, 10, STARTS), per_round=4, rounds=1)
    assert not np.array_equal(found["SGD"].scores, found["falling"].scores)


@pytest.mark.parametrize(
    ("of_logs", "told"),
    [
        (False, "-0.3 (-0.5 to -0.1), lower in 9 of 12 pairs"),
        (True, "0.501 times (0.316 to 0.794), lower in 9 of 12 pairs"),
    ],
)
def test_a_difference_is_told_with_its_interval(of_logs: bool, told: str) -> None:
    assert str(Difference(-0.3, -0.5, -0.1, 9, 12, of_logs)) == told
