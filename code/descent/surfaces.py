r"""Test functions of two variables, each with its exact gradient.

Points are arrays of shape (..., 2); values have shape (...), gradients (..., 2). All are pure.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from descent._checks import check_interval

__all__ = [
    "SURFACES",
    "Surface",
    "basins",
    "beale",
    "plateau",
    "ravine",
    "rosenbrock",
    "rotated_quadratic",
    "saddle",
]

Floats = npt.NDArray[np.float64]
Pair = tuple[float, float]


@dataclass(frozen=True)
class Surface:
    """A function to descend.

    `minimum` is a global minimum (None where the function has none); `window` is the part worth
    drawing, ((x1 from, to), (x2 from, to)); `start` is a point from which the descent is
    instructive; `eigenvalues` are those of the Hessian where it is constant, None elsewhere.
    """

    name: str
    value: Callable[[Floats], Floats]
    grad: Callable[[Floats], Floats]
    minimum: Pair | None
    window: tuple[Pair, Pair]
    start: Pair
    eigenvalues: Pair | None = None


def _check_points(points: Floats) -> None:
    if points.shape[-1:] != (2,):
        raise ValueError(f"points must have shape (..., 2), got {points.shape}")


def _pair(points: Floats) -> tuple[Floats, Floats]:
    _check_points(points)
    return points[..., 0], points[..., 1]


def rotated_quadratic(eigenvalues: Pair, angle: float = 0.0, name: str = "quadratic") -> Surface:
    r"""½ xᵀQx with the given eigenvalues of Q, the first along the direction `angle` (radians).

    Eigenvalues may be of any sign; the origin is the minimum where none is negative.
    """
    if len(eigenvalues) != 2:
        raise ValueError(f"eigenvalues must be two real numbers, got {eigenvalues!r}")
    for i, eigenvalue in enumerate(eigenvalues):
        check_interval(f"eigenvalues[{i}]", eigenvalue, "(-inf, inf)")
    check_interval("angle", angle, "(-inf, inf)")
    turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    matrix = turn @ np.diag(np.asarray(eigenvalues, dtype=float)) @ turn.T
    diagonal = np.diag(matrix).copy()

    # An unrotated quadratic needs no matrix product, and the big sweeps run on one.
    def grad(points: Floats) -> Floats:
        _check_points(points)
        return points * diagonal if angle == 0 else points @ matrix

    def value(points: Floats) -> Floats:
        x1, x2 = _pair(points)
        square: Floats = diagonal[0] * x1**2 + diagonal[1] * x2**2 + 2 * matrix[0, 1] * x1 * x2
        return 0.5 * square

    return Surface(
        name,
        value,
        grad,
        (0.0, 0.0) if min(eigenvalues) >= 0 else None,
        ((-6.0, 6.0), (-4.0, 4.0)),
        (-5.0, -2.0),
        (float(eigenvalues[0]), float(eigenvalues[1])),
    )


ravine = rotated_quadratic((0.2, 4.0), name="ravine")


def _rosenbrock(points: Floats) -> Floats:
    x1, x2 = _pair(points)
    return (1 - x1) ** 2 + 100 * (x2 - x1**2) ** 2


def _rosenbrock_grad(points: Floats) -> Floats:
    x1, x2 = _pair(points)
    across = x2 - x1**2
    return np.stack([-2 * (1 - x1) - 400 * x1 * across, 200 * across], axis=-1)


rosenbrock = Surface(
    "rosenbrock", _rosenbrock, _rosenbrock_grad, (1.0, 1.0), ((-2.0, 2.0), (-1.0, 3.0)), (-1.5, 2.0)
)


def _beale(points: Floats) -> Floats:
    x1, x2 = _pair(points)
    return (
        (1.5 - x1 + x1 * x2) ** 2 + (2.25 - x1 + x1 * x2**2) ** 2 + (2.625 - x1 + x1 * x2**3) ** 2
    )


def _beale_grad(points: Floats) -> Floats:
    x1, x2 = _pair(points)
    a, b, c = 1.5 - x1 + x1 * x2, 2.25 - x1 + x1 * x2**2, 2.625 - x1 + x1 * x2**3
    return np.stack(
        [
            2 * a * (x2 - 1) + 2 * b * (x2**2 - 1) + 2 * c * (x2**3 - 1),
            2 * a * x1 + 4 * b * x1 * x2 + 6 * c * x1 * x2**2,
        ],
        axis=-1,
    )


beale = Surface("beale", _beale, _beale_grad, (3.0, 0.5), ((-1.0, 4.5), (-2.0, 2.0)), (1.0, 1.5))


def _saddle(points: Floats) -> Floats:
    x1, x2 = _pair(points)
    return 0.5 * x1**2 - 0.5 * x2**2 + 0.25 * x2**4


def _saddle_grad(points: Floats) -> Floats:
    x1, x2 = _pair(points)
    return np.stack([x1, x2**3 - x2], axis=-1)


# Curvature 1 along x1 and -1 along x2 at the saddle, the origin; minima at (0, ±1), where f = -1/4.
saddle = Surface(
    "saddle", _saddle, _saddle_grad, (0.0, 1.0), ((-2.0, 2.0), (-1.6, 1.6)), (-1.5, 1e-4)
)


def _plateau(points: Floats) -> Floats:
    x1, x2 = _pair(points)
    square = x1**2 + 4 * x2**2
    return square / (1 + square)


def _plateau_grad(points: Floats) -> Floats:
    x1, x2 = _pair(points)
    slope = 2 / (1 + x1**2 + 4 * x2**2) ** 2
    return np.stack([slope * x1, slope * 4 * x2], axis=-1)


# Flat far from the origin (the gradient falls as the cube of the distance), a bowl near it.
plateau = Surface(
    "plateau", _plateau, _plateau_grad, (0.0, 0.0), ((-6.0, 6.0), (-4.0, 4.0)), (-5.0, 2.0)
)


def _basins(points: Floats) -> Floats:
    x1, x2 = _pair(points)
    return 0.05 * x1**2 + 0.5 * x2**2 + 0.5 * (1 - np.cos(2 * x1))


def _basins_grad(points: Floats) -> Floats:
    x1, x2 = _pair(points)
    return np.stack([0.1 * x1 + np.sin(2 * x1), x2], axis=-1)


# A bowl with a ripple along x1: minima near every multiple of π, the lowest at the origin.
basins = Surface(
    "basins", _basins, _basins_grad, (0.0, 0.0), ((-8.0, 8.0), (-3.0, 3.0)), (-7.0, 2.0)
)

SURFACES = {s.name: s for s in (ravine, rosenbrock, beale, saddle, plateau, basins)}
