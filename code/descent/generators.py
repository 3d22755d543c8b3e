"""Data that a seed makes: a set with given moments, rare features, and sequences."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from descent._checks import Floats, check_count, check_number

__all__ = ["SequenceTask", "SparseData", "moment_twin", "sequence_task", "sparse_features"]


def moment_twin(mean: ArrayLike, covariance: ArrayLike, rows: int, seed: int) -> Floats:
    r"""A Gaussian sample whose own mean and covariance are exactly the given ones.

    A standard normal sample Z is centred, whitened by the Cholesky factor of its own covariance and
    coloured by that of the wanted one: with :math:`Z^\top Z / n = K K^\top` and
    :math:`\Sigma = L L^\top`, the rows of :math:`Z K^{-\top} L^\top + \mu` have mean
    :math:`\mu` and covariance :math:`\Sigma`, up to rounding.

    mean: (k,), each in a unit of its own. covariance: (k, k), positive definite, in products of
    those units: the mean product of deviations (divided by the number of rows). rows: how many to
    make, more than k. seed: at least 0. Returns (rows, k), in the units of `mean`.

    Raises ValueError for anything else, and for numbers that are not finite.
    """
    centre = _finite("mean", mean, "a non-empty vector")
    if centre.ndim != 1 or centre.size == 0:
        raise ValueError(f"mean must be a non-empty vector, got {mean!r}")
    k = centre.size
    wanted = _finite("covariance", covariance, f"a symmetric ({k}, {k}) matrix")
    if wanted.shape != (k, k) or not np.allclose(wanted, wanted.T, rtol=1e-12, atol=0.0):
        raise ValueError(f"covariance must be a symmetric ({k}, {k}) matrix, got {covariance!r}")
    rows = check_count("rows", rows, k + 1)
    seed = check_count("seed", seed, 0)
    try:
        colour = np.linalg.cholesky(wanted)
    except np.linalg.LinAlgError:
        raise ValueError(f"covariance must be positive definite, got {covariance!r}") from None
    sample = np.random.default_rng(seed).standard_normal((rows, k))
    sample -= sample.mean(axis=0)
    own = np.linalg.cholesky(sample.T @ sample / rows)
    twin: Floats = np.linalg.solve(own, sample.T).T @ colour.T + centre
    return twin


def _finite(name: str, value: ArrayLike, what: str) -> Floats:
    """The value as float64; refused unless it holds finite real numbers alone."""
    try:
        array = np.asarray(value)
    except ValueError:  # rows of unequal length
        array = np.empty(0, dtype=object)
    if array.dtype.kind not in "iuf" or not np.isfinite(array).all():
        raise ValueError(f"{name} must be {what} of finite real numbers, got {value!r}")
    return array.astype(np.float64)


@dataclass(frozen=True, eq=False)
class SparseData:
    """A binary classification in which most features are absent from most rows.

    features: (rows, columns), 1 where a feature is present and 0 elsewhere.
    targets: (rows,), 0 or 1.
    weights: (columns,), those of the logistic model that drew the targets: what a feature adds to
    the log odds.
    frequencies: (columns,), the probability that each feature is present, largest first.
    """

    features: Floats
    targets: Floats
    weights: Floats
    frequencies: Floats


def sparse_features(
    rows: int = 2000,
    columns: int = 100,
    exponent: float = 1.0,
    strength: float = 2.0,
    seed: int = 0,
) -> SparseData:
    r"""Rare features that matter as much as frequent ones, the setting that AdaGrad was made for.

    Feature j = 1, 2, ... is present with probability :math:`j^{-a} / 2`, as words are in texts, and
    its weight is +s or -s, by chance. A target is 1 with probability
    :math:`1 / (1 + e^{-w \cdot x})`.

    rows: how many examples. columns: how many features. exponent: a, at least 0; with 0 all
    features are equally frequent. strength: s, at least 0, in log odds. seed: at least 0. Raises
    ValueError for anything else.

    The setting: J. Duchi, E. Hazan and Y. Singer, JMLR 12, 2011, section 1.3.
    """
    rows = check_count("rows", rows, 1)
    columns = check_count("columns", columns, 1)
    exponent = check_number("exponent", exponent, "[0, inf)")
    strength = check_number("strength", strength, "[0, inf)")
    seed = check_count("seed", seed, 0)
    rng = np.random.default_rng(seed)
    frequencies = np.arange(1.0, columns + 1.0) ** -exponent / 2
    signs = rng.choice([-1.0, 1.0], columns)
    features = (rng.random((rows, columns)) < frequencies).astype(np.float64)
    with np.errstate(over="ignore"):  # what is certain has infinite odds
        probabilities = 1 / (1 + np.exp(-strength * (features @ signs)))
    targets = (rng.random(rows) < probabilities).astype(np.float64)
    return SparseData(features, targets, strength * signs, frequencies)


@dataclass(frozen=True, eq=False)
class SequenceTask:
    """Sequences with one number to be said at the end of each.

    inputs: (rows, length, 2), at each moment a value and a marker. targets: (rows,), the number.
    """

    inputs: Floats
    targets: Floats


def sequence_task(rows: int = 1000, length: int = 20, seed: int = 0) -> SequenceTask:
    """The adding problem: say the sum of the two marked values, after the whole sequence.

    Values are uniform on [0, 1). The marker is 1 at one moment of each half and 0 elsewhere. Always
    saying 1, the mean, has a mean squared error of 1/6.

    rows: how many sequences. length: how many moments each has, at least 2; the first half is the
    shorter one where it is odd. seed: at least 0. Raises ValueError for anything else.

    After S. Hochreiter and J. Schmidhuber, Neural Computation 9, 1997, section 5.4, whose values
    lie in [-1, 1], whose lengths vary and whose targets are scaled.
    """
    rows = check_count("rows", rows, 1)
    length = check_count("length", length, 2)
    seed = check_count("seed", seed, 0)
    rng = np.random.default_rng(seed)
    values = rng.random((rows, length))
    markers = np.zeros_like(values)
    every, half = np.arange(rows), length // 2
    markers[every, rng.integers(0, half, rows)] = 1.0
    markers[every, rng.integers(half, length, rows)] = 1.0
    return SequenceTask(np.stack([values, markers], axis=-1), (values * markers).sum(axis=1))
