"""RuleOptimizer, against what PyTorch expects of an optimizer."""

import copy
import io
import pickle

import numpy as np
import pytest
import torch

from descent import optim, rules
from descent.optim import RuleOptimizer
from descent.rules import SGD, AdaGrad, Adam, AdamW, Momentum, NAdam, RMSprop, Rule
from rule_cases import CASES, RULES, Case, hyper_parameters

every_rule = pytest.mark.parametrize("kind", RULES, ids=lambda kind: kind.__name__)


def some_rule(kind: type[Rule]) -> Rule:
    return kind(**hyper_parameters(kind, np.random.default_rng(0)))


def network(dtype: torch.dtype = torch.float64) -> torch.nn.Sequential:
    torch.manual_seed(0)
    layers = [torch.nn.Linear(3, 4), torch.nn.Tanh(), torch.nn.Linear(4, 1)]
    return torch.nn.Sequential(*layers).to(dtype)


def train(model, optimizer, steps=10, first=0) -> None:
    """Some steps on data that depend on the number of the step alone."""
    dtype = next(model.parameters()).dtype
    for t in range(first, first + steps):
        generator = torch.Generator().manual_seed(t)
        x = torch.randn(8, 3, generator=generator, dtype=torch.float64).to(dtype)
        optimizer.zero_grad()
        (model(x) - x.sum(1, keepdim=True)).square().mean().backward()
        optimizer.step()


def values(model) -> list[torch.Tensor]:
    return [p.detach().clone() for p in model.parameters()]


def same(a, b) -> bool:
    return all(torch.equal(x, y) for x, y in zip(values(a), values(b), strict=True))


def state_tensors(optimizer) -> list[torch.Tensor]:
    return [v for s in optimizer.state.values() for v in s.values() if torch.is_tensor(v)]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.label)
def test_trains_a_network_as_torchs_own_optimizer(case: Case, monkeypatch) -> None:
    monkeypatch.setattr(torch, "get_default_dtype", lambda: torch.float64)  # for torch's NAdam
    h = case.sample(np.random.default_rng(1))
    ours, theirs = network(), network()
    train(ours, RuleOptimizer(ours.parameters(), case.rule(**h)), steps=100)
    train(theirs, case.peer([{"params": list(theirs.parameters()), **h}]), steps=100)
    for a, b in zip(values(ours), values(theirs), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-11, atol=1e-12)


@every_rule
def test_a_step_is_the_rules_own(kind: type[Rule]) -> None:
    rule, p = some_rule(kind), torch.linspace(-1, 1, 6, dtype=torch.float64).reshape(2, 3)
    x, state = p.clone(), rule.init(p)
    p.requires_grad_()
    optimizer = RuleOptimizer([p], rule)
    for t in range(5):
        p.grad = torch.cos(p.detach() + t)
        x, state = rule.step(x, torch.cos(x + t), state)
        optimizer.step()
    assert torch.equal(p.detach(), x)
    saved = optimizer.state[p]
    assert type(saved) is dict and list(saved) == list(rule.State._fields)


@every_rule
@pytest.mark.parametrize("layout", ["one row", "matrix", "transposed"])
def test_a_big_parameter_goes_in_pieces_with_the_same_bits(kind, layout, monkeypatch) -> None:
    def run() -> tuple[torch.Tensor, list[torch.Tensor]]:
        p = torch.arange(-1.0, 1.0, 0.01)[:200]
        p = {"one row": p, "matrix": p.reshape(8, 25), "transposed": p.reshape(8, 25).T}[layout]
        p.requires_grad_()
        optimizer = RuleOptimizer([p], some_rule(kind))
        for t in range(4):
            p.grad = torch.cos(p.detach() * (t + 1))
            optimizer.step()
        return p.detach(), state_tensors(optimizer)

    whole = run()
    monkeypatch.setattr(optim, "CHUNK", 13)
    pieces = run()
    assert torch.equal(whole[0], pieces[0])
    for a, b in zip(whole[1], pieces[1], strict=True):
        assert torch.equal(a, b)


@every_rule
def test_the_parameter_and_its_state_are_written_in_place(kind: type[Rule]) -> None:
    p = torch.ones(3, requires_grad=True)
    optimizer = RuleOptimizer([p], some_rule(kind))
    p.grad = torch.ones(3)
    optimizer.step()
    before = [p.data_ptr(), *(v.data_ptr() for v in state_tensors(optimizer))]
    optimizer.step()
    assert before == [p.data_ptr(), *(v.data_ptr() for v in state_tensors(optimizer))]


@every_rule
@pytest.mark.parametrize("copier", ["state_dict", "torch.save", "deepcopy", "pickle"])
def test_a_resumed_run_is_the_same_bit_for_bit(kind: type[Rule], copier: str) -> None:
    straight = network()
    optimizer = RuleOptimizer(straight.parameters(), some_rule(kind))
    train(straight, optimizer, 7)
    if copier in ("deepcopy", "pickle"):
        pair = (straight, optimizer)
        resumed, again = (
            copy.deepcopy(pair) if copier == "deepcopy" else pickle.loads(pickle.dumps(pair))
        )
    else:
        saved = [straight.state_dict(), optimizer.state_dict()]
        if copier == "torch.save":
            file = io.BytesIO()
            torch.save(saved, file)
            file.seek(0)
            saved = torch.load(file, weights_only=True)
        else:
            saved = copy.deepcopy(saved)
        resumed = network()
        resumed.load_state_dict(saved[0])
        again = RuleOptimizer(resumed.parameters(), kind())
        again.load_state_dict(saved[1])
    train(straight, optimizer, 7, first=7)
    train(resumed, again, 7, first=7)
    assert same(straight, resumed)
    assert again.rule is not None and repr(again) == repr(optimizer)


def test_a_run_resumed_without_its_state_is_another_run() -> None:
    straight = network()
    optimizer = RuleOptimizer(straight.parameters(), Adam(lr=0.01))
    train(straight, optimizer, 5)
    resumed = copy.deepcopy(straight)
    train(straight, optimizer, 5, first=5)
    train(resumed, RuleOptimizer(resumed.parameters(), Adam(lr=0.01)), 5, first=5)
    assert not same(straight, resumed)


def test_state_dict_has_torchs_form() -> None:
    model = network()
    optimizer = RuleOptimizer(model.parameters(), Adam())
    train(model, optimizer, 3)
    saved = optimizer.state_dict()
    assert set(saved) == {"state", "param_groups"}
    assert saved["param_groups"][0]["params"] == [0, 1, 2, 3]
    assert saved["state"][0]["t"] == 3


def test_groups_have_their_own_hyper_parameters() -> None:
    ours, theirs = network(), network()

    def groups(model):
        first, _, last = model
        return [{"params": first.parameters()}, {"params": last.parameters(), "lr": 0.1}]

    train(ours, RuleOptimizer(groups(ours), Momentum(lr=0.01)))
    train(theirs, torch.optim.SGD(groups(theirs), lr=0.01, momentum=0.9))
    for a, b in zip(values(ours), values(theirs), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-13, atol=1e-14)


def test_a_group_added_later_starts_its_own_count() -> None:
    model = network()
    optimizer = RuleOptimizer(model[0].parameters(), Adam())
    train(model, optimizer, 3)
    frozen = model[2].weight.detach().clone()
    optimizer.add_param_group({"params": model[2].parameters(), "lr": 0.5})
    train(model, optimizer, 2)
    assert [optimizer.state[p]["t"] for p in model.parameters()] == [5, 5, 2, 2]
    assert not torch.equal(frozen, model[2].weight)
    assert optimizer.param_groups[1]["lr"] == 0.5
    assert optimizer.param_groups[1]["beta1"] == 0.9


def test_named_parameters_keep_their_names() -> None:
    optimizer = RuleOptimizer(network().named_parameters(), Adam())
    assert optimizer.param_groups[0]["param_names"][0] == "0.weight"
    assert optimizer.state_dict()["param_groups"][0]["param_names"][-1] == "2.bias"


SCHEDULERS = {
    "StepLR": lambda o: torch.optim.lr_scheduler.StepLR(o, 3, 0.5),
    "Exponential": lambda o: torch.optim.lr_scheduler.ExponentialLR(o, 0.9),
    "Cosine": lambda o: torch.optim.lr_scheduler.CosineAnnealingLR(o, 10),
    "Lambda": lambda o: torch.optim.lr_scheduler.LambdaLR(o, lambda t: 1 / (1 + t)),
    "OneCycle": lambda o: torch.optim.lr_scheduler.OneCycleLR(o, 0.1, total_steps=20),
}


@pytest.mark.parametrize("name", SCHEDULERS)
def test_schedulers_steer_it_as_torchs_own(name: str) -> None:
    ours, theirs = network(), network()
    # OneCycleLR also moves the group's momentum, by that name.
    a = RuleOptimizer(ours.parameters(), Momentum(lr=0.05))
    b = torch.optim.SGD(theirs.parameters(), lr=0.05, momentum=0.9)
    scheduler_a, scheduler_b = SCHEDULERS[name](a), SCHEDULERS[name](b)
    for t in range(12):
        train(ours, a, 1, first=t)
        train(theirs, b, 1, first=t)
        scheduler_a.step()
        scheduler_b.step()
        assert a.param_groups[0]["lr"] == b.param_groups[0]["lr"]
    assert scheduler_a.get_last_lr() != [0.05]
    for x, y in zip(values(ours), values(theirs), strict=True):
        torch.testing.assert_close(x, y, rtol=1e-13, atol=1e-14)


def test_reduce_on_plateau() -> None:
    optimizer = RuleOptimizer(network().parameters(), SGD(lr=1.0))
    scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, patience=0, factor=0.1)
    for _ in range(2):
        scheduler.step(1.0)
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0.1)


def test_a_scheduler_that_leaves_the_interval_is_refused() -> None:
    model = network()
    optimizer = RuleOptimizer(model.parameters(), SGD())
    optimizer.param_groups[0]["lr"] = -0.1
    before = network()
    with pytest.raises(ValueError, match=r"lr must be in \[0, inf\), got -0.1"):
        train(model, optimizer, 1)
    assert same(model, before)


def test_momentum_raised_from_zero_by_a_scheduler_takes_effect() -> None:
    p = torch.zeros(1, requires_grad=True)
    optimizer = RuleOptimizer([p], RMSprop(lr=0.1))
    p.grad = torch.ones(1)
    optimizer.step()
    assert optimizer.state[p]["velocity"] is None
    optimizer.param_groups[0]["momentum"] = 0.9
    optimizer.step()
    first = optimizer.state[p]["velocity"].clone()
    optimizer.step()
    assert (optimizer.state[p]["velocity"] > first).all()


def test_lr_may_be_a_tensor_of_one_element() -> None:
    ours, theirs = network(), network()
    a = RuleOptimizer(ours.parameters(), Adam(lr=torch.tensor(0.01, dtype=torch.float64)))
    scheduler = torch.optim.lr_scheduler.ExponentialLR(a, 0.5)
    train(ours, a, 3)
    train(theirs, RuleOptimizer(theirs.parameters(), Adam(lr=0.01)), 3)
    for x, y in zip(values(ours), values(theirs), strict=True):
        torch.testing.assert_close(x, y, rtol=1e-13, atol=1e-14)
    scheduler.step()
    assert float(a.param_groups[0]["lr"]) == pytest.approx(0.005)


def test_closure_is_called_once_with_gradients_on_and_its_loss_returned() -> None:
    p = torch.ones(2, requires_grad=True)
    optimizer = RuleOptimizer([p], SGD(lr=0.25))
    calls = []

    def closure():
        calls.append(torch.is_grad_enabled())
        optimizer.zero_grad()
        loss = p.square().sum()
        loss.backward()
        return loss

    with torch.no_grad():
        loss = optimizer.step(closure)
    assert calls == [True]
    assert loss.item() == 2.0
    assert p.tolist() == [0.5, 0.5]
    assert optimizer.step() is None


def test_parameters_without_gradient_are_left_alone() -> None:
    used, unused = (torch.ones(2, requires_grad=True) for _ in range(2))
    optimizer = RuleOptimizer([used, unused], Adam(weight_decay=0.1))
    used.grad = torch.ones(2)
    optimizer.step()
    assert unused.tolist() == [1.0, 1.0] and unused not in optimizer.state
    assert used.tolist() != [1.0, 1.0]


def test_zero_grad_forgets_or_zeroes() -> None:
    p = torch.ones(2, requires_grad=True)
    optimizer = RuleOptimizer([p], SGD())
    p.grad = torch.ones(2)
    optimizer.zero_grad(set_to_none=False)
    assert p.grad.tolist() == [0.0, 0.0]
    optimizer.zero_grad()
    assert p.grad is None


@every_rule
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_dtypes(kind: type[Rule], dtype: torch.dtype) -> None:
    # Half precision cannot hold an eps of 1e-8; it needs a larger one, with torch's optimizers too.
    names = {"eps": 1e-3} if hasattr(kind(), "eps") else {}
    p = torch.zeros(3, dtype=dtype, requires_grad=True)
    optimizer = RuleOptimizer([p], kind(lr=0.01, **names))
    for _ in range(3):
        p.grad = torch.full_like(p, 0.5)
        optimizer.step()
    assert p.dtype == dtype and torch.isfinite(p).all() and (p < 0).all()
    assert {v.dtype for v in state_tensors(optimizer)} <= {dtype}


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_cuda_as_cpu() -> None:
    for kind in RULES:
        found = []
        for device in ("cpu", "cuda"):
            p = torch.linspace(-1, 1, 50, dtype=torch.float64, device=device).requires_grad_()
            optimizer = RuleOptimizer([p], some_rule(kind))
            for _ in range(20):
                p.grad = torch.cos(p.detach())
                optimizer.step()
            found.append(p.detach().cpu())
        torch.testing.assert_close(*found, rtol=1e-12, atol=1e-13)


def test_no_operation_leaves_its_device() -> None:
    for kind in RULES:
        p = torch.ones(3, device="meta", requires_grad=True)
        p.grad = torch.ones(3, device="meta")
        RuleOptimizer([p], some_rule(kind)).step()


def test_sparse_gradients_are_refused_before_anything_moves() -> None:
    dense = torch.ones(2, requires_grad=True)
    table = torch.nn.Embedding(5, 3, sparse=True)
    before = table.weight.detach().clone()
    optimizer = RuleOptimizer([dense, table.weight], Adam())
    dense.grad = torch.ones(2)
    table(torch.tensor([1])).sum().backward()
    with pytest.raises(ValueError, match=r"dense, got torch\.sparse_coo .* \(5, 3\).*SparseAdam"):
        optimizer.step()
    assert dense.tolist() == [1.0, 1.0] and torch.equal(table.weight, before)


def test_scalar_and_empty_parameters() -> None:
    scalar, empty = torch.tensor(1.0, requires_grad=True), torch.ones(0, requires_grad=True)
    scalar.grad, empty.grad = torch.tensor(1.0), torch.ones(0)
    RuleOptimizer([scalar, empty], Adam(lr=0.1)).step()
    assert scalar.item() == pytest.approx(0.9)


def test_hooks_are_called() -> None:
    p = torch.ones(1, requires_grad=True)
    optimizer = RuleOptimizer([p], SGD())
    seen = []
    optimizer.register_step_pre_hook(lambda *_: seen.append("before"))
    optimizer.register_step_post_hook(lambda *_: seen.append("after"))
    optimizer.step()
    assert seen == ["before", "after"]


def test_gradient_scaling_for_mixed_precision() -> None:
    p = torch.ones(1, requires_grad=True)
    optimizer = RuleOptimizer([p], SGD(lr=0.5))
    scaler = torch.amp.GradScaler("cpu", init_scale=8.0)
    scaler.scale((p * 1.0).sum()).backward()
    assert p.grad.item() == 8.0
    scaler.step(optimizer)
    assert p.item() == 0.5


def test_saved_before_the_first_step() -> None:
    fresh = RuleOptimizer(network().parameters(), NAdam())
    other = RuleOptimizer(network().parameters(), NAdam(lr=0.5))
    other.load_state_dict(fresh.state_dict())
    assert other.param_groups[0]["lr"] == 2e-3


P = torch.ones(2, requires_grad=True)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: RuleOptimizer([P], "Adam"), r"rule must be a rule such as .*got 'Adam'"),
        (lambda: RuleOptimizer([P], Adam), r"rule must be a rule such as .*got <class"),
        (lambda: RuleOptimizer([], SGD()), "empty parameter list"),
        (
            lambda: RuleOptimizer([{"params": [P]}, {"params": [P]}], SGD()),
            "appear in more than one parameter group",
        ),
        (
            lambda: RuleOptimizer([{"params": [P], "lr": -1.0}], SGD()),
            r"lr must be in \[0, inf\), got -1.0",
        ),
        (
            lambda: RuleOptimizer([{"params": [P], "betas": (0.9, 0.99)}], Adam()),
            r"a group of Adam may set lr, beta1, .*; got \['betas'\]",
        ),
        (
            lambda: RuleOptimizer([torch.ones(2, dtype=torch.long)], SGD()),
            r"params must be real floating-point tensors, got torch.int64",
        ),
        (
            lambda: RuleOptimizer([torch.ones(2, dtype=torch.complex64)], SGD()),
            r"params must be real floating-point tensors, got torch.complex64",
        ),
        (
            lambda: RuleOptimizer([P], SGD(lr=np.array([0.1, 0.2]))),
            r"lr must be a number or a tensor of one element, shape \(\); got array\(\[0.1, 0.2",
        ),
    ],
)
def test_refusals(make, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


def test_a_refused_group_is_not_kept() -> None:
    optimizer = RuleOptimizer([P], SGD())
    for bad in ({"lr": -1.0}, {"momentum": 0.9}):
        with pytest.raises(ValueError):
            optimizer.add_param_group({"params": [torch.ones(1, requires_grad=True)], **bad})
    assert len(optimizer.param_groups) == 1


@pytest.mark.parametrize(
    ("saver", "message"),
    [
        (SGD(), "must be that of Adam, got a group without beta1, beta2, eps, eps_inside_root"),
        (rules.AdaMax(), "must be that of Adam, got a group without eps_inside_root"),
    ],
)
def test_the_state_of_another_rule_is_refused(saver: Rule, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        RuleOptimizer([P], Adam()).load_state_dict(RuleOptimizer([P], saver).state_dict())


def test_a_state_with_other_fields_is_refused() -> None:
    p = torch.ones(2, requires_grad=True)
    p.grad = torch.ones(2)
    adam, grad = RuleOptimizer([p], AdamW()), RuleOptimizer([p], AdaGrad())
    adam.step()
    grad.step()
    saved = adam.state_dict()
    saved["state"] = grad.state_dict()["state"]
    with pytest.raises(ValueError, match="must be that of AdamW, got a state with t, total"):
        adam.load_state_dict(saved)
