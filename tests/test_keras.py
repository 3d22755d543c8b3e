"""Where Keras, on its torch backend, does the same as our rules, and where it does not.

What differs is stated in each test, and held.
"""

import os
from dataclasses import replace

os.environ["KERAS_BACKEND"] = "torch"

import keras
import numpy as np
import pytest
import torch

from descent import rules
from descent.rules import Rule

# Keras 3.15 hands torch's tensors to NumPy in a way that NumPy 2 warns of.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

STEPS = 60


@pytest.fixture(autouse=True)
def double_precision():
    before = keras.backend.floatx()
    keras.backend.set_floatx("float64")
    yield
    keras.backend.set_floatx(before)


def gradients() -> np.ndarray:
    return np.random.default_rng(0).normal(0.3, 1, (STEPS, 4))


def keras_path(optimizer, lrs=None) -> np.ndarray:
    variable = keras.Variable(np.linspace(-1, 2, 4), dtype="float64")
    points = [variable.value.detach().numpy().copy()]
    for t, grad in enumerate(gradients()):
        if lrs is not None:
            optimizer.learning_rate = lrs[t]
        with torch.no_grad():
            optimizer.apply([torch.from_numpy(grad)], [variable])
        points.append(variable.value.detach().numpy().copy())
    return np.array(points)


def our_path(rule: Rule, lrs=None) -> np.ndarray:
    x = np.linspace(-1, 2, 4)
    state, points = rule.init(x), [x]
    for t, grad in enumerate(gradients()):
        now = rule if lrs is None else replace(rule, lr=lrs[t])  # type: ignore[call-arg]
        x, state = now.step(x, grad, state)
        points.append(x)
    return np.array(points)


def gap(rule: Rule, optimizer, lrs=None) -> float:
    ours = our_path(rule, lrs)
    return float(np.abs(ours - keras_path(optimizer, lrs)).max() / np.abs(ours).max())


K = keras.optimizers
# Keras holds the learning rate in single precision, so the values here are powers of two.
LR = 2.0**-6

SAME = {
    "SGD": (rules.SGD(lr=LR), lambda: K.SGD(LR)),
    "momentum at a constant rate": (
        rules.Momentum(lr=LR, momentum=0.75),
        lambda: K.SGD(LR, momentum=0.75),
    ),
    "Nesterov at a constant rate": (
        rules.Nesterov(lr=LR, momentum=0.75),
        lambda: K.SGD(LR, momentum=0.75, nesterov=True),
    ),
    "Adadelta": (
        rules.Adadelta(lr=LR, rho=0.9, eps=1e-6),
        lambda: K.Adadelta(LR, rho=0.9, epsilon=1e-6),
    ),
    "Lion": (
        rules.Lion(lr=LR, beta1=0.875, beta2=0.96875),
        lambda: K.Lion(LR, beta_1=0.875, beta_2=0.96875),
    ),
    "Adam without eps": (
        rules.Adam(lr=LR, beta1=0.875, beta2=0.96875, eps=0.0),
        lambda: K.Adam(LR, beta_1=0.875, beta_2=0.96875, epsilon=0.0),
    ),
    "AMSGrad without eps": (
        rules.AMSGrad(lr=LR, beta1=0.875, beta2=0.96875, eps=0.0),
        lambda: K.Adam(LR, beta_1=0.875, beta_2=0.96875, epsilon=0.0, amsgrad=True),
    ),
    "AdamW without eps": (
        rules.AdamW(lr=LR, beta1=0.875, beta2=0.96875, eps=0.0, weight_decay=0.125),
        lambda: K.AdamW(LR, beta_1=0.875, beta_2=0.96875, epsilon=0.0, weight_decay=0.125),
    ),
    "AdaGrad, eps inside the root": (
        rules.AdaGrad(lr=LR, eps=1e-3, initial_accumulator_value=0.125, eps_inside_root=True),
        lambda: K.Adagrad(LR, epsilon=1e-3, initial_accumulator_value=0.125),
    ),
    "RMSprop, eps inside the root": (
        rules.RMSprop(lr=LR, alpha=0.875, eps=1e-3, eps_inside_root=True),
        lambda: K.RMSprop(LR, rho=0.875, epsilon=1e-3),
    ),
    "RMSprop, centred": (
        rules.RMSprop(lr=LR, alpha=0.875, eps=1e-3, centered=True, eps_inside_root=True),
        lambda: K.RMSprop(LR, rho=0.875, epsilon=1e-3, centered=True),
    ),
}


@pytest.mark.parametrize("name", SAME)
def test_same_path(name: str) -> None:
    rule, optimizer = SAME[name]
    assert gap(rule, optimizer()) < 1e-12


DIFFERENT = {
    "RMSprop's eps is inside the root": (
        rules.RMSprop(lr=LR, alpha=0.875, eps=1e-3),
        lambda: K.RMSprop(LR, rho=0.875, epsilon=1e-3),
    ),
    "AdaGrad's eps is inside the root": (
        rules.AdaGrad(lr=LR, eps=1e-3, initial_accumulator_value=0.125),
        lambda: K.Adagrad(LR, epsilon=1e-3, initial_accumulator_value=0.125),
    ),
    "Adam's eps is beside the uncorrected root": (
        rules.Adam(lr=LR, beta1=0.875, beta2=0.96875, eps=1e-3),
        lambda: K.Adam(LR, beta_1=0.875, beta_2=0.96875, epsilon=1e-3),
    ),
    "NAdam's schedule of momenta is fixed": (
        rules.NAdam(lr=LR, beta1=0.875, beta2=0.96875, eps=0.0),
        lambda: K.Nadam(LR, beta_1=0.875, beta_2=0.96875, epsilon=0.0),
    ),
}


@pytest.mark.parametrize("name", DIFFERENT)
def test_other_path(name: str) -> None:
    rule, optimizer = DIFFERENT[name]
    assert 1e-7 < gap(rule, optimizer()) < 0.1


def test_its_momentum_holds_the_learning_rate_inside_the_velocity() -> None:
    # v = βv - ηg, x = x + v: the same as ours until η changes, then the old steps keep their old η.
    lrs = np.where(np.arange(STEPS) < 30, LR, LR / 8)
    ours, theirs = our_path(rules.Momentum(lr=LR, momentum=0.75), lrs), np.empty((STEPS + 1, 4))
    theirs = keras_path(K.SGD(LR, momentum=0.75), lrs)
    np.testing.assert_allclose(ours[:31], theirs[:31], rtol=1e-12)
    assert np.abs(ours[31:] - theirs[31:]).min() > 1e-5
    x, v = np.linspace(-1, 2, 4), np.zeros(4)
    for t, grad in enumerate(gradients()):
        v = 0.75 * v - lrs[t] * grad
        x = x + v
        np.testing.assert_allclose(theirs[t + 1], x, rtol=1e-12)


def test_its_adam_is_the_papers_short_form() -> None:
    # η √(1 - β₂ᵗ) / (1 - β₁ᵗ) · m / (√s + ε): the paper's ε̂, which is our ε / √(1 - β₂ᵗ).
    beta1, beta2, eps = 0.875, 0.96875, 1e-3
    theirs = keras_path(K.Adam(LR, beta_1=beta1, beta_2=beta2, epsilon=eps))
    x, m, s = np.linspace(-1, 2, 4), np.zeros(4), np.zeros(4)
    for t, grad in enumerate(gradients(), 1):
        m = beta1 * m + (1 - beta1) * grad
        s = beta2 * s + (1 - beta2) * grad**2
        x = x - LR * (1 - beta2**t) ** 0.5 / (1 - beta1**t) * m / (s**0.5 + eps)
        np.testing.assert_allclose(theirs[t], x, rtol=1e-12)


def test_its_rmsprop_has_the_learning_rate_inside_the_velocity() -> None:
    lrs = np.where(np.arange(STEPS) < 30, LR, LR / 8)
    rule = rules.RMSprop(lr=LR, alpha=0.875, momentum=0.5, eps=1e-3, eps_inside_root=True)
    make = lambda: K.RMSprop(LR, rho=0.875, momentum=0.5, epsilon=1e-3)  # noqa: E731
    assert gap(rule, make()) < 1e-12
    assert gap(rule, make(), lrs) > 1e-5


def test_defaults_that_differ() -> None:
    assert {K.Adam().epsilon, K.RMSprop().epsilon, K.Adagrad().epsilon} == {1e-7}
    assert (rules.Adam().eps, rules.RMSprop().eps, rules.AdaGrad().eps) == (1e-8, 1e-8, 1e-10)
    assert (K.RMSprop().rho, rules.RMSprop().alpha) == (0.9, 0.99)
    assert (K.Adagrad().initial_accumulator_value, rules.AdaGrad().initial_accumulator_value) == (
        0.1,
        0.0,
    )
    assert (K.AdamW().weight_decay, rules.AdamW().weight_decay) == (0.004, 0.01)
    found = {float(kind().learning_rate) for kind in (K.Adadelta, K.Adagrad, K.RMSprop)}
    assert found == {1e-3}
    assert (rules.Adadelta().lr, rules.AdaGrad().lr, rules.RMSprop().lr) == (1.0, 0.01, 0.01)
