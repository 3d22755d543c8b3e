"""Test functions: gradients by two other ways, minima, curvatures."""

import math
import pickle

import numpy as np
import pytest
import torch

from descent import SURFACES, rotated_quadratic
from descent.surfaces import Surface, basins, beale, plateau, ravine, rosenbrock, saddle

tilted = rotated_quadratic((0.5, 3.0), angle=0.6, name="tilted")
indefinite = rotated_quadratic((2.0, -1.0), angle=-0.4, name="indefinite")
ALL = [*SURFACES.values(), tilted, indefinite]

# The formulas once more, in torch, as a textbook prints them.
FORMULAS = {
    "ravine": lambda x, y: 0.1 * x**2 + 2 * y**2,
    "rosenbrock": lambda x, y: (1 - x) ** 2 + 100 * (y - x**2) ** 2,
    "beale": lambda x, y: (
        (1.5 - x + x * y) ** 2 + (2.25 - x + x * y**2) ** 2 + (2.625 - x + x * y**3) ** 2
    ),
    "saddle": lambda x, y: x**2 / 2 - y**2 / 2 + y**4 / 4,
    "plateau": lambda x, y: 1 - 1 / (1 + x**2 + 4 * y**2),
    "basins": lambda x, y: x**2 / 20 + y**2 / 2 + torch.sin(x) ** 2,
}

every_surface = pytest.mark.parametrize("surface", ALL, ids=lambda s: s.name)


def some_points(surface: Surface, count: int = 200) -> np.ndarray:
    (left, right), (low, high) = surface.window
    rng = np.random.default_rng(0)
    return rng.uniform((left, low), (right, high), (count, 2))


@every_surface
def test_gradient_is_that_of_central_differences(surface: Surface) -> None:
    points, h = some_points(surface), 1e-5
    numeric = np.stack(
        [
            (surface.value(points + h * e) - surface.value(points - h * e)) / (2 * h)
            for e in np.eye(2)
        ],
        axis=-1,
    )
    size = 1 + np.abs(surface.value(points)).max()
    np.testing.assert_allclose(surface.grad(points), numeric, atol=1e-8 * size, rtol=1e-6)


@pytest.mark.parametrize("name", SURFACES)
def test_value_and_gradient_are_those_of_torch(name: str) -> None:
    points = some_points(SURFACES[name])
    x = torch.tensor(points, requires_grad=True)
    value = FORMULAS[name](x[:, 0], x[:, 1])
    value.sum().backward()
    np.testing.assert_allclose(SURFACES[name].value(points), value.detach(), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(SURFACES[name].grad(points), x.grad, rtol=1e-11, atol=1e-11)


@every_surface
def test_shapes_and_purity(surface: Surface) -> None:
    points = some_points(surface, 12).reshape(3, 4, 2)
    before = points.copy()
    assert surface.value(points).shape == (3, 4) and surface.grad(points).shape == (3, 4, 2)
    assert (points == before).all()
    np.testing.assert_allclose(surface.value(points)[1, 2], surface.value(points[1, 2]), rtol=1e-14)
    np.testing.assert_allclose(surface.grad(points)[1, 2], surface.grad(points[1, 2]), rtol=1e-14)


@pytest.mark.parametrize("surface", [s for s in ALL if s.minimum], ids=lambda s: s.name)
def test_minimum(surface: Surface) -> None:
    at = np.array(surface.minimum)
    np.testing.assert_allclose(surface.grad(at), 0, atol=1e-12)
    lowest = surface.value(at)
    assert (surface.value(some_points(surface, 5000)) >= lowest).all()
    around = at + 1e-3 * np.stack([np.cos(np.arange(8)), np.sin(np.arange(8))], axis=-1)
    assert (surface.value(around) > lowest).all()


@every_surface
def test_start_and_minimum_lie_in_the_window(surface: Surface) -> None:
    for point in filter(None, (surface.start, surface.minimum)):
        for coordinate, (low, high) in zip(point, surface.window, strict=True):
            assert low <= coordinate <= high
    assert np.abs(surface.grad(np.array(surface.start))).max() > 1e-6


def test_values_at_the_minima() -> None:
    assert ravine.value(np.zeros(2)) == 0
    assert rosenbrock.value(np.ones(2)) == 0
    assert beale.value(np.array([3.0, 0.5])) == 0
    assert saddle.value(np.array([0.0, 1.0])) == saddle.value(np.array([0.0, -1.0])) == -0.25
    assert plateau.value(np.zeros(2)) == 0
    assert basins.value(np.zeros(2)) == 0


def hessian(surface: Surface, point: np.ndarray) -> np.ndarray:
    h = 1e-5
    rows = [
        (surface.grad(point + h * e) - surface.grad(point - h * e)) / (2 * h) for e in np.eye(2)
    ]
    return np.array(rows)


@pytest.mark.parametrize("surface", [s for s in ALL if s.eigenvalues], ids=lambda s: s.name)
def test_eigenvalues_are_those_of_the_hessian(surface: Surface) -> None:
    for point in some_points(surface, 3):
        found = np.linalg.eigvalsh(hessian(surface, point))
        np.testing.assert_allclose(found, sorted(surface.eigenvalues or ()), atol=1e-9)


def test_the_ravine_is_the_sources() -> None:
    assert ravine.eigenvalues == (0.2, 4.0)
    assert ravine.value(np.array([-5.0, -2.0])) == pytest.approx(0.1 * 25 + 2 * 4)
    assert ravine.start == (-5.0, -2.0)


def test_the_first_eigenvector_stands_at_the_angle() -> None:
    direction = np.array([math.cos(0.6), math.sin(0.6)])
    np.testing.assert_allclose(tilted.grad(direction), 0.5 * direction, rtol=1e-14)


def test_the_saddle_is_one() -> None:
    np.testing.assert_allclose(np.linalg.eigvalsh(hessian(saddle, np.zeros(2))), [-1, 1], atol=1e-9)


def test_the_plateau_is_flat_far_away() -> None:
    far = np.array([[100.0, 0.0], [200.0, 0.0]])
    slope = np.abs(plateau.grad(far)[:, 0])
    assert slope[0] / slope[1] == pytest.approx(8, rel=1e-3)  # as the cube of the distance


def test_basins_have_minima_of_their_own() -> None:
    x = np.linspace(-8, 8, 16001)
    slope = basins.grad(np.stack([x, 0 * x], axis=-1))[:, 0]
    # The middle point of the grid is the minimum itself, where the slope is 0.
    minima = np.count_nonzero((slope[:-1] < 0) & (slope[1:] >= 0))
    assert minima == 5
    assert basins.minimum == (0.0, 0.0)


def test_without_a_minimum_there_is_none() -> None:
    assert indefinite.minimum is None
    assert rotated_quadratic((0.0, 1.0)).minimum == (0.0, 0.0)


def test_surfaces_are_named_after_themselves() -> None:
    assert all(name == surface.name for name, surface in SURFACES.items())


@every_surface
def test_torchs_tensors_stay_tensors_of_their_dtype(surface: Surface) -> None:
    points = some_points(surface, 12).reshape(3, 4, 2)
    for dtype, tolerance in ((torch.float64, 1e-14), (torch.float32, 1e-3)):
        tensor = torch.tensor(points, dtype=dtype, requires_grad=True)
        value, grad = surface.value(tensor), surface.grad(tensor)
        assert value.dtype == grad.dtype == dtype
        np.testing.assert_allclose(value.detach(), surface.value(points), tolerance, tolerance)
        np.testing.assert_allclose(grad.detach(), surface.grad(points), tolerance, tolerance)
        value.sum().backward()
        np.testing.assert_allclose(tensor.grad, grad.detach(), 1e3 * tolerance, 1e3 * tolerance)


@every_surface
def test_lists_and_whole_numbers_are_points_too(surface: Surface) -> None:
    for given in ([1, 2], (1.0, 2.0), np.array([1, 2]), np.array([1, 2], ">f8")):
        assert surface.value(given) == surface.value(np.array([1.0, 2.0]))
        assert (surface.grad(given) == surface.grad(np.array([1.0, 2.0]))).all()


@every_surface
def test_a_surface_can_be_pickled(surface: Surface) -> None:
    points = some_points(surface, 3)
    again = pickle.loads(pickle.dumps(surface))
    assert (again.grad(points) == surface.grad(points)).all()
