"""minimize: one call for any batch, and divergence as data."""

import tracemalloc
from dataclasses import FrozenInstanceError, fields, replace

import numpy as np
import pytest

from descent import (
    SURFACES,
    minimize,
    ravine,
    rosenbrock,
    rotated_quadratic,
    steps_text,
    steps_to_stay,
    sweep,
    trajectory,
)
from descent.rules import SGD, Adam, Momentum, Nesterov, RMSprop, Rule
from rule_cases import RULES, hyper_parameters

every_rule = pytest.mark.parametrize("kind", RULES, ids=lambda kind: kind.__name__)


def by_hand(rule: Rule, surface, start, steps: int) -> np.ndarray:
    x = np.array(start, dtype=float)
    state, points = rule.init(x), [x]
    for _ in range(steps):
        x, state = rule.step(x, surface.grad(x), state)
        points.append(x)
    return np.array(points)


@every_rule
@pytest.mark.parametrize("surface", SURFACES.values(), ids=lambda s: s.name)
def test_it_is_the_loop_written_out(kind: type[Rule], surface) -> None:
    rule = kind(**hyper_parameters(kind, np.random.default_rng(0)) | {"lr": 1e-3})
    run = minimize(rule, surface, surface.start, 15)
    assert np.array_equal(run.points, by_hand(rule, surface, surface.start, 15))
    assert np.array_equal(run.values, surface.value(run.points))
    assert run.points.shape == (16, 2) and run.values.shape == (16,)
    assert run.diverged.shape == () and not run.diverged
    assert run.iterations.tolist() == list(range(16))


def test_the_sources_numbers() -> None:
    ends = [
        minimize(rule, ravine, (-5, -2), 20).points[-1]
        for rule in (SGD(lr=0.4), SGD(lr=0.6), Momentum(lr=0.6, momentum=0.5))
    ]
    printed = [(-0.943467, -0.000073), (-0.387814, -1673.365109), (0.007188, 0.002553)]
    np.testing.assert_allclose(ends, printed, atol=5e-7)


@every_rule
def test_a_batch_is_its_single_runs_bit_for_bit(kind: type[Rule]) -> None:
    rng = np.random.default_rng(1)
    hypers = [hyper_parameters(kind, rng) for _ in range(3)]
    starts = rng.normal(0, 2, (5, 1, 2))
    columns = {name: np.array([[h[name]] for h in hypers]) for name in hypers[0]}
    batch = minimize(kind(**columns), rosenbrock, starts, 12)
    assert batch.points.shape == (13, 5, 3, 2) and batch.diverged.shape == (5, 3)
    for i in range(5):
        for j, h in enumerate(hypers):
            single = kind(**{name: np.array([value]) for name, value in h.items()})
            one = minimize(single, rosenbrock, starts[i, 0], 12)
            assert np.array_equal(batch.points[:, i, j], one.points)
            assert np.array_equal(batch.values[:, i, j], one.values)
            assert batch.diverged[i, j] == one.diverged


def test_starts_learning_rates_and_momenta_in_one_call() -> None:
    starts = np.array([[-5.0, -2.0], [1.0, 1.0]])
    lr = np.array([0.05, 0.1, 0.2])[:, None, None]
    momentum = np.array([0.0, 0.3, 0.6, 0.9])[:, None, None, None]
    run = minimize(Momentum(lr=lr, momentum=momentum), ravine, starts, 7)
    assert run.points.shape == (8, 4, 3, 2, 2)
    one = minimize(Momentum(lr=0.2, momentum=0.3), ravine, (1.0, 1.0), 7)
    assert np.array_equal(run.points[:, 1, 2, 1], one.points)


def test_a_learning_rate_for_each_coordinate() -> None:
    run = minimize(SGD(lr=np.array([[5.0, 0.25]])), ravine, (-5, -2), 1)
    np.testing.assert_allclose(run.points[-1], [[0, 0]], atol=1e-15)


@pytest.mark.parametrize("block", [1, 2, 5, 7, 100])
def test_blocks_give_the_same_bits(block: int, monkeypatch) -> None:
    lr = np.linspace(0.01, 1.2, 9)[:, None]  # some of them diverge
    momentum = np.linspace(0.0, 0.9, 4)[:, None, None]
    rule = Momentum(lr=lr, momentum=momentum)
    whole = minimize(rule, ravine, (-5, -2), 300, record_every=50)
    assert whole.diverged.any() and not whole.diverged.all()
    monkeypatch.setattr(trajectory, "_BLOCK", block)
    parts = minimize(rule, ravine, (-5, -2), 300, record_every=50)
    for field in fields(whole):
        assert np.array_equal(getattr(whole, field.name), getattr(parts, field.name))


@pytest.mark.parametrize(
    ("steps", "every", "kept"),
    [
        (10, 1, list(range(11))),
        (10, 3, [0, 3, 6, 9, 10]),
        (9, 3, [0, 3, 6, 9]),
        (10, 10, [0, 10]),
        (10, 99, [0, 10]),
        (0, 1, [0]),
    ],
)
def test_records(steps: int, every: int, kept: list[int]) -> None:
    full = minimize(Adam(lr=0.1), rosenbrock, (-1.5, 2.0), steps)
    some = minimize(Adam(lr=0.1), rosenbrock, (-1.5, 2.0), steps, record_every=every)
    assert some.iterations.tolist() == kept
    assert np.array_equal(some.points, full.points[kept])
    assert np.array_equal(some.values, full.values[kept])


def test_a_run_that_diverges_stays_at_its_last_point_within_1e30() -> None:
    run = minimize(SGD(lr=1.0), ravine, (-5.0, -2.0), 200)  # x2 grows threefold a step
    factor = np.abs(run.points[1:, 1] / run.points[:-1, 1])
    last = int(np.argmax(factor == 1.0))  # the first iterate that did not move
    assert run.diverged
    np.testing.assert_allclose(factor[:last], 3.0)
    assert np.abs(run.points[last, 1]) <= 1e30 < 3 * np.abs(run.points[last, 1])
    assert (run.points[last:] == run.points[last]).all()
    assert np.isfinite(run.points).all() and np.isfinite(run.values).all()


def test_a_run_that_has_diverged_never_comes_back() -> None:
    """Only the first step is too long: each later one would have stayed within."""
    run = minimize(
        SGD(lr=np.array([[0.1], [0.2]])),
        ravine,
        (-5.0, -2.0),
        3,
        schedule=lambda t: 1e32 if t == 0 else 1.0,
    )
    assert run.diverged.all()
    assert (run.points == (-5.0, -2.0)).all()


def test_divergence_leaves_the_other_runs_alone() -> None:
    lr = np.array([0.1, 5.0, 0.2])[:, None]
    run = minimize(Nesterov(lr=lr, momentum=0.5), ravine, (-5.0, -2.0), 400)
    assert run.diverged.tolist() == [False, True, False]
    for lane in (0, 2):
        one = minimize(Nesterov(lr=lr[lane], momentum=0.5), ravine, (-5.0, -2.0), 400)
        assert np.array_equal(run.points[:, lane], one.points)


@pytest.mark.parametrize("surface", SURFACES.values(), ids=lambda s: s.name)
@pytest.mark.parametrize("rule", [SGD(lr=1e9), SGD(lr=1e300), Momentum(lr=1e5), RMSprop(lr=1e29)])
def test_wild_runs_neither_warn_nor_raise(surface, rule: Rule) -> None:
    # pytest turns warnings into errors.
    run = minimize(rule, surface, surface.start, 100)
    assert np.isfinite(run.points).all() and np.isfinite(run.values).all()
    moved = (np.diff(run.points, axis=0) != 0).any(axis=-1)
    if run.diverged:
        assert not moved[-1]


def test_a_gradient_that_is_no_number_is_divergence() -> None:
    broken = replace(ravine, grad=lambda x: np.where(x > -4.9, np.nan, 1.0) * x)
    run = minimize(SGD(lr=0.01), broken, (-5.0, -5.0), 20)
    assert run.diverged and (run.points[-1] > -4.91).all() and (run.points[-1] < -4.8).all()


def test_the_start_is_not_written_to() -> None:
    start = np.array([[-5.0, -2.0], [1.0, 2.0]])
    minimize(SGD(lr=np.array([[0.1], [9.0]])), ravine, start, 100)
    assert start.tolist() == [[-5.0, -2.0], [1.0, 2.0]]


def test_schedule_multiplies_the_learning_rate_of_each_step() -> None:
    run = minimize(SGD(lr=0.4), ravine, (-5.0, -2.0), 6, schedule=lambda t: 1 / (1 + t))
    x = np.array([-5.0, -2.0])
    for t in range(6):
        x = x - 0.4 / (1 + t) * np.array([0.2, 4.0]) * x
        np.testing.assert_allclose(run.points[t + 1], x, rtol=1e-14)


def test_schedule_in_a_sweep() -> None:
    lr = np.array([0.1, 0.2])[:, None]
    run = minimize(Adam(lr=lr), ravine, (-5, -2), 5, schedule=lambda t: 0.5**t)
    one = minimize(Adam(lr=np.array([0.2])), ravine, (-5, -2), 5, schedule=lambda t: 0.5**t)
    assert np.array_equal(run.points[:, 1], one.points)


def test_memory_is_what_was_said() -> None:
    run = minimize(SGD(lr=0.1), ravine, np.ones((40, 2)), 1000, record_every=100)
    assert run.points.nbytes + run.values.nbytes == 24 * 11 * 40


def test_a_rotated_problem_is_the_same_for_momentum_and_another_for_adam() -> None:
    straight = rotated_quadratic((1.0, 10.0))
    turned = rotated_quadratic((1.0, 10.0), angle=0.7)
    turn = np.array([[np.cos(0.7), np.sin(0.7)], [-np.sin(0.7), np.cos(0.7)]])
    start = np.array([3.0, 1.0])
    for rule, same in ((Momentum(lr=0.05), True), (Adam(lr=0.05), False)):
        a = minimize(rule, straight, start, 60)
        b = minimize(rule, turned, start @ turn, 60)
        gap = np.abs(a.values - b.values).max()
        assert gap < 1e-12 if same else gap > 0.1


def test_steps_to_stay_counts_the_last_entry() -> None:
    error = np.array(
        [[3.0, 0.5, 0.1, 3.0, 0.5], [0.5, 3.0, 0.1, 3.0, np.nan], [0.5, 0.5, 0.1, 3.0, 0.5]]
    )
    assert steps_to_stay(error, 1.0).tolist() == [1, 2, 0, np.inf, 2]
    assert steps_to_stay(error[:2], 1.0).tolist() == [1, np.inf, 0, np.inf, np.inf]
    assert steps_to_stay(error, 1.0, [0, 10, 15]).tolist() == [10, 15, 0, np.inf, 15]
    assert steps_to_stay([2.0, 1.0, 1.0], 1.0) == 1, "at the tolerance is within it"
    assert steps_to_stay([1.0], 1.0).dtype == float


def test_steps_to_stay_of_a_run_follows_from_its_factor() -> None:
    lr = np.array([0.1, 0.4, 0.6])
    run = minimize(SGD(lr=lr[:, None]), rotated_quadratic((1.0, 4.0)), (0.0, 1.0), 60)
    height = 2 * (1 - 4 * lr[:2]) ** (2 * np.arange(61)[:, None])
    steps = run.steps_to_stay(1e-6)
    assert steps[:2].tolist() == (height > 1e-6).sum(axis=0).tolist()
    assert steps[2] == np.inf
    assert run.steps_to_stay(0.5, np.abs(run.points[..., 1]))[0] == np.ceil(
        np.log(0.5) / np.log(0.6)
    )


@pytest.mark.parametrize("record_every", [1, 7])
def test_steps_to_stay_is_exact_to_the_records(record_every: int) -> None:
    run = minimize(SGD(lr=0.1), ravine, (-5, -2), 100, record_every=record_every)
    exact = minimize(SGD(lr=0.1), ravine, (-5, -2), 100).steps_to_stay(0.2)
    assert 0 <= float(run.steps_to_stay(0.2)) - float(exact) < record_every


def test_steps_are_told_and_so_is_a_budget_that_was_too_small() -> None:
    assert steps_text(266.0, 2500) == "266"
    assert steps_text(np.inf, 2500) == "not within 2500"


@pytest.mark.parametrize(
    ("error", "tolerance"), [([], 1.0), (1.0, 1.0), ([1.0], -1.0), ([1.0], np.nan)]
)
def test_steps_to_stay_refuses(error: object, tolerance: float) -> None:
    with pytest.raises(ValueError, match=r"error|tolerance"):
        steps_to_stay(error, tolerance)  # type: ignore[arg-type]


def test_noise_has_its_size_and_is_shared_by_all_hyper_parameters() -> None:
    start = np.zeros((4000, 2))
    run = minimize(SGD(lr=np.array([[[0.1]], [[0.2]]])), ravine, start, 1, noise=3.0, seed=4)
    moved = run.points[1]
    assert moved[0].std(axis=0) == pytest.approx(0.3, rel=0.05)
    assert moved[1] == pytest.approx(2 * moved[0])
    assert abs(np.corrcoef(moved[0].T)[0, 1]) < 0.05
    again = minimize(SGD(lr=0.1), ravine, start, 1, noise=3.0, seed=4)
    assert np.array_equal(again.points[1], moved[0])
    other = minimize(SGD(lr=0.1), ravine, start, 1, noise=3.0, seed=5)
    assert not np.array_equal(other.points[1], moved[0])


def test_noise_is_added_to_the_gradient_and_drawn_with_seed_0() -> None:
    x, draws = np.array([-5.0, -2.0]), np.random.default_rng(0).normal(size=(3, 2))
    run = minimize(SGD(lr=0.1), ravine, x, 3, noise=0.5)
    for t in range(3):
        x = x - 0.1 * (ravine.grad(x) + 0.5 * draws[t])
        assert np.allclose(run.points[t + 1], x, rtol=1e-14, atol=0)


def test_noise_does_not_depend_on_the_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    rule = Momentum(lr=np.linspace(0.1, 0.3, 7)[:, None, None])
    options = {"noise": 0.5, "seed": 1}
    whole = minimize(rule, ravine, np.ones((5, 2)), 20, **options)  # type: ignore[arg-type]
    monkeypatch.setattr("descent.trajectory._BLOCK", 4)
    parts = minimize(rule, ravine, np.ones((5, 2)), 20, **options)  # type: ignore[arg-type]
    assert np.array_equal(whole.points, parts.points)


def test_a_sweep_is_every_combination() -> None:
    lrs, momenta, starts = [0.1, 0.2, 0.3], [0.0, 0.9], np.array([(-5.0, -2.0), (1.0, 1.0)])
    lr, momentum = sweep(lrs, momenta, trailing=2)
    run = minimize(Momentum(lr=lr, momentum=momentum), ravine, starts, 10)
    assert run.diverged.shape == (3, 2, 2)
    one = minimize(Momentum(lr=0.3, momentum=0.9), ravine, starts[1], 10)
    assert np.array_equal(run.points[:, 2, 1, 1], one.points)
    assert sweep(lrs).shape == (3, 1)
    assert [h.shape for h in sweep(lrs, momenta)] == [(3, 1, 1), (2, 1)]


@pytest.mark.parametrize("values", [(), (0.1,), ([[0.1]],)])
def test_a_sweep_takes_lists(values: tuple[object, ...]) -> None:
    with pytest.raises(ValueError, match="lists of numbers"):
        sweep(*values)  # type: ignore[arg-type]


def test_a_start_at_the_edge_of_divergence_is_within_it() -> None:
    flat = replace(ravine, grad=lambda x: 0 * x)
    beyond = replace(ravine, grad=lambda x: x - np.nextafter(1e30, np.inf))
    for edge in (1e30, -1e30):
        assert not minimize(SGD(lr=1.0), flat, (edge, edge), 3).diverged
        # The first step would end at the next number after 1e30.
        run = minimize(SGD(lr=1.0), beyond, (edge, 0.0), 1)
        assert run.diverged and run.points[-1].tolist() == [edge, 0.0]
    near = replace(ravine, grad=lambda x: x - 1e30)
    assert not minimize(SGD(lr=1.0), near, (0.0, 0.0), 1).diverged
    assert not minimize(SGD(lr=1.0), near, np.zeros((9000, 2)), 1).diverged.any()


def test_one_run_of_many_that_diverges_is_found() -> None:
    start = np.full((9001, 2), 1e-3)
    for lane, axis in ((0, 0), (0, 1), (4095, 0), (4096, 1), (9000, 0)):
        far = start.copy()
        far[lane, axis] = 9e29
        run = minimize(SGD(lr=0.6), rotated_quadratic((4.0, 4.0)), far, 1)
        assert np.flatnonzero(run.diverged).tolist() == [lane]
        assert (run.points[-1, lane] == far[lane]).all()


def test_results_are_frozen_and_compared_by_identity() -> None:
    run, same = (minimize(SGD(lr=0.1), ravine, np.ones((3, 2)), 2) for _ in range(2))
    assert run == run and run != same and len({run, same, run}) == 2
    assert run.diverged.dtype == bool and run.iterations.dtype == np.int64
    with pytest.raises(FrozenInstanceError):
        run.points = same.points  # type: ignore[misc]


def test_a_schedule_is_asked_for_each_step_once_and_in_order(monkeypatch) -> None:
    asked: list[int] = []

    def falling(t: int) -> float:
        asked.append(t)
        return 1 / (1 + len(asked))  # a schedule with a memory

    rule, starts = SGD(lr=0.1), np.ones((7, 2))
    whole = minimize(rule, ravine, starts, 6, schedule=falling)
    assert asked == list(range(6))
    asked.clear()
    monkeypatch.setattr(trajectory, "_BLOCK", 3)
    assert np.array_equal(minimize(rule, ravine, starts, 6, schedule=falling).points, whole.points)
    assert asked == list(range(6))


def test_a_surface_that_warns_is_not_heard() -> None:
    # pytest turns warnings into errors.
    pole = replace(ravine, value=lambda x: 1 / x[..., 0], grad=lambda x: 1 / x)
    run = minimize(SGD(lr=0.0), pole, (0.0, 1.0), 2)
    assert run.diverged and np.isinf(run.values).all()


@pytest.mark.parametrize(
    "wrong",
    [
        {"grad": lambda x: x[..., :1]},
        {"grad": lambda x: np.array([0.2, 4.0])},
        {"grad": lambda x: 0.0},
        {"grad": lambda x: x.T},
        {"value": lambda x: x},
        {"value": lambda x: 0.0},
        {"value": lambda x: x[..., :1]},
    ],
)
def test_a_surface_of_another_shape_is_refused(wrong) -> None:
    (name,) = wrong
    for start in ((-5.0, -2.0), np.ones((2, 2))):
        with pytest.raises(ValueError, match=rf"^surface\.{name} must have shape"):
            minimize(SGD(lr=0.1), replace(ravine, **wrong), start, 1)


@pytest.mark.parametrize("values", [[0.1, 0.4], [0.1, 0.4, 0.2]])
def test_hyper_parameters_without_an_axis_for_coordinates_are_refused(values) -> None:
    with pytest.raises(ValueError, match=rf"^lr .*\({len(values)}, 1\) gives {len(values)} runs"):
        minimize(SGD(lr=np.array(values)), ravine, (-5, -2), 1)


@pytest.mark.parametrize("kind", [np.int8, np.uint8, np.uint64])
def test_counts_may_be_any_integers(kind) -> None:
    last = min(np.iinfo(kind).max, 255)
    run = minimize(SGD(lr=0.1), ravine, (-5, -2), kind(last), record_every=kind(99), seed=kind(3))
    assert run.iterations.tolist() == [*range(0, last, 99), last]
    assert run.iterations.dtype == np.int64


def test_a_sweep_needs_no_more_memory_than_was_said() -> None:
    lr, momentum = sweep(np.linspace(0.01, 0.4, 40), np.linspace(0.0, 0.9, 50))
    rule = Momentum(lr=lr, momentum=momentum)
    tracemalloc.start()
    run = minimize(rule, ravine, (-5.0, -2.0), 400)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    said = 24 * run.values.size
    assert said <= run.points.nbytes + run.values.nbytes <= peak < 1.1 * said + 2e6
