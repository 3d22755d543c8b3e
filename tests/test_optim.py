"""RuleOptimizer, against what PyTorch expects of an optimizer."""

import copy
import dataclasses
import io
import pickle
import warnings
from fractions import Fraction

import numpy as np
import pytest
import torch
from torch.distributed.checkpoint.state_dict import (
    StateDictOptions,
    get_optimizer_state_dict,
    set_optimizer_state_dict,
)

from descent import optim, rules
from descent.optim import RuleOptimizer
from descent.rules import SGD, Adam, AdamW, Momentum, NAdam, RMSprop, Rule
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
    kept = {name: value for name, value in state._asdict().items() if value is not None}
    assert type(saved) is dict and list(saved) == list(kept)
    for name, value in kept.items():
        assert torch.equal(saved[name], value) if torch.is_tensor(value) else saved[name] == value


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


def some_parameters(dtype: torch.dtype) -> list[torch.Tensor]:
    """Parameters of many shapes and layouts, among them one without an element."""
    shapes = [(), (3,), (2, 5), (1,), (0,), (40,), (2, 3, 2, 2), (7, 4)]
    generator = torch.Generator().manual_seed(3)
    params = [torch.randn(shape, generator=generator, dtype=dtype) for shape in shapes]
    params[2] = params[2].T
    params[6] = params[6].contiguous(memory_format=torch.channels_last)
    params[7] = params[7].T
    return [p.requires_grad_() for p in params]


@every_rule
@pytest.mark.parametrize("chunk", [13, 65536])
@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64])
def test_parameters_together_have_the_bits_of_each_alone(kind, chunk, dtype, monkeypatch) -> None:
    monkeypatch.setattr(torch, "get_num_threads", lambda: 1)
    rule = some_rule(kind)
    together, alone = some_parameters(dtype), some_parameters(dtype)
    # Two groups, and a parameter of another dtype among the others.
    for params in (together, alone):
        params.insert(3, torch.linspace(-1, 1, 5, dtype=torch.bfloat16).requires_grad_())
    one = RuleOptimizer([{"params": together[:5]}, {"params": together[5:], "lr": 0.03}], rule)
    each = [RuleOptimizer([p], rule) for p in alone[:5]]
    each += [RuleOptimizer([p], dataclasses.replace(rule, lr=0.03)) for p in alone[5:]]
    for t in range(5):
        for i, (p, q) in enumerate(zip(together, alone, strict=True)):
            # Some are left out now and then, so that the counts differ.
            p.grad = None if (i + t) % 4 == 0 else torch.cos(p.detach() * (t + 1))
            q.grad = None if p.grad is None else p.grad.clone()
        monkeypatch.setattr(optim, "CHUNK", chunk)
        one.step()
        monkeypatch.setattr(optim, "CHUNK", 1000)
        for optimizer in each:
            optimizer.step()
    for p, q, optimizer in zip(together, alone, each, strict=True):
        assert torch.equal(p, q)
        assert one.state[p].keys() == optimizer.state[q].keys()
        for name, value in one.state[p].items():
            other = optimizer.state[q][name]
            assert torch.equal(value, other) if torch.is_tensor(value) else value == other


def test_small_parameters_are_one_call_of_the_formula_and_big_ones_many(monkeypatch) -> None:
    monkeypatch.setattr(torch, "get_num_threads", lambda: 1)
    sizes = []

    @dataclasses.dataclass(frozen=True)
    class Counted(Adam):
        def formula(self, x, grad, state):
            sizes.append(x.numel())
            return super().formula(x, grad, state)

    def calls(*shapes) -> list[int]:
        params = [torch.ones(shape, requires_grad=True) for shape in shapes]
        optimizer = RuleOptimizer(params, Counted())
        for _ in range(2):  # the second step has a state to compare
            for p in params:
                p.grad = torch.ones_like(p)
            sizes.clear()
            optimizer.step()
        return sizes

    assert calls((optim.CHUNK - 9,), (9,)) == [optim.CHUNK]
    assert calls((optim.CHUNK - 9,), (10,)) == [optim.CHUNK - 9, 10]
    assert calls(*[(10, 10)] * 100) == [10_000]
    assert calls((40_000,), (30_000,), (1,), (optim.CHUNK,)) == [40_000, 30_001, optim.CHUNK]
    assert calls((2, optim.CHUNK), (3,)) == [optim.CHUNK, optim.CHUNK, 3]


class Elsewhere(torch.Tensor):
    """As a DTensor: what rearranges its elements gives a copy."""

    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        result = super().__torch_function__(func, types, args, kwargs or {})
        if func in (torch.Tensor.view, torch.Tensor.reshape, torch.split):
            return torch.utils._pytree.tree_map(torch.clone, result)
        return result


@pytest.mark.parametrize("own", ["parameters", "gradients", "both"])
@every_rule
def test_a_tensor_of_another_class_is_neither_cut_nor_joined(kind, own, monkeypatch) -> None:
    monkeypatch.setattr(optim, "CHUNK", 4)
    plain = [torch.linspace(-1, 1, n, dtype=torch.float64) for n in (2, 30, 3, 1, 1)]
    if own == "gradients":
        other = [x.clone().requires_grad_() for x in plain]
    else:
        other = [x.clone().as_subclass(Elsewhere).requires_grad_() for x in plain]
    plain = [x.requires_grad_() for x in plain]
    a, b = RuleOptimizer(plain, some_rule(kind)), RuleOptimizer(other, some_rule(kind))
    joined = []
    monkeypatch.setattr(
        torch, "cat", lambda parts, cat=torch.cat: joined.extend(map(type, parts)) or cat(parts)
    )
    for t in range(3):
        for p in plain + other:
            p.grad = torch.cos(p.detach().as_subclass(torch.Tensor) * (t + 1))
        if own != "parameters":
            for p in other:
                # A plain parameter refuses such a gradient when it is set, but not when it is made.
                p.grad.__class__ = Elsewhere
        a.step()
        b.step()
    assert Elsewhere not in joined
    for p, q in zip(plain, other, strict=True):
        assert torch.equal(p.detach(), q.detach().as_subclass(torch.Tensor))


@pytest.fixture(scope="module")
def one_process():
    """A group of processes that is this one alone."""
    torch.distributed.init_process_group(
        "gloo", store=torch.distributed.HashStore(), rank=0, world_size=1
    )
    yield
    torch.distributed.destroy_process_group()


@every_rule
def test_a_sharded_model_moves_as_the_whole(kind: type[Rule], one_process, monkeypatch) -> None:
    monkeypatch.setattr(optim, "CHUNK", 3)
    sharded, whole = network(), network()
    torch.distributed.fsdp.fully_shard(
        sharded, mesh=torch.distributed.init_device_mesh("cpu", (1,))
    )
    for model in (sharded, whole):
        train(model, RuleOptimizer(model.parameters(), some_rule(kind)), 4)
    assert not same(whole, network())
    for p, q in zip(sharded.parameters(), whole.parameters(), strict=True):
        assert type(p) is not type(q) and torch.equal(p.full_tensor(), q)


@every_rule
def test_zero_redundancy(kind: type[Rule], one_process) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of torch's own torch.jit.script
        from torch.distributed.optim import ZeroRedundancyOptimizer
    ours, theirs = network(), network()
    a = ZeroRedundancyOptimizer(ours.parameters(), RuleOptimizer, rule=some_rule(kind))
    b = RuleOptimizer(theirs.parameters(), some_rule(kind))
    schedulers = [torch.optim.lr_scheduler.ExponentialLR(o, 0.5) for o in (a, b)]

    def both(first: int) -> None:
        for model, optimizer, scheduler in zip((ours, theirs), (a, b), schedulers, strict=True):
            train(model, optimizer, 2, first=first)
            scheduler.step()
        assert same(ours, theirs)

    both(0)
    a.consolidate_state_dict()
    saved = a.state_dict()
    a = ZeroRedundancyOptimizer(ours.parameters(), RuleOptimizer, rule=some_rule(kind))
    a.load_state_dict(saved)
    schedulers[0].optimizer = a
    assert a.param_groups[0]["lr"] == b.param_groups[0]["lr"] != some_rule(kind).lr
    both(2)
    for model, optimizer in ((ours, a), (theirs, b)):
        more = torch.ones(3, dtype=torch.float64, requires_grad=True)
        model.register_parameter("more", torch.nn.Parameter(more))
        optimizer.add_param_group({"params": [model.more]})
        model.more.grad = torch.ones_like(more)
        optimizer.step()
    assert same(ours, theirs)


@every_rule
@pytest.mark.parametrize("flat", [True, False])
def test_distributed_checkpoints(kind: type[Rule], flat: bool) -> None:
    options = StateDictOptions(flatten_optimizer_state_dict=flat)
    straight, resumed = network(), network()
    optimizer = RuleOptimizer(straight.parameters(), some_rule(kind))
    again = RuleOptimizer(resumed.parameters(), some_rule(kind))
    train(straight, optimizer, 3)
    resumed.load_state_dict(straight.state_dict())
    saved = get_optimizer_state_dict(straight, optimizer, options=options)
    set_optimizer_state_dict(resumed, again, copy.deepcopy(saved), options=options)
    train(straight, optimizer, 3, first=3)
    train(resumed, again, 3, first=3)
    assert same(straight, resumed)


def test_compiled_it_is_the_same_and_nothing_is_compiled_again_and_again() -> None:
    ours, theirs = network(), network()
    a, b = (RuleOptimizer(m.parameters(), Adam()) for m in (ours, theirs))
    frames = []

    def backend(graph, inputs):
        frames.append(graph)
        return graph.forward

    a.step = torch.compile(a.step, backend=backend)
    train(ours, a, 12)
    train(theirs, b, 12)
    assert same(ours, theirs) and not frames


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
    assert optimizer.param_groups[1]["betas"] == (0.9, 0.999)


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


CYCLES = {
    "OneCycle": lambda o: torch.optim.lr_scheduler.OneCycleLR(o, 0.1, total_steps=20),
    "Cyclic": lambda o: torch.optim.lr_scheduler.CyclicLR(o, 0.01, 0.1, step_size_up=4),
}


@pytest.mark.parametrize("name", CYCLES)
@pytest.mark.parametrize(
    ("rule", "peer"),
    [
        (Adam(), torch.optim.Adam),
        (AdamW(), torch.optim.AdamW),
        (rules.AMSGrad(), lambda p: torch.optim.Adam(p, amsgrad=True)),
        (rules.AdaMax(), torch.optim.Adamax),
        (NAdam(), torch.optim.NAdam),
        (Momentum(), lambda p: torch.optim.SGD(p, momentum=0.9)),
        (rules.Nesterov(), lambda p: torch.optim.SGD(p, momentum=0.9, nesterov=True)),
        (RMSprop(), lambda p: torch.optim.RMSprop(p, momentum=0.9)),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Rule) else "",
)
def test_schedulers_cycle_the_momentum_as_torchs_own(rule, peer, name, monkeypatch) -> None:
    monkeypatch.setattr(torch, "get_default_dtype", lambda: torch.float64)  # for torch's NAdam
    ours, theirs = network(), network()
    a, b = RuleOptimizer(ours.parameters(), rule), peer(theirs.parameters())
    schedulers = CYCLES[name](a), CYCLES[name](b)
    seen = set()
    for t in range(12):
        train(ours, a, 1, first=t)
        train(theirs, b, 1, first=t)
        for scheduler in schedulers:
            scheduler.step()
        for key in {"betas", "momentum"} & set(b.param_groups[0]):
            assert a.param_groups[0][key] == b.param_groups[0][key]
            seen.add(a.param_groups[0][key])
    assert len(seen) > 4
    for x, y in zip(values(ours), values(theirs), strict=True):
        torch.testing.assert_close(x, y, rtol=1e-11, atol=1e-12)


def test_groups_that_torch_has_written_into_can_be_rebuilt() -> None:
    model = network()
    optimizer = RuleOptimizer(model.named_parameters(), Adam())
    for schedule in CYCLES.values():
        schedule(optimizer)
    torch.optim.swa_utils.SWALR(optimizer, swa_lr=0.05)
    optimizer.load_state_dict(optimizer.state_dict())
    more = torch.ones(1, requires_grad=True)
    optimizer.add_param_group({"params": [("more", more)]})
    first, second = ({**group} for group in optimizer.param_groups)
    assert {"max_lr", "min_lr", "max_momentum", "base_momentum", "swa_lr"} <= set(first)
    assert "differentiable" in second
    again = RuleOptimizer([first, second], Adam())
    assert [g["lr"] for g in again.param_groups] == [g["lr"] for g in optimizer.param_groups]
    assert again.param_groups[0]["betas"] == optimizer.param_groups[0]["betas"]


@pytest.mark.parametrize("name", ["beta1", "beta2"])
def test_half_of_a_pair_set_beside_it_is_refused(name: str) -> None:
    model = network()
    optimizer = RuleOptimizer(model.parameters(), Adam())
    optimizer.param_groups[0][name] = 0.5
    with pytest.raises(ValueError, match=rf"{name} must be set in betas, a pair .*got {name}=0.5"):
        train(model, optimizer, 1)


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


@pytest.mark.parametrize("change", [{"momentum": 0.9}, {"centered": True}], ids=str)
@pytest.mark.parametrize("size", [26, 100])
@pytest.mark.parametrize("threads", [1, 2])
def test_state_that_a_change_calls_for_begins_late_and_whole(
    change, size, threads, monkeypatch
) -> None:
    # In pieces of 13 elements for each thread; the rule itself goes over the whole parameter.
    monkeypatch.setattr(optim, "CHUNK", 13)
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
    rule = RMSprop(lr=0.1)
    x = torch.linspace(-1, 1, size, dtype=torch.float64)
    p, state = x.clone().requires_grad_(), rule.init(x)
    optimizer = RuleOptimizer([p], rule)
    for t in range(6):
        if t == 3:
            optimizer.param_groups[0].update(change)
            rule = dataclasses.replace(rule, **change)
            state = state._replace(
                **{name: v for name, v in rule.init(x)._asdict().items() if name != "square"}
            )
        p.grad = torch.cos(x + t)
        x, state = rule.step(x, torch.cos(x + t), state)
        optimizer.step()
        assert torch.equal(p.detach(), x)
    late = "velocity" if "momentum" in change else "mean"
    assert torch.equal(optimizer.state[p][late], getattr(state, late))
    assert set(optimizer.state[p]) == {"square", late}


def test_momentum_raised_from_zero_by_a_scheduler_moves_all_of_a_big_parameter() -> None:
    grad = torch.linspace(0.5, 1, 2 * optim.CHUNK * torch.get_num_threads() + 7)
    p = torch.zeros_like(grad).requires_grad_()
    optimizer = RuleOptimizer([p], RMSprop(lr=0.1, alpha=0.0, eps=0.0))
    for momentum in (0.0, 0.5, 0.5):
        optimizer.param_groups[0]["momentum"] = momentum
        p.grad = grad.clone()
        optimizer.step()
    # Every gradient over its own size is 1: the steps are 1, 1 and 1 + 1/2.
    torch.testing.assert_close(p.detach(), torch.full_like(grad, -0.35))
    torch.testing.assert_close(optimizer.state[p]["velocity"], torch.full_like(grad, 1.5))


def test_state_that_a_formula_brings_late_by_itself_is_refused() -> None:
    @dataclasses.dataclass(frozen=True)
    class Late(RMSprop):
        def formula(self, x, grad, state):
            x, after = super().formula(x, grad, state)
            return x, after._replace(velocity=grad)

    p = torch.ones(3, requires_grad=True)
    p.grad = torch.ones(3)
    with pytest.raises(ValueError, match=r"velocity must be an array from the start of Late"):
        RuleOptimizer([p], Late()).step()
    assert p.tolist() == [1.0, 1.0, 1.0]


@pytest.mark.parametrize(
    "lr",
    [
        torch.tensor(0.01, dtype=torch.float64),
        torch.tensor([0.01], dtype=torch.float64),
        torch.tensor([[0.01]], dtype=torch.float64),
        np.array(0.01),
        np.array([[0.01]]),
        np.float64(0.01),
        Fraction(1, 100),
    ],
    ids=repr,
)
def test_lr_may_be_any_number_or_array_of_one_element(lr) -> None:
    ours, theirs = network(), network()
    a = RuleOptimizer(ours.parameters(), Adam(lr=lr))
    scheduler = torch.optim.lr_scheduler.ExponentialLR(a, 0.5)
    train(ours, a, 3)
    train(theirs, RuleOptimizer(theirs.parameters(), Adam(lr=0.01)), 3)
    for x, y in zip(values(ours), values(theirs), strict=True):
        torch.testing.assert_close(x, y, rtol=1e-13, atol=1e-14)
    scheduler.step()
    now = a.param_groups[0]["lr"]
    assert float(now) == pytest.approx(0.005)
    # The caller's tensor, into which a scheduler writes, or a plain number.
    assert now is lr if torch.is_tensor(lr) else type(now) is float


def test_betas_may_be_tensors_also_where_parameters_are_scalars() -> None:
    # Then NAdam's product of momenta is a tensor of shape (), as a scalar parameter is.
    betas = torch.tensor(0.9, dtype=torch.float64), torch.tensor(0.99, dtype=torch.float64)
    found = []
    for beta1, beta2 in (betas, (0.9, 0.99)):
        params = [torch.full(shape, 2.0, dtype=torch.float64) for shape in ((), (3,), (1,))]
        optimizer = RuleOptimizer(params, NAdam(lr=0.1, beta1=beta1, beta2=beta2))
        for t in range(4):
            for p in params:
                p.grad = torch.cos(p + t)
            optimizer.step()
        found.append(torch.cat([p.reshape(-1) for p in params]))
    torch.testing.assert_close(*found, rtol=1e-13, atol=1e-14)


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


@pytest.mark.parametrize(
    ("rule", "peer"),
    [
        (Adam(lr=0.1), lambda p: torch.optim.Adam(p, lr=0.1, foreach=False)),
        (
            rules.AMSGrad(lr=0.1),
            lambda p: torch.optim.Adam(p, lr=0.1, amsgrad=True, foreach=False),
        ),
        (RMSprop(lr=0.1), lambda p: torch.optim.RMSprop(p, lr=0.1, foreach=False)),
    ],
    ids=["Adam", "AMSGrad", "RMSprop"],
)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_moves_under_gradients_whose_square_it_cannot_hold(
    rule, peer, dtype
) -> None:
    # 300² is beyond float16's 65504; (1 - β) · 300² is not.
    ours, theirs = (torch.tensor([1.0, -2.0], dtype=dtype).requires_grad_() for _ in range(2))
    a, b = RuleOptimizer([ours], rule), peer([theirs])
    for _ in range(3):
        for p in (ours, theirs):
            p.grad = torch.tensor([300.0, -300.0], dtype=dtype)
        a.step()
        b.step()
    # Each rounds to its dtype at other places: a few of its last bits.
    torch.testing.assert_close(ours, theirs, rtol=4 * torch.finfo(dtype).eps, atol=0.0)
    assert ours.dtype == dtype and all(v.dtype == dtype for v in state_tensors(a))
    assert torch.isfinite(ours).all() and (ours.detach() - torch.tensor([1, -2])).abs().min() > 0.2


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
            lambda: RuleOptimizer([{"params": [P], "beta1": 0.8}], Adam()),
            r"a group of Adam may set lr, eps, .*betas; got \['beta1'\]",
        ),
        (
            lambda: RuleOptimizer([{"params": [P], "momentum": 0.8, "foreach": True}], Adam()),
            r"a group of Adam may set .*; got \['foreach', 'momentum'\]",
        ),
        (
            lambda: RuleOptimizer([{"params": [P], "betas": 0.8}], Adam()),
            r"betas must be a pair \(beta1, beta2\), got 0.8",
        ),
        (
            lambda: RuleOptimizer([{"params": [P], "betas": (0.8, 0.9, 0.9)}], Adam()),
            r"betas must be a pair \(beta1, beta2\), got \(0.8, 0.9, 0.9\)",
        ),
        (
            lambda: RuleOptimizer([{"params": [P], "betas": (0.8, 1.0)}], Adam()),
            r"beta2 must be in \[0, 1\), got 1.0",
        ),
        (
            lambda: RuleOptimizer([{"params": [P], "rule": AdamW()}], Adam()),
            r"rule must be Adam in every group, got AdamW\(",
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
            r"lr must be a number or a tensor of one element, got array\(\[0.1, 0.2",
        ),
        (
            lambda: RuleOptimizer([P], SGD(lr=torch.ones(2))),
            r"lr must be a number or a tensor of one element, got tensor\(\[1., 1.\]\)",
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


@pytest.mark.parametrize("steps", [0, 2])
@pytest.mark.parametrize("saver", RULES, ids=lambda kind: kind.__name__)
def test_the_state_of_another_rule_is_refused(saver: type[Rule], steps: int) -> None:
    model = network()
    theirs = RuleOptimizer(model.parameters(), saver())
    train(model, theirs, steps)
    for kind in RULES:
        ours = RuleOptimizer(model.parameters(), kind())
        if kind is saver:
            ours.load_state_dict(theirs.state_dict())
        else:
            message = f"must be that of {kind.__name__}, got that of {saver.__name__}"
            with pytest.raises(ValueError, match=message):
                ours.load_state_dict(theirs.state_dict())
            assert not ours.state


def spoiled(change) -> dict:
    """A checkpoint of Adam after two steps, changed."""
    model = network()
    optimizer = RuleOptimizer(model.parameters(), Adam())
    train(model, optimizer, 2)
    saved = optimizer.state_dict()
    change(saved["state"], saved["param_groups"][0])
    return saved


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda _, group: group.pop("rule"), "got that of another optimizer"),
        (lambda _, group: group.pop("eps"), "got a group without eps"),
        (lambda _, group: group.update(lr=-1.0), r"lr must be in \[0, inf\), got -1.0"),
        (lambda _, group: group.update(beta1=0.5), r"beta1 must be set in betas, .* beta1=0.5"),
        (
            lambda _, group: group.update(eps_inside_root=True),
            "got one with eps_inside_root=True where this one has False",
        ),
        (lambda state, _: state[2].pop("t"), "got a state with mean, square"),
        (lambda state, _: state[2].update(total=1.0), "a state with mean, square, t, total"),
        (
            lambda state, _: state[2].update(mean=torch.ones(1)),
            r"got mean of shape \(1,\) for a parameter of shape \(1, 4\)",
        ),
        (lambda state, _: state[2].update(mean=0.5), r"got mean of shape \(\) for a parameter"),
        (lambda state, _: state[2].update(t=torch.ones(4)), r"got t of shape \(4,\)"),
    ],
)
def test_a_state_that_does_not_fit_is_refused_before_anything_changes(change, message) -> None:
    model = network()
    optimizer = RuleOptimizer(model.parameters(), Adam(lr=0.5))
    train(model, optimizer, 1)
    before = copy.deepcopy(optimizer.state_dict())
    with pytest.raises(ValueError, match=message):
        optimizer.load_state_dict(spoiled(change))
    after = optimizer.state_dict()
    assert before["param_groups"] == after["param_groups"]
    torch.testing.assert_close(before["state"], after["state"], rtol=0, atol=0)


@pytest.mark.parametrize("steps", [0, 2])
def test_a_centred_state_is_refused_where_it_is_not(steps: int) -> None:
    model = network()
    for ours, theirs in ((True, False), (False, True)):
        saver = RuleOptimizer(model.parameters(), RMSprop(centered=theirs))
        train(model, saver, steps)
        with pytest.raises(ValueError, match=f"centered={theirs} where this one has {ours}"):
            RuleOptimizer(model.parameters(), RMSprop(centered=ours)).load_state_dict(
                saver.state_dict()
            )


def test_a_state_saved_between_a_raised_momentum_and_the_next_step() -> None:
    straight = network()
    optimizer = RuleOptimizer(straight.parameters(), RMSprop())
    train(straight, optimizer, 2)
    optimizer.param_groups[0]["momentum"] = 0.5
    resumed = copy.deepcopy(straight)
    again = RuleOptimizer(resumed.parameters(), RMSprop())
    again.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    train(straight, optimizer, 2, first=2)
    train(resumed, again, 2, first=2)
    assert same(straight, resumed)


def test_a_hook_may_turn_a_checkpoint_of_torchs_into_ours() -> None:
    ours, theirs = network(), network()
    peer = torch.optim.Adam(theirs.parameters(), lr=0.01)
    train(theirs, peer, 4)
    ours.load_state_dict(theirs.state_dict())
    optimizer = RuleOptimizer(ours.parameters(), Adam())

    def translate(_, saved):
        group = {k: saved["param_groups"][0][k] for k in ("params", "lr", "betas", "eps")}
        group.update(rule="Adam", weight_decay=0.0, eps_inside_root=False)
        state = {
            i: {"mean": s["exp_avg"], "square": s["exp_avg_sq"], "t": int(s["step"])}
            for i, s in saved["state"].items()
        }
        return {"state": state, "param_groups": [group]}

    optimizer.register_load_state_dict_pre_hook(translate)
    optimizer.load_state_dict(copy.deepcopy(peer.state_dict()))
    train(ours, optimizer, 4, first=4)
    train(theirs, peer, 4, first=4)
    for a, b in zip(values(ours), values(theirs), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-13)
