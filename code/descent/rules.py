r"""Update rules, each written once.

A rule is a frozen dataclass that holds its hyper-parameters. It knows no objective:

    state = rule.init(x)
    x, state = rule.step(x, grad, state)

`init` and `step` are pure. `step` checks its arguments and calls `update`, which applies the weight
decay and then the `formula`: +, -, *, /, ** and comparison alone, so NumPy arrays and torch tensors
pass through the same lines. Hyper-parameters may be arrays that broadcast against x: a whole sweep
is then one call. A line that begins with ``#:`` gives the mathematics of the statement below it;
together these statements are the rule with every option off, and the pages show them.

Names, defaults and numbers are torch.optim's. So the learning rate multiplies the finished step
(``v = momentum * v + grad; x = x - lr * v``), not the gradient on its way into the velocity: the
two trace different paths as soon as lr changes. And eps is added to the root, not under it, except
in Adadelta, whose paper has it under both roots; `eps_inside_root` gives the other convention,
which some textbooks print.

Symbols: x parameters, g gradient, t the number of the step from 1, λ_w the weight decay. All arrays
have the shape of x.
"""

from dataclasses import dataclass, fields
from typing import Any, ClassVar, NamedTuple

from descent._checks import Array, check_floating, check_interval

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
]

# What each hyper-parameter may be, whatever the rule.
INTERVALS = {
    "lr": "[0, inf)",
    "momentum": "[0, 1)",
    "dampening": "[0, 1]",
    "alpha": "[0, 1)",
    "rho": "[0, 1)",
    "beta1": "[0, 1)",
    "beta2": "[0, 1)",
    "eps": "[0, inf)",
    "weight_decay": "[0, inf)",
    "lr_decay": "[0, inf)",
    "momentum_decay": "[0, inf)",
    "initial_accumulator_value": "[0, inf)",
}


def _is_zero(value: Any) -> bool:
    """Whether a hyper-parameter is the plain number 0, so that its term can be left out."""
    return isinstance(value, (int, float)) and value == 0


def _larger(a: Array, b: Array) -> Array:
    """Elementwise maximum, in arithmetic that every array library has."""
    return a + (b - a) * (b > a)


def _check_broadcast(name: str, value: Any, x: Array) -> None:
    """Refuse an array that would not broadcast against x, or would make it larger."""
    shape = tuple(getattr(value, "shape", ()))
    pairs = zip(reversed(shape), reversed(x.shape), strict=False)
    if len(shape) > len(x.shape) or any(a not in (1, b) for a, b in pairs):
        raise ValueError(f"{name} must broadcast to the shape of x, {tuple(x.shape)}, got {shape}")


@dataclass(frozen=True)
class Rule:
    """What all rules share: checks, and `step` as the checked form of `update`."""

    State: ClassVar[Any]

    def __post_init__(self) -> None:
        """Refuse bad hyper-parameters before anything runs (ValueError)."""
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name in INTERVALS:
                check_interval(field.name, value, INTERVALS[field.name])
            elif not isinstance(value, bool):
                raise ValueError(f"{field.name} must be True or False, got {value!r}")

    def init(self, x: Array) -> Any:
        """State before the first step, for floating-point parameters x of any shape.

        Raises ValueError when a hyper-parameter does not broadcast to the shape of x.
        """
        check_floating("x", x)
        for field in fields(self):
            _check_broadcast(field.name, getattr(self, field.name), x)
        return self.start(x)

    def step(self, x: Array, grad: Array, state: Any) -> tuple[Array, Any]:
        """One step from x, where the gradient is `grad`: the new x and the new state.

        Raises ValueError when the gradient's shape is not that of x, or the state is another rule's
        or that of other parameters.
        """
        check_floating("x", x)
        check_floating("grad", grad)
        if tuple(grad.shape) != tuple(x.shape):
            raise ValueError(
                f"grad must have the shape of x, {tuple(x.shape)}, got {tuple(grad.shape)}"
            )
        if not isinstance(state, self.State):
            raise ValueError(f"state must be a {self.State.__name__}, got {type(state).__name__}")
        for value in state:
            _check_broadcast("state", value, x)
        return self.update(x, grad, state)

    def start(self, x: Array) -> Any:
        """`init` without its checks."""
        raise NotImplementedError

    def update(self, x: Array, grad: Array, state: Any) -> tuple[Array, Any]:
        """`step` without its checks: the weight decay, then the formula."""
        return self.formula(*self.decayed(x, grad), state)

    def decayed(self, x: Array, grad: Array) -> tuple[Array, Array]:
        """x and grad after the weight decay: here the gradient of λ_w / 2 · ‖x‖² is added."""
        weight_decay = getattr(self, "weight_decay", 0)
        return x, grad if _is_zero(weight_decay) else grad + weight_decay * x

    def formula(self, x: Array, grad: Array, state: Any) -> tuple[Array, Any]:
        """The new x and the new state, by arithmetic alone."""
        raise NotImplementedError


class SGDState(NamedTuple):
    """Plain gradient descent remembers nothing."""


@dataclass(frozen=True)
class SGD(Rule):
    r"""Gradient descent; stochastic when the gradient comes from a sample.

    .. math:: x_t = x_{t-1} - \eta g_t

    Source: Robbins and Monro (1951), equation (6), for noisy gradients. ``weight_decay`` λ_w adds
    λ_w x to g.

    >>> import numpy as np
    >>> rule, x = SGD(lr=0.5), np.array([1.0, -2.0])
    >>> rule.step(x, 2 * x, rule.init(x))[0]
    array([0., 0.])
    """

    State: ClassVar[type] = SGDState
    lr: Any = 1e-3
    weight_decay: Any = 0.0

    def start(self, x: Array) -> SGDState:
        return SGDState()

    def formula(self, x: Array, grad: Array, state: SGDState) -> tuple[Array, SGDState]:
        #: x_t = x_{t-1} - \eta\, g_t
        x = x - self.lr * grad
        return x, state


class MomentumState(NamedTuple):
    """Velocity, and how many steps have been taken."""

    velocity: Array
    t: int


@dataclass(frozen=True)
class Momentum(Rule):
    r"""Gradient descent with momentum, the heavy ball.

    .. math:: v_t = \beta v_{t-1} + (1 - d) g_t, \qquad x_t = x_{t-1} - \eta v_t

    with v_1 = g_1 whatever the dampening d, as in torch.optim.SGD.
    Source: Polyak (1964), equation (9), in the form of torch.optim. See the module's note on where
    η stands.
    """

    State: ClassVar[type] = MomentumState
    lr: Any = 1e-3
    momentum: Any = 0.9
    dampening: Any = 0.0
    weight_decay: Any = 0.0

    def start(self, x: Array) -> MomentumState:
        return MomentumState(velocity=0 * x, t=0)

    def formula(self, x: Array, grad: Array, state: MomentumState) -> tuple[Array, MomentumState]:
        if state.t > 0 and not _is_zero(self.dampening):
            grad = (1 - self.dampening) * grad
        #: v_t = \beta v_{t-1} + g_t
        velocity = self.momentum * state.velocity + grad
        #: x_t = x_{t-1} - \eta v_t
        x = x - self.lr * velocity
        return x, MomentumState(velocity, state.t + 1)


class NesterovState(NamedTuple):
    """Velocity."""

    velocity: Array


@dataclass(frozen=True)
class Nesterov(Rule):
    r"""Nesterov's accelerated gradient, in torch.optim's coordinates.

    .. math:: v_t = \beta v_{t-1} + g_t, \qquad x_t = x_{t-1} - \eta (g_t + \beta v_t)

    Here x is the point where the gradient is taken: the look-ahead point
    :math:`\theta - \eta \beta v` of the form in which the method is usually told.
    Source: Nesterov (1983); this form, Sutskever et al. (2013), equations (3) and (4), shifted.
    """

    State: ClassVar[type] = NesterovState
    lr: Any = 1e-3
    momentum: Any = 0.9
    weight_decay: Any = 0.0

    def start(self, x: Array) -> NesterovState:
        return NesterovState(velocity=0 * x)

    def formula(self, x: Array, grad: Array, state: NesterovState) -> tuple[Array, NesterovState]:
        #: v_t = \beta v_{t-1} + g_t
        velocity = self.momentum * state.velocity + grad
        #: x_t = x_{t-1} - \eta\, (g_t + \beta v_t)
        x = x - self.lr * (grad + self.momentum * velocity)
        return x, NesterovState(velocity)


class AdaGradState(NamedTuple):
    """Sum of squared gradients, and how many steps have been taken."""

    total: Array
    t: int


@dataclass(frozen=True)
class AdaGrad(Rule):
    r"""AdaGrad: a step for each parameter that shrinks with the squared gradients so far.

    .. math:: G_t = G_{t-1} + g_t^2, \qquad
        x_t = x_{t-1} - \frac{\eta_t}{\sqrt{G_t} + \varepsilon} g_t,
        \qquad \eta_t = \frac{\eta}{1 + (t - 1)\,\text{lr\_decay}}

    Source: Duchi, Hazan and Singer (2011), figure 1, the diagonal case.
    """

    State: ClassVar[type] = AdaGradState
    lr: Any = 1e-2
    lr_decay: Any = 0.0
    weight_decay: Any = 0.0
    initial_accumulator_value: Any = 0.0
    eps: Any = 1e-10
    eps_inside_root: bool = False

    def start(self, x: Array) -> AdaGradState:
        return AdaGradState(total=0 * x + self.initial_accumulator_value, t=0)

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
    """Averages of the squared gradient and (if centred) of the gradient; velocity (if any)."""

    square: Array
    mean: Array | None
    velocity: Array | None


@dataclass(frozen=True)
class RMSprop(Rule):
    r"""RMSprop: AdaGrad with a sum that forgets.

    .. math:: s_t = \alpha s_{t-1} + (1 - \alpha) g_t^2, \qquad
        x_t = x_{t-1} - \frac{\eta}{\sqrt{s_t} + \varepsilon} g_t

    ``centered`` subtracts the square of the averaged gradient from s; ``momentum`` averages the
    steps.
    Source: Tieleman and Hinton (2012), lecture 6e; centred, Graves (2013), equations (38) to (41).
    """

    State: ClassVar[type] = RMSpropState
    lr: Any = 1e-2
    alpha: Any = 0.99
    eps: Any = 1e-8
    weight_decay: Any = 0.0
    momentum: Any = 0.0
    centered: bool = False
    eps_inside_root: bool = False

    def start(self, x: Array) -> RMSpropState:
        mean = 0 * x if self.centered else None
        return RMSpropState(0 * x, mean, None if _is_zero(self.momentum) else 0 * x)

    def formula(self, x: Array, grad: Array, state: RMSpropState) -> tuple[Array, RMSpropState]:
        mean, velocity = state.mean, state.velocity
        #: s_t = \alpha s_{t-1} + (1 - \alpha)\, g_t^2
        square = self.alpha * state.square + (1 - self.alpha) * grad**2
        variance = square
        if self.centered:
            mean = self.alpha * mean + (1 - self.alpha) * grad
            variance = square - mean**2
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
    """Averages of the squared gradient and of the squared step."""

    square: Array
    moved: Array


@dataclass(frozen=True)
class Adadelta(Rule):
    r"""Adadelta: RMSprop with the size of its own recent steps in place of a learning rate.

    .. math:: s_t = \alpha s_{t-1} + (1 - \alpha) g_t^2, \quad
        \Delta_t = \frac{\sqrt{u_{t-1} + \varepsilon}}{\sqrt{s_t + \varepsilon}} g_t, \quad
        u_t = \alpha u_{t-1} + (1 - \alpha) \Delta_t^2, \quad x_t = x_{t-1} - \eta \Delta_t

    The decay α is called ``rho``, as in torch.optim.
    Source: Zeiler (2012), algorithm 1, where η = 1.
    """

    State: ClassVar[type] = AdadeltaState
    lr: Any = 1.0
    rho: Any = 0.9
    eps: Any = 1e-6
    weight_decay: Any = 0.0

    def start(self, x: Array) -> AdadeltaState:
        return AdadeltaState(square=0 * x, moved=0 * x)

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
    """Averages of the gradient and of its square, and how many steps have been taken."""

    mean: Array
    square: Array
    t: int


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
    """

    State: ClassVar[type] = AdamState
    lr: Any = 1e-3
    beta1: Any = 0.9
    beta2: Any = 0.999
    eps: Any = 1e-8
    weight_decay: Any = 0.0
    eps_inside_root: bool = False

    def start(self, x: Array) -> AdamState:
        return AdamState(mean=0 * x, square=0 * x, t=0)

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
    """Adam's averages, the largest average of the square so far, and the steps taken."""

    mean: Array
    square: Array
    largest: Array
    t: int


@dataclass(frozen=True)
class AMSGrad(Rule):
    r"""AMSGrad: Adam whose denominator never shrinks.

    As `Adam`, with :math:`\max_{k \le t} s_k` in place of :math:`s_t` in the step.
    Source: Reddi, Kale and Kumar (2018), algorithm 2, with Adam's bias correction as in
    torch.optim.
    """

    State: ClassVar[type] = AMSGradState
    lr: Any = 1e-3
    beta1: Any = 0.9
    beta2: Any = 0.999
    eps: Any = 1e-8
    weight_decay: Any = 0.0

    def start(self, x: Array) -> AMSGradState:
        return AMSGradState(mean=0 * x, square=0 * x, largest=0 * x, t=0)

    def formula(self, x: Array, grad: Array, state: AMSGradState) -> tuple[Array, AMSGradState]:
        #: t
        t = state.t + 1
        #: m_t = \beta_1 m_{t-1} + (1 - \beta_1)\, g_t
        mean = self.beta1 * state.mean + (1 - self.beta1) * grad
        #: s_t = \beta_2 s_{t-1} + (1 - \beta_2)\, g_t^2
        square = self.beta2 * state.square + (1 - self.beta2) * grad**2
        #: u_t = \max(u_{t-1}, s_t)
        largest = _larger(state.largest, square)
        #: \hat m_t = m_t / (1 - \beta_1^t)
        mean_hat = mean / (1 - self.beta1**t)
        #: \hat u_t = u_t / (1 - \beta_2^t)
        largest_hat = largest / (1 - self.beta2**t)
        #: x_t = x_{t-1} - \eta\, \hat m_t / (\sqrt{\hat u_t} + \varepsilon)
        x = x - self.lr * mean_hat / (largest_hat**0.5 + self.eps)
        return x, AMSGradState(mean, square, largest, t)


@dataclass(frozen=True)
class AdamW(Adam):
    r"""AdamW: Adam with weight decay applied to the parameters, not to the gradient.

    .. math::
        x_t = (1 - \eta \lambda_w) x_{t-1} - \eta \frac{\hat m_t}{\sqrt{\hat s_t} + \varepsilon}

    Source: Loshchilov and Hutter (2019), algorithm 2, with η in front of λ_w as in torch.optim.
    """

    weight_decay: Any = 1e-2

    def decayed(self, x: Array, grad: Array) -> tuple[Array, Array]:
        #: x_{t-1} \leftarrow (1 - \eta \lambda_w)\, x_{t-1}
        x = x * (1 - self.lr * self.weight_decay)
        return x, grad


class NAdamState(NamedTuple):
    """Adam's averages, the product of the momenta so far, and the steps taken."""

    mean: Array
    square: Array
    product: Any
    t: int


@dataclass(frozen=True)
class NAdam(Rule):
    r"""NAdam: Adam with Nesterov's look-ahead in its first moment.

    .. math:: \mu_t = \beta_1 (1 - \tfrac12 0.96^{t \psi}), \qquad
        x_t = x_{t-1} - \eta \left( \frac{1 - \mu_t}{1 - \prod_{i \le t} \mu_i} g_t +
        \frac{\mu_{t+1}}{1 - \prod_{i \le t+1} \mu_i} m_t \right)
        \frac{1}{\sqrt{\hat s_t} + \varepsilon}

    with ψ = ``momentum_decay``. Source: Dozat (2016), algorithm 2, as torch.optim has it.
    """

    State: ClassVar[type] = NAdamState
    lr: Any = 2e-3
    beta1: Any = 0.9
    beta2: Any = 0.999
    eps: Any = 1e-8
    weight_decay: Any = 0.0
    momentum_decay: Any = 4e-3

    def start(self, x: Array) -> NAdamState:
        return NAdamState(mean=0 * x, square=0 * x, product=1.0, t=0)

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
        #: x_t = x_{t-1} - \eta\, n_t / (\sqrt{s_t / (1 - \beta_2^t)} + \varepsilon)
        x = x - self.lr * ahead / ((square / (1 - self.beta2**t)) ** 0.5 + self.eps)
        return x, NAdamState(mean, square, product, t)


class AdaMaxState(NamedTuple):
    """Average of the gradient, decayed maximum of its size, and the steps taken."""

    mean: Array
    largest: Array
    t: int


@dataclass(frozen=True)
class AdaMax(Rule):
    r"""AdaMax: Adam with a decayed maximum in place of the root mean square.

    .. math:: u_t = \max(\beta_2 u_{t-1}, |g_t| + \varepsilon), \qquad
        x_t = x_{t-1} - \frac{\eta}{1 - \beta_1^t} \frac{m_t}{u_t}

    Source: Kingma and Ba (2015), algorithm 2, with ε where torch.optim has it.
    """

    State: ClassVar[type] = AdaMaxState
    lr: Any = 2e-3
    beta1: Any = 0.9
    beta2: Any = 0.999
    eps: Any = 1e-8
    weight_decay: Any = 0.0

    def start(self, x: Array) -> AdaMaxState:
        return AdaMaxState(mean=0 * x, largest=0 * x, t=0)

    def formula(self, x: Array, grad: Array, state: AdaMaxState) -> tuple[Array, AdaMaxState]:
        #: t
        t = state.t + 1
        #: m_t = \beta_1 m_{t-1} + (1 - \beta_1)\, g_t
        mean = self.beta1 * state.mean + (1 - self.beta1) * grad
        #: u_t = \max(\beta_2 u_{t-1}, \lvert g_t \rvert + \varepsilon)
        largest = _larger(self.beta2 * state.largest, abs(grad) + self.eps)
        #: x_t = x_{t-1} - \frac{\eta}{1 - \beta_1^t}\, m_t / u_t
        x = x - self.lr / (1 - self.beta1**t) * mean / largest
        return x, AdaMaxState(mean, largest, t)


class LionState(NamedTuple):
    """Average of the gradient."""

    mean: Array


@dataclass(frozen=True)
class Lion(Rule):
    r"""Lion: every parameter moves by exactly the learning rate, in the sign of an average.

    .. math:: c_t = \beta_1 m_{t-1} + (1 - \beta_1) g_t, \quad
        x_t = x_{t-1} - \eta (\operatorname{sign} c_t + \lambda_w x_{t-1}), \quad
        m_t = \beta_2 m_{t-1} + (1 - \beta_2) g_t

    Source: Chen et al. (2023), algorithm 2.
    """

    State: ClassVar[type] = LionState
    lr: Any = 1e-4
    beta1: Any = 0.9
    beta2: Any = 0.99
    weight_decay: Any = 0.0

    def start(self, x: Array) -> LionState:
        return LionState(mean=0 * x)

    def formula(self, x: Array, grad: Array, state: LionState) -> tuple[Array, LionState]:
        #: c_t = \beta_1 m_{t-1} + (1 - \beta_1)\, g_t
        mixed = self.beta1 * state.mean + (1 - self.beta1) * grad
        #: \operatorname{sign} c_t
        sign = mixed / (abs(mixed) + (mixed == 0))
        #: x_t = x_{t-1} - \eta \operatorname{sign} c_t
        x = x - self.lr * sign
        #: m_t = \beta_2 m_{t-1} + (1 - \beta_2)\, g_t
        mean = self.beta2 * state.mean + (1 - self.beta2) * grad
        return x, LionState(mean)

    def decayed(self, x: Array, grad: Array) -> tuple[Array, Array]:
        return x - self.lr * self.weight_decay * x, grad
