"""The data that a seed makes: exact moments, rare features, marked moments, and what is refused."""

import re
from collections.abc import Callable
from fractions import Fraction

import numpy as np
import pytest

from descent import generators
from descent._checks import check_count


def test_moment_twin_has_exactly_the_given_moments() -> None:
    mean, covariance = [1.0, -2.0], [[4.0, 1.5], [1.5, 1.0]]
    twin = generators.moment_twin(mean, covariance, rows=50, seed=0)
    np.testing.assert_allclose(twin.mean(axis=0), mean, rtol=0, atol=1e-14)
    np.testing.assert_allclose(np.cov(twin.T, bias=True), covariance, rtol=0, atol=1e-14)
    assert not np.allclose(twin, generators.moment_twin(mean, covariance, rows=50, seed=1))


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("mean", {"mean": []}),
        ("mean", {"mean": [[1.0, 2.0]]}),
        ("mean", {"mean": [1.0, np.nan]}),
        ("covariance", {"covariance": [[1.0]]}),
        ("covariance", {"covariance": [[1.0, 0.5], [0.2, 1.0]]}),
        ("covariance", {"covariance": [[1.0, 2.0], [2.0, 1.0]]}),
        ("covariance", {"covariance": [[1.0, np.nan], [np.nan, 1.0]]}),
        ("covariance", {"mean": [0.0], "covariance": [[np.inf]]}),
        ("covariance", {"covariance": [[np.inf, 0.0], [0.0, 1.0]]}),
        ("mean", {"mean": [1j, 0.0]}),
        ("mean", {"mean": ["1.0", "2.0"]}),
        ("mean", {"mean": [1.0, None]}),
        ("mean", {"mean": "1"}),
        ("mean", {"mean": [[1.0, 2.0], [3.0]]}),
        ("covariance", {"covariance": np.eye(2) * 1j}),
        ("covariance", {"covariance": [["1", "0"], ["0", "1"]]}),
        ("covariance", {"covariance": [[1.0, 0.0], [1.0]]}),
        ("rows", {"rows": 2}),
        ("rows", {"rows": 10.0}),
        ("seed", {"seed": -1}),
    ],
)
def test_moment_twin_refuses(name: str, change: dict[str, object]) -> None:
    arguments = {"mean": [0.0, 0.0], "covariance": np.eye(2), "rows": 10, "seed": 0} | change
    with pytest.raises(ValueError, match=f"^{name} must be .* got ") as refusal:
        generators.moment_twin(**arguments)
    assert str(refusal.value).endswith(repr(arguments[name]))


def test_sparse_features_are_rare_by_the_power_law_and_matter_alike() -> None:
    sparse = generators.sparse_features(rows=20000)
    np.testing.assert_allclose(sparse.frequencies[[0, 1, 9, 99]], [0.5, 0.25, 0.05, 0.005])
    spread = np.sqrt(sparse.frequencies * (1 - sparse.frequencies) / 20000)
    assert np.all(np.abs(sparse.features.mean(axis=0) - sparse.frequencies) < 5 * spread)
    assert set(np.unique(sparse.features)) == set(np.unique(sparse.targets)) == {0.0, 1.0}
    np.testing.assert_array_equal(np.abs(sparse.weights), 2.0)
    # Where the model says p, a share p of the targets is 1.
    said = 1 / (1 + np.exp(-sparse.features @ sparse.weights))
    for low, high in [(0.0, 0.3), (0.3, 0.7), (0.7, 1.0)]:
        rows = (said >= low) & (said < high)
        assert sparse.targets[rows].mean() == pytest.approx(said[rows].mean(), abs=0.02)


@pytest.mark.parametrize("strength", [1e4, 1.7e308])
def test_features_that_decide_for_certain_raise_no_warning(strength: float) -> None:
    sparse = generators.sparse_features(strength=strength)
    votes = sparse.features @ np.sign(sparse.weights)
    np.testing.assert_array_equal(sparse.targets[votes != 0], votes[votes != 0] > 0)
    assert 0.3 < sparse.targets[votes == 0].mean() < 0.7


def test_numbers_of_any_kind_are_floats() -> None:
    ours = vars(generators.sparse_features(exponent=Fraction(1, 2), strength=np.float32(1.5)))
    same = generators.sparse_features(exponent=0.5, strength=1.5)
    for name, value in ours.items():
        assert value.dtype == np.float64
        np.testing.assert_array_equal(value, vars(same)[name])
    for name in ("exponent", "strength"):
        with pytest.raises(ValueError, match=rf"^{name} must be in \[0, inf\), got .*inf"):
            generators.sparse_features(**{name: 10**400})


def test_sequence_task_marks_one_moment_in_each_half() -> None:
    task = generators.sequence_task(rows=5000, length=11)
    values, markers = task.inputs[..., 0], task.inputs[..., 1]
    assert task.inputs.shape == (5000, 11, 2)
    assert task.targets.shape == (5000,)
    assert np.all(markers[:, :5].sum(axis=1) == 1)
    assert np.all(markers[:, 5:].sum(axis=1) == 1)
    assert np.all(markers.sum(axis=0) > 0), "every moment is marked somewhere"
    np.testing.assert_allclose(task.targets, values[markers == 1].reshape(-1, 2).sum(axis=1))
    assert np.mean((task.targets - 1) ** 2) == pytest.approx(1 / 6, abs=0.01)


@pytest.mark.parametrize("make", [generators.sparse_features, generators.sequence_task])
def test_a_seed_decides_everything(make: Callable[..., object]) -> None:
    first, same, other = (vars(make(seed=seed)) for seed in (1, 1, 2))
    for name, value in first.items():
        np.testing.assert_array_equal(value, same[name])
    assert not np.array_equal(first["targets"], other["targets"])


@pytest.mark.parametrize(
    ("make", "name", "value"),
    [
        (generators.sparse_features, "rows", 0),
        (generators.sparse_features, "columns", 1.5),
        (generators.sparse_features, "exponent", -1.0),
        (generators.sparse_features, "exponent", "1"),
        (generators.sparse_features, "strength", np.nan),
        (generators.sparse_features, "strength", np.array([1.0, 2.0])),
        (generators.sparse_features, "seed", -1),
        (generators.sequence_task, "rows", 0),
        (generators.sequence_task, "length", 1),
        (generators.sequence_task, "seed", "0"),
    ],
)
def test_made_sets_refuse(make: Callable[..., object], name: str, value: object) -> None:
    with pytest.raises(ValueError, match=f"^{name} must be .* got {re.escape(repr(value))}$"):
        make(**{name: value})


def test_small_counts_of_numpy_are_python_integers() -> None:
    count = check_count("rows", np.uint8(255), 1)
    assert (type(count), count + 1) == (int, 256)
    for make in (generators.sparse_features, generators.sequence_task):
        ours, same = (vars(make(rows=kind(200), seed=kind(7))) for kind in (np.uint8, int))
        for name, value in ours.items():
            np.testing.assert_array_equal(value, same[name])
