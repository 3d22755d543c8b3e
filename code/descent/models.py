"""Models bound to data, with their losses and gradients written out.

A model bound to its data is a `Problem`. Its parameters are one flat vector of length p, and every
method takes arrays of them, shape (..., p); so one rule steps all runs at once.
"""

from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from descent._checks import check_count
from descent.generators import SequenceTask
from descent.surfaces import Floats

__all__ = ["MLP", "RNN", "LinearRegression", "LogisticRegression", "Problem"]

Rows = npt.NDArray[np.int64]


class Data(Protocol):
    """What a problem needs of a data set: `features` (n, d) and `targets` (n,)."""

    @property
    def features(self) -> Floats: ...

    @property
    def targets(self) -> npt.NDArray[Any]: ...


class Problem(Protocol):
    """A model bound to `examples` rows of data, with `size` parameters."""

    examples: int
    size: int

    def init(self, rng: np.random.Generator) -> Floats:
        """Initial parameters, shape (size,)."""

    def loss(self, params: Floats) -> Floats:
        """Loss over all examples: (..., size) to (...)."""

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


class LinearRegression:
    """Least squares: weights, then a bias; the loss is half the mean squared error.

    Starts at weights from N(0, 0.01²) and bias 0.
    """

    def __init__(self, data: Data) -> None:
        features, targets = _checked(data)
        self._inputs, self._targets = _with_ones(features), targets.astype(float)
        self.examples, self.size = self._inputs.shape
        # The loss depends on the data through these moments alone.
        self.hessian = self._inputs.T @ self._inputs / self.examples
        self._moment = self._inputs.T @ self._targets / self.examples
        self._power = float(self._targets @ self._targets) / self.examples

    def init(self, rng: np.random.Generator) -> Floats:
        return np.append(rng.normal(0, 0.01, self.size - 1), 0.0)

    def loss(self, params: Floats) -> Floats:
        bent = (params[..., None, :] * self.hessian).sum(-1)
        total: Floats = (params * (bent - 2 * self._moment)).sum(-1) + self._power
        return 0.5 * total

    def grad(self, params: Floats, rows: Rows) -> Floats:
        inputs = self._inputs[rows]
        residual = (inputs @ params[..., None])[..., 0] - self._targets[rows]
        mean: Floats = (residual[..., None, :] @ inputs)[..., 0, :] / rows.shape[1]
        return mean

    def solution(self) -> Floats:
        """The parameters of least loss, shape (size,)."""
        return np.linalg.solve(self.hessian, self._moment)


class LogisticRegression:
    """Targets 0 or 1: weights, then a bias; the loss is the mean cross-entropy. Starts at 0."""

    def __init__(self, data: Data) -> None:
        features, targets = _checked(data)
        self._inputs, self._targets = _with_ones(features), targets.astype(float)
        if not np.isin(targets, (0, 1)).all():
            raise ValueError(f"targets must be 0 or 1, got {np.unique(targets)}")
        self.examples, self.size = self._inputs.shape

    def init(self, rng: np.random.Generator) -> Floats:
        return np.zeros(self.size)

    def loss(self, params: Floats) -> Floats:
        # One product for each run: the bits must not depend on how many runs there are.
        score = (self._inputs @ params[..., None])[..., 0]
        mean: Floats = (np.logaddexp(0, score) - score * self._targets).mean(-1)
        return mean

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
    """

    def __init__(self, data: Data, hidden: int = 32) -> None:
        check_count("hidden", hidden, 1)
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

    def _forward(self, params: Floats, inputs: Floats) -> tuple[list[Floats], Floats, Floats]:
        parts = [
            part.reshape(*params.shape[:-1], *shape)
            for part, shape in zip(np.split(params, self._ends[:-1], -1), self._shapes, strict=True)
        ]
        hidden = np.tanh(inputs @ parts[0] + parts[1])
        score = hidden @ parts[2] + parts[3]
        score = score - score.max(-1, keepdims=True)
        return parts, hidden, score - np.log(np.exp(score).sum(-1, keepdims=True))

    def loss(self, params: Floats) -> Floats:
        log_p = self._forward(params, self._inputs)[2]
        told = log_p[..., np.arange(self.examples), self._targets]
        # Contiguous, so that the order of summation does not depend on how many runs there are.
        mean: Floats = -np.ascontiguousarray(told).mean(-1)
        return mean

    def accuracy(self, params: Floats, data: Data) -> Floats:
        """Share of the rows of `data` told right: (..., size) to (...)."""
        right: Floats = (self._forward(params, data.features)[2].argmax(-1) == data.targets).mean(
            -1
        )
        return right

    def grad(self, params: Floats, rows: Rows) -> Floats:
        inputs, targets = self._inputs[rows], self._targets[rows]
        parts, hidden, log_p = self._forward(params, inputs)
        classes = np.arange(log_p.shape[-1])
        d_score = (np.exp(log_p) - (targets[..., None] == classes)) / rows.shape[1]
        d_hidden = d_score @ np.swapaxes(parts[2], -1, -2) * (1 - hidden**2)
        grads = [
            np.swapaxes(inputs, -1, -2) @ d_hidden,
            d_hidden.sum(-2),
            np.swapaxes(hidden, -1, -2) @ d_score,
            d_score.sum(-2),
        ]
        return np.concatenate([g.reshape(*params.shape[:-1], -1) for g in grads], axis=-1)


class RNN:
    """An Elman network of tanh units that reads a sequence and says one number after its end.

    The loss is the mean squared error. Weights start from N(0, 1/inputs of the layer), biases at 0;
    the hidden units start each sequence at 0. `data` has `inputs` (n, length, channels) and
    `targets` (n,), as `descent.data.SequenceTask` has.
    """

    def __init__(self, data: SequenceTask, hidden: int = 12) -> None:
        check_count("hidden", hidden, 1)
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
        self, params: Floats, inputs: Floats, targets: Floats
    ) -> tuple[Floats, Floats, Floats, Floats]:
        """Weights of the cell and of the output, what the cell saw at each moment, residuals.

        The cell sees, at moment t, the inputs, a 1 for the bias and the hidden units: shape
        (..., length + 1, batch, channels + 1 + hidden), with no inputs in the last, after the end.
        """
        cell = params[..., : self._cell_size].reshape(*params.shape[:-1], -1, self._hidden)
        out = params[..., self._cell_size :]
        c = self._channels
        seen = np.zeros((*params.shape[:-1], self._length + 1, inputs.shape[-3], cell.shape[-2]))
        seen[..., :-1, :, :c] = np.swapaxes(inputs, -2, -3)
        seen[..., c] = 1
        for t in range(self._length):
            seen[..., t + 1, :, c + 1 :] = np.tanh(seen[..., t, :, :] @ cell)
        said = (seen[..., -1, :, c:] @ out[..., None])[..., 0]
        return cell, out, seen, said - targets

    def loss(self, params: Floats) -> Floats:
        residual = self._forward(params, self._inputs, self._targets)[3]
        mean: Floats = (residual**2).mean(-1)
        return mean

    def grad(self, params: Floats, rows: Rows) -> Floats:
        cell, out, seen, residual = self._forward(params, self._inputs[rows], self._targets[rows])
        c = self._channels
        back = np.swapaxes(cell[..., c + 1 :, :], -1, -2)
        d_said = 2 * residual / rows.shape[1]
        d_hidden = d_said[..., None] * out[..., None, 1:]
        d_sum = np.empty((*params.shape[:-1], self._length, *d_hidden.shape[-2:]))
        for t in reversed(range(self._length)):
            d_sum[..., t, :, :] = d_hidden * (1 - seen[..., t + 1, :, c + 1 :] ** 2)
            d_hidden = d_sum[..., t, :, :] @ back
        # All moments at once: the cell's weights are the same at each.
        before = seen[..., :-1, :, :].reshape(*params.shape[:-1], -1, cell.shape[-2])
        d_cell = np.swapaxes(before, -1, -2) @ d_sum.reshape(*before.shape[:-1], -1)
        d_out = (d_said[..., None, :] @ seen[..., -1, :, c:])[..., 0, :]
        return np.concatenate([d_cell.reshape(*params.shape[:-1], -1), d_out], axis=-1)
