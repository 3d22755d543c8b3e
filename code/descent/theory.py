r"""Closed forms: what gradient descent and momentum do on a quadratic, and what averages weigh.

On a quadratic each eigenvector of the Hessian is a problem of its own, of one number, the
eigenvalue λ ("curvature"). Gradient descent multiplies the error along it by 1 - ηλ a step;
momentum iterates a 2 × 2 matrix, and the larger modulus of its two eigenvalues, the spectral
radius, is the factor a step in the long run. All functions take and return NumPy arrays that
broadcast, or floats.

Sources: Polyak (1964); Lessard, Recht and Packard (2016), table 1 and proposition 1.
"""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from descent._checks import check_count, check_interval

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
    "window",
]

Number = float | npt.NDArray[np.float64]
Roots = npt.NDArray[np.complex128]


class Optimum(NamedTuple):
    """Best hyper-parameters for curvatures from smallest to largest, and their factor a step."""

    lr: float
    momentum: float
    rate: float


def condition_number(smallest: float, largest: float) -> float:
    """κ = largest / smallest curvature."""
    _check_range(smallest, largest)
    return largest / smallest


def gradient_descent_factor(lr: Number, curvature: Number) -> Number:
    """1 - ηλ: what a step multiplies the error by. Negative: the error changes side."""
    check_interval("lr", lr, "[0, inf)")
    check_interval("curvature", curvature, "(-inf, inf)")
    return 1 - np.asarray(lr) * curvature


def lr_limit(curvature: Number, momentum: Number = 0.0, nesterov: bool = False) -> Number:
    """Learning rate from which on the run no longer converges, for positive curvature.

    2 (1 + β) / λ with the heavy ball, hence 2 / λ without momentum; 2 (1 + β) / ((1 + 2β) λ) with
    Nesterov's momentum.
    """
    check_interval("curvature", curvature, "(0, inf)")
    check_interval("momentum", momentum, "[0, 1)")
    limit = 2 * (1 + np.asarray(momentum)) / curvature
    return limit / (1 + 2 * np.asarray(momentum)) if nesterov else limit


def _roots(trace: Any, determinant: Any) -> Roots:
    """Both solutions z of z² - trace z + determinant = 0, on a last axis of 2."""
    centre = np.asarray(trace, dtype=complex) / 2
    spread = np.sqrt(centre**2 - determinant)
    return np.stack([centre + spread, centre - spread], axis=-1)


def momentum_roots(lr: Number, momentum: Number, curvature: Number) -> Roots:
    """Eigenvalues of the heavy ball's step, shape (..., 2): z² - (1 + β - ηλ) z + β = 0."""
    _check_step(lr, momentum, curvature)
    return _roots(1 + np.asarray(momentum) - np.asarray(lr) * curvature, momentum)


def nesterov_roots(lr: Number, momentum: Number, curvature: Number) -> Roots:
    """Eigenvalues of Nesterov's step, shape (..., 2): z² - (1 + β)(1 - ηλ) z + β (1 - ηλ) = 0."""
    _check_step(lr, momentum, curvature)
    shrink = 1 - np.asarray(lr) * curvature
    return _roots((1 + np.asarray(momentum)) * shrink, momentum * shrink)


def momentum_radius(lr: Number, momentum: Number, curvature: Number) -> Number:
    """Spectral radius of the heavy ball's step: √β where the roots are complex."""
    radius: Number = np.abs(momentum_roots(lr, momentum, curvature)).max(axis=-1)
    return radius


def nesterov_radius(lr: Number, momentum: Number, curvature: Number) -> Number:
    """Spectral radius of Nesterov's step: √(β (1 - ηλ)) where the roots are complex."""
    radius: Number = np.abs(nesterov_roots(lr, momentum, curvature)).max(axis=-1)
    return radius


def best_gradient_descent(smallest: float, largest: float) -> Optimum:
    """η = 2 / (μ + L), with the rate (κ - 1) / (κ + 1)."""
    kappa = condition_number(smallest, largest)
    return Optimum(2 / (smallest + largest), 0.0, (kappa - 1) / (kappa + 1))


def best_momentum(smallest: float, largest: float) -> Optimum:
    """η = 4 / (√L + √μ)², β = ((√κ - 1) / (√κ + 1))², with the rate √β."""
    root = condition_number(smallest, largest) ** 0.5
    rate = (root - 1) / (root + 1)
    return Optimum(4 / (largest**0.5 + smallest**0.5) ** 2, rate**2, rate)


def best_nesterov(smallest: float, largest: float) -> Optimum:
    """η = 4 / (3L + μ), β = (√(3κ + 1) - 2) / (√(3κ + 1) + 2), with the rate 1 - 2 / √(3κ + 1)."""
    root = (3 * condition_number(smallest, largest) + 1) ** 0.5
    return Optimum(4 / (3 * largest + smallest), (root - 2) / (root + 2), 1 - 2 / root)


def ewma_weights(beta: float, terms: int) -> npt.NDArray[np.float64]:
    """(1 - β) βᵏ for k = 0 … terms - 1: the weight of the value k steps ago in y = βy + (1-β)x."""
    check_interval("beta", beta, "[0, 1)")
    check_count("terms", terms, 1)
    return np.asarray((1 - beta) * beta ** np.arange(terms), dtype=float)


def window(beta: Number) -> Number:
    """1 / (1 - β): how many steps an exponential average spans."""
    check_interval("beta", beta, "[0, 1)")
    return 1 / (1 - np.asarray(beta))


def half_life(beta: Number) -> Number:
    """ln ½ / ln β: after so many steps a value weighs half."""
    check_interval("beta", beta, "(0, 1)")
    life: Number = np.log(0.5) / np.log(beta)
    return life


def bias(beta: Number, t: Number) -> Number:
    """1 - βᵗ: the sum of the weights of an average that started at 0, after t steps."""
    check_interval("beta", beta, "[0, 1)")
    count = np.asarray(t)
    if count.dtype.kind not in "iuf" or not (count >= 0).all():
        raise ValueError(f"t must be a number of steps, at least 0, got {t!r}")
    total: Number = 1 - np.asarray(beta) ** count
    return total


def _check_range(smallest: float, largest: float) -> None:
    check_interval("smallest", smallest, "(0, inf)")
    check_interval("largest", largest, "(0, inf)")
    if not np.all(np.asarray(largest) >= smallest):
        raise ValueError(f"largest must be at least smallest, {smallest!r}, got {largest!r}")


def _check_step(lr: Number, momentum: Number, curvature: Number) -> None:
    check_interval("lr", lr, "[0, inf)")
    check_interval("momentum", momentum, "[0, 1)")
    check_interval("curvature", curvature, "(-inf, inf)")
