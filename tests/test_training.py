"""train: batched runs against single ones, and every gradient against torch's."""

from dataclasses import FrozenInstanceError
from fractions import Fraction
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from descent.models import MLP, LinearRegression, LogisticRegression
from descent.rules import SGD, Adam, Momentum, Rule
from descent.training import train
from rule_cases import RULES, hyper_parameters

every_rule = pytest.mark.parametrize("kind", RULES, ids=lambda kind: kind.__name__)


def some_data(targets: str = "real", n: int = 53, d: int = 4):
    rng = np.random.default_rng(0)
    features = rng.normal(size=(n, d))
    score = features @ np.linspace(-1, 2, d) + 0.3 * rng.normal(size=n)
    kinds = {"real": score, "binary": (score > 0) * 1.0, "classes": np.digitize(score, [-1, 1])}
    return SimpleNamespace(features=features, targets=kinds[targets])


MODELS = {
    "linear": (LinearRegression, some_data("real")),
    "logistic": (LogisticRegression, some_data("binary")),
    "network": (lambda data: MLP(data, hidden=5), some_data("classes")),
}
every_model = pytest.mark.parametrize("name", MODELS)


def torch_loss(name: str, params: torch.Tensor, features, targets) -> torch.Tensor:
    """The loss as torch computes it, from the flat parameters."""
    x, y = torch.from_numpy(features), torch.from_numpy(targets)
    if name == "network":
        w1, b1, w2, b2 = torch.split(params, [20, 5, 15, 3])
        scores = torch.tanh(x @ w1.reshape(4, 5) + b1) @ w2.reshape(5, 3) + b2
        return torch.nn.functional.cross_entropy(scores, y)
    score = x @ params[:-1] + params[-1]
    if name == "linear":
        return 0.5 * torch.nn.functional.mse_loss(score, y)
    return torch.nn.functional.binary_cross_entropy_with_logits(score, y)


@every_model
def test_loss_and_gradient_are_torchs(name: str) -> None:
    model, data = MODELS[name]
    problem = model(data)
    rng = np.random.default_rng(1)
    params = rng.normal(size=(2, 3, problem.size))
    rows = np.stack([rng.choice(problem.examples, 7, replace=False) for _ in range(3)])
    grads, losses = problem.grad(params, rows), problem.loss(params)
    assert grads.shape == params.shape and losses.shape == (2, 3)
    for i in range(2):
        for j in range(3):
            w = torch.tensor(params[i, j], requires_grad=True)
            batch = data.features[rows[j]], data.targets[rows[j]]
            torch_loss(name, w, *batch).backward()
            np.testing.assert_allclose(grads[i, j], w.grad, rtol=1e-11, atol=1e-13)
            with torch.no_grad():
                whole = torch_loss(name, w, data.features, data.targets)
            assert losses[i, j] == pytest.approx(float(whole), rel=1e-12)


@every_model
def test_full_batch_gradient_is_that_of_the_loss(name: str) -> None:
    model, data = MODELS[name]
    problem = model(data)
    w = np.random.default_rng(2).normal(size=(1, problem.size))
    found = problem.grad(w, np.arange(problem.examples)[None])[0]
    h = 1e-5 * np.eye(problem.size)
    numeric = (problem.loss(w + h) - problem.loss(w - h)) / 2e-5
    np.testing.assert_allclose(found, numeric, rtol=1e-6, atol=1e-8)


def test_linear_regressions_loss_is_the_plain_formula() -> None:
    data = some_data()
    problem = LinearRegression(data)
    w = np.random.default_rng(3).normal(size=(6, problem.size))
    plain = [((data.features @ v[:-1] + v[-1] - data.targets) ** 2).mean() / 2 for v in w]
    np.testing.assert_allclose(problem.loss(w), plain, rtol=1e-12)


def test_linear_regressions_solution_and_hessian() -> None:
    data = some_data()
    problem = LinearRegression(data)
    best = np.linalg.lstsq(np.column_stack([data.features, np.ones(53)]), data.targets, rcond=None)
    np.testing.assert_allclose(problem.solution(), best[0], rtol=1e-10)
    every = np.arange(53)[None]
    np.testing.assert_allclose(problem.grad(problem.solution()[None], every), 0, atol=1e-14)
    slope = (
        problem.grad(np.eye(5)[None].swapaxes(0, 1), every)[:, 0]
        - problem.grad(np.zeros((5, 1, 5)), every)[:, 0]
    )
    np.testing.assert_allclose(slope, problem.hessian, atol=1e-13)


def test_logistic_loss_of_confident_scores_is_finite() -> None:
    data = SimpleNamespace(features=np.array([[1e6], [-1e6]]), targets=np.array([1.0, 1.0]))
    problem = LogisticRegression(data)
    w = np.array([[1.0, 0.0]])
    assert problem.loss(w)[0] == pytest.approx(5e5)
    np.testing.assert_allclose(problem.grad(w, np.array([[0, 1]])), [[5e5, -0.5]])


def test_network_accuracy_and_confident_scores() -> None:
    data = some_data("classes")
    problem = MLP(data, hidden=6)
    w = np.stack([problem.init(np.random.default_rng(s)) for s in range(3)])
    history = train(Adam(lr=0.05), data, model=lambda d: MLP(d, 6), epochs=40, seeds=range(3))
    share = problem.accuracy(history.params, data)
    assert share.shape == (3,)
    assert (share > 0.9).all() and (problem.accuracy(w, data) < share).all()
    assert np.isfinite(problem.loss(1e4 * w)).all()


def test_initialisation() -> None:
    rng = np.random.default_rng(4)
    assert (LogisticRegression(MODELS["logistic"][1]).init(rng) == 0).all()
    linear = np.stack([LinearRegression(some_data()).init(rng) for _ in range(1000)])
    assert (linear[:, -1] == 0).all()
    assert linear[:, :-1].std() == pytest.approx(0.01, rel=0.05)
    network = np.stack([MLP(some_data("classes"), hidden=5).init(rng) for _ in range(1000)])
    assert (network[:, 20:25] == 0).all() and (network[:, 40:] == 0).all()
    assert network[:, :20].std() == pytest.approx(4**-0.5, rel=0.05)
    assert network[:, 25:40].std() == pytest.approx(5**-0.5, rel=0.05)


def by_hand(rule: Rule, problem, seed: int, batch: int, epochs: int, shuffle: bool = True):
    """One run, written out; and its loss after every step."""
    rng = np.random.default_rng(seed)
    x = problem.init(rng)[None]
    state, losses = rule.init(x), [problem.loss(x)[0]]
    for _ in range(epochs):
        order = rng.permutation(problem.examples) if shuffle else np.arange(problem.examples)
        for first in range(0, problem.examples, batch):
            grad = problem.grad(x, order[None, first : first + batch])
            x, state = rule.step(x, grad, state)
            losses.append(problem.loss(x)[0])
    return x[0], np.array(losses)


@every_model
@pytest.mark.parametrize("shuffle", [True, False])
def test_it_is_the_loop_written_out(name: str, shuffle: bool) -> None:
    model, data = MODELS[name]
    rule = Momentum(lr=0.05)
    history = train(
        rule, data, model=model, seeds=[7], batch_size=10, record_every=1, shuffle=shuffle
    )
    x, losses = by_hand(rule, model(data), 7, 10, 2, shuffle)
    assert np.array_equal(history.params[0], x)
    np.testing.assert_allclose(history.losses[:, 0], losses, rtol=1e-13)
    assert history.examples.tolist() == [0, 10, 20, 30, 40, 50, 53, 63, 73, 83, 93, 103, 106]


@every_rule
@every_model
def test_a_batch_of_runs_is_its_single_runs_bit_for_bit(name: str, kind: type[Rule]) -> None:
    model, data = MODELS[name]
    rng = np.random.default_rng(5)
    hypers = [hyper_parameters(kind, rng) for _ in range(2)]
    columns = {h: np.array([one[h] for one in hypers])[:, None, None] for h in hypers[0]}
    options = {"model": model, "batch_size": 7, "epochs": 1, "record_every": 20}
    together = train(kind(**columns), data, seeds=[3, 1, 8], **options)
    assert together.losses.shape == (4, 2, 3) and together.params.shape[:2] == (2, 3)
    for i, one in enumerate(hypers):
        single = kind(**{h: np.array([[[value]]]) for h, value in one.items()})
        for j, seed in enumerate([3, 1, 8]):
            alone = train(single, data, seeds=[seed], **options)
            assert np.array_equal(together.params[i, j], alone.params[0, 0])
            assert np.array_equal(together.losses[:, i, j], alone.losses[:, 0, 0])
            assert np.array_equal(together.examples, alone.examples)


def test_a_sweep_over_two_hyper_parameters() -> None:
    lr = np.array([0.01, 0.1])[:, None, None]
    momentum = np.array([0.0, 0.5, 0.9])[:, None, None, None]
    history = train(Momentum(lr=lr, momentum=momentum), some_data(), seeds=range(4))
    assert history.losses.shape[1:] == (3, 2, 4) and history.params.shape == (3, 2, 4, 5)
    one = train(Momentum(lr=0.1, momentum=0.5), some_data(), seeds=[2])
    assert np.array_equal(history.params[1, 1, 2], one.params[0])


def test_all_rules_get_the_same_start_and_shuffles() -> None:
    seen = []

    class Watched(LinearRegression):
        def grad(self, params, rows):
            seen.append(rows.copy())
            return super().grad(params, rows)

    starts = []
    for rule in (SGD(lr=0.1), Adam(lr=0.1)):
        seen.append("run")
        starts.append(train(rule, some_data(), model=Watched, seeds=[0, 1]).losses[0])
    half = len(seen) // 2
    assert np.array_equal(starts[0], starts[1])
    first, second = seen[1:half], seen[half + 1 :]
    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))
    # Each epoch takes every row once, in an order of its own for each seed.
    for seed in (0, 1):
        epochs = [np.concatenate([rows[seed] for rows in part]) for part in (first[:6], first[6:])]
        assert all(sorted(rows) == list(range(53)) for rows in epochs)
        assert not np.array_equal(*epochs)
    assert not np.array_equal(first[0][0], first[0][1])


@pytest.mark.parametrize(
    ("every", "kept"),
    [
        (1, [0, 20, 40, 53, 73, 93, 106]),
        (40, [0, 40, 93, 106]),
        (50, [0, 53, 106]),
        (1000, [0, 106]),
    ],
)
def test_records(every: int, kept: list[int]) -> None:
    history = train(SGD(lr=0.1), some_data(), batch_size=20, record_every=every)
    assert history.examples.tolist() == kept
    full = train(SGD(lr=0.1), some_data(), batch_size=20, record_every=1)
    rows = [full.examples.tolist().index(n) for n in kept]
    assert np.array_equal(history.losses, full.losses[rows])


def test_no_epochs_is_the_start() -> None:
    history = train(SGD(), some_data(), epochs=0, seeds=[4])
    start = LinearRegression(some_data()).init(np.random.default_rng(4))
    assert np.array_equal(history.params, start[None])
    assert history.losses.shape == (1, 1) and history.examples.tolist() == [0]


def test_schedule() -> None:
    data, times = some_data(), []

    def halved(t: int) -> float:
        times.append(t)
        return 0.5

    a = train(Momentum(lr=0.1), data, schedule=halved)
    b = train(Momentum(lr=0.05), data)
    assert times == list(range(12))
    np.testing.assert_allclose(a.params, b.params, rtol=1e-14)


def test_divergence_is_marked_and_frozen_and_leaves_the_others_alone() -> None:
    lr = np.array([0.1, 1e3])[:, None, None]
    history = train(SGD(lr=lr), some_data(), seeds=[0, 1], epochs=5)
    assert history.diverged.tolist() == [[False, False], [True, True]]
    assert np.isfinite(history.params).all() and (np.abs(history.params) <= 1e30).all()
    assert np.isfinite(history.losses).all()
    assert (history.losses[-1, 1] == history.losses[-2, 1]).all()
    alone = train(SGD(lr=0.1), some_data(), seeds=[0, 1], epochs=5)
    assert np.array_equal(history.params[0], alone.params)


def test_plain_descent_on_all_rows_reaches_the_solution() -> None:
    data = some_data()
    history = train(SGD(lr=0.5), data, batch_size=53, epochs=300, record_every=53)
    np.testing.assert_allclose(history.params[0], LinearRegression(data).solution(), rtol=1e-9)
    assert (np.diff(history.losses[:20, 0]) < 0).all()


@every_model
def test_the_loss_after_the_last_step_is_kept(name: str) -> None:
    model, data = MODELS[name]
    history = train(SGD(lr=0.1), data, model=model, seeds=[0, 1], record_every=1000)
    assert history.examples.tolist() == [0, 106]
    assert np.array_equal(history.losses[-1], model(data).loss(history.params))


def test_histories_are_frozen_and_compared_by_identity() -> None:
    a, b = (train(SGD(lr=0.1), some_data()) for _ in range(2))
    assert a == a and a != b and len({a, b, a}) == 2
    with pytest.raises(FrozenInstanceError):
        a.losses = b.losses  # type: ignore[misc]


@pytest.mark.parametrize("kind", [np.uint8, np.int8, np.uint64])
def test_counts_may_be_any_integers(kind) -> None:
    counts = {"batch_size": kind(50), "epochs": kind(100), "record_every": kind(53)}
    history = train(SGD(lr=0.1), some_data(), seeds=[kind(1)], **counts)
    plain = train(SGD(lr=0.1), some_data(), seeds=[1], batch_size=50, epochs=100, record_every=53)
    assert np.array_equal(history.losses, plain.losses)
    assert history.examples[-1] == 5300
    assert MLP(some_data("classes"), hidden=kind(100)).size == 803


def test_a_bad_factor_of_a_schedule_is_refused_before_the_run() -> None:
    with pytest.raises(ValueError, match=r"^schedule\(11\) must be in \[0, inf\), got nan"):
        train(SGD(lr=0.1), some_data(), schedule=lambda t: np.nan if t == 11 else 1.0)


@pytest.mark.parametrize("offset", [0.0, 1e2, 1e4, 1e6])
def test_linear_regressions_loss_keeps_its_digits(offset: float) -> None:
    rng = np.random.default_rng(0)
    features = offset + rng.normal(size=(300, 4))
    targets = features @ [1.0, 2.0, 3.0, 4.0] + 0.3 * rng.normal(size=300)
    problem = LinearRegression(SimpleNamespace(features=features, targets=targets))
    inputs = [[*map(Fraction, row), 1] for row in features.tolist()]
    best = problem.solution()
    for w in (best, best * (1 + 1e-6), best + 1e-3 * rng.normal(size=5), rng.normal(size=5)):
        exact = list(map(Fraction, w.tolist()))
        gaps = [
            sum(a * b for a, b in zip(row, exact, strict=True)) - Fraction(y)
            for row, y in zip(inputs, targets.tolist(), strict=True)
        ]
        loss = float(sum(g * g for g in gaps) / 600)
        # What the rounding of one product of features and weights may move every residual by.
        rounding = np.finfo(float).eps * np.abs(features * w[:-1]).sum(axis=1).max()
        assert problem.loss(w) == pytest.approx(loss, rel=1e-13, abs=(2 * loss) ** 0.5 * rounding)


def test_a_loss_is_never_negative() -> None:
    data = some_data()
    data.targets = data.features @ np.arange(4.0)
    problem = LinearRegression(data)
    ways = np.random.default_rng(1).normal(size=(2000, 5)) * np.geomspace(1e-16, 1, 2000)[:, None]
    losses = problem.loss(problem.solution() + ways)
    assert (losses >= 0).all() and losses[0] < 1e-28


def test_losses_do_not_depend_on_how_many_runs_are_taken_at_a_time(monkeypatch) -> None:
    for model, data in MODELS.values():
        problem = model(data)
        params = np.random.default_rng(2).normal(size=(2, 3, problem.size))
        whole = problem.loss(params)
        for few in (1, 300, 10**9):
            monkeypatch.setattr("descent.models._IN_CACHE", few)
            assert np.array_equal(problem.loss(params), whole)
        assert np.ndim(problem.loss(params[0, 0])) == 0
