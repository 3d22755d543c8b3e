"""What is refused, and in which words: each message names the argument, its value and what is
allowed."""

from dataclasses import fields, replace
from types import SimpleNamespace

import numpy as np
import pytest

from descent import (
    MLP,
    RNN,
    SGD,
    AdaGrad,
    Adam,
    LinearRegression,
    LogisticRegression,
    Momentum,
    NAdam,
    RMSprop,
    minimize,
    moment_twin,
    ravine,
    rotated_quadratic,
    sequence_task,
    sparse_features,
    sweep,
    theory,
    train,
)
from descent.book.claims import judge
from rule_cases import RULES

NAN, INF = float("nan"), float("inf")
X = np.ones((2, 3))
MATRIX = np.ones((1, 1)).view(np.matrix)
STATE = Momentum().init(X)


def data(features=((1.0, 2.0), (3.0, 4.0), (5.0, 6.0)), targets=(0.0, 1.0, 1.0)):
    return SimpleNamespace(features=np.asarray(features), targets=np.asarray(targets))


def run(rule=SGD(), surface=ravine, start=(-5.0, -2.0), steps=3, **options):  # noqa: B008
    return minimize(rule, surface, start, steps, **options)


def fit(rule=SGD(), given=None, **options):  # noqa: B008
    return train(rule, given or data(), **{"batch_size": 2} | options)


# What to call, and then the argument, what is allowed and the value, as the message must tell them.
CASES = {
    # Hyper-parameters.
    "negative": (lambda: SGD(lr=-0.1), "lr", "[0, inf)", "-0.1"),
    "nan": (lambda: Adam(lr=NAN), "lr", "[0, inf)", "nan"),
    "infinite": (lambda: Adam(lr=INF), "lr", "[0, inf)", "inf"),
    "string": (lambda: SGD(lr="0.1"), "lr", "real number", "'0.1'"),
    "none": (lambda: SGD(lr=None), "lr", "real number", "None"),
    "bool": (lambda: SGD(lr=True), "lr", "real number", "True"),
    "complex": (lambda: SGD(lr=1j), "lr", "real number", "1j"),
    "list": (lambda: SGD(lr=[0.1, 0.2]), "lr", "floating-point array", "[0.1, 0.2]"),
    "integers": (lambda: SGD(lr=np.array([1, 2])), "lr", "floating-point array", "[1, 2]"),
    "a matrix of rates": (lambda: SGD(lr=MATRIX), "lr", "a plain array, such as", "matrix([["),
    "no values": (lambda: SGD(lr=np.ones((0, 1))), "lr", "at least one element", "(0, 1)"),
    "one nan": (lambda: SGD(lr=np.array([0.1, NAN])), "lr", "[0, inf)", "nan"),
    "one negative": (lambda: SGD(lr=np.array([0.1, -2.0])), "lr", "[0, inf)", "-2."),
    "momentum of 1": (lambda: Momentum(momentum=1.0), "momentum", "[0, 1)", "1.0"),
    "negative momentum": (lambda: RMSprop(momentum=-0.5), "momentum", "[0, 1)", "-0.5"),
    "dampening": (lambda: Momentum(dampening=1.5), "dampening", "[0, 1]", "1.5"),
    "alpha": (lambda: RMSprop(alpha=1.0), "alpha", "[0, 1)", "1.0"),
    "beta1": (lambda: Adam(beta1=1.0), "beta1", "[0, 1)", "1.0"),
    "beta2": (lambda: Adam(beta2=-0.1), "beta2", "[0, 1)", "-0.1"),
    "eps": (lambda: AdaGrad(eps=-1e-9), "eps", "[0, inf)", "-1e-09"),
    "weight_decay": (lambda: SGD(weight_decay=-1.0), "weight_decay", "[0, inf)", "-1.0"),
    "lr_decay": (lambda: AdaGrad(lr_decay=NAN), "lr_decay", "[0, inf)", "nan"),
    "psi": (lambda: NAdam(momentum_decay=-1.0), "momentum_decay", "[0, inf)", "-1.0"),
    "accumulator": (
        lambda: AdaGrad(initial_accumulator_value=-1.0),
        "initial_accumulator_value",
        "[0, inf)",
        "-1.0",
    ),
    "flag": (lambda: RMSprop(centered=1), "centered", "True or False", "1"),
    "flag in words": (lambda: Adam(eps_inside_root="no"), "eps_inside_root", "True or", "'no'"),
    "replaced": (lambda: replace(SGD(), lr=-3.0), "lr", "[0, inf)", "-3.0"),
    "whole number beyond floats": (lambda: SGD(lr=10**400), "lr", "[0, inf)", "inf"),
    # One step.
    "a matrix": (lambda: SGD().init(MATRIX), "x", "a plain array, such as np.asarray", "matrix([["),
    "a matrix for a gradient": (
        lambda: SGD().step(np.ones((1, 1)), MATRIX, SGD().init(np.ones((1, 1)))),
        "grad",
        "a plain array, such as np.asarray",
        "matrix([[",
    ),
    "integer parameters": (lambda: SGD().init(np.array([1, 2])), "x", "floating-point", "int64"),
    "a list for x": (lambda: SGD().init([1.0, 2.0]), "x", "floating-point array", "list"),
    "no parameters": (lambda: SGD().init(np.ones((0, 2))), "x", "at least one element", "(0, 2)"),
    "hyper-parameters of another shape": (
        lambda: SGD(lr=np.ones(4)).init(X),
        "lr",
        "broadcast to the shape of x, (2, 3)",
        "(4,)",
    ),
    "hyper-parameters that enlarge x": (
        lambda: SGD(lr=np.ones((5, 1, 1))).init(X),
        "lr",
        "broadcast to the shape of x, (2, 3)",
        "(5, 1, 1)",
    ),
    "integer parameters in a step": (
        lambda: Momentum().step(np.ones((2, 3), int), X, STATE),
        "x",
        "floating-point array",
        "int64",
    ),
    "gradient of another shape": (
        lambda: Momentum().step(X, np.ones(3), STATE),
        "grad",
        "shape of x, (2, 3)",
        "(3,)",
    ),
    "integer gradient": (
        lambda: Momentum().step(X, np.ones((2, 3), int), STATE),
        "grad",
        "floating-point array",
        "int64",
    ),
    "no gradient": (lambda: Momentum().step(X, None, STATE), "grad", "floating-point", "None"),
    "state of another rule": (
        lambda: Adam().step(X, X, STATE),
        "state",
        "AdamState",
        "MomentumState",
    ),
    "no state": (lambda: SGD().step(X, X, None), "state", "SGDState", "NoneType"),
    "state of other parameters": (
        lambda: Momentum().step(X, X, Momentum().init(np.ones((4, 3)))),
        "state",
        "shape of x, (2, 3)",
        "(4, 3)",
    ),
    "product of other decays": (
        lambda: NAdam().step(X, X, NAdam().init(X)._replace(product=np.ones(2))),
        "state",
        "broadcast to the shape of x, (2, 3)",
        "(2,)",
    ),
    # minimize.
    "no rule": (lambda: run(rule="SGD"), "rule", "a rule such as", "'SGD'"),
    "a class for a rule": (lambda: run(rule=SGD), "rule", "a rule such as", "<class"),
    "no surface": (lambda: run(surface="ravine"), "surface", "a Surface", "'ravine'"),
    "three coordinates": (lambda: run(start=(1.0, 2.0, 3.0)), "start", "(..., 2)", "(3,)"),
    "a number for a start": (lambda: run(start=1.0), "start", "(..., 2)", "()"),
    "no starts": (lambda: run(start=np.ones((0, 2))), "start", "(..., 2)", "(0, 2)"),
    "nan in the start": (lambda: run(start=(NAN, 0.0)), "start", "[-1e+30, 1e+30]", "nan"),
    "infinite start": (lambda: run(start=(INF, 0.0)), "start", "[-1e+30, 1e+30]", "inf"),
    "start in words": (lambda: run(start=("a", "b")), "start", "numbers", "('a', 'b')"),
    "start in digits": (lambda: run(start=("1", "2")), "start", "numbers", "('1', '2')"),
    "ragged start": (lambda: run(start=[[1.0, 2.0], [3.0]]), "start", "numbers", "[3.0]"),
    "complex start": (lambda: run(start=(1j, 0)), "start", "numbers", "1j"),
    "negative steps": (lambda: run(steps=-1), "steps", "at least 0", "-1"),
    "half a step": (lambda: run(steps=2.5), "steps", "an integer", "2.5"),
    "steps in words": (lambda: run(steps="10"), "steps", "an integer", "'10'"),
    "true steps": (lambda: run(steps=True), "steps", "an integer", "True"),
    "no records": (lambda: run(record_every=0), "record_every", "at least 1", "0"),
    "schedule that is a number": (lambda: run(schedule=0.5), "schedule", "a function", "0.5"),
    "schedule below 0": (lambda: run(schedule=lambda t: -1.0), "schedule(0)", "[0, inf)", "-1.0"),
    "noise below 0": (lambda: run(noise=-1.0), "noise", "[0, inf)", "-1.0"),
    "seed below 0": (lambda: run(noise=1.0, seed=-1), "seed", "at least 0", "-1"),
    "no axis behind a sweep": (lambda: sweep([0.1], trailing=0), "trailing", "at least 1", "0"),
    "sweeps against starts": (
        lambda: run(
            rule=Momentum(lr=np.ones((3, 1)), momentum=np.zeros((4, 1))), start=np.ones((4, 2))
        ),
        "hyper-parameters",
        "broadcast against start (4, 2)",
        "lr (3, 1), momentum (4, 1)",
    ),
    "sweep against starts": (
        lambda: run(rule=SGD(lr=np.ones((3, 1))), start=np.ones((4, 2))),
        "hyper-parameters",
        "broadcast against start (4, 2)",
        "lr (3, 1)",
    ),
    "sweep without its last axis": (
        lambda: run(rule=SGD(lr=np.ones(7))),
        "lr",
        "shape (7, 1) gives 7 runs",
        "(7,)",
    ),
    # Surfaces and theory.
    "one eigenvalue": (lambda: rotated_quadratic((1.0,)), "eigenvalues", "two", "(1.0,)"),
    "eigenvalue nan": (lambda: rotated_quadratic((1, NAN)), "eigenvalues[1]", "(-inf, inf)", "nan"),
    "angle": (lambda: rotated_quadratic((1, 2), INF), "angle", "(-inf, inf)", "inf"),
    "points": (lambda: ravine.value(np.ones(3)), "points", "(..., 2)", "(3,)"),
    "points for a gradient": (lambda: ravine.grad(np.ones((2, 1))), "points", "(..., 2)", "(2, 1)"),
    "points in words": (lambda: ravine.value(["a", "b"]), "points", "numbers", "['a', 'b']"),
    "ragged points": (lambda: ravine.value([[1, 2], [3]]), "points", "numbers", "[3]"),
    "complex points": (lambda: ravine.value([1j, 0]), "points", "numbers", "1j"),
    "curvature 0": (lambda: theory.lr_limit(0.0), "curvature", "(0, inf)", "0.0"),
    "beta of 1": (lambda: theory.window(1.0), "beta", "[0, 1)", "1.0"),
    "half-life of 0": (lambda: theory.half_life(0.0), "beta", "(0, 1)", "0.0"),
    "no terms": (lambda: theory.ewma_weights(0.9, 0), "terms", "at least 1", "0"),
    "time before 0": (lambda: theory.bias(0.9, -1), "t", "at least 0", "-1"),
    "time in words": (lambda: theory.bias(0.9, "1"), "t", "number of steps", "'1'"),
    "limit without friction": (lambda: theory.lr_limit(1.0, 1.0), "momentum", "[0, 1)", "1.0"),
    "limit of infinity": (lambda: theory.lr_limit(INF), "curvature", "(0, inf)", "inf"),
    "curvature infinite": (
        lambda: theory.gradient_descent_factor(0.1, INF),
        "curvature",
        "(-inf, inf)",
        "inf",
    ),
    "curvature minus infinite": (
        lambda: theory.gradient_descent_factor(0.1, -INF),
        "curvature",
        "(-inf, inf)",
        "-inf",
    ),
    "lr infinite": (
        lambda: theory.gradient_descent_factor(INF, 1.0),
        "lr",
        "[0, inf)",
        "inf",
    ),
    "roots: lr": (lambda: theory.momentum_roots(-1.0, 0.5, 1.0), "lr", "[0, inf)", "-1.0"),
    "roots: lr infinite": (lambda: theory.nesterov_roots(INF, 0.5, 1.0), "lr", "[0, inf)", "inf"),
    "roots: momentum": (lambda: theory.momentum_roots(1.0, 1.0, 1.0), "momentum", "[0, 1)", "1.0"),
    "roots: curvature": (
        lambda: theory.momentum_roots(1.0, 0.5, -INF),
        "curvature",
        "(-inf, inf)",
        "-inf",
    ),
    "weights at beta 1": (lambda: theory.ewma_weights(1.0, 3), "beta", "[0, 1)", "1.0"),
    "half-life of 1": (lambda: theory.half_life(1.0), "beta", "(0, 1)", "1.0"),
    "bias at beta 1": (lambda: theory.bias(1.0, 3), "beta", "[0, 1)", "1.0"),
    "smallest infinite": (lambda: theory.condition_number(INF, INF), "smallest", "(0, inf)", "inf"),
    "curvatures swapped": (
        lambda: theory.best_momentum(2.0, 1.0),
        "largest",
        "smallest, 2.0",
        "1.0",
    ),
    "flat": (lambda: theory.condition_number(0.0, 1.0), "smallest", "(0, inf)", "0.0"),
    "no bound": (lambda: theory.best_nesterov(1.0, INF), "largest", "(0, inf)", "inf"),
    "root of nan": (
        lambda: theory.momentum_roots(0.1, 0.5, NAN),
        "curvature",
        "(-inf, inf)",
        "nan",
    ),
    "momentum above": (lambda: theory.nesterov_radius(0.1, 2, 1.0), "momentum", "[0, 1)", "2"),
    "negative lr": (lambda: theory.gradient_descent_factor(-1.0, 1.0), "lr", "[0, inf)", "-1.0"),
    # train.
    "train: no rule": (lambda: fit(rule=None), "rule", "a rule such as", "None"),
    "train: batch": (lambda: fit(batch_size=4), "batch_size", "at most the 3 examples", "4"),
    "train: no batch": (lambda: fit(batch_size=0), "batch_size", "at least 1", "0"),
    "train: epochs": (lambda: fit(epochs=-1), "epochs", "at least 0", "-1"),
    "train: records": (lambda: fit(record_every=0.5), "record_every", "an integer", "0.5"),
    "train: no seeds": (lambda: fit(seeds=[]), "seeds", "at least one", "none"),
    "train: one seed": (lambda: fit(seeds=3), "seeds", "list of integers", "3"),
    "train: seed below 0": (lambda: fit(seeds=[0, -1]), "seeds", "at least 0", "-1"),
    "train: seed": (lambda: fit(seeds=[1.5]), "seeds", "an integer", "1.5"),
    "train: model": (lambda: fit(model="linear"), "model", "a model such as", "'linear'"),
    "train: schedule": (lambda: fit(schedule=0.1), "schedule", "a function", "0.1"),
    "train: shuffle": (lambda: fit(shuffle="no"), "shuffle", "True or False", "'no'"),
    "train: sweep": (lambda: fit(SGD(lr=np.ones(3))), "lr", "(..., 1, 1)", "(3,)"),
    "train: sweep of one axis": (
        lambda: fit(SGD(lr=np.ones((3, 1)))),
        "lr",
        "(..., 1, 1)",
        "(3, 1)",
    ),
    "train: sweeps": (
        lambda: fit(Momentum(lr=np.ones((3, 1, 1)), momentum=np.full((2, 1, 1), 0.5))),
        "hyper-parameters",
        "broadcast together",
        "momentum (2, 1, 1)",
    ),
    # Data.
    "features nan": (
        lambda: LinearRegression(data(features=[[1.0], [NAN], [2.0]])),
        "features",
        "finite",
        "nan",
    ),
    "targets infinite": (
        lambda: LinearRegression(data(targets=[1.0, INF, 0.0])),
        "targets",
        "finite",
        "inf",
    ),
    "features of one axis": (
        lambda: LinearRegression(data(features=[1.0, 2.0, 3.0])),
        "features",
        "2 dimension",
        "(3,)",
    ),
    "features in words": (
        lambda: LogisticRegression(data(features=[["a"], ["b"], ["c"]])),
        "features",
        "numbers",
        "<U1",
    ),
    "no rows": (
        lambda: LinearRegression(data(features=np.ones((0, 2)), targets=[])),
        "features",
        "numbers",
        "(0, 2)",
    ),
    "too few targets": (
        lambda: LinearRegression(data(targets=[1.0, 2.0])),
        "targets",
        "as many as the 3 rows",
        "2",
    ),
    "three classes": (
        lambda: LogisticRegression(data(targets=[0, 1, 2])),
        "targets",
        "0 or 1",
        "[0 1 2]",
    ),
    "half a class": (lambda: MLP(data(targets=[0, 0.5, 1])), "targets", "0, 1, ...", "0.5"),
    "class below 0": (lambda: MLP(data(targets=[-1, 0, 1])), "targets", "0, 1, ...", "-1"),
    "hidden": (lambda: MLP(data(), hidden=0), "hidden", "at least 1", "0"),
    "hidden of RNN": (lambda: RNN(sequence_task(3, 4), 0), "hidden", "at least 1", "0"),
    "rows": (lambda: sparse_features(rows=0), "rows", "at least 1", "0"),
    "exponent": (lambda: sparse_features(exponent=NAN), "exponent", "[0, inf)", "nan"),
    "length": (lambda: sequence_task(length=1), "length", "at least 2", "1"),
    "mean": (lambda: moment_twin([NAN], [[1.0]], 9, 0), "mean", "finite", "nan"),
    "covariance": (
        lambda: moment_twin([0, 0], [[1.0, 2.0], [2.0, 1.0]], 9, 0),
        "covariance",
        "positive definite",
        "2.0",
    ),
    "unknown claim": (
        lambda: judge("Z9-x", holds=True, evidence="1"),
        "claim",
        "D9-flat",
        "'Z9-x'",
    ),
    "judgement that is no truth value": (
        lambda: judge("D9-flat", holds="maybe", evidence="1"),  # type: ignore[arg-type]
        "holds",
        "truth value",
        "'maybe'",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_is_refused(name: str) -> None:
    call, argument, allowed, value = CASES[name]
    with pytest.raises(ValueError) as refusal:
        call()
    message = str(refusal.value)
    assert message.startswith(argument + " ")
    assert allowed in message
    assert value in message.split("got", 1)[1]


DECAYS = ["momentum", "alpha", "rho", "beta1", "beta2"]  # 0 is allowed, 1 is not
SIZES = ["lr", "eps", "weight_decay", "lr_decay", "momentum_decay", "initial_accumulator_value"]


@pytest.mark.parametrize("kind", RULES, ids=lambda kind: kind.__name__)
def test_the_ends_of_every_interval(kind) -> None:
    names = {f.name for f in fields(kind)} - {"centered", "eps_inside_root"}
    assert names <= {*DECAYS, *SIZES, "dampening"}
    for name in names:
        kind(**{name: 0.0})
        beyond = {"dampening": 1.1} | dict.fromkeys(DECAYS, 1.0) | dict.fromkeys(SIZES, INF)
        for bad in (-1e-9, beyond[name]):
            with pytest.raises(ValueError, match=f"^{name} must be in"):
                kind(**{name: bad})


@pytest.mark.parametrize(
    "make",
    [
        lambda: SGD(lr=0.0),
        lambda: SGD(lr=0),
        lambda: SGD(lr=np.float32(0.1)),
        lambda: SGD(lr=np.float64(0.1)),
        lambda: SGD(lr=np.array(0.1)),
        lambda: Momentum(momentum=0.0, dampening=1.0),
        lambda: Adam(eps=0.0, beta1=0, beta2=0.0),
        lambda: run(start=[-5, -2], steps=np.int64(3)),
        lambda: run(steps=0),
        lambda: fit(batch_size=3, epochs=0),
        lambda: fit(seeds=range(2)),
        lambda: fit(seeds=np.arange(2)),
        lambda: fit(given=data(features=np.ones((3, 1), np.float32), targets=[1, 2, 3])),
        lambda: theory.bias(0.0, 0),
        lambda: theory.window(0.0),
        lambda: theory.ewma_weights(0.0, 1),
        lambda: theory.condition_number(2.0, 2.0),
        lambda: theory.gradient_descent_factor(0.0, -1.0),
        lambda: theory.lr_limit(1.0, 0.0),
        lambda: theory.nesterov_roots(0.0, 0.0, 0.0),
        lambda: rotated_quadratic((0, -1), 0),
    ],
)
def test_the_edges_are_allowed(make) -> None:
    assert make() is not None
