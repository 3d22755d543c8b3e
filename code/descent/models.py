"""Models bound to data, with their losses and gradients written out.

A model bound to its data is a `Problem`, which says what the methods of all models take and give.
Its parameters are one flat vector, and every method takes arrays of them, `params` (..., size); so
one rule steps all runs at once.
"""

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from descent._checks import Floats, check_count
from descent.generators import SequenceTask

__all__ = ["MLP", "RNN", "LinearRegression", "LogisticRegression", "Problem"]

Rows = npt.NDArray[np.int64]

# Numbers whose arrays, a few at a time, stay in a core's own cache.
_IN_CACHE = 131072


class Data(Protocol):
    """What a problem needs of a data set: `features` (n, d) and `targets` (n,)."""

    @property
    def features(self) -> Floats: ...

    @property
    def targets(self) -> npt.NDArray[Any]: ...


class Problem(Protocol):
    """A model bound to `examples` rows of `data`, with `size` parameters, its `params`."""

    examples: int
    size: int

    def init(self, rng: np.random.Generator) -> Floats:
        """Initial parameters, shape (size,), with chance, if any, drawn from `rng`."""

    def loss(self, params: Floats) -> Floats:
        """Loss over all examples at `params`: (..., size) to (...)."""

    def grad(self, params: Floats, rows: Rows) -> Floats:
        """Gradient of the mean loss over the rows of each run's mini-batch.

        `params` (..., runs, size) and `rows` (runs, batch) give (..., runs, size).
        """


def _checked(data: Data) -> tuple[Floats, npt.NDArray[Any]]:
    """Features (n, d) and targets (n,) of a data set, refused where they are none (ValueError)."""
    features, targets = np.asarray(data.features), np.asarray(data.targets)
    for name, values, ndim in (("features", features, 2), ("targets", targets, 1)):
        if values.ndim != ndim or values.size == 0 or values.dtype.kind not in "iuf":
            raise ValueError(
                f"{name} must be numbers in an array of {ndim} dimension(s), "
                f"got {values.dtype} of shape {values.shape}"
            )
        if not np.isfinite(values).all():
            raise ValueError(f"{name} must be finite, got {values[~np.isfinite(values)][0]}")
    if len(features) != len(targets):
        raise ValueError(f"targets must be as many as the {len(features)} rows, got {len(targets)}")
    return features.astype(float), targets


def _with_ones(features: Floats) -> Floats:
    """The features and a column of ones, whose weight is the bias."""
    return np.column_stack([features, np.ones(len(features))])


def _few_at_a_time(
    loss: Callable[[Floats], Floats], params: Floats, numbers: int
) -> npt.NDArray[np.float64]:
    """`loss` of all runs (..., size), of so many at a time that their arrays stay in the cache.

    numbers: how many a run's largest array holds. Each run's loss must depend on that run alone.
    """
    runs = params.reshape(-1, params.shape[-1])
    few = max(1, _IN_CACHE // numbers)
    parts = [loss(runs[first : first + few]) for first in range(0, len(runs), few)]
    found: Floats = np.concatenate(parts).reshape(params.shape[:-1])[()]
    return found


class LinearRegression:
    """Least squares: weights, then a bias; the loss is half the mean squared error.

    Weights start from N(0, 0.01²), the bias at 0. `hessian` (size, size) is that of the loss, the
    same everywhere.

    `data` has features (n, d) and targets (n,), finite numbers; ValueError for others.
    """

    def __init__(self, data: Data) -> None:
        features, targets = _checked(data)
        self._inputs, self._targets = _with_ones(features), targets.astype(float)
        self.examples, self.size = self._inputs.shape
        self.hessian = self._inputs.T @ self._inputs / self.examples
        # The loss is the least one, and half the square of the way from the solution, which a
        # triangle measures whatever the number of rows: never negative, and without the loss of
        # digits of differences of moments. Centred, features far from 0 cost none either.
        self._centre, level = features.mean(axis=0), self._targets.mean()
        centred, above = _with_ones(features - self._centre), self._targets - level
        best = np.linalg.lstsq(centred, above)[0]
        self._least = 0.5 * float(np.mean((centred @ best - above) ** 2))
        self._triangle = np.linalg.qr(centred, mode="r") / self.examples**0.5
        self._solution = np.append(best[:-1], best[-1] + level - self._centre @ best[:-1])

    def init(self, rng: np.random.Generator) -> Floats:
        return np.append(rng.normal(0, 0.01, self.size - 1), 0.0)

    def loss(self, params: Floats) -> Floats:
        way = params - self._solution
        way[..., -1] += (way[..., :-1] * self._centre).sum(-1)
        half: Floats = 0.5 * ((way[..., None, :] * self._triangle).sum(-1) ** 2).sum(-1)
        return self._least + half

    def grad(self, params: Floats, rows: Rows) -> Floats:
        inputs = self._inputs[rows]
        residual = (inputs @ params[..., None])[..., 0] - self._targets[rows]
        mean: Floats = (residual[..., None, :] @ inputs)[..., 0, :] / rows.shape[1]
        return mean

    def solution(self) -> Floats:
        """The parameters of least loss, shape (size,)."""
        return self._solution.copy()


class LogisticRegression:
    """Targets 0 or 1: weights, then a bias; the loss is the mean cross-entropy. Starts at 0.

    `data` has features (n, d), finite numbers, and targets (n,); ValueError for others.
    """

    def __init__(self, data: Data) -> None:
        features, targets = _checked(data)
        self._inputs, self._targets = _with_ones(features), targets.astype(float)
        if not np.isin(targets, (0, 1)).all():
            raise ValueError(f"targets must be 0 or 1, got {np.unique(targets)}")
        self.examples, self.size = self._inputs.shape

    def init(self, rng: np.random.Generator) -> Floats:
        return np.zeros(self.size)

    def loss(self, params: Floats) -> Floats:
        def loss(params: Floats) -> Floats:
            # One product for each run: the bits must not depend on how many runs there are.
            score = (self._inputs @ params[..., None])[..., 0]
            mean: Floats = (np.logaddexp(0, score) - score * self._targets).mean(-1)
            return mean

        return _few_at_a_time(loss, params, self.examples)

    def grad(self, params: Floats, rows: Rows) -> Floats:
        inputs = self._inputs[rows]
        score = (inputs @ params[..., None])[..., 0]
        # tanh, unlike exp, cannot overflow.
        residual = 0.5 * (1 + np.tanh(0.5 * score)) - self._targets[rows]
        mean: Floats = (residual[..., None, :] @ inputs)[..., 0, :] / rows.shape[1]
        return mean


class MLP:
    """A network with one hidden layer of tanh units that tells classes 0, 1, … apart.

    The loss is the mean cross-entropy. Weights start from N(0, 1/inputs of the layer), biases at 0.

    `data` has features (n, d), finite numbers, and targets (n,), the classes. `hidden` is the
    number of hidden units, at least 1. ValueError for others.
    """

    def __init__(self, data: Data, hidden: int = 32) -> None:
        hidden = check_count("hidden", hidden, 1)
        self._inputs, targets = _checked(data)
        self._targets = targets.astype(np.int64)
        if (self._targets != targets).any() or (targets < 0).any():
            raise ValueError(f"targets must be the classes 0, 1, ...; got {np.unique(targets)}")
        self.examples, inputs = self._inputs.shape
        classes = int(self._targets.max()) + 1
        self._shapes = [(inputs, hidden), (1, hidden), (hidden, classes), (1, classes)]
        self._ends = np.cumsum([a * b for a, b in self._shapes])
        self.size = int(self._ends[-1])

    def init(self, rng: np.random.Generator) -> Floats:
        (inputs, hidden), _, (_, classes), _ = self._shapes
        return np.concatenate(
            [
                rng.normal(0, inputs**-0.5, inputs * hidden),
                np.zeros(hidden),
                rng.normal(0, hidden**-0.5, hidden * classes),
                np.zeros(classes),
            ]
        )

    def _parts(self, flat: Floats) -> list[Floats]:
        """Views of the weights and biases in (..., size)."""
        parts = np.split(flat, self._ends[:-1], axis=-1)
        return [
            part.reshape(*flat.shape[:-1], *shape)
            for part, shape in zip(parts, self._shapes, strict=True)
        ]

    def _forward(self, params: Floats, inputs: Floats) -> tuple[list[Floats], Floats, Floats]:
        """The parts of the parameters, the hidden units and the logarithms of probabilities."""
        parts = self._parts(params)
        hidden = inputs @ parts[0]
        hidden += parts[1]
        np.tanh(hidden, out=hidden)
        score = hidden @ parts[2]
        score += parts[3]
        # The classes are few: turned to the front, their maximum is one of whole arrays.
        score -= np.ascontiguousarray(np.moveaxis(score, -1, 0)).max(0)[..., None]
        score -= np.log(np.exp(score).sum(-1, keepdims=True))
        return parts, hidden, score

    def loss(self, params: Floats) -> Floats:
        def loss(params: Floats) -> Floats:
            log_p = self._forward(params, self._inputs)[2]
            told = log_p[..., np.arange(self.examples), self._targets]
            # Contiguous, so that the order of summation does not depend on how many runs there are.
            mean: Floats = -np.ascontiguousarray(told).mean(-1)
            return mean

        widest = max(width for _, width in self._shapes)
        return _few_at_a_time(loss, params, self.examples * widest)

    def accuracy(self, params: Floats, data: Data) -> Floats:
        """Share of the rows of `data` told right at `params`: (..., size) to (...)."""
        right: Floats = (self._forward(params, data.features)[2].argmax(-1) == data.targets).mean(
            -1
        )
        return right

    def grad(self, params: Floats, rows: Rows) -> Floats:
        inputs, targets = self._inputs[rows], self._targets[rows]
        parts, hidden, log_p = self._forward(params, inputs)
        classes = np.arange(log_p.shape[-1])
        d_score = np.exp(log_p, out=log_p)
        d_score -= targets[..., None] == classes
        d_score /= rows.shape[1]
        grad = np.empty((*params.shape[:-1], self.size))
        d_first, d_first_bias, d_second, d_second_bias = self._parts(grad)
        np.matmul(np.swapaxes(hidden, -1, -2), d_score, out=d_second)
        np.einsum("...ij->...j", d_score, out=d_second_bias[..., 0, :])
        d_hidden = d_score @ np.swapaxes(parts[2], -1, -2)
        d_hidden *= 1 - hidden**2
        np.matmul(np.swapaxes(inputs, -1, -2), d_hidden, out=d_first)
        np.einsum("...ij->...j", d_hidden, out=d_first_bias[..., 0, :])
        return grad


class RNN:
    """An Elman network of tanh units that reads a sequence and says one number after its end.

    The loss is the mean squared error. Weights start from N(0, 1/inputs of the layer), biases at 0;
    the hidden units start each sequence at 0. `data` has `inputs` (n, length, channels) and
    `targets` (n,), as `descent.generators.SequenceTask` has. `hidden` is the number of hidden
    units, at least 1; ValueError for another.
    """

    def __init__(self, data: SequenceTask, hidden: int = 12) -> None:
        hidden = check_count("hidden", hidden, 1)
        self._inputs, self._targets = data.inputs, data.targets
        self.examples, self._length, self._channels = self._inputs.shape
        self._hidden = hidden
        self._cell_size = (self._channels + 1 + hidden) * hidden
        self.size = self._cell_size + 1 + hidden

    def init(self, rng: np.random.Generator) -> Floats:
        channels, hidden = self._channels, self._hidden
        return np.concatenate(
            [
                rng.normal(0, channels**-0.5, channels * hidden),
                np.zeros(hidden),
                rng.normal(0, hidden**-0.5, hidden * hidden),
                np.zeros(1),
                rng.normal(0, hidden**-0.5, hidden),
            ]
        )

    def _forward(
        self, params: Floats, inputs: Floats, moments: int
    ) -> tuple[Floats, Floats, Floats, Floats]:
        """Weights of the cell and of the output, what the cell saw, what the network says.

        The cell sees, at moment t, the inputs, a 1 for the bias and the hidden units. The last
        `moments` of them are kept: (..., moments, batch, channels + 1 + hidden). The very last,
        after the end, has the inputs of an earlier one, which nobody reads.
        """
        cell = params[..., : self._cell_size].reshape(*params.shape[:-1], -1, self._hidden)
        out = params[..., self._cell_size :]
        c = self._channels
        seen = np.empty((*params.shape[:-1], moments, inputs.shape[-3], cell.shape[-2]))
        seen[..., c] = 1
        seen[..., 0, :, c + 1 :] = 0
        for t in range(self._length):
            now, after = seen[..., t % moments, :, :], seen[..., (t + 1) % moments, :, :]
            now[..., :c] = inputs[..., t, :]
            hidden = now @ cell
            after[..., c + 1 :] = np.tanh(hidden, out=hidden)
        said = (after[..., c:] @ out[..., None])[..., 0]
        return cell, out, seen, said

    def loss(self, params: Floats) -> Floats:
        def loss(params: Floats) -> Floats:
            residual = self._forward(params, self._inputs, 1)[3] - self._targets
            mean: Floats = (residual**2).mean(-1)
            return mean

        return _few_at_a_time(loss, params, self.examples * (self._channels + 1 + self._hidden))

    def grad(self, params: Floats, rows: Rows) -> Floats:
        cell, out, seen, said = self._forward(params, self._inputs[rows], self._length + 1)
        c = self._channels
        back = np.swapaxes(cell[..., c + 1 :, :], -1, -2)
        d_said = 2 * (said - self._targets[rows]) / rows.shape[1]
        d_hidden = d_said[..., None] * out[..., None, 1:]
        d_sum = np.empty((*params.shape[:-1], self._length, *d_hidden.shape[-2:]))
        for t in reversed(range(self._length)):
            d_hidden *= 1 - seen[..., t + 1, :, c + 1 :] ** 2
            d_sum[..., t, :, :] = d_hidden
            d_hidden = d_hidden @ back
        # All moments at once: the cell's weights are the same at each.
        before = seen[..., :-1, :, :].reshape(*params.shape[:-1], -1, cell.shape[-2])
        grad = np.empty((*params.shape[:-1], self.size))
        d_cell = grad[..., : self._cell_size].reshape(cell.shape)
        np.matmul(np.swapaxes(before, -1, -2), d_sum.reshape(*before.shape[:-1], -1), out=d_cell)
        grad[..., self._cell_size :] = (d_said[..., None, :] @ seen[..., -1, :, c:])[..., 0, :]
        return grad
