"""The recurrent network: its loss and gradient against torch's own cell and autograd."""

import numpy as np
import pytest
import torch

from descent import RNN, SGD, sequence_task, train


def torch_loss(
    params: torch.Tensor, inputs: np.ndarray, targets: np.ndarray, hidden: int
) -> torch.Tensor:
    """Mean squared error by torch.nn.RNN, whose weights are those of the flat vector."""
    channels = inputs.shape[-1]
    sizes = [channels * hidden, hidden, hidden * hidden, 1, hidden]
    u, b, w, c, v = params.split(sizes)
    cell = torch.nn.RNN(channels, hidden, batch_first=True, dtype=torch.float64)
    weights = {
        "weight_ih_l0": u.reshape(channels, hidden).T,
        "weight_hh_l0": w.reshape(hidden, hidden).T,
        "bias_ih_l0": b,
        "bias_hh_l0": torch.zeros(hidden, dtype=torch.float64),
    }
    states, _ = torch.func.functional_call(cell, weights, (torch.tensor(inputs),))
    return ((states[:, -1] @ v + c - torch.tensor(targets)) ** 2).mean()


def test_loss_and_gradient_are_those_of_torch() -> None:
    task, rng = sequence_task(rows=12, length=6, seed=1), np.random.default_rng(2)
    problem = RNN(task, hidden=5)
    # Two learning rates, three seeds; each seed has a mini-batch of its own.
    params = rng.normal(0, 0.6, (2, 3, problem.size))
    rows = np.stack([rng.permutation(12)[:4] for _ in range(3)])
    grad = problem.grad(params, rows)
    assert grad.shape == params.shape
    for i, j in np.ndindex(2, 3):
        x = torch.tensor(params[i, j], requires_grad=True)
        torch_loss(x, task.inputs[rows[j]], task.targets[rows[j]], 5).backward()
        np.testing.assert_allclose(grad[i, j], x.grad, rtol=1e-11, atol=1e-13)
        whole = torch_loss(torch.tensor(params[i, j]), task.inputs, task.targets, 5)
        np.testing.assert_allclose(problem.loss(params)[i, j], whole, rtol=1e-12)


def test_a_batch_of_runs_is_its_single_runs() -> None:
    task, lr = sequence_task(rows=40, length=5), np.array([0.02, 0.1])
    together = train(SGD(lr=lr[:, None, None]), task, model=RNN, seeds=range(2), record_every=20)
    alone = train(SGD(lr=0.1), task, model=RNN, seeds=[1], record_every=20)
    np.testing.assert_allclose(together.losses[:, 1, 1], alone.losses[:, 0], rtol=1e-11)


def test_it_learns_the_sum_of_two_numbers() -> None:
    task = sequence_task(rows=200, length=2)
    history = train(SGD(lr=0.1), task, model=RNN, epochs=40, record_every=8000)
    assert history.losses[-1, 0] < 0.01 < 1 / 6


def test_hidden_must_be_at_least_1() -> None:
    with pytest.raises(ValueError, match="hidden"):
        RNN(sequence_task(rows=3), hidden=0)


def test_losses_do_not_depend_on_how_many_runs_are_taken_at_a_time(monkeypatch) -> None:
    problem = RNN(sequence_task(rows=12, length=6), hidden=np.uint8(5))
    params = np.random.default_rng(2).normal(0, 0.6, (2, 3, problem.size))
    whole = problem.loss(params)
    monkeypatch.setattr("descent.models._IN_CACHE", 1)
    assert np.array_equal(problem.loss(params), whole)
