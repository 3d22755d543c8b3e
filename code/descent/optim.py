"""One adapter from any rule to PyTorch: `RuleOptimizer`, a `torch.optim.Optimizer`."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import fields
from typing import Any

import torch
from torch.optim.optimizer import ParamsT

from descent.rules import Rule

__all__ = ["RuleOptimizer"]

# On a CPU, a parameter is stepped through in pieces of this many elements for each of torch's
# threads, so that the formula's intermediate results stay in cache: one pass over memory instead of
# one for each operation.
CHUNK = 65536

# What a parameter group may hold besides the hyper-parameters: torch and its schedulers put it
# there.
_GROUP_KEYS = {"params", "param_names", "initial_lr"}


class RuleOptimizer(torch.optim.Optimizer):
    """A rule as an optimizer of PyTorch.

    `params` are floating-point tensors or groups of them, as for every torch.optim class. The
    hyper-parameters of `rule` are the defaults of the groups, under their own names, so that
    groups, schedulers and `add_param_group` can set them; each is a number or a tensor of one
    element. The state of a parameter is a plain dictionary of the fields of the rule's state, so
    that `state_dict` can be saved anywhere.

    ValueError for a rule that is none, hyper-parameters outside their interval (checked at every
    step too, because a scheduler may set them), unknown names in a group, parameters that are not
    real floating-point tensors, gradients that are sparse, and the `state_dict` of another rule.

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
        super().__init__(params, {name: getattr(rule, name) for name in self._names})

    @property
    def _names(self) -> list[str]:
        """The hyper-parameters. Not the keys of `defaults`, to which torch adds some of its own."""
        return [f.name for f in fields(self.rule)]

    def __getstate__(self) -> dict[str, Any]:
        """What copies and pickles hold: torch's part and the rule."""
        return {**super().__getstate__(), "rule": self.rule}

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add parameters, with their own hyper-parameters where they are given."""
        unknown = sorted(set(param_group) - _GROUP_KEYS - set(self._names))
        if unknown:
            allowed = ", ".join(self._names)
            raise ValueError(
                f"a group of {type(self.rule).__name__} may set {allowed}; got {unknown}"
            )
        super().add_param_group(param_group)
        try:
            self._rule_of(self.param_groups[-1])
            for p in self.param_groups[-1]["params"]:
                if not p.is_floating_point():
                    raise ValueError(f"params must be real floating-point tensors, got {p.dtype}")
        except ValueError:
            self.param_groups.pop()
            raise

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take up a saved state: the run then goes on as if it had not stopped, bit for bit."""
        names = set(self.rule.State._fields)
        for group in state_dict["param_groups"]:
            missing = sorted(set(self._names) - set(group))
            if missing:
                raise self._not_ours(f"a group without {', '.join(missing)}")
        for state in state_dict["state"].values():
            if set(state) != names:
                raise self._not_ours(f"a state with {', '.join(sorted(state)) or 'nothing'}")
        super().load_state_dict(state_dict)

    def _not_ours(self, found: str) -> ValueError:
        return ValueError(f"state_dict must be that of {type(self.rule).__name__}, got {found}")

    def _rule_of(self, group: dict[str, Any]) -> Rule:
        """The rule with the hyper-parameters of this group, checked anew."""
        own = {name: group[name] for name in self._names}
        for name, value in own.items():
            if getattr(value, "shape", ()) != ():
                raise ValueError(
                    f"{name} must be a number or a tensor of one element, shape (); got {value!r}"
                )
        return type(self.rule)(**own)

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """One step for every parameter that has a gradient. Returns the closure's loss, if any.

        A gradient that cannot be used is refused before any parameter changes.
        """
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        rules = [self._rule_of(group) for group in self.param_groups]
        ready = [
            (rule, p, p.grad)
            for rule, group in zip(rules, self.param_groups, strict=True)
            for p in group["params"]
            if p.grad is not None and p.numel() > 0
        ]
        for _, p, grad in ready:
            if grad.layout != torch.strided:
                raise ValueError(
                    f"gradients must be dense, got {grad.layout} for a parameter of shape "
                    f"{tuple(p.shape)}: use torch.optim.SparseAdam for it"
                )
        for rule, p, grad in ready:
            self.state[p] = _step(rule, p, grad, self.state[p])
        return loss


def _step(rule: Rule, p: torch.Tensor, grad: torch.Tensor, saved: dict[str, Any]) -> dict[str, Any]:
    """Write one step into `p` and its state, piece by piece, and return the state."""
    state = rule.State(**saved) if saved else rule.init(p)
    arrays = [i for i, v in enumerate(state) if isinstance(v, torch.Tensor) and v.shape == p.shape]
    whole = [p, grad, *(state[i] for i in arrays)]
    size = CHUNK * torch.get_num_threads()
    pieces: Iterable[Sequence[torch.Tensor]] = [whole]
    if p.is_cpu and p.numel() > size and all(w.is_contiguous() for w in whole):
        pieces = zip(*(w.view(-1).split(size) for w in whole), strict=True)
    after = list(state)
    for x, g, *parts in pieces:
        before = list(state)
        for i, part in zip(arrays, parts, strict=True):
            before[i] = part
        moved, after = rule._step(x, g, rule.State(*before))
        x.copy_(moved)
        for i, part in zip(arrays, parts, strict=True):
            part.copy_(after[i])
    return {
        name: state[i] if i in arrays else after[i] for i, name in enumerate(rule.State._fields)
    }
