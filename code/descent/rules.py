r"""Update rules, each written once.

A rule is a frozen dataclass that holds its hyper-parameters. It knows no objective::

    state = rule.init(x)
    x, state = rule.step(x, grad, state)

`init` and `step` are pure. `step` checks its arguments, applies the weight decay and then the
`formula`, which is arithmetic alone, so NumPy arrays and torch tensors pass through the same lines.
Hyper-parameters may be arrays that broadcast against x: a whole sweep is then one call. A line that
begins with ``#:`` gives the mathematics of the statement below it; together these statements are
the rule with every option off, and the pages show them.

Names, defaults and numbers are torch.optim's. So the learning rate multiplies the finished step
(``v = momentum * v + grad; x = x - lr * v``), not the gradient on its way into the velocity: the
two trace different paths as soon as lr changes. And eps is added to the root, not under it, except
in Adadelta, whose paper has it under both roots; `eps_inside_root` gives the other convention,
which some textbooks print.

A rule computes in the dtype of x. In float16 a gradient beyond 255 has no square, and a rule that
divides by it stands still; `descent.optim.RuleOptimizer` computes half precision in float32.

Symbols: x parameters, g gradient, t the number of the step from 1, λ_w the weight decay. All arrays
have the shape of x. Units, with [x] those of a parameter and [f] those of the objective: g has
[f]/[x], so the η of a rule that multiplies the gradient by it has [x]²/[f], and that of a rule that
divides the gradient by its size has [x].
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, TypeAlias, TypeVar

import numpy as np

from descent._arrays import maximum, sign, zeros_like
from descent._checks import Array, check_floating, check_interval

if TYPE_CHECKING:
    import torch

    Hyper: TypeAlias = float | np.ndarray[Any, Any] | torch.Tensor
else:
    Hyper = float | np.ndarray

__all__ = [
    "SGD",
    "AMSGrad",
    "AdaGrad",
    "AdaMax",
    "Adadelta",
    "Adam",
    "AdamW",
    "Lion",
    "Momentum",
    "NAdam",
    "Nesterov",
    "RMSprop",
    "Rule",
    "hyper",
]

X = TypeVar("X")
S = TypeVar("S", bound=Iterable[Any])


def hyper(default: float, interval: str = "[0, inf)") -> Any:
    """A field of a rule for a hyper-parameter, with its `default`.

    `interval` is where its values may lie, as in mathematics: "[0, 1)".
    """
    return field(default=default, metadata={"interval": interval})


def _is_zero(value: Any) -> bool:
    """Whether a hyper-parameter is the plain number 0, so that its term can be left out."""
    return isinstance(value, float) and value == 0


def _kept(value: Any) -> Any:
    """A result to keep: without the graph that made it (torch), and no scalar (NumPy)."""
    if hasattr(value, "detach"):
        return value.detach()
    return np.asarray(value) if isinstance(value, np.generic) else value


def _check_broadcast(name: str, value: Any, x: Array) -> None:
    """Refuse an array that would not broadcast against x, or would make it larger."""
    shape = tuple(getattr(value, "shape", ()))
    pairs = zip(reversed(shape), reversed(x.shape), strict=False)
    if len(shape) > len(x.shape) or any(a not in (1, b) for a, b in pairs):
        raise ValueError(f"{name} must broadcast to the shape of x, {tuple(x.shape)}, got {shape}")


@dataclass(frozen=True)
class Rule:
    """What all rules share: checks, a state that starts at zero, and a step.

    A rule of one's own is a frozen dataclass too. It names its `State`, a NamedTuple, whose arrays
    start at zero and whose other fields have defaults; it has a field for each hyper-parameter,
    with its interval; and it writes the `formula`:

    >>> class SignState(NamedTuple):
    ...     mean: Array
    ...     t: int = 0
    >>> @dataclass(frozen=True)
    ... class Sign(Rule):
    ...     State = SignState
    ...     lr: Hyper = hyper(0.1)
    ...     decay: Hyper = hyper(0.9, "[0, 1)")
    ...
    ...     def formula(self, x, grad, state):
    ...         mean = self.decay * state.mean + grad
    ...         return x - self.lr * mean / abs(mean), SignState(mean, state.t + 1)
    >>> rule, x = Sign(lr=0.5), np.array([1.0, -2.0])
    >>> rule.step(x, 2 * x, rule.init(x))[0]
    array([ 0.5, -1.5])

    torch.func.vmap may map over x and grad, for a function that returns arrays alone; t is a
    Python number, and hyper-parameters are checked, so it maps neither over them nor over t: give
    an array of hyper-parameters instead. Where a number of the state comes as an array, as what
    compiles or maps a step makes of it, nothing asks for its value.

    Rules are equal where their class and all their hyper-parameters are, element by element. A
    hyper-parameter outside its interval raises ValueError before anything runs.
    """

    State: ClassVar[Any]

    def __init_subclass__(cls) -> None:
        """Give every rule this comparison, where `dataclass` would write one that fails on arrays.

        It leaves alone what a class has of its own.
        """
        cls.__eq__ = cls.__dict__.get("__eq__", Rule.__eq__)  # type: ignore[method-assign]
        cls.__hash__ = cls.__dict__.get("__hash__", Rule.__hash__)  # type: ignore[method-assign]

    def __post_init__(self) -> None:
        """Refuse bad hyper-parameters before anything runs (ValueError).

        Numbers are kept as Python's own: one of NumPy's would turn float32 into float64.
        """
        for one in fields(self):
            value = getattr(self, one.name)
            if not isinstance(one.default, bool):
                interval = one.metadata.get("interval", "(-inf, inf)")
                object.__setattr__(self, one.name, check_interval(one.name, value, interval))
            elif not isinstance(value, bool):
                raise ValueError(f"{one.name} must be True or False, got {value!r}")

    def _key(self) -> tuple[Any, ...]:
        values = (getattr(self, one.name) for one in fields(self))
        return (
            type(self),
            *((*v.shape, *v.reshape(-1).tolist()) if hasattr(v, "shape") else v for v in values),
        )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Rule) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    def init(self, x: Array) -> Any:
        """State before the first step, for floating-point parameters x of any shape.

        Raises ValueError when x is no such array, and when a hyper-parameter does not broadcast to
        its shape.
        """
        check_floating("x", x)
        for one in fields(self):
            _check_broadcast(one.name, getattr(self, one.name), x)
        arrays = [name for name in self.State._fields if name not in self.State._field_defaults]
        return self.State(**{name: zeros_like(x) for name in arrays})

    def step(self, x: X, grad: X, state: S) -> tuple[X, S]:
        """One step from x, where the gradient is `grad`: the new x and the new state.

        x: floating-point parameters of any shape. grad: of the same shape. state: from `init` or
        the step before; its numbers may be arrays that broadcast against x. What is returned is no
        part of a graph of torch's.

        Raises ValueError when x or grad is no floating-point array, when their shapes differ, and
        when the state is another rule's or that of other parameters.
        """
        check_floating("x", x)
        check_floating("grad", grad)
        shape = tuple(x.shape)  # type: ignore[attr-defined]
        if tuple(grad.shape) != shape:  # type: ignore[attr-defined]
            raise ValueError(f"grad must have the shape of x, {shape}, got {tuple(grad.shape)}")  # type: ignore[attr-defined]
        if not isinstance(state, self.State):
            raise ValueError(f"state must be a {self.State.__name__}, got {type(state).__name__}")
        for name, value in zip(self.State._fields, state, strict=True):
            found = tuple(getattr(value, "shape", shape))
            if found != shape and self.State._field_defaults.get(name) is None:
                raise ValueError(f"state must have the shape of x, {shape}, got {found}")
            if found != shape:  # a number, such as t where jax.jit hands it on as an array
                _check_broadcast("state", value, x)
        moved, after = self._step(x, grad, state)
        return _kept(moved), self.State(*map(_kept, after))

    def _step(self, x: Array, grad: Array, state: Any) -> tuple[Array, Any]:
        """`step` without its checks: the weight decay, then the formula."""
        return self.formula(*self.decayed(x, grad), state)

    def decayed(self, x: Array, grad: Array) -> tuple[Array, Array]:
        """`x` and `grad`, of one shape, after the weight decay.

        Here the gradient of λ_w / 2 · ‖x‖² is added to `grad`.
        """
        weight_decay = getattr(self, "weight_decay", 0)
        return x, grad if _is_zero(weight_decay) else grad + weight_decay * x

    def formula(self, x: Array, grad: Array, state: Any) -> tuple[Array, Any]:
        """The new x and the new state, by arithmetic alone. Every rule writes its own.

        x: floating-point parameters of any shape. grad: the gradient there, of the same shape, both
        as `decayed` gives them. state: from `init` or the step before. None of them is checked:
        that is the task of `step`. Raises NotImplementedError in a rule without a formula.
        """
        raise NotImplementedError


class SGDState(NamedTuple):
    """Plain gradient descent remembers nothing."""


@dataclass(frozen=True)
class SGD(Rule):
    r"""Gradient descent; stochastic when the gradient comes from a sample.

    .. math:: x_t = x_{t-1} - \eta g_t

    Source: Robbins and Monro (1951), equation (6), for noisy gradients.

    Attributes:
        lr: η, in [x]²/[f].
        weight_decay: λ_w, in [f]/[x]².

    >>> import numpy as np
    >>> rule, x = SGD(lr=0.5), np.array([1.0, -2.0])
    >>> rule.step(x, 2 * x, rule.init(x))[0]
    array([0., 0.])
    """

    State: ClassVar[type] = SGDState
    lr: Hyper = hyper(1e-3)
    weight_decay: Hyper = hyper(0.0)

    def formula(self, x: Array, grad: Array, state: SGDState) -> tuple[Array, SGDState]:
        #: x_t = x_{t-1} - \eta\, g_t
        x = x - self.lr * grad
        return x, state


class MomentumState(NamedTuple):
    """`velocity`: v, in [f]/[x]. `t`: how many steps have been taken."""

    velocity: Array
    t: int = 0


@dataclass(frozen=True)
class Momentum(Rule):
    r"""Gradient descent with momentum, the heavy ball.

    .. math:: v_t = \beta v_{t-1} + (1 - d) g_t, \qquad x_t = x_{t-1} - \eta v_t

    with v_1 = g_1 whatever the dampening d, as in torch.optim.SGD. Where β is raised from 0 in the
    middle of a run, the velocity is the last gradient by then; torch.optim.SGD begins it anew.
    Source: Polyak (1964), equation (9), in the form of torch.optim. See the module's note on where
    η stands.

    Attributes:
        lr: η, in [x]²/[f].
        momentum: β, the share of the velocity that a step keeps.
        dampening: d, the share of g that the velocity leaves out; without momentum, of no effect.
        weight_decay: λ_w, in [f]/[x]².
    """

    State: ClassVar[type] = MomentumState
    lr: Hyper = hyper(1e-3)
    momentum: Hyper = hyper(0.9, "[0, 1)")
    dampening: Hyper = hyper(0.0, "[0, 1]")
    weight_decay: Hyper = hyper(0.0)

    def formula(self, x: Array, grad: Array, state: MomentumState) -> tuple[Array, MomentumState]:
        if not _is_zero(self.dampening):
            # Not in the first step, nor without momentum: as torch.optim has it.
            grad = (1 - self.dampening * (state.t > 0) * (self.momentum != 0)) * grad
        #: v_t = \beta v_{t-1} + g_t
        velocity = self.momentum * state.velocity + grad
        #: x_t = x_{t-1} - \eta v_t
        x = x - self.lr * velocity
        return x, MomentumState(velocity, state.t + 1)


class NesterovState(NamedTuple):
    """`velocity`: v, in [f]/[x]."""

    velocity: Array


@dataclass(frozen=True)
class Nesterov(Rule):
    r"""Nesterov's accelerated gradient, in torch.optim's coordinates.

    .. math:: v_t = \beta v_{t-1} + g_t, \qquad x_t = x_{t-1} - \eta (g_t + \beta v_t)

    Here x is the point where the gradient is taken: the look-ahead point
    :math:`\theta - \eta \beta v` of the form in which the method is usually told.
    Source: Nesterov (1983); this form, Sutskever et al. (2013), equations (3) and (4), shifted.

    Attributes:
        lr: η, in [x]²/[f].
        momentum: β, the share of the velocity that a step keeps.
        weight_decay: λ_w, in [f]/[x]².
    """

    State: ClassVar[type] = NesterovState
    lr: Hyper = hyper(1e-3)
    momentum: Hyper = hyper(0.9, "[0, 1)")
    weight_decay: Hyper = hyper(0.0)

    def formula(self, x: Array, grad: Array, state: NesterovState) -> tuple[Array, NesterovState]:
        #: v_t = \beta v_{t-1} + g_t
        velocity = self.momentum * state.velocity + grad
        #: x_t = x_{t-1} - \eta\, (g_t + \beta v_t)
        x = x - self.lr * (grad + self.momentum * velocity)
        return x, NesterovState(velocity)


class AdaGradState(NamedTuple):
    """`total`: the sum of squared gradients. `t`: how many steps have been taken."""

    total: Array
    t: int = 0


@dataclass(frozen=True)
class AdaGrad(Rule):
    r"""AdaGrad: a step for each parameter that shrinks with the squared gradients so far.

    .. math:: G_t = G_{t-1} + g_t^2, \qquad
        x_t = x_{t-1} - \frac{\eta_t}{\sqrt{G_t} + \varepsilon} g_t,
        \qquad \eta_t = \frac{\eta}{1 + (t - 1)\,\text{lr\_decay}}

    Source: Duchi, Hazan and Singer (2011), figure 1, the diagonal case.

    Attributes:
        lr: η, in [x].
        lr_decay: of η, for each step.
        weight_decay: λ_w, in [f]/[x]².
        initial_accumulator_value: G_0, in [f]²/[x]².
        eps: ε, in [f]/[x]: gradients well below it count little.
        eps_inside_root: whether ε stands under the root instead, in [f]²/[x]².
    """

    State: ClassVar[type] = AdaGradState
    lr: Hyper = hyper(1e-2)
    lr_decay: Hyper = hyper(0.0)
    weight_decay: Hyper = hyper(0.0)
    initial_accumulator_value: Hyper = hyper(0.0)
    eps: Hyper = hyper(1e-10)
    eps_inside_root: bool = False

    def init(self, x: Array) -> AdaGradState:
        state: AdaGradState = super().init(x)
        return state._replace(total=_kept(state.total + self.initial_accumulator_value))

    def formula(self, x: Array, grad: Array, state: AdaGradState) -> tuple[Array, AdaGradState]:
        #: G_t = G_{t-1} + g_t^2
        total = state.total + grad**2
        #: \sqrt{G_t} + \varepsilon
        root = total**0.5 + self.eps
        if self.eps_inside_root:
            root = (total + self.eps) ** 0.5
        if not _is_zero(self.lr_decay):
            grad = grad / (1 + state.t * self.lr_decay)
        #: x_t = x_{t-1} - \eta\, g_t / (\sqrt{G_t} + \varepsilon)
        x = x - self.lr * grad / root
        return x, AdaGradState(total, state.t + 1)


class RMSpropState(NamedTuple):
    """Averages of g², `square`, and (if centred) of g, `mean`; the `velocity` (if any)."""

    square: Array
    mean: Array = None
    velocity: Array = None


@dataclass(frozen=True)
class RMSprop(Rule):
    r"""RMSprop: AdaGrad with a sum that forgets.

    .. math:: s_t = \alpha s_{t-1} + (1 - \alpha) g_t^2, \qquad
        x_t = x_{t-1} - \frac{\eta}{\sqrt{s_t} + \varepsilon} g_t

    Source: Tieleman and Hinton (2012), lecture 6e; centred, Graves (2013), equations (38) to (41).

    Attributes:
        lr: η, in [x].
        alpha: α, the decay of the average of g².
        eps: ε, in [f]/[x]: gradients well below it count little.
        weight_decay: λ_w, in [f]/[x]².
        momentum: β of the steps' velocity.
        centered: whether the square of the averaged gradient is subtracted from s.
        eps_inside_root: whether ε stands under the root instead, in [f]²/[x]².
    """

    State: ClassVar[type] = RMSpropState
    lr: Hyper = hyper(1e-2)
    alpha: Hyper = hyper(0.99, "[0, 1)")
    eps: Hyper = hyper(1e-8)
    weight_decay: Hyper = hyper(0.0)
    momentum: Hyper = hyper(0.0, "[0, 1)")
    centered: bool = False
    eps_inside_root: bool = False

    def init(self, x: Array) -> RMSpropState:
        state: RMSpropState = super().init(x)
        return state._replace(
            mean=zeros_like(x) if self.centered else None,
            velocity=None if _is_zero(self.momentum) else zeros_like(x),
        )

    def formula(self, x: Array, grad: Array, state: RMSpropState) -> tuple[Array, RMSpropState]:
        mean, velocity = state.mean, state.velocity
        #: s_t = \alpha s_{t-1} + (1 - \alpha)\, g_t^2
        square = self.alpha * state.square + (1 - self.alpha) * grad**2
        variance = square
        if self.centered:
            # None where it was not centred so far.
            mean = zeros_like(grad) if mean is None else mean
            mean = self.alpha * mean + (1 - self.alpha) * grad
            # Rounding alone can take it below zero.
            variance = maximum(square - mean**2, zeros_like(square))
        #: \sqrt{s_t} + \varepsilon
        root = square**0.5 + self.eps
        if self.eps_inside_root:
            root = (variance + self.eps) ** 0.5
        elif self.centered:
            root = variance**0.5 + self.eps
        #: \Delta_t = g_t / (\sqrt{s_t} + \varepsilon)
        move = grad / root
        if not _is_zero(self.momentum):
            # None where the momentum was 0 so far: a schedule may raise it later.
            move = velocity = move if velocity is None else self.momentum * velocity + move
        #: x_t = x_{t-1} - \eta\, \Delta_t
        x = x - self.lr * move
        return x, RMSpropState(square, mean, velocity)


class AdadeltaState(NamedTuple):
    """Averages of the squared gradient, `square`, and of the squared step, `moved`."""

    square: Array
    moved: Array


@dataclass(frozen=True)
class Adadelta(Rule):
    r"""Adadelta: RMSprop with the size of its own recent steps in place of a learning rate.

    .. math:: s_t = \alpha s_{t-1} + (1 - \alpha) g_t^2, \quad
        \Delta_t = \frac{\sqrt{u_{t-1} + \varepsilon}}{\sqrt{s_t + \varepsilon}} g_t, \quad
        u_t = \alpha u_{t-1} + (1 - \alpha) \Delta_t^2, \quad x_t = x_{t-1} - \eta \Delta_t

    Source: Zeiler (2012), algorithm 1, where η = 1.

    Attributes:
        lr: η, without a unit.
        rho: α, the decay of both averages.
        eps: ε, whose root stands for the size of the first steps and for that of small gradients.
        weight_decay: λ_w, in [f]/[x]².
    """

    State: ClassVar[type] = AdadeltaState
    lr: Hyper = hyper(1.0)
    rho: Hyper = hyper(0.9, "[0, 1)")
    eps: Hyper = hyper(1e-6)
    weight_decay: Hyper = hyper(0.0)

    def formula(self, x: Array, grad: Array, state: AdadeltaState) -> tuple[Array, AdadeltaState]:
        #: s_t = \alpha s_{t-1} + (1 - \alpha)\, g_t^2
        square = self.rho * state.square + (1 - self.rho) * grad**2
        #: \Delta_t = \sqrt{u_{t-1} + \varepsilon} \,/ \sqrt{s_t + \varepsilon} \; g_t
        delta = (state.moved + self.eps) ** 0.5 / (square + self.eps) ** 0.5 * grad
        #: u_t = \alpha u_{t-1} + (1 - \alpha)\, \Delta_t^2
        moved = self.rho * state.moved + (1 - self.rho) * delta**2
        #: x_t = x_{t-1} - \eta\, \Delta_t
        x = x - self.lr * delta
        return x, AdadeltaState(square, moved)


class AdamState(NamedTuple):
    """Averages of the gradient, `mean`, and of its square, `square`; `t` steps have been taken."""

    mean: Array
    square: Array
    t: int = 0


@dataclass(frozen=True)
class Adam(Rule):
    r"""Adam: momentum and RMSprop, both averages corrected for their start at zero.

    .. math:: m_t = \beta_1 m_{t-1} + (1 - \beta_1) g_t, \quad
        s_t = \beta_2 s_{t-1} + (1 - \beta_2) g_t^2

    .. math::
        x_t = x_{t-1} - \eta \frac{m_t / (1 - \beta_1^t)}{\sqrt{s_t / (1 - \beta_2^t)}
            + \varepsilon}

    ``weight_decay`` λ_w adds λ_w x to g, so it passes through both averages; `AdamW` keeps it out
    of them.
    Source: Kingma and Ba (2015), algorithm 1.

    Attributes:
        lr: η, in [x].
        beta1: β₁, the decay of the average of g.
        beta2: β₂, the decay of the average of g².
        eps: ε, in [f]/[x]: gradients well below it count little.
        weight_decay: λ_w, in [f]/[x]².
        eps_inside_root: whether ε stands under the root instead, in [f]²/[x]².
    """

    State: ClassVar[type] = AdamState
    lr: Hyper = hyper(1e-3)
    beta1: Hyper = hyper(0.9, "[0, 1)")
    beta2: Hyper = hyper(0.999, "[0, 1)")
    eps: Hyper = hyper(1e-8)
    weight_decay: Hyper = hyper(0.0)
    eps_inside_root: bool = False

    def formula(self, x: Array, grad: Array, state: AdamState) -> tuple[Array, AdamState]:
        #: t
        t = state.t + 1
        #: m_t = \beta_1 m_{t-1} + (1 - \beta_1)\, g_t
        mean = self.beta1 * state.mean + (1 - self.beta1) * grad
        #: s_t = \beta_2 s_{t-1} + (1 - \beta_2)\, g_t^2
        square = self.beta2 * state.square + (1 - self.beta2) * grad**2
        #: \hat m_t = m_t / (1 - \beta_1^t)
        mean_hat = mean / (1 - self.beta1**t)
        #: \hat s_t = s_t / (1 - \beta_2^t)
        square_hat = square / (1 - self.beta2**t)
        #: \sqrt{\hat s_t} + \varepsilon
        root = square_hat**0.5 + self.eps
        if self.eps_inside_root:
            root = (square_hat + self.eps) ** 0.5
        #: x_t = x_{t-1} - \eta\, \hat m_t / (\sqrt{\hat s_t} + \varepsilon)
        x = x - self.lr * mean_hat / root
        return x, AdamState(mean, square, t)


class AMSGradState(NamedTuple):
    """`mean` and `square` as Adam's, the `largest` square so far, and `t` steps taken."""

    mean: Array
    square: Array
    largest: Array
    t: int = 0


@dataclass(frozen=True)
class AMSGrad(Rule):
    r"""AMSGrad: Adam whose denominator never shrinks.

    As `Adam`, with :math:`\max_{k \le t} s_k` in place of :math:`s_t` in the step.
    Source: Reddi, Kale and Kumar (2018), algorithm 2, with Adam's bias correction as in
    torch.optim.

    Attributes:
        lr: η, in [x].
        beta1: β₁, the decay of the average of g.
        beta2: β₂, the decay of the average of g².
        eps: ε, in [f]/[x]: gradients well below it count little.
        weight_decay: λ_w, in [f]/[x]².
        eps_inside_root: whether ε stands under the root instead, in [f]²/[x]².
    """

    State: ClassVar[type] = AMSGradState
    lr: Hyper = hyper(1e-3)
    beta1: Hyper = hyper(0.9, "[0, 1)")
    beta2: Hyper = hyper(0.999, "[0, 1)")
    eps: Hyper = hyper(1e-8)
    weight_decay: Hyper = hyper(0.0)
    eps_inside_root: bool = False

    def formula(self, x: Array, grad: Array, state: AMSGradState) -> tuple[Array, AMSGradState]:
        #: t
        t = state.t + 1
        #: m_t = \beta_1 m_{t-1} + (1 - \beta_1)\, g_t
        mean = self.beta1 * state.mean + (1 - self.beta1) * grad
        #: s_t = \beta_2 s_{t-1} + (1 - \beta_2)\, g_t^2
        square = self.beta2 * state.square + (1 - self.beta2) * grad**2
        #: u_t = \max(u_{t-1}, s_t)
        largest = maximum(state.largest, square)
        #: \hat m_t = m_t / (1 - \beta_1^t)
        mean_hat = mean / (1 - self.beta1**t)
        #: \hat u_t = u_t / (1 - \beta_2^t)
        largest_hat = largest / (1 - self.beta2**t)
        #: \sqrt{\hat u_t} + \varepsilon
        root = largest_hat**0.5 + self.eps
        if self.eps_inside_root:
            root = (largest_hat + self.eps) ** 0.5
        #: x_t = x_{t-1} - \eta\, \hat m_t / (\sqrt{\hat u_t} + \varepsilon)
        x = x - self.lr * mean_hat / root
        return x, AMSGradState(mean, square, largest, t)


@dataclass(frozen=True)
class AdamW(Adam):
    r"""AdamW: Adam with weight decay applied to the parameters, not to the gradient.

    .. math::
        x_t = (1 - \eta \lambda_w) x_{t-1} - \eta \frac{\hat m_t}{\sqrt{\hat s_t} + \varepsilon}

    Source: Loshchilov and Hutter (2019), algorithm 2, with η in front of λ_w as in torch.optim.

    Attributes:
        lr: η, in [x].
        beta1: β₁, the decay of the average of g.
        beta2: β₂, the decay of the average of g².
        eps: ε, in [f]/[x]: gradients well below it count little.
        weight_decay: λ_w, in 1/[x]: η λ_w is the share of x that a step takes away.
        eps_inside_root: whether ε stands under the root instead, in [f]²/[x]².
    """

    weight_decay: Hyper = hyper(1e-2)

    def decayed(self, x: Array, grad: Array) -> tuple[Array, Array]:
        #: x_{t-1} \leftarrow (1 - \eta \lambda_w)\, x_{t-1}
        x = x * (1 - self.lr * self.weight_decay)
        return x, grad


class NAdamState(NamedTuple):
    """`mean` and `square` as Adam's, the `product` of the momenta so far, and `t` steps taken."""

    mean: Array
    square: Array
    product: Hyper = 1.0
    t: int = 0


@dataclass(frozen=True)
class NAdam(Rule):
    r"""NAdam: Adam with Nesterov's look-ahead in its first moment.

    .. math:: \mu_t = \beta_1 (1 - \tfrac12 0.96^{t \psi}), \qquad
        x_t = x_{t-1} - \eta \left( \frac{1 - \mu_t}{1 - \prod_{i \le t} \mu_i} g_t +
        \frac{\mu_{t+1}}{1 - \prod_{i \le t+1} \mu_i} m_t \right)
        \frac{1}{\sqrt{\hat s_t} + \varepsilon}

    Source: Dozat (2016), algorithm 2, as torch.optim has it. There the product of the momenta is
    kept in torch's default dtype, here in float64: in float32 the two differ by 3e-7.

    Attributes:
        lr: η, in [x].
        beta1: β₁, the decay of the average of g.
        beta2: β₂, the decay of the average of g².
        eps: ε, in [f]/[x]: gradients well below it count little.
        weight_decay: λ_w, in [f]/[x]².
        momentum_decay: ψ, how soon μ grows to β₁.
        eps_inside_root: whether ε stands under the root instead, in [f]²/[x]².
    """

    State: ClassVar[type] = NAdamState
    lr: Hyper = hyper(2e-3)
    beta1: Hyper = hyper(0.9, "[0, 1)")
    beta2: Hyper = hyper(0.999, "[0, 1)")
    eps: Hyper = hyper(1e-8)
    weight_decay: Hyper = hyper(0.0)
    momentum_decay: Hyper = hyper(4e-3)
    eps_inside_root: bool = False

    def formula(self, x: Array, grad: Array, state: NAdamState) -> tuple[Array, NAdamState]:
        #: t
        t = state.t + 1
        #: \mu_t = \beta_1 (1 - \tfrac12 0.96^{t \psi})
        mu = self.beta1 * (1 - 0.5 * 0.96 ** (t * self.momentum_decay))
        #: \mu_{t+1}
        mu_next = self.beta1 * (1 - 0.5 * 0.96 ** ((t + 1) * self.momentum_decay))
        #: p_t = \mu_t\, p_{t-1}
        product = state.product * mu
        #: m_t = \beta_1 m_{t-1} + (1 - \beta_1)\, g_t
        mean = self.beta1 * state.mean + (1 - self.beta1) * grad
        #: s_t = \beta_2 s_{t-1} + (1 - \beta_2)\, g_t^2
        square = self.beta2 * state.square + (1 - self.beta2) * grad**2
        #: n_t = \frac{1 - \mu_t}{1 - p_t}\, g_t + \frac{\mu_{t+1}}{1 - \mu_{t+1} p_t}\, m_t
        ahead = (1 - mu) / (1 - product) * grad + mu_next / (1 - product * mu_next) * mean
        #: \hat s_t = s_t / (1 - \beta_2^t)
        square_hat = square / (1 - self.beta2**t)
        #: \sqrt{\hat s_t} + \varepsilon
        root = square_hat**0.5 + self.eps
        if self.eps_inside_root:
            root = (square_hat + self.eps) ** 0.5
        #: x_t = x_{t-1} - \eta\, n_t / (\sqrt{\hat s_t} + \varepsilon)
        x = x - self.lr * ahead / root
        return x, NAdamState(mean, square, product, t)


class AdaMaxState(NamedTuple):
    """Average of the gradient, `mean`, decayed maximum of its size, `largest`, and `t` steps."""

    mean: Array
    largest: Array
    t: int = 0


@dataclass(frozen=True)
class AdaMax(Rule):
    r"""AdaMax: Adam with a decayed maximum in place of the root mean square.

    .. math:: u_t = \max(\beta_2 u_{t-1}, |g_t| + \varepsilon), \qquad
        x_t = x_{t-1} - \frac{\eta}{1 - \beta_1^t} \frac{m_t}{u_t}

    Source: Kingma and Ba (2015), algorithm 2, with ε where torch.optim has it.

    Attributes:
        lr: η, in [x].
        beta1: β₁, the decay of the average of g.
        beta2: β₂, the decay of the largest \|g\|.
        eps: ε, in [f]/[x]: gradients well below it count little.
        weight_decay: λ_w, in [f]/[x]².
    """

    State: ClassVar[type] = AdaMaxState
    lr: Hyper = hyper(2e-3)
    beta1: Hyper = hyper(0.9, "[0, 1)")
    beta2: Hyper = hyper(0.999, "[0, 1)")
    eps: Hyper = hyper(1e-8)
    weight_decay: Hyper = hyper(0.0)

    def formula(self, x: Array, grad: Array, state: AdaMaxState) -> tuple[Array, AdaMaxState]:
        #: t
        t = state.t + 1
        #: m_t = \beta_1 m_{t-1} + (1 - \beta_1)\, g_t
        mean = self.beta1 * state.mean + (1 - self.beta1) * grad
        #: u_t = \max(\beta_2 u_{t-1}, \lvert g_t \rvert + \varepsilon)
        largest = maximum(self.beta2 * state.largest, abs(grad) + self.eps)
        #: x_t = x_{t-1} - \frac{\eta}{1 - \beta_1^t}\, m_t / u_t
        x = x - self.lr / (1 - self.beta1**t) * mean / largest
        return x, AdaMaxState(mean, largest, t)


class LionState(NamedTuple):
    """`mean`: the average of the gradient."""

    mean: Array


@dataclass(frozen=True)
class Lion(Rule):
    r"""Lion: every parameter moves by exactly the learning rate, in the sign of an average.

    .. math:: c_t = \beta_1 m_{t-1} + (1 - \beta_1) g_t, \quad
        x_t = x_{t-1} - \eta (\operatorname{sign} c_t + \lambda_w x_{t-1}), \quad
        m_t = \beta_2 m_{t-1} + (1 - \beta_2) g_t

    Source: Chen et al. (2023), algorithm 2.

    Attributes:
        lr: η, in [x].
        beta1: β₁, the weight of the average in the direction of the step.
        beta2: β₂, the decay of the average of g.
        weight_decay: λ_w, in 1/[x]: η λ_w is the share of x that a step takes away.
    """

    State: ClassVar[type] = LionState
    lr: Hyper = hyper(1e-4)
    beta1: Hyper = hyper(0.9, "[0, 1)")
    beta2: Hyper = hyper(0.99, "[0, 1)")
    weight_decay: Hyper = hyper(0.0)

    def formula(self, x: Array, grad: Array, state: LionState) -> tuple[Array, LionState]:
        #: c_t = \beta_1 m_{t-1} + (1 - \beta_1)\, g_t
        mixed = self.beta1 * state.mean + (1 - self.beta1) * grad
        #: x_t = x_{t-1} - \eta \operatorname{sign} c_t
        x = x - self.lr * sign(mixed)
        #: m_t = \beta_2 m_{t-1} + (1 - \beta_2)\, g_t
        mean = self.beta2 * state.mean + (1 - self.beta2) * grad
        return x, LionState(mean)

    def decayed(self, x: Array, grad: Array) -> tuple[Array, Array]:
        # Without decay an infinite x stays as it is: 0 times it is no number.
        return x if _is_zero(self.weight_decay) else x - self.lr * self.weight_decay * x, grad
