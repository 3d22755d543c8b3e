r"""Closed forms: what gradient descent and momentum do on a quadratic, and what averages weigh.

On a quadratic each eigenvector of the Hessian is a problem of its own, of one number, the
eigenvalue λ ("curvature", the loss's unit over the parameter's squared). Gradient descent
multiplies the error along it by 1 - ηλ a step; momentum iterates a 2 × 2 matrix, and the larger
modulus of its two eigenvalues, the spectral radius, is the factor a step in the long run.

A parameter is a number or a float array, and those of one call broadcast against each other: that
is the shape (...) of what comes back, in float64. `lr` (η) has the unit of 1 / `curvature`, and
is at least 0; `momentum` and `beta` (β) lie in [0, 1) and have none. A result too large for
float64 is infinite. Whatever else is given raises a ValueError that names it.

Sources: Polyak (1964); Lessard, Recht and Packard (2016), table 1 and proposition 1.
"""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from descent._checks import as_float64, check_count, check_number

__all__ = [
    "Optimum",
    "best_gradient_descent",
    "best_momentum",
    "best_nesterov",
    "bias",
    "condition_number",
    "ewma_weights",
    "gradient_descent_factor",
    "half_life",
    "lr_limit",
    "momentum_radius",
    "momentum_roots",
    "nesterov_radius",
    "nesterov_roots",
    "regime_borders",
    "window",
]

Number = float | npt.NDArray[np.float64]
Roots = npt.NDArray[np.complex128]
_Float64 = np.float64 | npt.NDArray[np.float64]

# Overflow gives the infinity that it should, and of two forms the one that fails is not taken.
_silent = np.errstate(over="ignore", divide="ignore", invalid="ignore")


class Optimum(NamedTuple):
    """Best hyper-parameters for curvatures from smallest to largest, and their factor a step.

    lr: (...), in the unit of 1 / curvature. momentum: (...), β. rate: (...), what the error is
    multiplied by a step in the long run, on the curvature for which that is slowest.
    """

    lr: Number
    momentum: Number
    rate: Number


@_silent
def condition_number(smallest: Number, largest: Number) -> Number:
    """κ = largest / smallest curvature.

    smallest: (...), above 0. largest: (...), in the same unit, at least `smallest`. Returns (...).
    """
    smallest, largest = _range(smallest, largest)
    return largest / smallest


@_silent
def gradient_descent_factor(lr: Number, curvature: Number) -> Number:
    """1 - ηλ: what a step multiplies the error by. Negative: the error changes side.

    lr: (...), η. curvature: (...), λ, of either sign. Returns (...).
    """
    lr, curvature = _together(lr=(lr, "[0, inf)"), curvature=(curvature, "(-inf, inf)"))
    return 1 - lr * curvature


@_silent
def lr_limit(curvature: Number, momentum: Number = 0.0, nesterov: bool = False) -> Number:
    """Learning rate from which on the run no longer converges, for positive curvature.

    2 (1 + β) / λ with the heavy ball, hence 2 / λ without momentum; 2 (1 + β) / ((1 + 2β) λ) with
    Nesterov's momentum.

    curvature: (...), λ, above 0. momentum: (...), β. nesterov: whether the momentum is Nesterov's.
    Returns (...), in the unit of 1 / curvature.
    """
    curvature, momentum = _together(
        curvature=(curvature, "(0, inf)"), momentum=(momentum, "[0, 1)")
    )
    limit = 2 * (1 + momentum)
    return limit / (1 + 2 * momentum) / curvature if nesterov else limit / curvature


def _pairs(trace: Any, determinant: Any) -> Any:
    """Both solutions z of z² - trace z + determinant = 0, each as its real and imaginary part.

    The larger first; of two complex ones, that with an imaginary part of the sign of the real part.
    """
    centre = trace / 2
    square = centre * centre - determinant
    spread = np.sqrt(abs(square))
    real = np.where(square < 0, 0, spread)
    imaginary = np.where(square < 0, np.where(centre < 0, -spread, spread), 0)
    return (centre + real, imaginary), (centre - real, 0 - imaginary)


@_silent
def _roots(trace: _Float64, determinant: _Float64, quotient: _Float64) -> Roots:
    """The same as complex numbers, on a last axis of 2, wherever the trace lies.

    Far out they are trace (1 ± √(1 - 4 quotient / trace)) / 2, with quotient = determinant / trace:
    without a square that overflows, or a difference that cancels.
    """
    far = np.abs(trace) > 1e3
    near = [
        real + 1j * imaginary for real, imaginary in _pairs(np.where(far, 0, trace), determinant)
    ]
    share = (1 + np.sqrt(1 - 4 * quotient / trace)) / 2
    outer, inner = trace * share, quotient / share
    first = np.where(far, np.maximum(outer, inner), near[0])
    second = np.where(far, np.minimum(outer, inner), near[1])
    return np.stack([first, second], axis=-1)


def _momentum_equation(lr: Number, momentum: Number, curvature: Number) -> list[_Float64]:
    """Trace and determinant of the heavy ball's step, and determinant / trace."""
    lr, momentum, curvature = _step(lr, momentum, curvature)
    trace = 1 + momentum - lr * curvature
    return [trace, momentum, momentum / trace]


def _nesterov_equation(lr: Number, momentum: Number, curvature: Number) -> list[_Float64]:
    """Trace and determinant of Nesterov's step, and determinant / trace."""
    lr, momentum, curvature = _step(lr, momentum, curvature)
    shrink = 1 - lr * curvature
    return [(1 + momentum) * shrink, momentum * shrink, momentum / (1 + momentum)]


@_silent
def momentum_roots(lr: Number, momentum: Number, curvature: Number) -> Roots:
    """Eigenvalues of the heavy ball's step: z² - (1 + β - ηλ) z + β = 0.

    lr: (...), η. momentum: (...), β. curvature: (...), λ, of either sign. Returns (..., 2).
    """
    return _roots(*_momentum_equation(lr, momentum, curvature))


@_silent
def nesterov_roots(lr: Number, momentum: Number, curvature: Number) -> Roots:
    """Eigenvalues of Nesterov's step: z² - (1 + β)(1 - ηλ) z + β (1 - ηλ) = 0.

    lr: (...), η. momentum: (...), β. curvature: (...), λ, of either sign. Returns (..., 2).
    """
    return _roots(*_nesterov_equation(lr, momentum, curvature))


def momentum_radius(lr: Number, momentum: Number, curvature: Number) -> Number:
    """Spectral radius of the heavy ball's step: √β where the roots are complex.

    lr: (...), η. momentum: (...), β. curvature: (...), λ, of either sign. Returns (...).
    """
    radius: Number = np.abs(momentum_roots(lr, momentum, curvature)).max(axis=-1)
    return radius


def nesterov_radius(lr: Number, momentum: Number, curvature: Number) -> Number:
    """Spectral radius of Nesterov's step: √(β (1 - ηλ)) where the roots are complex.

    lr: (...), η. momentum: (...), β. curvature: (...), λ, of either sign. Returns (...).
    """
    radius: Number = np.abs(nesterov_roots(lr, momentum, curvature)).max(axis=-1)
    return radius


@_silent
def best_gradient_descent(smallest: Number, largest: Number) -> Optimum:
    """η = 2 / (μ + L), with the rate (κ - 1) / (κ + 1).

    smallest: (...), μ, above 0. largest: (...), L, in the same unit, at least μ.
    Source: Lessard, Recht and Packard (2016), proposition 1.
    """
    smallest, largest = _range(smallest, largest)
    kappa = _finite_kappa(smallest, largest)
    lr = 1 / (smallest / 2 + largest / 2)  # halves, because the sum may overflow
    return Optimum(lr, 0.0, (kappa - 1) / (kappa + 1))


@_silent
def best_momentum(smallest: Number, largest: Number) -> Optimum:
    """η = 4 / (√L + √μ)², β = ((√κ - 1) / (√κ + 1))², with the rate √β.

    smallest: (...), μ, above 0. largest: (...), L, in the same unit, at least μ.
    Source: Polyak (1964); Lessard, Recht and Packard (2016), proposition 1.
    """
    smallest, largest = _range(smallest, largest)
    roots = largest**0.5 + smallest**0.5
    lr = np.where(roots < 1e150, 4 / roots**2, (2 / roots) ** 2)  # the first square may overflow
    root = _finite_kappa(smallest, largest) ** 0.5
    rate = (root - 1) / (root + 1)
    return Optimum(lr[()], rate**2, rate)


@_silent
def best_nesterov(smallest: Number, largest: Number) -> Optimum:
    """η = 4 / (3L + μ), β = (√(3κ + 1) - 2) / (√(3κ + 1) + 2), with the rate 1 - 2 / √(3κ + 1).

    smallest: (...), μ, above 0. largest: (...), L, in the same unit, at least μ.
    Source: Lessard, Recht and Packard (2016), proposition 1.
    """
    smallest, largest = _range(smallest, largest)
    root = (3 * _finite_kappa(smallest, largest) + 1) ** 0.5
    lr = 1 / (0.75 * largest + smallest / 4)  # quarters, because the sum may overflow
    return Optimum(lr, (root - 2) / (root + 2), 1 - 2 / root)


def regime_borders(momentum: Number, nesterov: bool = False) -> tuple[Number, Number, Number]:
    """ηλ from which on the error swings, changes side at every step, and grows.

    Up to the first the error creeps, and between the first and the second the roots are complex.
    (1 - √β)², (1 + √β)² and 2 (1 + β) with the heavy ball; ((1 - β) / (1 + β))², 1 and
    2 (1 + β) / (1 + 2β) with Nesterov's momentum.

    momentum: (...), β. nesterov: whether the momentum is Nesterov's. Returns three of (...).
    """
    beta = as_float64("momentum", momentum, "[0, 1)")
    limit = lr_limit(1.0, beta, nesterov)
    if nesterov:
        return ((1 - beta) / (1 + beta)) ** 2, 1.0 + 0 * beta, limit
    root = beta**0.5
    return (1 - root) ** 2, (1 + root) ** 2, limit


def _ewma_weight(beta: Any, age: Any) -> Any:
    """The weight of the value `age` steps ago."""
    return (1 - beta) * beta**age


def ewma_weights(beta: float, terms: int) -> npt.NDArray[np.float64]:
    """(1 - β) βᵏ for k = 0 … terms - 1: the weight of the value k steps ago in y = βy + (1-β)x.

    beta: one number, β. terms: how many weights, at least 1. Returns (terms,).
    """
    beta = check_number("beta", beta, "[0, 1)")
    terms = check_count("terms", terms, 1)
    return np.asarray(_ewma_weight(beta, np.arange(terms)), dtype=float)


def window(beta: Number) -> Number:
    """1 / (1 - β): how many steps an exponential average spans.

    beta: (...), β. Returns (...), in steps.
    """
    return 1 / (1 - as_float64("beta", beta, "[0, 1)"))


def half_life(beta: Number) -> Number:
    """ln ½ / ln β: after so many steps a value weighs half.

    beta: (...), β, above 0. Returns (...), in steps.
    """
    life: Number = np.log(0.5) / np.log(as_float64("beta", beta, "(0, 1)"))
    return life


def bias(beta: Number, t: Number) -> Number:
    """1 - βᵗ: the sum of the weights of an average that started at 0, after t steps.

    beta: (...), β. t: (...), integers or floats, at least 0, in steps. Returns (...).
    """
    count = np.asarray(t)
    if count.dtype.kind not in "iuf" or not (count >= 0).all():
        raise ValueError(f"t must be a number of steps, at least 0, got {t!r}")
    decay = as_float64("beta", beta, "[0, 1)")
    _check_shapes(beta=decay, t=count)
    total: Number = 1 - np.asarray(decay) ** count
    return total


def _together(**given: tuple[Number, str]) -> list[_Float64]:
    """Each value in float64, checked against its interval and for broadcasting with the others."""
    numbers = {name: as_float64(name, value, interval) for name, (value, interval) in given.items()}
    _check_shapes(**numbers)
    return list(numbers.values())


def _check_shapes(**values: npt.ArrayLike) -> None:
    shapes = [np.shape(value) for value in values.values()]
    try:
        np.broadcast_shapes(*shapes)
    except ValueError:
        names, got = ", ".join(values), ", ".join(map(str, shapes))
        raise ValueError(f"{names} must broadcast together, got shapes {got}") from None


def _step(lr: Number, momentum: Number, curvature: Number) -> list[_Float64]:
    return _together(
        lr=(lr, "[0, inf)"), momentum=(momentum, "[0, 1)"), curvature=(curvature, "(-inf, inf)")
    )


def _range(smallest: Number, largest: Number) -> list[_Float64]:
    numbers = _together(smallest=(smallest, "(0, inf)"), largest=(largest, "(0, inf)"))
    if not np.all(numbers[1] >= numbers[0]):
        raise ValueError(f"largest must be at least smallest, {smallest!r}, got {largest!r}")
    return numbers


def _finite_kappa(smallest: _Float64, largest: _Float64) -> _Float64:
    """κ, cut off where every rate has long been rounded to 1, so that no ratio is inf / inf."""
    kappa: _Float64 = np.minimum(condition_number(smallest, largest), 1e300)
    return kappa
