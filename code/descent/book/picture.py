"""The five rules of a widely published picture, for the chapter that tries it and its explorer."""

from typing import Any

from descent.rules import SGD, AdaGrad, Adam, Hyper, Momentum, RMSprop, Rule

__all__ = ["family"]


def family(
    lr: Hyper = 0.4,
    momentum: Hyper = 0.5,
    alpha: Hyper = 0.9,
    beta1: Hyper = 0.9,
    beta2: Hyper = 0.999,
) -> dict[str, Rule]:
    """The five rules by their names, with the settings of the picture unless told otherwise.

    lr is that of all five. momentum, alpha, and beta1 and beta2 are those of Momentum, RMSprop and
    Adam. All may be arrays, as in the rules. The published program adds 1e-6 under the root.
    """
    inside: dict[str, Any] = {"eps": 1e-6, "eps_inside_root": True}
    return {
        "SGD": SGD(lr=lr),
        "Momentum": Momentum(lr=lr, momentum=momentum),
        "AdaGrad": AdaGrad(lr=lr, **inside),
        "RMSprop": RMSprop(lr=lr, alpha=alpha, **inside),
        "Adam": Adam(lr=lr, beta1=beta1, beta2=beta2, **inside),
    }
