"""Every rule, with what the tests need to know of it: its peer in torch.optim and its
hyper-parameters."""

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import torch

from descent import rules
from descent.rules import Rule

RULES = [getattr(rules, name) for name in rules.__all__ if name not in {"Rule", "hyper"}]

# A range for each hyper-parameter in which a run of the tests stays stable. A pair ending in "log"
# is sampled in the exponent.
RANGES: dict[str, tuple[float, float]] = {
    "lr": (0.005, 0.1),
    "momentum": (0.3, 0.95),
    "dampening": (0.1, 0.9),
    "alpha": (0.8, 0.99),
    "rho": (0.8, 0.99),
    "beta1": (0.5, 0.95),
    "beta2": (0.9, 0.999),
    "eps": (1e-8, 1e-3),
    "weight_decay": (0.01, 0.1),
    "lr_decay": (0.001, 0.1),
    "momentum_decay": (1e-3, 1e-2),
    "initial_accumulator_value": (0.01, 1.0),
}


def hyper_parameters(kind: type[Rule], rng: np.random.Generator) -> dict[str, float]:
    """Random values for all hyper-parameters of a rule that are numbers."""
    names = [f.name for f in fields(kind) if f.name in RANGES]
    return {name: float(rng.uniform(*RANGES[name])) for name in names}


Groups = list[dict[str, Any]]


@dataclass(frozen=True)
class Case:
    """A rule with some options set, and its peer, which takes groups in the rule's own names."""

    label: str
    rule: Callable[..., Rule]
    peer: Callable[[Groups], torch.optim.Optimizer]
    without: tuple[str, ...] = ()

    def sample(self, rng: np.random.Generator) -> dict[str, float]:
        """Hyper-parameters at random, less those that this case leaves at their defaults."""
        kind = self.rule if isinstance(self.rule, type) else type(self.rule())
        drawn = hyper_parameters(kind, rng)
        return {name: value for name, value in drawn.items() if name not in self.without}


def _peer(kind: Any, **options: Any) -> Callable[[Groups], torch.optim.Optimizer]:
    """torch's optimizer `kind`, for groups whose names are ours."""

    def make(groups: Groups) -> torch.optim.Optimizer:
        translated = []
        for group in groups:
            theirs = dict(group)
            if "beta1" in theirs:
                theirs["betas"] = (theirs.pop("beta1"), theirs.pop("beta2"))
            # torch.optim.Adagrad reads this one from its own argument, not from the group.
            theirs.pop("initial_accumulator_value", None)
            translated.append(theirs)
        return kind(translated, **options)

    return make


def _adagrad(groups: Groups) -> torch.optim.Optimizer:
    optimizer = _peer(torch.optim.Adagrad)(groups)
    for group in groups:
        for p in group["params"]:
            optimizer.state[p]["sum"].fill_(group.get("initial_accumulator_value", 0.0))
    return optimizer


def _rmsprop_with(**options: Any) -> Callable[..., Rule]:
    return lambda **h: rules.RMSprop(**h, **options)


sgd = torch.optim.SGD
CASES = [
    Case("SGD", rules.SGD, _peer(sgd)),
    Case("SGD, no decay", rules.SGD, _peer(sgd), ("weight_decay",)),
    Case("Momentum", rules.Momentum, _peer(sgd)),
    Case("Momentum, undamped", rules.Momentum, _peer(sgd), ("dampening", "weight_decay")),
    Case("Nesterov", rules.Nesterov, _peer(sgd, nesterov=True, momentum=0.9)),
    Case("AdaGrad", rules.AdaGrad, _adagrad),
    Case(
        "AdaGrad, plain",
        rules.AdaGrad,
        _adagrad,
        ("lr_decay", "weight_decay", "initial_accumulator_value"),
    ),
    Case("RMSprop", rules.RMSprop, _peer(torch.optim.RMSprop), ("momentum",)),
    Case("RMSprop, momentum", rules.RMSprop, _peer(torch.optim.RMSprop)),
    Case(
        "RMSprop, centered",
        _rmsprop_with(centered=True),
        _peer(torch.optim.RMSprop, centered=True),
        ("momentum",),
    ),
    Case(
        "RMSprop, centered and momentum",
        _rmsprop_with(centered=True),
        _peer(torch.optim.RMSprop, centered=True),
    ),
    Case("Adadelta", rules.Adadelta, _peer(torch.optim.Adadelta)),
    Case("Adam", rules.Adam, _peer(torch.optim.Adam)),
    Case("Adam, no decay", rules.Adam, _peer(torch.optim.Adam), ("weight_decay",)),
    Case("AMSGrad", rules.AMSGrad, _peer(torch.optim.Adam, amsgrad=True)),
    Case("AdamW", rules.AdamW, _peer(torch.optim.AdamW)),
    Case("NAdam", rules.NAdam, _peer(torch.optim.NAdam)),
    Case("AdaMax", rules.AdaMax, _peer(torch.optim.Adamax)),
]
