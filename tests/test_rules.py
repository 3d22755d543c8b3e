"""Every rule against an independent implementation: torch.optim, or its paper's algorithm."""

from dataclasses import FrozenInstanceError, fields, replace

import numpy as np
import pytest
import torch

from descent import rules
from descent.rules import SGD, AdaGrad, Adam, Lion, Momentum, NAdam, Nesterov, RMSprop, Rule
from rule_cases import CASES, RULES, Case, hyper_parameters

STEPS = 1000
TOLERANCE = 1e-12

every_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.label)
every_rule = pytest.mark.parametrize("kind", RULES, ids=lambda kind: kind.__name__)


class Quadratic:
    """Noisy gradients of a random separable quadratic, the same numbers for NumPy and for torch."""

    def __init__(self, rng: np.random.Generator, shape: tuple[int, ...]) -> None:
        self.start = rng.normal(0, 3, shape)
        self.curvature = rng.uniform(0.1, 1.0, shape)
        self.noise = rng.normal(0, 0.1, (STEPS, *shape))

    def grad(self, x, t):
        """Gradient at x in step t; also for torch's tensors."""
        if isinstance(x, torch.Tensor):
            return torch.from_numpy(self.curvature) * x + torch.from_numpy(self.noise[t : t + 1])[0]
        return self.curvature * x + self.noise[t]


@pytest.fixture(autouse=True)
def double_precision():
    """torch.optim.NAdam keeps the product of its momenta in torch's default dtype: here,
    float64."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(before)


def our_path(rule: Rule, problem: Quadratic) -> np.ndarray:
    x = problem.start
    state = rule.init(x)
    path = [x]
    for t in range(STEPS):
        x, state = rule.step(x, problem.grad(x, t), state)
        path.append(x)
    return np.array(path)


def torch_paths(make, problems, hypers) -> list[np.ndarray]:
    """The paths of torch's optimizer, one group for each problem."""
    params = [torch.tensor(problem.start, requires_grad=True) for problem in problems]
    optimizer = make([{"params": [p], **h} for p, h in zip(params, hypers, strict=True)])
    paths = [np.empty((STEPS + 1, *problem.start.shape)) for problem in problems]
    for t in range(STEPS + 1):
        for p, path, problem in zip(params, paths, problems, strict=True):
            path[t] = p.detach().numpy()
            if t < STEPS:
                p.grad = problem.grad(p.detach(), t)
        if t < STEPS:
            optimizer.step()
    return paths


def assert_same_path(ours: np.ndarray, theirs: np.ndarray) -> None:
    """Equal to 1e-12 of the size that each coordinate has reached."""
    size = np.abs(theirs).max(axis=0)
    assert np.isfinite(theirs).all()
    assert np.abs(theirs[-1] - theirs[0]).min() > 1e-3  # the run went somewhere
    assert (np.abs(ours - theirs) / size).max() < TOLERANCE


@every_case
def test_as_torch_over_random_shapes_and_hyper_parameters(case: Case) -> None:
    rng = np.random.default_rng(1)
    problems = [Quadratic(rng, shape) for shape in [(), (3,), (2, 1, 3)]]
    hypers = [case.sample(rng) for _ in problems]
    theirs = torch_paths(case.peer, problems, hypers)
    for problem, h, path in zip(problems, hypers, theirs, strict=True):
        assert_same_path(our_path(case.rule(**h), problem), path)


@every_case
def test_an_array_of_hyper_parameters_is_as_many_runs_of_torch(case: Case) -> None:
    rng = np.random.default_rng(2)
    together = Quadratic(rng, (4, 3))
    hypers = [case.sample(rng) for _ in range(4)]
    lanes = []
    for i in range(4):
        lane = Quadratic(rng, (3,))
        lane.start, lane.curvature = together.start[i], together.curvature[i]
        lane.noise = together.noise[:, i]
        lanes.append(lane)
    columns = {name: np.array([[h[name]] for h in hypers]) for name in hypers[0]}
    ours = our_path(case.rule(**columns), together)
    for i, theirs in enumerate(torch_paths(case.peer, lanes, hypers)):
        assert_same_path(ours[:, i], theirs)


def test_lion_is_its_papers_algorithm() -> None:
    rng = np.random.default_rng(3)
    problem = Quadratic(rng, (5,))
    beta1, beta2, lr, decay = 0.87, 0.96, 0.01, 0.2
    x, m, path = problem.start, np.zeros(5), [problem.start]
    for t in range(STEPS):  # Chen et al. (2023), algorithm 2, in its order
        g = problem.grad(x, t)
        c = beta1 * m + (1 - beta1) * g
        eta_update = lr * (np.sign(c) + decay * x)
        m = beta2 * m + (1 - beta2) * g
        x = x - eta_update
        path.append(x)
    rule = Lion(lr=lr, beta1=beta1, beta2=beta2, weight_decay=decay)
    assert_same_path(our_path(rule, problem), np.array(path))


def test_lion_stands_still_where_its_average_is_zero() -> None:
    x = np.array([1.0, -2.0])
    moved, _ = Lion(lr=0.5).step(x, np.array([0.0, 3.0]), Lion().init(x))
    assert moved.tolist() == [1.0, -2.5]


@every_rule
def test_memory_starts_at_zero_also_where_a_parameter_is_zero(kind: type[Rule]) -> None:
    x = np.array([0.0, -0.0, 2.0])
    scalars = {"t": 0, "product": 1.0}
    for name, value in kind().init(x)._asdict().items():
        if isinstance(value, np.ndarray):
            assert np.array_equal(value, np.zeros(3))
        else:
            assert value == scalars.get(name)


@every_rule
def test_a_state_that_counts_counts_its_steps(kind: type[Rule]) -> None:
    x = np.ones(2)
    state = kind().init(x)
    for done in range(4):
        assert getattr(state, "t", done) == done
        x, state = kind().step(x, x, state)


def test_rmsprop_remembers_only_what_its_options_need() -> None:
    x, g, zero = np.array([0.0, 2.0]), np.array([3.0, -1.0]), np.zeros(2)
    plain = RMSprop().init(x)
    assert plain.mean is None and plain.velocity is None
    rule = RMSprop(alpha=0.9, centered=True, momentum=0.5)
    state = rule.init(x)
    assert np.array_equal(state.mean, zero) and np.array_equal(state.velocity, zero)
    _, state = rule.step(x, g, state)
    np.testing.assert_allclose(state.mean, 0.1 * g, rtol=1e-14)
    np.testing.assert_allclose(state.square, 0.1 * g**2, rtol=1e-14)


@every_rule
def test_torch_tensors_pass_through_the_same_lines(kind: type[Rule]) -> None:
    rng = np.random.default_rng(4)
    rule = kind(**hyper_parameters(kind, rng))
    x = rng.normal(size=(2, 3))
    tensor = torch.from_numpy(x.copy())
    state, tensor_state = rule.init(x), rule.init(tensor)
    for _ in range(20):
        grad = rng.normal(size=(2, 3))
        x, state = rule.step(x, grad, state)
        tensor, tensor_state = rule.step(tensor, torch.from_numpy(grad), tensor_state)
    assert isinstance(tensor, torch.Tensor) and tensor.dtype == torch.float64
    np.testing.assert_allclose(tensor.numpy(), x, rtol=1e-14)


@every_rule
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_dtype_is_kept(kind: type[Rule], dtype: type) -> None:
    x = np.ones((2, 3), dtype)
    moved, state = kind().step(x, x, kind().init(x))
    arrays = [moved, *(field for field in state if isinstance(field, np.ndarray))]
    assert {array.dtype for array in arrays} == {np.dtype(dtype)}
    assert {array.shape for array in arrays} == {(2, 3)}


@every_rule
def test_init_and_step_are_pure(kind: type[Rule]) -> None:
    rng = np.random.default_rng(5)
    rule, x, grad = kind(**hyper_parameters(kind, rng)), rng.normal(size=3), rng.normal(size=3)
    _, state = rule.step(x, grad, rule.init(x))
    given = [x, grad, *(field for field in state if isinstance(field, np.ndarray))]
    before = [array.copy() for array in given]
    first, second = rule.step(x, grad, state), rule.step(x, grad, state)
    assert all((a == b).all() for a, b in zip(given, before, strict=True))
    assert (first[0] == second[0]).all()
    assert not any(np.shares_memory(first[0], array) for array in given)


@every_rule
def test_a_rule_cannot_be_changed(kind: type[Rule]) -> None:
    with pytest.raises(FrozenInstanceError):
        kind().lr = 1.0  # type: ignore[attr-defined]


def torch_defaults() -> dict[str, dict[str, object]]:
    p = [torch.zeros(1, requires_grad=True)]
    o = torch.optim
    peers = {
        "SGD": o.SGD(p),
        "AdaGrad": o.Adagrad(p),
        "RMSprop": o.RMSprop(p),
        "Adadelta": o.Adadelta(p),
        "Adam": o.Adam(p),
        "AMSGrad": o.Adam(p, amsgrad=True),
        "AdamW": o.AdamW(p),
        "NAdam": o.NAdam(p),
        "AdaMax": o.Adamax(p),
    }
    found = {name: dict(peer.defaults) for name, peer in peers.items()}
    for defaults in found.values():
        if "betas" in defaults:
            defaults["beta1"], defaults["beta2"] = defaults.pop("betas")
    return found


@pytest.mark.parametrize("name", torch_defaults())
def test_names_and_defaults_are_torchs(name: str) -> None:
    theirs = torch_defaults()[name]
    ours = {f.name: f.default for f in fields(getattr(rules, name))}
    ours.pop("eps_inside_root", None)  # a convention of other frameworks
    assert {key: theirs[key] for key in ours} == ours


def test_defaults_without_a_peer_in_torch() -> None:
    assert Momentum() == Momentum(lr=1e-3, momentum=0.9, dampening=0.0, weight_decay=0.0)
    assert Nesterov() == Nesterov(lr=1e-3, momentum=0.9, weight_decay=0.0)
    assert Lion() == Lion(lr=1e-4, beta1=0.9, beta2=0.99, weight_decay=0.0)


@pytest.mark.parametrize(
    ("kind", "share"), [(AdaGrad, 1.0), (RMSprop, 0.01), (Adam, 1.0)], ids=lambda v: str(v)
)
def test_eps_stands_beside_the_root_or_inside_it(kind: type[Rule], share: float) -> None:
    # In the first step the denominator knows g alone: share · g² under the root.
    g, eps = 0.03, 0.02
    x = np.zeros(1)
    for inside in (False, True):
        rule = kind(lr=1.0, eps=eps, eps_inside_root=inside)  # type: ignore[call-arg]
        moved, _ = rule.step(x, np.array([g]), rule.init(x))
        root = (share * g**2 + eps) ** 0.5 if inside else share**0.5 * g + eps
        assert moved[0] == pytest.approx(-g / root, rel=1e-14)


def test_momentum_that_appears_late_counts_from_then_on() -> None:
    # A scheduler may raise RMSprop's momentum from 0: the velocity then starts at the step of the
    # moment.
    x = np.array([1.0])
    plain, with_momentum = RMSprop(lr=0.1), RMSprop(lr=0.1, momentum=0.9)
    x, state = plain.step(x, np.array([1.0]), plain.init(x))
    expected, _ = plain.step(x, np.array([1.0]), state)
    moved, state = with_momentum.step(x, np.array([1.0]), state)
    assert moved == expected
    further, _ = with_momentum.step(moved, np.array([0.0]), state)
    assert further < moved


def steps(rule: Rule, count: int = 50) -> np.ndarray:
    problem = Quadratic(np.random.default_rng(6), (4,))
    x, state = problem.start, rule.init(problem.start)
    for t in range(count):
        x, state = rule.step(x, problem.grad(x, t), state)
    return x


@pytest.mark.parametrize(
    ("general", "special"),
    [
        (Momentum(lr=0.1, momentum=0.0), SGD(lr=0.1)),
        (Nesterov(lr=0.1, momentum=0.0), SGD(lr=0.1)),
        (rules.AdamW(lr=0.1, weight_decay=0.0), Adam(lr=0.1)),
        (RMSprop(lr=0.1, momentum=np.zeros(1)), RMSprop(lr=0.1)),
        (AdaGrad(lr=0.1, lr_decay=np.zeros(1)), AdaGrad(lr=0.1)),
        (Momentum(lr=0.1, dampening=np.zeros(1)), Momentum(lr=0.1)),
        (Adam(lr=0.1, weight_decay=np.zeros(1)), Adam(lr=0.1)),
        (Lion(lr=0.1, weight_decay=np.zeros(1)), Lion(lr=0.1)),
    ],
    ids=lambda rule: type(rule).__name__,
)
def test_reductions(general: Rule, special: Rule) -> None:
    np.testing.assert_allclose(steps(general), steps(special), rtol=1e-14)


def test_adam_without_averages_is_rmsprop_without_forgetting() -> None:
    # β₁ = β₂ = 0: both step by g / (|g| + ε).
    a = steps(Adam(lr=0.1, beta1=0.0, beta2=0.0, eps=1e-3))
    b = steps(RMSprop(lr=0.1, alpha=0.0, eps=1e-3))
    np.testing.assert_allclose(a, b, rtol=1e-13)


def test_adams_first_step_is_the_learning_rate() -> None:
    x = np.zeros(3)
    grad = np.array([1e-3, -5.0, 2e4])
    for kind in (Adam, rules.AMSGrad, rules.AdaMax):
        moved, _ = kind(lr=0.1, eps=0.0).step(x, grad, kind().init(x))
        np.testing.assert_allclose(moved, [-0.1, 0.1, -0.1], rtol=1e-13)


def test_amsgrad_never_forgets_a_large_gradient_as_adam_does() -> None:
    grads = [10.0] + 200 * [0.1]
    moves = {}
    for rule in (Adam(lr=0.1, beta2=0.9), rules.AMSGrad(lr=0.1, beta2=0.9)):
        x, state = np.zeros(1), rule.init(np.zeros(1))
        for g in grads:
            before = x
            x, state = rule.step(x, np.array([g]), state)
        moves[type(rule)] = float(before[0] - x[0])
    assert moves[Adam] == pytest.approx(0.1, rel=1e-3)  # g / |g|
    # The largest average was its first: (1 - β₂) 10², and the mean gradient is 0.1 by now.
    assert moves[rules.AMSGrad] == pytest.approx(0.1 * 0.1 / (0.1 * 100) ** 0.5, rel=1e-3)


def test_nadam_leads_adam() -> None:
    # With a steady gradient both step by lr; NAdam's first step is larger by its look-ahead.
    assert abs(steps(NAdam(lr=0.1), 1) - steps(Adam(lr=0.1), 1)).max() > 1e-3


def test_the_base_is_no_rule() -> None:
    x = np.ones(1)
    with pytest.raises(NotImplementedError):
        Rule().init(x)
    with pytest.raises(NotImplementedError):
        Rule().update(x, x, None)


def test_replace_checks_again() -> None:
    with pytest.raises(ValueError, match="lr must be in"):
        replace(SGD(), lr=-1.0)
