"""Closed forms against numbers: eigenvalues of the step, and rates of real runs."""

import math

import numpy as np
import pytest

from descent import theory
from descent.rules import SGD, Momentum, Nesterov
from descent.surfaces import rotated_quadratic
from descent.trajectory import minimize

LRS = [0.0, 0.05, 0.3, 0.9, 1.7]
MOMENTA = [0.0, 0.2, 0.5, 0.9, 0.99]
CURVATURES = [-0.5, 0.1, 1.0, 2.3]


def step_matrix(kind, lr: float, momentum: float, curvature: float) -> np.ndarray:
    """The linear map (v, x) of one step, column by column, from the rule itself."""
    rule = kind(lr=lr, momentum=momentum)
    columns = []
    for v, x in ((1.0, 0.0), (0.0, 1.0)):
        state = rule.init(np.array([x]))._replace(velocity=np.array([v]))
        x_new, state = rule.step(np.array([x]), curvature * np.array([x]), state)
        columns.append([state.velocity[0], x_new[0]])
    return np.array(columns).T


@pytest.mark.parametrize("curvature", CURVATURES)
@pytest.mark.parametrize("momentum", MOMENTA)
@pytest.mark.parametrize("lr", LRS)
def test_roots_are_the_eigenvalues_of_the_step(lr, momentum, curvature) -> None:
    for kind, roots, radius in (
        (Momentum, theory.momentum_roots, theory.momentum_radius),
        (Nesterov, theory.nesterov_roots, theory.nesterov_radius),
    ):
        matrix = step_matrix(kind, lr, momentum, curvature)
        ours = roots(lr, momentum, curvature)
        assert ours.shape == (2,)
        # Better conditioned than the roots themselves, which are ill-conditioned where they
        # coincide.
        assert ours.sum() == pytest.approx(np.trace(matrix), abs=1e-12)
        assert ours.prod() == pytest.approx(np.linalg.det(matrix), abs=1e-12)
        numeric = np.abs(np.linalg.eigvals(matrix)).max()
        assert radius(lr, momentum, curvature) == pytest.approx(numeric, abs=1e-7)


def test_gradient_descent_factor_is_what_a_step_multiplies_by() -> None:
    lr, curvature = np.array([0.0, 0.1, 0.5, 3.0])[:, None], np.array([-1.0, 0.5, 2.0])
    x = np.full((4, 3), 7.0)
    rule = SGD(lr=lr)
    moved, _ = rule.step(x, curvature * x, rule.init(x))
    np.testing.assert_allclose(theory.gradient_descent_factor(lr, curvature), moved / x, rtol=1e-14)


@pytest.mark.parametrize("curvature", [0.2, 4.0])
@pytest.mark.parametrize("momentum", MOMENTA)
@pytest.mark.parametrize("kind", [Momentum, Nesterov])
def test_a_run_converges_below_the_limit_and_not_from_it_on(kind, momentum, curvature) -> None:
    limit = theory.lr_limit(curvature, momentum, nesterov=kind is Nesterov)
    radius = theory.nesterov_radius if kind is Nesterov else theory.momentum_radius
    assert radius(limit, momentum, curvature) == pytest.approx(1.0, abs=1e-7)
    assert radius(0.99 * limit, momentum, curvature) < 1 < radius(1.01 * limit, momentum, curvature)
    surface = rotated_quadratic((curvature, curvature))
    lr = limit * np.array([0.98, 1.02])[:, None]
    run = minimize(kind(lr=lr, momentum=momentum), surface, (1.0, 1.0), 4000, record_every=4000)
    assert np.abs(run.points[-1, 0]).max() < 1e-6
    assert np.abs(run.points[-1, 1]).min() > 1e6


def test_lr_limit_of_gradient_descent() -> None:
    assert theory.lr_limit(4.0) == 0.5
    assert theory.lr_limit(4.0, nesterov=True) == 0.5
    assert theory.lr_limit(4.0, 0.5) == 0.75
    np.testing.assert_allclose(
        theory.lr_limit(np.array([1.0, 2.0]), 0.5, nesterov=True), [1.5, 0.75]
    )


BEST = {
    "gradient descent": (theory.best_gradient_descent, theory.momentum_radius, SGD),
    "momentum": (theory.best_momentum, theory.momentum_radius, Momentum),
    "Nesterov": (theory.best_nesterov, theory.nesterov_radius, Nesterov),
}


@pytest.mark.parametrize("kappa", [1.0, 3.0, 20.0, 1e3, 1e6])
@pytest.mark.parametrize("name", BEST)
def test_the_rate_of_the_best_is_that_of_the_slowest_curvature(name: str, kappa: float) -> None:
    best, radius, _ = BEST[name]
    optimum = best(0.2, 0.2 * kappa)
    between = np.geomspace(0.2, 0.2 * kappa, 50)
    # At a double root the radius is a square root of rounding, hence the tolerance.
    slowest = radius(optimum.lr, optimum.momentum, between).max()
    assert slowest == pytest.approx(optimum.rate, abs=3e-7)


@pytest.mark.parametrize("name", BEST)
def test_no_other_hyper_parameters_are_better(name: str) -> None:
    best, radius, _ = BEST[name]
    optimum = best(0.2, 4.0)
    momenta = [0.0] if name == "gradient descent" else np.linspace(0, 0.99, 100)
    lr = np.linspace(0.01, 1.0, 300)[:, None, None]
    # The curvatures in between cannot be the slowest for these; the ends decide.
    rates = radius(lr, np.asarray(momenta)[:, None], np.array([0.2, 4.0])).max(axis=-1)
    assert rates.min() >= optimum.rate - 1e-9
    assert rates.min() < optimum.rate + 0.03


@pytest.mark.parametrize("name", BEST)
def test_measured_rate_is_the_predicted_one(name: str) -> None:
    best, _, kind = BEST[name]
    optimum = best(0.2, 4.0)
    momentum = {} if kind is SGD else {"momentum": optimum.momentum}
    rule = kind(lr=optimum.lr, **momentum)
    run = minimize(rule, rotated_quadratic((0.2, 4.0)), (-5.0, -2.0), 240)
    size = np.linalg.norm(run.points, axis=1)
    last = 240 if kind is SGD else 120  # before rounding
    measured = (size[last] / size[last // 2]) ** (2 / last)
    # Double roots put a factor t in front of rateᵗ.
    assert measured == pytest.approx(optimum.rate, rel=0.025)


def test_known_optima() -> None:
    kappa = 9.0
    assert theory.condition_number(1.0, kappa) == 9.0
    assert theory.best_gradient_descent(1.0, kappa) == pytest.approx((0.2, 0.0, 0.8))
    assert theory.best_momentum(1.0, kappa) == pytest.approx((4 / 16, 0.25, 0.5))
    root = math.sqrt(28)
    assert theory.best_nesterov(1.0, kappa) == pytest.approx(
        (4 / 28, (root - 2) / (root + 2), 1 - 2 / root)
    )


def test_roots_broadcast() -> None:
    lr, momentum = np.full((3, 1), 0.1), np.full(4, 0.5)
    assert theory.momentum_roots(lr, momentum, 2.0).shape == (3, 4, 2)
    assert theory.nesterov_radius(lr, momentum, 2.0).shape == (3, 4)


def test_where_the_roots_are_complex_the_radius_depends_on_momentum_alone() -> None:
    assert theory.momentum_roots(0.5, 0.81, 1.0).imag.max() > 0.1
    assert theory.momentum_radius(0.5, 0.81, 1.0) == pytest.approx(0.9)
    assert theory.nesterov_radius(0.5, 0.81, 1.0) == pytest.approx(math.sqrt(0.81 * 0.5))


def test_ewma_weights_are_what_an_average_does() -> None:
    beta, values = 0.8, np.random.default_rng(0).normal(size=12)
    y = 0.0
    for value in values:
        y = beta * y + (1 - beta) * value
    weights = theory.ewma_weights(beta, 12)
    assert y == pytest.approx(weights @ values[::-1])
    assert weights.sum() == pytest.approx(theory.bias(beta, 12))
    np.testing.assert_allclose(theory.ewma_weights(0.0, 3), [1, 0, 0])


def test_half_life_and_window() -> None:
    beta = np.array([0.5, 0.9, 0.99])
    np.testing.assert_allclose(beta ** theory.half_life(beta), 0.5)
    assert theory.half_life(0.9) == pytest.approx(6.578813)
    np.testing.assert_allclose(theory.window(beta), [2, 10, 100])
    # The mean age of a value is one less than the window.
    k = np.arange(20000)
    assert (theory.ewma_weights(0.99, 20000) * k).sum() == pytest.approx(99)


def test_bias_is_what_an_average_of_ones_lacks() -> None:
    t = np.arange(6)
    y, found = 0.0, [0.0]
    for _ in range(5):
        y = 0.7 * y + 0.3
        found.append(y)
    np.testing.assert_allclose(theory.bias(0.7, t), found)
