"""What must hold of every rule, whatever the numbers."""

from dataclasses import fields

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from descent.rules import (
    SGD,
    AdaGrad,
    Adam,
    AdaMax,
    AdamW,
    AMSGrad,
    Lion,
    Momentum,
    NAdam,
    Nesterov,
    RMSprop,
    Rule,
)
from rule_cases import RANGES, RULES, hyper_parameters

settings.register_profile("book", derandomize=True, deadline=None, max_examples=15, database=None)
settings.load_profile("book")

STEPS = 12
ROTATABLE = [SGD, Momentum, Nesterov]
every_rule = pytest.mark.parametrize("kind", RULES, ids=lambda kind: kind.__name__)
seeds = st.integers(0, 2**32 - 1)
moderate = st.floats(-10, 10).map(lambda v: round(v, 6))


def path(rule: Rule, x: np.ndarray, grads: np.ndarray) -> np.ndarray:
    """Iterates under given gradients (steps, ...)."""
    state, points = rule.init(x), [x]
    for grad in grads:
        x, state = rule.step(x, grad, state)
        points.append(x)
    return np.array(points)


@st.composite
def runs(draw, kind, shape=None):
    """A start, gradients of the same shape for some steps, and hyper-parameters."""
    rng = np.random.default_rng(draw(seeds))
    if shape is None:
        shape = draw(array_shapes(max_dims=3, max_side=4))
    start = draw(arrays(np.float64, shape, elements=moderate))
    grads = rng.normal(size=(STEPS, *shape)) * 10.0 ** rng.uniform(-3, 3, shape)
    return start, grads, hyper_parameters(kind, rng)


@every_rule
@given(data=st.data())
def test_a_batch_is_its_single_runs_bit_for_bit(kind: type[Rule], data) -> None:
    start, grads, _ = data.draw(runs(kind, shape=(3, 2)))
    rng = np.random.default_rng(data.draw(seeds))
    hypers = [hyper_parameters(kind, rng) for _ in range(3)]
    together = kind(**{name: np.array([[h[name]] for h in hypers]) for name in hypers[0]})
    batch = path(together, start, grads)
    for lane, h in enumerate(hypers):
        # Each as an array of one, so that the same library function raises β to the power t.
        single = kind(**{name: np.array([value]) for name, value in h.items()})
        assert np.array_equal(batch[:, lane], path(single, start[lane], grads[:, lane]))


@every_rule
@given(data=st.data())
def test_coordinates_do_not_see_each_other(kind: type[Rule], data) -> None:
    start, grads, h = data.draw(runs(kind))
    rule = kind(**h)
    flat = path(rule, start.reshape(-1), grads.reshape(STEPS, -1))
    whole = path(rule, start, grads).reshape(STEPS + 1, -1)
    assert np.array_equal(flat, whole)
    first = path(rule, start.reshape(-1)[:1], grads.reshape(STEPS, -1)[:, :1])
    assert np.array_equal(first[:, 0], whole[:, 0])


@every_rule
@given(data=st.data())
def test_permutations_and_sign_flips_commute(kind: type[Rule], data) -> None:
    start, grads, h = data.draw(runs(kind, shape=(5,)))
    order = data.draw(st.permutations(range(5)))
    signs = np.array(data.draw(st.lists(st.sampled_from([-1.0, 1.0]), min_size=5, max_size=5)))
    rule = kind(**h)
    turned = path(rule, (signs * start)[order], (signs * grads)[:, order])
    assert np.array_equal(turned, (signs * path(rule, start, grads))[:, order])


@pytest.mark.parametrize("kind", ROTATABLE, ids=lambda kind: kind.__name__)
@given(data=st.data())
def test_rotations_commute_without_second_moments(kind: type[Rule], data) -> None:
    start, grads, h = data.draw(runs(kind, shape=(3,)))
    turn, _ = np.linalg.qr(np.random.default_rng(data.draw(seeds)).normal(size=(3, 3)))
    rule = kind(**h)
    turned, straight = path(rule, start @ turn, grads @ turn), path(rule, start, grads)
    size = max(1.0, np.abs(straight).max())
    np.testing.assert_allclose(turned, straight @ turn, atol=1e-12 * size, rtol=0)


@pytest.mark.parametrize("kind", [k for k in RULES if k not in ROTATABLE], ids=lambda k: k.__name__)
def test_rotations_do_not_commute_with_second_moments(kind: type[Rule]) -> None:
    turn = np.array([[0.6, -0.8], [0.8, 0.6]])
    start, grads = np.array([1.0, 2.0]), np.array([[3.0, 0.1], [2.0, -0.2]])
    rule = kind(lr=0.1)
    turned, straight = path(rule, start @ turn, grads @ turn), path(rule, start, grads)
    assert np.abs(turned - straight @ turn).max() > 1e-4


@pytest.mark.parametrize("kind", [Adam, AMSGrad, NAdam, AdaMax, RMSprop, AdaGrad, AdamW])
@given(data=st.data(), scale=st.floats(1e-3, 1e3))
def test_without_eps_the_scale_of_the_loss_does_not_matter(kind, data, scale: float) -> None:
    start, grads, h = data.draw(runs(kind, shape=(4,)))
    h |= {"eps": 0.0}
    if kind is not AdamW:
        h["weight_decay"] = 0.0  # its λx would have to be scaled as well
    if kind is AdaGrad:
        h["initial_accumulator_value"] = 0.0
    rule = kind(**h)
    np.testing.assert_allclose(
        path(rule, start, scale * grads), path(rule, start, grads), rtol=1e-10, atol=1e-10
    )


@given(data=st.data())
def test_adams_path_tends_to_the_invariant_one_as_eps_vanishes(data) -> None:
    start, grads, h = data.draw(runs(Adam, shape=(4,)))
    h["weight_decay"] = 0.0
    limit = path(Adam(**h | {"eps": 0.0}), start, grads)
    gaps = [
        np.abs(path(Adam(**h | {"eps": eps}), start, grads) - limit).max()
        for eps in (1e-2, 1e-5, 1e-8, 1e-11)
    ]
    assert gaps == sorted(gaps, reverse=True) and gaps[-1] < 1e-6


@given(data=st.data(), scale=st.floats(1e-3, 1e3))
def test_lion_sees_the_sign_of_its_average_alone(data, scale: float) -> None:
    start, grads, h = data.draw(runs(Lion, shape=(4,)))
    rule = Lion(**h | {"weight_decay": 0.0})
    assert np.array_equal(path(rule, start, scale * grads), path(rule, start, grads))
    moves = np.abs(np.diff(path(rule, np.zeros(4), grads), axis=0))
    np.testing.assert_allclose(moves, h["lr"], rtol=1e-9)


@pytest.mark.parametrize("kind", ROTATABLE, ids=lambda kind: kind.__name__)
@given(data=st.data(), scale=st.floats(0.1, 10))
def test_without_second_moments_scaling_the_loss_is_scaling_lr(kind, data, scale: float) -> None:
    start, grads, h = data.draw(runs(kind, shape=(4,)))
    h["weight_decay"] = 0.0
    a = path(kind(**h), start, scale * grads)
    b = path(kind(**h | {"lr": scale * h["lr"]}), start, grads)
    np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-10 * np.abs(b).max())


@every_rule
@given(data=st.data())
def test_lr_zero_stands_still(kind: type[Rule], data) -> None:
    start, grads, h = data.draw(runs(kind))
    assert (path(kind(**h | {"lr": 0.0}), start, grads) == start).all()


def largest_step(beta1: float, beta2: float, t: int) -> tuple[float, np.ndarray]:
    """The largest |m̂| / √ŝ after t steps, and gradients that reach it, by Cauchy and Schwarz."""
    age = np.arange(t - 1, -1, -1.0)
    mean = (1 - beta1) * beta1**age / (1 - beta1**t)
    square = (1 - beta2) * beta2**age / (1 - beta2**t)
    return float((mean**2 / square).sum() ** 0.5), mean / square


@given(data=st.data())
def test_adams_step_is_bounded_by_a_multiple_of_its_learning_rate(data) -> None:
    start, grads, h = data.draw(runs(Adam, shape=(3,)))
    rule = Adam(**h | {"weight_decay": 0.0, "eps": 0.0})
    moves = np.abs(np.diff(path(rule, start, grads), axis=0)).max(axis=1) / h["lr"]
    bounds = [largest_step(h["beta1"], h["beta2"], t)[0] for t in range(1, STEPS + 1)]
    assert (moves <= np.array(bounds) * (1 + 1e-9)).all()
    bound, worst = largest_step(h["beta1"], h["beta2"], STEPS)
    moves = np.diff(path(rule, np.zeros(1), worst[:, None]), axis=0)
    np.testing.assert_allclose(-moves[-1], h["lr"] * bound, rtol=1e-9)


def test_adams_step_can_exceed_the_learning_rate() -> None:
    # Kingma and Ba, section 2.1, give the learning rate as the bound where 1 - β₁ ≤ √(1 - β₂). In
    # the first steps that holds nearly, and not exactly.
    beta1, beta2 = 0.9, 0.96
    assert 1 - beta1 <= (1 - beta2) ** 0.5
    assert 1 < largest_step(beta1, beta2, 2)[0] < 1.001


@given(data=st.data())
def test_a_steady_gradient_moves_adam_by_its_learning_rate(data) -> None:
    _, grads, h = data.draw(runs(Adam, shape=(3,)))
    rule = Adam(**h | {"weight_decay": 0.0, "eps": 0.0})
    steady = np.broadcast_to(grads[:1], grads.shape)
    moves = np.abs(np.diff(path(rule, np.zeros(3), steady), axis=0))
    np.testing.assert_allclose(moves, h["lr"], rtol=1e-9)


@given(data=st.data())
def test_adagrads_steps_on_a_steady_gradient_shrink_as_one_over_root_t(data) -> None:
    _, grads, h = data.draw(runs(AdaGrad, shape=(3,)))
    steady = np.broadcast_to(grads[:1], grads.shape)
    rule = AdaGrad(lr=h["lr"], eps=0.0)
    moves = np.abs(np.diff(path(rule, np.zeros(3), steady), axis=0))
    np.testing.assert_allclose(
        moves, h["lr"] / np.sqrt(np.arange(1, STEPS + 1))[:, None] * np.ones(3), rtol=1e-9
    )


def test_every_hyper_parameter_has_a_range_here() -> None:
    named = {f.name for kind in RULES for f in fields(kind) if f.name in RANGES}
    flags = {"centered", "eps_inside_root"}
    assert {f.name for kind in RULES for f in fields(kind)} == named | flags
