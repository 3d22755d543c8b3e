"""One adapter from any rule to PyTorch: `RuleOptimizer`, a `torch.optim.Optimizer`."""

from collections.abc import Callable, Iterator
from dataclasses import fields
from math import prod
from typing import Any, TypeAlias

import torch
from torch.optim.optimizer import ParamsT

from descent.rules import Rule

__all__ = ["RuleOptimizer"]

# A rule goes over this many elements at a time for each of torch's threads: smaller parameters are
# strung together, so that each operation is called once for many, and on a CPU larger ones are cut,
# so that the formula's intermediate results stay in cache.
CHUNK = 65536

# What a parameter group may hold besides the hyper-parameters: torch and its schedulers put it
# there; `rule` is the rule's name, by which a checkpoint is known.
GROUP_KEYS = {
    "params",
    "param_names",
    "rule",
    "differentiable",
    "initial_lr",
    "max_lr",
    "min_lr",
    "swa_lr",
    "base_momentum",
    "max_momentum",
}

# Their range and precision are too small for the squares of gradients.
HALF = (torch.float16, torch.bfloat16)

# Whose elements may be rearranged. A subclass, such as a DTensor, may hold them elsewhere.
PLAIN = (torch.Tensor, torch.nn.Parameter)

# A parameter, its gradient and the dictionary of its state.
_Row: TypeAlias = tuple[torch.Tensor, torch.Tensor, dict[str, Any]]


class RuleOptimizer(torch.optim.Optimizer):
    """A rule as an optimizer of PyTorch.

    `params`: real floating-point tensors of any shape, or groups of them, as for every torch.optim
    class. `rule`: any rule, such as ``Adam(lr=0.1)``. Its hyper-parameters are the defaults of the
    groups, under their own names but for ``beta1`` and ``beta2``, which are one pair, ``betas``, as
    in torch.optim: so groups, `add_param_group` and schedulers can set them. Each is a number or a
    tensor of one element.

    The state of a parameter is a dictionary of the fields of the rule's state, less those that are
    None: tensors of the parameter's shape and type, and numbers. A field that is not there begins
    with its start when a hyper-parameter comes to need it. `SGD` keeps no state. Numbers of half
    precision are computed in single precision, as torch does, and stored in their own.

    torch.compile leaves `step` as it is, for it counts steps in Python; compile the rule itself
    where speed counts. DistributedDataParallel, fully_shard and, with ``rule=`` as its argument,
    ZeroRedundancyOptimizer (less overlap with DDP, where it takes torch's own classes only) work.

    ValueError for a rule that is none, hyper-parameters outside their interval (checked at every
    step too, because a scheduler may set them), unknown names in a group, parameters that are not
    real floating-point tensors, gradients that are sparse, and the `state_dict` of another rule,
    of other options (such as ``centered``) or of other shapes.

    >>> from descent.rules import SGD
    >>> x = torch.tensor([1.0, -2.0], requires_grad=True)
    >>> optimizer = RuleOptimizer([x], SGD(lr=0.25))
    >>> (x**2).sum().backward()
    >>> optimizer.step()
    >>> x.tolist()
    [0.5, -1.0]
    """

    rule: Rule

    def __init__(self, params: ParamsT, rule: Rule) -> None:
        if not isinstance(rule, Rule):
            raise ValueError(f"rule must be a rule such as Adam(lr=0.1), got {rule!r}")
        self.rule = rule
        super().__init__(params, {**_group_of(rule), "rule": self._name})

    @property
    def _name(self) -> str:
        return type(self.rule).__name__

    def __getstate__(self) -> dict[str, Any]:
        """What copies and pickles hold: torch's part and the rule."""
        return {**super().__getstate__(), "rule": self.rule}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Take up a copy, or what `load_state_dict` has read; the latter is checked first."""
        if "rule" not in state:
            self._check_loaded(state["param_groups"], state["state"])
        super().__setstate__(state)

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add parameters, with their own hyper-parameters where they are given.

        param_group: a dictionary with the parameters, a tensor or several, as "params", and with
        hyper-parameters under the names that groups have for them. Raises ValueError for unknown
        names, for values outside their intervals and for parameters that are not real
        floating-point tensors; then nothing is added.
        """
        names = _group_of(self.rule)
        unknown = sorted(set(param_group) - GROUP_KEYS - set(names))
        if unknown:
            raise ValueError(f"a group of {self._name} may set {', '.join(names)}; got {unknown}")
        given = param_group.get("rule", self._name)
        # ZeroRedundancyOptimizer hands on its own arguments in the groups too: the rule itself.
        if given not in (self._name, self.rule):
            raise ValueError(f"rule must be {self._name} in every group, got {given!r}")
        super().add_param_group(param_group)
        group = self.param_groups[-1]
        try:
            rule = self._rule_of(group)
            for p in group["params"]:
                if not p.is_floating_point():
                    raise ValueError(f"params must be real floating-point tensors, got {p.dtype}")
        except ValueError:
            self.param_groups.pop()
            raise
        # Plain numbers can be saved anywhere; a tensor stays the caller's, who may write into it.
        plain = _group_of(rule).items()
        group.update((k, v) for k, v in plain if not isinstance(group[k], torch.Tensor))
        group["rule"] = self._name

    def _rule_of(self, group: dict[str, Any]) -> Rule:
        """The rule with the hyper-parameters of this group, checked anew."""
        own = {name: group[name] for name in _group_of(self.rule)}
        if "betas" in own:
            betas = own.pop("betas")
            if not isinstance(betas, (tuple, list)) or len(betas) != 2:
                raise ValueError(f"betas must be a pair (beta1, beta2), got {betas!r}")
            own["beta1"], own["beta2"] = betas
            for name in ("beta1", "beta2"):
                if name in group:
                    raise ValueError(
                        f"{name} must be set in betas, a pair (beta1, beta2), got {name}="
                        f"{group[name]!r} beside betas={betas!r}"
                    )
        return type(self.rule)(**{name: _scalar(name, value) for name, value in own.items()})

    def _check_loaded(self, groups: list[dict[str, Any]], states: dict[Any, Any]) -> None:
        """Refuse what another rule has saved, or this one for other options or shapes."""

        def not_ours(found: str) -> ValueError:
            return ValueError(f"state_dict must be that of {self._name}, got {found}")

        for own, group in zip(self.param_groups, groups, strict=True):
            if group.get("rule") != self._name:
                raise not_ours(f"that of {group.get('rule', 'another optimizer')}")
            missing = sorted(set(_group_of(self.rule)) - set(group))
            if missing:
                raise not_ours(f"a group without {', '.join(missing)}")
            rule = self._rule_of(group)
            for name, value in _group_of(rule).items():
                if isinstance(value, bool) and value != own[name]:
                    raise not_ours(f"one with {name}={value} where this one has {own[name]}")
            known, defaults = set(rule.State._fields), rule.State._field_defaults
            needed = {name for name in known if defaults.get(name, 0) is not None}
            for p in group["params"]:
                state = states.get(p, {})
                if state and not needed <= set(state) <= known:
                    raise not_ours(f"a state with {', '.join(sorted(state))}")
                for name, value in state.items():
                    shape = tuple(getattr(value, "shape", ()))
                    if shape != (tuple(p.shape) if _is_array(rule, name) else ()):
                        raise not_ours(
                            f"{name} of shape {shape} for a parameter of shape {tuple(p.shape)}"
                        )

    @torch.compiler.disable  # type: ignore[untyped-decorator]
    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """One step for every parameter that has a gradient. Returns the closure's loss, if any.

        closure: a function that computes the gradients anew and returns the loss. A gradient that
        cannot be used is refused (ValueError) before any parameter changes.
        """
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        alike: dict[Any, tuple[Rule, list[_Row]]] = {}
        for group in self.param_groups:
            rule = self._rule_of(group)
            needed = _begin(rule, torch.zeros(())).keys()
            for p in group["params"]:
                if p.grad is None or p.numel() == 0:
                    continue
                if p.grad.layout != torch.strided:
                    raise ValueError(
                        f"gradients must be dense, got {p.grad.layout} for a parameter of shape "
                        f"{tuple(p.shape)}: use torch.optim.SparseAdam for it"
                    )
                saved = self.state.get(p, {})
                if not needed <= saved.keys():
                    saved = {**_begin(rule, p), **saved}
                row = p, p.grad, saved
                alike.setdefault(_key(rule, *row), (rule, []))[1].append(row)
        size = CHUNK * torch.get_num_threads()
        for rule, rows in alike.values():
            for run in _runs(rows, size):
                _step(rule, run, size)
                self.state.update((p, saved) for p, _, saved in run)
        return loss


def _group_of(rule: Rule) -> dict[str, Any]:
    """The hyper-parameters as a parameter group holds them."""
    group = {f.name: getattr(rule, f.name) for f in fields(rule)}
    if {"beta1", "beta2"} <= group.keys():
        # What schedulers that cycle the momentum look for.
        group["betas"] = group.pop("beta1"), group.pop("beta2")
    return group


def _scalar(name: str, value: Any) -> Any:
    """A hyper-parameter of a group as rules take it: a number or a tensor of shape ()."""
    if prod(getattr(value, "shape", ())) != 1:
        raise ValueError(f"{name} must be a number or a tensor of one element, got {value!r}")
    return value.reshape(()) if hasattr(value, "reshape") else value


def _begin(rule: Rule, p: torch.Tensor) -> dict[str, Any]:
    """The state of a parameter before its first step: the fields that this rule uses."""
    return {k: v for k, v in rule.init(p)._asdict().items() if v is not None}


def _is_array(rule: Rule, name: str) -> bool:
    """Whether a field of the state has the parameter's shape: numbers have a default."""
    return rule.State._field_defaults.get(name) is None


def _key(rule: Rule, p: torch.Tensor, grad: torch.Tensor, saved: dict[str, Any]) -> Any:
    """What rows must have in common to be stepped as one: all but the elements of the tensors."""
    if type(p) not in PLAIN or type(grad) not in PLAIN:
        return id(p)
    state = [k if _is_array(rule, k) else (k, v) for k, v in saved.items()]
    return id(rule), p.device, p.dtype, grad.dtype, *state


def _runs(rows: list[_Row], size: int) -> Iterator[list[_Row]]:
    """The rows in order, in runs of at most `size` elements where one row is not longer."""
    run: list[_Row] = []
    total = 0
    for row in rows:
        total += row[0].numel()
        if run and total > size:
            yield run
            run, total = [], row[0].numel()
        run.append(row)
    yield run


def _step(rule: Rule, rows: list[_Row], size: int) -> None:
    """Write one step into parameters that are alike, and into their states."""
    p, _, first = rows[0]
    arrays = [name for name in first if _is_array(rule, name)]
    columns = [
        [p for p, _, _ in rows],
        [grad for _, grad, _ in rows],
        *([saved[name] for _, _, saved in rows] for name in arrays),
    ]
    pieces = [columns]
    whole = [column[0] for column in columns]
    if p.numel() > size and all(w.is_cpu and w.is_contiguous() and type(w) in PLAIN for w in whole):
        cut = zip(*(torch.split(w.view(-1), size) for w in whole), strict=True)
        pieces = [[[part] for part in piece] for piece in cut]
    for piece in pieces:
        x, g, *parts = (_gather(column) for column in piece)
        state = rule.State(**{**first, **dict(zip(arrays, parts, strict=True))})
        x, after = rule._step(x, g, state)
        numbers = {k: v for k, v in after._asdict().items() if k not in arrays and v is not None}
        for name, value in numbers.items():
            if getattr(value, "shape", ()) != ():
                raise ValueError(
                    f"{name} must be an array from the start of {type(rule).__name__}, "
                    f"got None or a number there and shape {tuple(p.shape)} later"
                )
        _scatter(x, piece[0])
        for name, column in zip(arrays, piece[2:], strict=True):
            _scatter(getattr(after, name), column)
    for _, _, saved in rows:
        saved.update(numbers)


def _gather(column: list[torch.Tensor]) -> torch.Tensor:
    """The elements of all tensors of a column, as the formula takes them."""
    first = column[0]
    if len(column) > 1:
        joined = torch.cat([w.reshape(-1) for w in column])
    else:
        joined = first if first.ndim else first.reshape(1)
    return joined.float() if joined.dtype in HALF else joined


def _scatter(joined: torch.Tensor, column: list[torch.Tensor]) -> None:
    """Write the elements back into the tensors of a column."""
    if len(column) == 1:
        column[0].copy_(joined.view_as(column[0]))
    else:
        parts = torch.split(joined, [w.numel() for w in column])
        torch._foreach_copy_(column, [v.view_as(w) for v, w in zip(parts, column, strict=True)])
