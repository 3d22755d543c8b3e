"""Every rule against an independent implementation: torch.optim, or its paper's algorithm."""

import copy
import pickle
from dataclasses import FrozenInstanceError, dataclass, fields, replace
from fractions import Fraction
from functools import cached_property
from typing import NamedTuple

import numpy as np
import pytest
import torch

from descent import minimize, ravine, rules, sparse_features, sweep, train
from descent.book.display import formula_lines
from descent.optim import RuleOptimizer
from descent.plots import STYLES, style_of
from descent.rules import (
    SGD,
    AdaGrad,
    Adam,
    Hyper,
    Lion,
    Momentum,
    NAdam,
    Nesterov,
    RMSprop,
    Rule,
    hyper,
)
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

    def lane(self, i: int) -> "Quadratic":
        """The problem of the i-th row alone."""
        one = copy.copy(self)
        one.start, one.curvature, one.noise = self.start[i], self.curvature[i], self.noise[:, i]
        return one

    @cached_property
    def tensors(self) -> tuple[torch.Tensor, torch.Tensor]:
        return torch.from_numpy(np.asarray(self.curvature)), torch.from_numpy(self.noise)

    def grad(self, x, t):
        """Gradient at x in step t; also for torch's tensors."""
        curvature, noise = (
            self.tensors if isinstance(x, torch.Tensor) else (self.curvature, self.noise)
        )
        return curvature * x + noise[t]


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
    here = [p.detach() for p in params]  # which the optimizer moves
    for t in range(STEPS + 1):
        for p, x, path, problem in zip(params, here, paths, problems, strict=True):
            path[t] = x.numpy()
            if t < STEPS:
                p.grad = problem.grad(x, t)
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
    """Each problem by itself, and those of one shape in one run whose hyper-parameters are arrays.

    They are the groups of one optimizer of torch.
    """
    rng = np.random.default_rng(1)
    together = Quadratic(rng, (4, 3))
    alone = [Quadratic(rng, ()), Quadratic(rng, (2, 1, 3)), together.lane(0)]
    problems = [*alone, *(together.lane(i) for i in range(1, 4))]
    hypers = [case.sample(rng) for _ in problems]
    theirs = torch_paths(case.peer, problems, hypers)
    for problem, h, path in zip(alone, hypers, theirs, strict=False):
        assert_same_path(our_path(case.rule(**h), problem), path)
    columns = {name: np.array([[h[name]] for h in hypers[2:]]) for name in hypers[0]}
    ours = our_path(case.rule(**columns), together)
    assert_same_path(ours, np.stack(theirs[2:], axis=1))


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


@pytest.mark.parametrize("kind", [AdaGrad, RMSprop, Adam, rules.AMSGrad, NAdam])
def test_float16_has_no_square_of_a_large_gradient(kind: type[Rule]) -> None:
    # As the module's docstring says.
    for gradient, moves in ((255.0, True), (257.0, False)):
        x = np.ones(2, np.float16)
        with np.errstate(over="ignore"):
            moved, _ = kind(lr=0.1).step(x, np.full_like(x, gradient), kind().init(x))
        assert (moved < x).all() if moves else (moved == x).all()


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
    ("kind", "share"),
    [(AdaGrad, 1.0), (RMSprop, 0.01), (Adam, 1.0), (rules.AMSGrad, 1.0), (NAdam, 1.0)],
    ids=lambda v: str(v),
)
def test_eps_stands_beside_the_root_or_inside_it(kind: type[Rule], share: float) -> None:
    # In the first step the denominator knows g alone: share · g² under the root.
    g, x = 0.03, np.zeros(1)

    def first_step(eps: float, inside: bool) -> float:
        rule = kind(lr=1.0, eps=eps, eps_inside_root=inside)  # type: ignore[call-arg]
        return float(rule.step(x, np.array([g]), rule.init(x))[0][0])

    along = first_step(0.0, False) * share**0.5 * g
    assert kind is NAdam or along == pytest.approx(-g, rel=1e-14)
    for inside in (False, True):
        root = (share * g**2 + 0.02) ** 0.5 if inside else share**0.5 * g + 0.02
        assert first_step(0.02, inside) == pytest.approx(along / root, rel=1e-14)


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


def test_a_mean_that_appears_late_begins_at_zero() -> None:
    x, g = np.array([1.0, -2.0]), np.array([0.5, 3.0])
    x, state = RMSprop().step(x, g, RMSprop().init(x))
    for rule in (RMSprop(centered=True), RMSprop(centered=True, momentum=0.5)):
        late, after = rule.step(x, g, state)
        from_zero, same = rule.step(x, g, state._replace(mean=np.zeros(2)))
        assert np.array_equal(late, from_zero) and np.array_equal(after.mean, same.mean)


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
    with pytest.raises(AttributeError):
        Rule().init(x)
    with pytest.raises(NotImplementedError):
        Rule()._step(x, x, None)


def test_replace_checks_again() -> None:
    with pytest.raises(ValueError, match="lr must be in"):
        replace(SGD(), lr=-1.0)


def test_dampening_is_ignored_without_momentum() -> None:
    # torch.optim.SGD makes no velocity then.
    problem = Quadratic(np.random.default_rng(7), (3,))
    h = {"lr": 0.1, "momentum": 0.0, "dampening": 0.5}
    (theirs,) = torch_paths(torch.optim.SGD, [problem], [h])
    assert_same_path(our_path(Momentum(**h), problem), theirs)
    columns = Momentum(lr=0.1, momentum=np.array([[0.0], [0.9]]), dampening=0.5)
    both = Quadratic(np.random.default_rng(7), (2, 3))
    both.start, both.curvature = np.stack([problem.start] * 2), np.stack([problem.curvature] * 2)
    both.noise = np.stack([problem.noise] * 2, axis=1)
    assert np.array_equal(our_path(columns, both)[:, 0], our_path(Momentum(**h), problem))


@every_rule
@pytest.mark.parametrize("number", [np.float64, np.float32, np.array, Fraction])
def test_the_kind_of_a_number_changes_nothing(kind: type[Rule], number) -> None:
    h = {f.name: number(f.default) for f in fields(kind) if not isinstance(f.default, bool)}
    x = np.ones(3, np.float32)
    rule, plain = kind(**h), kind(**{name: float(value) for name, value in h.items()})
    assert rule == plain and repr(rule) == repr(plain)
    moved, state = rule.step(x, x, rule.init(x))
    assert {a.dtype for a in (moved, *state) if isinstance(a, np.ndarray)} <= {x.dtype}
    assert (moved == plain.step(x, x, plain.init(x))[0]).all()


@every_rule
def test_an_infinite_parameter_spoils_no_state(kind: type[Rule]) -> None:
    x = np.array([np.inf, -np.inf, 1.0])
    for value in (kind().init(x), kind().init(torch.from_numpy(x))):
        for field in value:
            assert field is None or not np.isnan(np.asarray(field)).any()


@pytest.mark.parametrize("kind", [rules.AMSGrad, rules.AdaMax])
def test_the_larger_of_two_is_one_of_them(kind: type[Rule]) -> None:
    rng = np.random.default_rng(8)
    for size in (1e-3, 1e3, 1e30):
        x = np.zeros(1000)
        state = kind().init(x)
        first, second = size * rng.normal(size=(2, 1000))
        rule = kind(beta1=0.0, beta2=0.5, eps=0.0)
        _, state = rule.step(x, first, state)
        _, after = rule.step(x, second, state)
        new = {"square": 0.25 * first**2 + 0.5 * second**2, "decayed": 0.5 * state.largest}
        if kind is rules.AMSGrad:
            expected = np.maximum(state.largest, new["square"])
            np.testing.assert_allclose(after.largest, expected, rtol=1e-15)
        else:
            assert (after.largest == np.maximum(new["decayed"], np.abs(second))).all()


def test_an_infinite_gradient_makes_the_largest_infinite_and_no_nan() -> None:
    x = np.zeros(1)
    for kind in (rules.AMSGrad, rules.AdaMax):
        with np.errstate(invalid="ignore"):
            _, state = kind().step(x, np.array([np.inf]), kind().init(x))
        assert state.largest == np.inf
    moved, _ = Lion(lr=0.5).step(x, np.array([-np.inf]), Lion().init(x))
    assert moved == 0.5


@every_rule
def test_an_infinite_parameter_stays_infinite(kind: type[Rule]) -> None:
    x = np.array([np.inf, -np.inf])
    for there in (x, torch.from_numpy(x)):
        moved, _ = kind(weight_decay=0.0).step(there, there**0, kind().init(there))
        assert np.array_equal(np.asarray(moved), x)


def test_a_steady_gradient_never_makes_a_negative_variance() -> None:
    rng = np.random.default_rng(9)
    g = rng.normal(size=2000)
    for convert in (np.asarray, torch.from_numpy):
        x = convert(np.zeros(2000))
        rule = RMSprop(lr=1e-3, alpha=0.5, centered=True)
        state = rule.init(x)
        for _ in range(100):
            x, state = rule.step(x, convert(g), state)
            assert np.isfinite(np.asarray(x)).all()


@every_rule
def test_a_state_must_have_the_very_shape_of_x(kind: type[Rule]) -> None:
    x = np.ones((2, 3))
    row = kind().init(np.ones((1, 3)))
    if any(isinstance(value, np.ndarray) for value in row):
        with pytest.raises(ValueError, match=r"^state must have the shape of x, \(2, 3\), got \(1"):
            kind().step(x, x, row)


@every_rule
def test_an_array_of_no_dimensions_stays_one(kind: type[Rule]) -> None:
    x = np.array(2.0)
    moved, state = kind().step(x, x, kind().init(x))
    assert isinstance(moved, np.ndarray) and moved.shape == ()
    again, _ = kind().step(moved, moved, state)
    assert isinstance(again, np.ndarray) and not np.isnan(again)
    assert not any(isinstance(value, np.generic) for value in kind().init(x))


@every_rule
def test_no_graph_is_kept(kind: type[Rule]) -> None:
    x = torch.ones(3, requires_grad=True)
    moved, state = kind().step(x, 2 * x, kind().init(x))
    kept = [moved, *(value for value in state if isinstance(value, torch.Tensor))]
    assert not any(value.requires_grad for value in kept)


@every_rule
def test_the_order_of_bytes_does_not_matter(kind: type[Rule]) -> None:
    x, swapped = np.array([1.0, -2.0]), np.array([1.0, -2.0], ">f8")
    h = {"lr": np.array([0.1, 0.2], ">f8")}
    there, _ = kind(**h).step(swapped, swapped, kind(**h).init(swapped))
    here, _ = kind(lr=np.array([0.1, 0.2])).step(x, x, kind().init(x))
    assert (there == here).all()


@every_rule
def test_rules_are_equal_where_all_their_numbers_are(kind: type[Rule]) -> None:
    a, b, c = (kind(lr=np.array([[0.1], [v]])) for v in (0.2, 0.2, 0.3))
    assert a == b and hash(a) == hash(b) and a != c and len({a, b, c}) == 2
    assert kind(lr=torch.tensor([[0.1]])) == kind(lr=np.array([[torch.tensor(0.1).item()]]))
    assert a != kind(lr=0.1) and a != kind(lr=np.array([0.1, 0.2]))
    assert kind(lr=0.3) == kind(lr=0.3) != kind(lr=0.4)
    assert kind() != "a rule" and Adam() != rules.AdamW(weight_decay=0.0)
    for again in (copy.copy(a), copy.deepcopy(a), pickle.loads(pickle.dumps(a))):
        assert again == a


class DriftState(NamedTuple):
    mean: np.ndarray
    t: int = 0


@dataclass(frozen=True)
class Drift(Rule):
    """A rule of a user's own, with a hyper-parameter that no rule of the package has."""

    State = DriftState
    lr: Hyper = hyper(0.1)
    gamma: Hyper = hyper(0.5, "[0, 2]")
    free: float = -1.0
    turned: bool = False

    def formula(self, x, grad, state):
        #: m_t = \gamma m_{t-1} + g_t
        mean = self.gamma * state.mean + grad
        if self.turned:
            mean = -mean
        return x - self.lr * mean, DriftState(mean, state.t + 1)


def test_a_rule_of_ones_own_does_what_the_packages_rules_do() -> None:
    same = Momentum(lr=0.05, momentum=0.5)
    own = Drift(lr=0.05)
    here, there = (minimize(r, ravine, (-5.0, -2.0), 30).points for r in (own, same))
    assert (here == there).all()
    lr, gamma = sweep([0.05, 0.1], [0.5, 0.2, 0.0])
    assert minimize(Drift(lr=lr, gamma=gamma), ravine, (-5.0, -2.0), 3).points.shape == (4, 2, 3, 2)
    data = sparse_features(rows=50, columns=3)
    a = train(Drift(lr=sweep([0.01, 0.02], trailing=2)), data, seeds=range(3))
    b = train(Momentum(lr=sweep([0.01, 0.02], trailing=2), momentum=0.5), data, seeds=range(3))
    assert (a.losses == b.losses).all()
    p = torch.tensor([1.0, -2.0], dtype=torch.float64, requires_grad=True)
    optimizer = RuleOptimizer([p], own)
    (p**2).sum().backward()
    optimizer.step()
    assert p.tolist() == [0.9, -1.8]
    assert optimizer.param_groups[0]["gamma"] == 0.5
    assert style_of(own) == style_of(Drift) and style_of(own).label == "Drift"
    assert style_of(own).marker not in {style.marker for style in STYLES.values()}
    assert formula_lines(Drift) == [
        (r"m_t = \gamma m_{t-1} + g_t", "mean = self.gamma * state.mean + grad")
    ]
    assert own == Drift(lr=0.05) and own != replace(own, turned=True)


@pytest.mark.parametrize(
    ("h", "message"),
    [
        ({"gamma": 2.5}, r"gamma must be in \[0, 2\], got 2.5"),
        ({"free": float("nan")}, r"free must be in \(-inf, inf\), got nan"),
        ({"free": "1"}, "free must be a real number"),
        ({"turned": 1}, "turned must be True or False, got 1"),
    ],
)
def test_a_rule_of_ones_own_refuses_as_they_do(h, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Drift(**h)


def test_a_rule_of_ones_own_may_compare_as_it_likes() -> None:
    @dataclass(frozen=True)
    class Alike(SGD):
        def __eq__(self, other):
            return True

        def __hash__(self):
            return 1

    assert Alike() == SGD(lr=3.0) and hash(Alike()) == 1


def test_a_class_that_no_library_has_is_refused() -> None:
    class Odd:
        dtype, shape = "float64", (1,)

    with pytest.raises(ValueError, match="x must be an array, got Odd"):
        Momentum().init(Odd())


def test_momentum_raised_from_zero_begins_with_the_last_gradient() -> None:
    # As its docstring says; torch.optim.SGD has no velocity until then.
    x = torch.tensor([1.0], dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.SGD([x], lr=0.1)
    ours = np.array([1.0])
    state = Momentum().init(ours)
    for momentum, grad in ((0.0, 2.0), (0.9, 3.0)):
        optimizer.param_groups[0]["momentum"] = momentum
        x.grad = torch.tensor([grad], dtype=torch.float64)
        optimizer.step()
        ours, state = Momentum(lr=0.1, momentum=momentum).step(ours, np.array([grad]), state)
    assert x.item() == pytest.approx(1 - 0.1 * (2 + 3))
    assert ours.item() == pytest.approx(1 - 0.1 * (2 + 0.9 * 2 + 3))


def test_vmap_goes_over_parameters() -> None:
    # As the docstring of Rule says.
    rule, x = Adam(lr=0.1), torch.tensor([[1.0, -2.0], [3.0, 4.0]])

    def moved(x: torch.Tensor) -> torch.Tensor:
        return rule.step(x, 2 * x, rule.init(x))[0]

    assert torch.equal(torch.func.vmap(moved)(x), moved(x))


COUNTING = [kind for kind in RULES if "t" in kind.State._fields]


@pytest.mark.parametrize("kind", COUNTING, ids=lambda kind: kind.__name__)
def test_a_count_may_be_an_array_and_its_value_is_not_asked_for(kind: type[Rule]) -> None:
    # What compiles a step, such as jax.jit, makes an array of it; vmap too refuses to tell it.
    h = {"dampening": 0.3} if kind is Momentum else {"lr_decay": 0.1} if kind is AdaGrad else {}
    rule, x = kind(**h), torch.tensor([[1.0, -2.0], [3.0, 4.0]], dtype=torch.float64)
    state = rule.step(x[0], x[0], rule.init(x[0]))[1]

    def moved(x, t):
        return rule.step(x, 2 * x, state._replace(t=t))[0]

    found = torch.func.vmap(moved)(x, torch.tensor([0.0, 5.0], dtype=torch.float64))
    for i, t in enumerate((0, 5)):
        torch.testing.assert_close(found[i], moved(x[i], t), rtol=1e-14, atol=0.0)
    start = x[0].numpy()
    state = rule.init(start)
    for count in (np.int64(3), np.array(3)):
        one, after = rule.step(start, start, state._replace(t=count))
        assert after.t == 4
        np.testing.assert_allclose(one, rule.step(start, start, state._replace(t=3))[0], rtol=1e-14)
