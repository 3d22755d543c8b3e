r"""Test functions of two variables, each with its exact gradient.

Points are arrays of shape (..., 2), of any library whose arrays the rules take; values have shape
(...), gradients (..., 2), in the same library. Lists, and arrays of integers, become NumPy's
floats. All are pure.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from descent._arrays import library, scaled, stack
from descent._checks import Array, check_interval, is_floating

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

Pair = tuple[float, float]


@dataclass(frozen=True)
class Surface:
    """A function to descend.

    name: what it is called in tables and figures.
    value: from points (..., 2) to the function's values (...).
    grad: from points (..., 2) to its gradients (..., 2).
    minimum: a global minimum, (x1, x2); None where the function has none.
    window: the part worth drawing, ((x1 from, to), (x2 from, to)).
    start: a point from which the descent is instructive, (x1, x2).
    eigenvalues: those of the Hessian where it is constant, None elsewhere.
    """

    name: str
    value: Callable[[Any], Any]
    grad: Callable[[Any], Any]
    minimum: Pair | None
    window: tuple[Pair, Pair]
    start: Pair
    eigenvalues: Pair | None = None


def as_points(points: Array, name: str = "points") -> Array:
    """Points (..., 2) as a floating-point array. Raises ValueError for what cannot be one.

    points: an array, or lists of numbers. name: what the refusal calls them.
    """
    if not is_floating(points):
        try:
            given = np.asarray(points)
        except ValueError:  # rows of unequal length
            given = np.empty(0, dtype=object)
        if given.dtype.kind not in "iuf":
            raise ValueError(f"{name} must be numbers of shape (..., 2), got {points!r}")
        points = given.astype(float)
    if tuple(points.shape[-1:]) != (2,):
        raise ValueError(f"{name} must have shape (..., 2), got {tuple(points.shape)}")
    return points


def _pair(points: Array) -> tuple[Array, Array]:
    points = as_points(points)
    return points[..., 0], points[..., 1]


def rotated_quadratic(eigenvalues: Pair, angle: float = 0.0, name: str = "quadratic") -> Surface:
    r"""½ xᵀQx, a valley of any steepness and direction.

    eigenvalues: both curvatures, the eigenvalues of Q; of any sign. The origin is the minimum where
    none is negative.
    angle: direction of the first eigenvector, in radians from the x1 axis.
    name: what the surface is called in tables and figures.

    Raises ValueError for eigenvalues that are not two finite numbers, and for an infinite angle.
    """
    if len(eigenvalues) != 2:
        raise ValueError(f"eigenvalues must be two real numbers, got {eigenvalues!r}")
    for i, eigenvalue in enumerate(eigenvalues):
        check_interval(f"eigenvalues[{i}]", eigenvalue, "(-inf, inf)")
    check_interval("angle", angle, "(-inf, inf)")
    turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    matrix = turn @ np.diag(np.asarray(eigenvalues, dtype=float)) @ turn.T
    entries = {"a": float(matrix[0, 0]), "b": float(matrix[0, 1]), "d": float(matrix[1, 1])}
    return Surface(
        name,
        partial(_quadratic, **entries),
        partial(_quadratic_grad, **entries),
        (0.0, 0.0) if min(eigenvalues) >= 0 else None,
        ((-6.0, 6.0), (-4.0, 4.0)),
        (-5.0, -2.0),
        (float(eigenvalues[0]), float(eigenvalues[1])),
    )


def _quadratic(points: Array, a: float, b: float, d: float) -> Array:
    x1, x2 = _pair(points)
    return 0.5 * (a * x1**2 + d * x2**2 + 2 * b * x1 * x2)


def _quadratic_grad(points: Array, a: float, b: float, d: float) -> Array:
    if b == 0:  # one product, on which the big sweeps run
        return scaled(as_points(points), (a, d))
    x1, x2 = _pair(points)
    return stack([a * x1 + b * x2, b * x1 + d * x2])


ravine = rotated_quadratic((0.2, 4.0), name="ravine")


def _rosenbrock(points: Array) -> Array:
    x1, x2 = _pair(points)
    return (1 - x1) ** 2 + 100 * (x2 - x1**2) ** 2


def _rosenbrock_grad(points: Array) -> Array:
    x1, x2 = _pair(points)
    across = x2 - x1**2
    return stack([-2 * (1 - x1) - 400 * x1 * across, 200 * across])


rosenbrock = Surface(
    "rosenbrock", _rosenbrock, _rosenbrock_grad, (1.0, 1.0), ((-2.0, 2.0), (-1.0, 3.0)), (-1.5, 2.0)
)


def _beale(points: Array) -> Array:
    x1, x2 = _pair(points)
    return (
        (1.5 - x1 + x1 * x2) ** 2 + (2.25 - x1 + x1 * x2**2) ** 2 + (2.625 - x1 + x1 * x2**3) ** 2
    )


def _beale_grad(points: Array) -> Array:
    x1, x2 = _pair(points)
    a, b, c = 1.5 - x1 + x1 * x2, 2.25 - x1 + x1 * x2**2, 2.625 - x1 + x1 * x2**3
    return stack(
        [
            2 * a * (x2 - 1) + 2 * b * (x2**2 - 1) + 2 * c * (x2**3 - 1),
            2 * a * x1 + 4 * b * x1 * x2 + 6 * c * x1 * x2**2,
        ]
    )


beale = Surface("beale", _beale, _beale_grad, (3.0, 0.5), ((-1.0, 4.5), (-2.0, 2.0)), (1.0, 1.5))


def _saddle(points: Array) -> Array:
    x1, x2 = _pair(points)
    return 0.5 * x1**2 - 0.5 * x2**2 + 0.25 * x2**4


def _saddle_grad(points: Array) -> Array:
    x1, x2 = _pair(points)
    return stack([x1, x2**3 - x2])


# Curvature 1 along x1 and -1 along x2 at the saddle, the origin; minima at (0, ±1), where f = -1/4.
saddle = Surface(
    "saddle", _saddle, _saddle_grad, (0.0, 1.0), ((-2.0, 2.0), (-1.6, 1.6)), (-1.5, 1e-4)
)


def _plateau(points: Array) -> Array:
    x1, x2 = _pair(points)
    square = x1**2 + 4 * x2**2
    return square / (1 + square)


def _plateau_grad(points: Array) -> Array:
    x1, x2 = _pair(points)
    slope = 2 / (1 + x1**2 + 4 * x2**2) ** 2
    return stack([slope * x1, slope * 4 * x2])


# Flat far from the origin (the gradient falls as the cube of the distance), a bowl near it.
plateau = Surface(
    "plateau", _plateau, _plateau_grad, (0.0, 0.0), ((-6.0, 6.0), (-4.0, 4.0)), (-5.0, 2.0)
)


def _basins(points: Array) -> Array:
    x1, x2 = _pair(points)
    return 0.05 * x1**2 + 0.5 * x2**2 + 0.5 * (1 - library(x1).cos(2 * x1))


def _basins_grad(points: Array) -> Array:
    x1, x2 = _pair(points)
    return stack([0.1 * x1 + library(x1).sin(2 * x1), x2])


# A bowl with a ripple along x1: minima near every multiple of π, the lowest at the origin.
basins = Surface(
    "basins", _basins, _basins_grad, (0.0, 0.0), ((-8.0, 8.0), (-3.0, 3.0)), (-7.0, 2.0)
)

SURFACES = {s.name: s for s in (ravine, rosenbrock, beale, saddle, plateau, basins)}
