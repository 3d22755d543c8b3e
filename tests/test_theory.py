"""Closed forms against numbers: eigenvalues of the step, and rates of real runs."""

import math
from fractions import Fraction

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


# --- the ends of float64, where nothing may warn (warnings are errors here) or be NaN

INF = float("inf")
TINY, HUGE = 5e-324, np.finfo(float).max


@pytest.mark.parametrize("curvature", [-1e308, 1e308])
def test_overflow_is_infinite(curvature: float) -> None:
    sign = -np.sign(curvature)
    assert theory.gradient_descent_factor(100.0, curvature) == sign * INF
    for momentum in (0.0, 0.9):
        for radius in (theory.momentum_radius, theory.nesterov_radius):
            assert radius(100.0, momentum, curvature) == INF
        roots = theory.momentum_roots(100.0, momentum, curvature)
        np.testing.assert_array_equal(sorted(roots.real), sorted([0.0, sign * INF]))
        roots = theory.nesterov_roots(100.0, momentum, curvature)
        np.testing.assert_array_equal(
            sorted(roots.real), sorted([momentum / (1 + momentum), sign * INF])
        )
    assert theory.lr_limit(TINY, 0.5) == theory.lr_limit(TINY, 0.5, nesterov=True) == INF
    assert theory.condition_number(TINY, HUGE) == INF


def test_what_fits_is_finite_at_the_ends_too() -> None:
    assert theory.gradient_descent_factor(0.5, 1e308) == pytest.approx(-5e307)
    assert theory.momentum_radius(1.0, 0.9, 1e308) == pytest.approx(1e308)
    assert theory.nesterov_radius(1.0, 0.5, 1e308) == pytest.approx(1.5e308)
    assert theory.nesterov_radius(1.0, 0.5, -1e308) == pytest.approx(1.5e308)
    assert theory.lr_limit(1e308, 0.5) == pytest.approx(3e-308, rel=1e-14)
    assert theory.lr_limit(1e-308, 0.9, nesterov=True) == pytest.approx(3.8 / 2.8 * 1e308)
    for best in (theory.best_gradient_descent, theory.best_momentum, theory.best_nesterov):
        for size in (1e-308, 1e-160, 1e160, HUGE):
            assert best(size, size) == pytest.approx((1 / size, 0.0, 0.0), rel=1e-12, abs=0)
        widest = best(TINY, HUGE)
        assert widest.rate == 1.0
        assert widest.lr == pytest.approx(best(1.0, 1e200).lr * 1e200 / HUGE, rel=1e-12)
        assert best(TINY, TINY) == (INF, 0.0, 0.0)


@pytest.mark.parametrize("curvature", [*np.geomspace(600, 1e15, 30), *-np.geomspace(600, 1e15, 30)])
@pytest.mark.parametrize("momentum", [1e-9, 0.5, 0.99])
def test_roots_far_out_have_the_right_sum_and_product(momentum: float, curvature: float) -> None:
    shrink = 1 - 2.0 * curvature
    for roots, trace, determinant in (
        (theory.momentum_roots, 1 + momentum - 2.0 * curvature, momentum),
        (theory.nesterov_roots, (1 + momentum) * shrink, momentum * shrink),
    ):
        ours = roots(2.0, momentum, curvature)
        assert np.all(ours.imag == 0)
        assert ours[0].real > ours[1].real
        assert ours.sum() == pytest.approx(trace, rel=1e-15)
        assert ours.prod() == pytest.approx(determinant, rel=1e-12)


def test_numbers_of_any_kind_are_taken_as_float64() -> None:
    half, point_nine, eighth = Fraction(1, 2), np.float32(0.9), np.longdouble(0.125)
    assert theory.lr_limit(Fraction(1, 3), half) == theory.lr_limit(1 / 3, 0.5)
    assert theory.best_momentum(half, 10**20) == theory.best_momentum(0.5, 1e20)
    assert theory.window(point_nine) == theory.window(float(point_nine))
    assert theory.half_life(np.array([0.5], np.float16)).dtype == np.float64
    assert theory.bias(half, 3) == 0.875
    np.testing.assert_array_equal(theory.ewma_weights(half, np.int8(2)), [0.5, 0.25])
    for roots in (theory.momentum_roots, theory.nesterov_roots):
        np.testing.assert_array_equal(roots(1, half, eighth), roots(1.0, 0.5, 0.125))


LARGE = 10**400  # an integer that no float64 holds
CALLS = {
    "condition_number": ("smallest", "largest"),
    "best_gradient_descent": ("smallest", "largest"),
    "best_momentum": ("smallest", "largest"),
    "best_nesterov": ("smallest", "largest"),
    "gradient_descent_factor": ("lr", "curvature"),
    "lr_limit": ("curvature", "momentum"),
    "momentum_roots": ("lr", "momentum", "curvature"),
    "momentum_radius": ("lr", "momentum", "curvature"),
    "nesterov_roots": ("lr", "momentum", "curvature"),
    "nesterov_radius": ("lr", "momentum", "curvature"),
    "bias": ("beta", "t"),
}


@pytest.mark.parametrize("name", CALLS)
def test_what_no_float64_holds_is_refused_by_name(name: str) -> None:
    for parameter in {*CALLS[name]} - {"beta", "momentum", "t"}:
        given = dict.fromkeys(CALLS[name], 0.5)
        for value in (LARGE, Fraction(LARGE, 3)) + ((-LARGE,) if parameter == "curvature" else ()):
            with pytest.raises(ValueError, match=rf"^{parameter} must be in .*, got -?(inf|10+)$"):
                getattr(theory, name)(**given | {parameter: value})
    almost_one = Fraction(LARGE - 1, LARGE)
    for parameter in {*CALLS[name]} & {"beta", "momentum"}:
        given = dict.fromkeys(CALLS[name], 0.5) | {parameter: almost_one}
        with pytest.raises(ValueError, match=rf"^{parameter} must be in \[0, 1\), got 1\.0$"):
            getattr(theory, name)(**given)


def test_a_sign_that_is_lost_is_told() -> None:
    with pytest.raises(ValueError, match=r"^curvature must be in \(-inf, inf\), got -inf$"):
        theory.gradient_descent_factor(0.1, -LARGE)
    with pytest.raises(ValueError, match=r"^curvature must be in \(0, inf\), got 0\.0$"):
        theory.lr_limit(Fraction(1, LARGE))
    if np.finfo(np.longdouble).max > HUGE:  # not everywhere
        with pytest.raises(ValueError, match=r"^curvature must be in \(0, inf\), got inf$"):
            theory.lr_limit(np.longdouble("1e400"))


@pytest.mark.parametrize("name", CALLS)
def test_shapes_that_do_not_broadcast_are_refused_by_name(name: str) -> None:
    given = {parameter: np.full(n + 2, 0.5) for n, parameter in enumerate(CALLS[name])}
    with pytest.raises(ValueError) as refusal:
        getattr(theory, name)(**given)
    shapes = ", ".join(f"({n + 2},)" for n in range(len(given)))
    assert str(refusal.value) == f"{', '.join(given)} must broadcast together, got shapes {shapes}"


def test_optima_broadcast() -> None:
    smallest, largest = np.array([[0.2], [0.7]]), np.array([1.0, 4.0, 1e4])
    for best in (theory.best_gradient_descent, theory.best_momentum, theory.best_nesterov):
        ours = best(smallest, largest)
        for i, j in np.ndindex(2, 3):
            same = best(smallest[i, 0], largest[j])
            found = [np.broadcast_to(value, (2, 3))[i, j] for value in ours]
            assert found == pytest.approx(list(same), rel=1e-14)
    with pytest.raises(ValueError, match=r"^largest must be at least smallest"):
        theory.condition_number(np.array([1.0, 3.0]), np.array([2.0, 2.0]))


def test_weights_are_those_of_one_average() -> None:
    with pytest.raises(ValueError, match=r"^beta must be one real number"):
        theory.ewma_weights(np.array([0.5, 0.9]), 3)


@pytest.mark.parametrize("nesterov", [False, True])
@pytest.mark.parametrize("momentum", [0.05, 0.3, 0.6, 0.9])
def test_borders_are_where_the_roots_turn(momentum: float, nesterov: bool) -> None:
    """Creeping, swinging, zigzagging, diverging: real, complex, real and negative, outside."""
    roots = theory.nesterov_roots if nesterov else theory.momentum_roots
    swings, zigzags, grows = theory.regime_borders(np.array([momentum]), nesterov)
    for border, complex_before, complex_after in ((swings, False, True), (zigzags, True, False)):
        assert roots(border - 1e-6, momentum, 1.0).imag.any() == complex_before
        assert roots(border + 1e-6, momentum, 1.0).imag.any() == complex_after
    assert (roots(swings - 1e-6, momentum, 1.0).real > 0).all()
    assert (roots(zigzags + 1e-6, momentum, 1.0).real.min() < 0).all()
    assert np.abs(roots(grows - 1e-6, momentum, 1.0)).max() < 1
    assert np.abs(roots(grows + 1e-6, momentum, 1.0)).max() > 1


def test_a_complex_pair_begins_with_the_sign_of_its_real_part() -> None:
    """The order that NumPy's root of a complex number gives, as plots number the roots."""
    first, second = theory.momentum_roots(2.4, 0.9, 1.0)
    assert first.real < 0 and first.imag < 0 and second == first.conjugate()
    first, second = theory.momentum_roots(1.2, 0.9, 1.0)
    assert first.real > 0 and first.imag > 0 and second == first.conjugate()
