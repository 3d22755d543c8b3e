"""Measure what the package costs against its peers, and keep the results in descent/book.

Every figure but the seconds of d2l's own runs is a ratio: both sides run in turn, in one process,
and the median over the rounds stands. It decides nothing about the tests. Takes some three minutes;
`--quick` does fewer rounds and writes nothing.
"""

import contextlib
import io
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from sklearn.datasets import load_digits

from descent import (
    MLP,
    LinearRegression,
    Momentum,
    load_airfoil,
    minimize,
    ravine,
    rules,
    sweep,
    train,
)
from descent.data import airfoil_is_measured
from descent.optim import RuleOptimizer
from execute import cores

RESULTS = Path(__file__).resolve().parents[1] / "descent" / "book" / "bench.json"
QUICK = "--quick" in sys.argv
CORES = cores()

Call = Callable[[], object]


def seconds(call: Call, clock: Callable[[], float]) -> float:
    start = clock()
    call()
    return clock() - start


def race(
    ours: Call,
    *peers: Call,
    rounds: int = 5,
    clock: Callable[[], float] = time.process_time,
) -> tuple[float, list[float]]:
    """Median seconds of ours and of each peer, run in turn after one round to warm up.

    On one thread, processor time is the time on an idle machine, and holds on a busy one.
    """
    rounds = 3 if QUICK else rounds
    times = [[seconds(call, clock) for call in (ours, *peers)] for _ in range(1 + rounds)]
    first, *rest = (statistics.median(column) for column in zip(*times[1:], strict=True))
    return first, rest


def figure(ours: float, peer: float, target: float | None, what: str) -> dict[str, Any]:
    """Ratio ours / peer where less is better; `target` is what it should not exceed."""
    return {
        "what": what,
        "ratio": round(ours / peer, 5),
        "target": target,
        "ours_s": float(f"{ours:.4g}"),
        "peer_s": float(f"{peer:.4g}"),
    }


def bandwidth(size: int) -> float:
    """Bytes a second, read and written, of a copy of `size` bytes: the best of many."""
    source, target = np.ones(size // 8), np.ones(size // 8)
    best = min(seconds(lambda: np.copyto(target, source), time.perf_counter) for _ in range(50))
    return 2 * size / best


IN_CACHE, IN_MEMORY = bandwidth(256 * 1024), bandwidth(64 * 2**20)


def bounded(found: dict[str, Any], moved: float, rate: float) -> dict[str, Any]:
    """A figure with what physics allows: the bytes that must be moved, at the rate of a copy.

    Each share is how much of that rate a side reaches; a small one says that something else than
    moving bytes (arithmetic, or calls) takes the time.
    """
    least = moved / rate
    shares = {f"{side}_share_of_bound": round(least / found[f"{side}_s"], 4) for side in SIDES}
    return found | {"bytes": round(moved), "bound_s": float(f"{least:.4g}")} | shares


SIDES = ("ours", "peer")


@contextlib.contextmanager
def threads(count: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    yield
    torch.set_num_threads(before)


def by_hand(lr: np.ndarray, momentum: np.ndarray, steps: int, block: int) -> np.ndarray:
    """The heavy ball on the ravine, written for speed alone: preallocated, in blocks."""
    x = np.empty((2, lr.size))
    push, velocity = np.empty(block), np.empty(block)
    for first in range(0, lr.size, block):
        part = slice(first, first + block)
        for row, (curvature, start) in enumerate(((0.2, -5.0), (4.0, -2.0))):
            here = x[row, part]
            here.fill(start)
            velocity.fill(0.0)
            for _ in range(steps):
                np.multiply(here, curvature, out=push)
                np.multiply(velocity, momentum[part], out=velocity)
                np.add(velocity, push, out=velocity)
                np.multiply(velocity, lr[part], out=push)
                np.subtract(here, push, out=here)
    return x


def source_loop(steps: int) -> None:
    """The source's: `train_2d` with its momentum, one run, in plain Python."""
    from descent.book import d2l

    def momentum_2d(x1, x2, v1, v2):  # type: ignore[no-untyped-def]
        v1 = 0.5 * v1 + 0.2 * x1
        v2 = 0.5 * v2 + 4 * x2
        return x1 - 0.4 * v1, x2 - 0.4 * v2, v1, v2

    with contextlib.redirect_stdout(io.StringIO()):
        d2l.train_2d(momentum_2d, steps=steps)


def apart(part: Callable[[], dict[str, Any]], **variables: str) -> dict[str, Any]:
    """A part in a process of its own, where no variable but these says how many threads to use."""
    plain = {name: value for name, value in os.environ.items() if not name.endswith("_NUM_THREADS")}
    command = [sys.executable, __file__, f"--part={part.__name__}", *["--quick"] * QUICK]
    found: dict[str, Any] = json.loads(subprocess.check_output(command, env=plain | variables))
    return found


def grids() -> dict[str, Any]:
    """A 512 × 512 grid of learning rates and momenta on the ravine, 200 steps."""
    side, steps = 512, 200
    found = {}
    for name, top, target, note in (
        ("grid", 0.49, 1.5, "every run converges"),
        ("grid with divergence", 1.0, 1.6, "some runs diverge, and are marked and held"),
    ):
        lr, momentum = np.meshgrid(np.linspace(0.01, top, side), np.linspace(0, 0.99, side))
        rule = Momentum(lr=lr[..., None], momentum=momentum[..., None])

        def ours(rule: Momentum = rule) -> object:
            return minimize(rule, ravine, (-5.0, -2.0), steps, record_every=steps)

        def hand(block: int, lr: Any = lr, momentum: Any = momentum) -> np.ndarray:
            return by_hand(lr.ravel(), momentum.ravel(), steps, block)

        run = minimize(rule, ravine, (-5.0, -2.0), steps, record_every=steps)
        same = run.points[-1][~run.diverged]
        assert np.array_equal(same, hand(8192).T.reshape(side, side, 2)[~run.diverged])
        what = f"512 × 512 runs of 200 steps, minimize against hand-written; {note}"
        # Of each coordinate at each step: x and v are read and written, half of lr and momentum.
        moved = 40 * 2 * side * side * steps
        for label, clock in ((name, time.process_time), (f"{name}, wall", time.perf_counter)):
            mine, (*hands, loop) = race(
                ours,
                lambda: hand(8192),
                lambda: hand(16384),
                lambda: source_loop(20_000),
                clock=clock,
            )
            kind = "wall" if clock is time.perf_counter else "processor"
            one = figure(mine, min(hands), target, f"{what}; {kind} time")
            found[label] = bounded(one, moved, IN_CACHE)
            if label == "grid":
                found["grid against the source's loop"] = figure(
                    mine / (side * side * steps),
                    loop / 20_000,
                    1 / 18,
                    "one step of one run, minimize on that grid against d2l's train_2d",
                )
    return found


def memory() -> dict[str, Any]:
    """What a sweep allocates at its peak, against the 24 bytes a record that minimize promises."""
    lr, momentum = sweep(np.linspace(0.01, 0.49, 512), np.linspace(0, 0.99, 512))
    rule = Momentum(lr=lr, momentum=momentum)
    tracemalloc.start()
    run = minimize(rule, ravine, (-5.0, -2.0), 20)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    said = 24 * run.values.size
    return {
        "what": "peak memory of minimize on 512 × 512 runs of 20 steps, all recorded, against what "
        "its docstring says",
        "ratio": round(peak / said, 5),
        "target": 1.1,
        "ours_bytes": peak,
        "said_bytes": said,
    }


def network_sweep() -> dict[str, Any]:
    """8 rates × 30 seeds of a network on the digits, against vmap of grad in torch.func."""
    digits = load_digits()
    images: Any = SimpleNamespace(features=digits.data[:1200] / 16, targets=digits.target[:1200])
    hidden, batch, beta, seeds = 16, 40, 0.9, 30
    problem, lrs = MLP(images, hidden), np.geomspace(0.001, 0.1, 8)
    inputs, targets = torch.tensor(images.features), torch.tensor(images.targets)
    sizes = [64 * hidden, hidden, hidden * 10, 10]

    def loss(params: torch.Tensor, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        w1, b1, w2, b2 = torch.split(params, sizes)
        score = torch.tanh(x @ w1.reshape(64, hidden) + b1) @ w2.reshape(hidden, 10) + b2
        return torch.nn.functional.cross_entropy(score, y)

    of_seeds = torch.func.vmap(torch.func.grad(loss))
    grads = torch.func.vmap(of_seeds, in_dims=(0, None, None))

    def theirs() -> torch.Tensor:
        rngs = [np.random.default_rng(seed) for seed in range(seeds)]
        start = torch.tensor(np.stack([problem.init(rng) for rng in rngs]))
        x, lr = start.repeat(8, 1, 1), torch.tensor(lrs)[:, None, None]
        order = torch.tensor(np.stack([rng.permutation(1200) for rng in rngs]))
        velocity = torch.zeros_like(x)
        for rows in torch.split(order, batch, 1):
            velocity.mul_(beta).add_(grads(x, inputs[rows], targets[rows]))
            x -= lr * velocity
        return x

    def ours() -> np.ndarray:
        history = train(
            Momentum(lr=lrs[:, None, None], momentum=beta),
            images,
            model=lambda data: MLP(data, hidden),
            seeds=range(seeds),
            batch_size=batch,
            epochs=1,
            record_every=1200,
        )
        return history.params

    assert np.allclose(ours(), theirs().numpy(), rtol=1e-8, atol=1e-10)
    # Of each parameter at each step: read for the gradient, which is written and read; the
    # parameter and its velocity are read and written.
    moved = 7 * 8 * 8 * seeds * problem.size * 1200 / batch
    count = torch.get_num_threads()
    mine, (their,) = race(
        ours, theirs, clock=time.process_time if count == 1 else time.perf_counter
    )
    note = f"{count} thread{'s' * (count > 1)}"
    what = "8 learning rates × 30 seeds of the digits' network, one epoch: train (with the losses "
    what += f"before and after) against vmap of grad in torch.func, {note}"
    one = figure(mine, their, 1.0, what)
    return {f"sweep of a network, {note}": bounded(one, moved, IN_MEMORY)}


def parts() -> Iterator[dict[str, Any]]:
    """All that is a ratio, part by part."""
    yield apart(grids)
    for count in sorted({1, CORES}):
        yield apart(network_sweep, OMP_NUM_THREADS=str(count))
    for part in (airfoil, optimizers, imports):
        yield part()


def d2l_batches() -> Any:
    """d2l's loader of the airfoil data, of which the twin may stand in for the measured ones."""
    from descent.book import d2l

    measured = load_airfoil()
    arrays = [torch.from_numpy(a.astype(np.float32)) for a in (measured.features, measured.targets)]
    return d2l.load_array(arrays, 10)


def d2l_momentum(batches: Any, lr: float, momentum: float, every: int = 100) -> Any:
    """The source's momentum from scratch on d2l's own train_ch11, without its drawing."""
    from descent.book import d2l

    def sgd_momentum(params, states, hyper):  # type: ignore[no-untyped-def]
        for p, v in zip(params, states, strict=True):
            with torch.no_grad():
                v[:] = hyper["momentum"] * v + p.grad
                p[:] -= hyper["lr"] * v
            p.grad.data.zero_()

    states = [torch.zeros((5, 1)), torch.zeros(1)]
    hyper = {"lr": lr, "momentum": momentum}
    return d2l.recorded(d2l.train_ch11, sgd_momentum, states, hyper, batches, 5, every=every)


def d2l_concise(batches: Any) -> Any:
    """The source's concise version, from the start that torch.nn.Linear gives it."""
    from descent.book import d2l

    hyper = {"lr": 0.004, "momentum": 0.9}
    return d2l.recorded(
        d2l.train_concise_ch11, torch.optim.SGD, hyper, batches, num_epochs=2, torch_init=True
    )


def d2l_seconds() -> dict[str, float]:
    """Seconds per epoch of the source's four airfoil runs, by d2l's own timer, on one thread."""
    loader = d2l_batches()
    runs: dict[str, Callable[[], Any]] = {
        "A7": lambda: d2l_momentum(loader, 0.02, 0.5),
        "A8": lambda: d2l_momentum(loader, 0.02, 0.9),
        "A9": lambda: d2l_momentum(loader, 0.004, 0.9),
        "A10": lambda: d2l_concise(loader),
    }
    with threads(1):
        rounds = [
            {item: run().seconds.sum() / 2 for item, run in runs.items()}
            for _ in range(1 + (3 if QUICK else 9))
        ]
    return {
        item: float(f"{statistics.median(found[item] for found in rounds[1:]):.4g}")
        for item in runs
    }


def airfoil() -> dict[str, Any]:
    """200 seeds of the source's momentum run, against d2l's own train_ch11 without its drawing."""
    measured, loader = load_airfoil(), d2l_batches()
    seeds = 200
    with threads(1):
        mine, (their,) = race(
            lambda: train(Momentum(lr=0.02, momentum=0.5), measured, seeds=range(seeds)),
            lambda: d2l_momentum(loader, 0.02, 0.5, every=200),
            rounds=5,
        )
    return {
        "airfoil": figure(
            mine / seeds,
            their,
            1 / 300,
            "one run of momentum on the airfoil data, 200 seeds in one call of train (31 losses "
            "each) against d2l's train_ch11 (16 losses) with its drawing off",
        )
    }


def stepper(make: Callable[[list[torch.Tensor]], torch.optim.Optimizer], device: str) -> Call:
    """A call that takes one step of an optimizer on 10 million float32 parameters."""
    generator = torch.Generator(device).manual_seed(0)
    p = torch.randn(10_000_000, device=device, generator=generator, requires_grad=True)
    p.grad = torch.randn(10_000_000, device=device, generator=generator)
    optimizer = make([p])

    def step() -> None:
        optimizer.step()
        if device == "cuda":
            torch.cuda.synchronize()

    return step


def many_steps(make: Callable[[list[torch.Tensor]], torch.optim.Optimizer]) -> Call:
    """A call that takes one step of an optimizer on one hundred tensors of 1000 numbers."""
    params = [torch.randn(1000, requires_grad=True) for _ in range(100)]
    for p in params:
        p.grad = torch.randn(1000)
    return make(params).step


def compiled_step() -> Call:
    """The rule's own lines through torch.compile, writing into the parameter and its state."""
    rule = rules.Adam()
    x, grad = torch.randn(10_000_000), torch.randn(10_000_000)
    mean, square, t = torch.zeros_like(x), torch.zeros_like(x), torch.tensor(0.0)

    @torch.compile
    def step(x: Any, grad: Any, mean: Any, square: Any, t: Any) -> None:
        moved, state = rule._step(x, grad, rules.AdamState(mean, square, t))
        x.copy_(moved)
        mean.copy_(state.mean)
        square.copy_(state.square)
        t.copy_(state.t)

    return lambda: step(x, grad, mean, square, t)


def optimizers() -> dict[str, Any]:
    """RuleOptimizer with Adam on 10 million float32 parameters."""
    found = {}

    def ours(params: list[torch.Tensor]) -> torch.optim.Optimizer:
        return RuleOptimizer(params, rules.Adam())

    def theirs(**options: Any) -> Callable[[list[torch.Tensor]], torch.optim.Optimizer]:
        return lambda params: torch.optim.Adam(params, **options)

    what = "Adam on 10 million float32 parameters, RuleOptimizer against torch.optim.Adam({}), {}"
    for count in sorted({1, CORES}):
        with threads(count):
            clock = time.process_time if count == 1 else time.perf_counter
            mine, (their,) = race(
                stepper(ours, "cpu"), stepper(theirs(foreach=False), "cpu"), clock=clock
            )
            note = f"CPU, {count} thread{'s' * (count > 1)}"
            # Adam reads x, its gradient and two averages, and writes x and the averages.
            found[f"optimizer, {note}"] = bounded(
                figure(mine, their, 0.8, what.format("foreach=False", note)),
                28 * 10_000_000,
                IN_MEMORY,
            )
    compiler = next(filter(None, map(shutil.which, ("g++", "clang++"))), None)
    if compiler and not QUICK:
        with threads(1):
            mine, (their,) = race(compiled_step(), stepper(theirs(foreach=False), "cpu"))
        found["optimizer, compiled"] = figure(
            mine,
            their,
            None,
            "Adam on 10 million float32 parameters, the rule through torch.compile against "
            "torch.optim.Adam(foreach=False), CPU, 1 thread",
        )
    small = "Adam on one hundred float32 tensors of 1000 numbers, RuleOptimizer against "
    with threads(1):
        mine, (their,) = race(many_steps(ours), many_steps(theirs(foreach=False)))
    found["optimizer, 100 small tensors"] = bounded(
        figure(mine, their, 1.2, small + "torch.optim.Adam(foreach=False), CPU, 1 thread, a step"),
        28 * 100_000,
        IN_CACHE,
    )
    if torch.cuda.is_available():
        for option in ("foreach", "fused"):
            mine, (their,) = race(
                stepper(ours, "cuda"),
                stepper(theirs(**{option: True}), "cuda"),
                clock=time.perf_counter,
            )
            found[f"optimizer, CUDA, {option}"] = figure(
                mine, their, None, what.format(f"{option}=True", torch.cuda.get_device_name())
            )
    return found


def imports() -> dict[str, Any]:
    """Seconds that `import descent` adds to importing NumPy, in fresh processes."""

    def fresh(statement: str) -> Call:
        return lambda: subprocess.run([sys.executable, "-c", statement], check=True)

    mine, (numpy, nothing) = race(
        fresh("import descent"),
        fresh("import numpy"),
        fresh("pass"),
        rounds=9,
        clock=time.perf_counter,
    )
    return {
        "import": figure(
            mine - nothing, numpy - nothing, None, "import descent against import numpy"
        )
        | {"added_s": round(mine - numpy, 4), "added_target_s": 0.1}
    }


PEERS: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "SGD": torch.optim.SGD,
    "Momentum": lambda p: torch.optim.SGD(p, momentum=0.9),
    "Nesterov": lambda p: torch.optim.SGD(p, momentum=0.9, nesterov=True),
    "AdaGrad": torch.optim.Adagrad,
    "RMSprop": torch.optim.RMSprop,
    "Adadelta": torch.optim.Adadelta,
    "Adam": torch.optim.Adam,
    "AMSGrad": lambda p: torch.optim.Adam(p, amsgrad=True),
    "AdamW": torch.optim.AdamW,
    "NAdam": torch.optim.NAdam,
    "AdaMax": torch.optim.Adamax,
}


def state_bytes(make: Callable[..., torch.optim.Optimizer]) -> float:
    """Bytes of state for each float32 parameter."""
    p = torch.ones(1000, requires_grad=True)
    p.grad = torch.ones(1000)
    optimizer = make([p])
    optimizer.step()
    state = optimizer.state[p].values()
    return sum(v.nbytes for v in state if isinstance(v, torch.Tensor) and v.numel() > 1) / 1000


def costs() -> dict[str, dict[str, float | None]]:
    """Of every rule: the time of a step and the bytes of its state."""
    size = 8_000  # fits the cache: this compares arithmetic, not memory
    rng = np.random.default_rng(0)
    x, grad = rng.normal(size=size), rng.normal(size=size)
    names = ["SGD", *(name for name in rules.__all__ if name not in {"Rule", "SGD", "hyper"})]
    calls = []
    for name in names:
        rule = getattr(rules, name)()
        _, state = rule.step(x, grad, rule.init(x))

        def many(rule: Any = rule, state: Any = state) -> None:
            for _ in range(50):
                rule._step(x, grad, state)

        calls.append(many)
    first, rest = race(*calls)
    found: dict[str, dict[str, float | None]] = {}
    for name, duration in zip(names, [first, *rest], strict=True):
        rule = getattr(rules, name)()
        peer = PEERS.get(name)
        found[name] = {
            "step_over_sgd": round(duration / first, 3),
            "state_bytes_per_parameter": state_bytes(lambda p, rule=rule: RuleOptimizer(p, rule)),
            "state_bytes_per_parameter_torch": state_bytes(peer) if peer else None,
        }
    return found


BATCHES = [1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 15, 16, 17, 20, 24, 31, 32, 33, 40, 48, 63, 64, 65, 80]
BATCHES += [96, 100, 127, 128, 129, 160, 192, 200, 255, 256, 257, 300, 320, 384, 400, 511, 512]


def batches() -> dict[str, Any]:
    """Microseconds of a mini-batch gradient for each example, against the batch's size.

    To be run on one thread: BLAS wakes others from some size on, whatever that saves.
    """
    rng = np.random.default_rng(0)
    images: Any = SimpleNamespace(
        features=rng.normal(size=(1500, 64)), targets=rng.integers(0, 10, 1500)
    )
    found: dict[str, Any] = {"batch": BATCHES}
    for name, problem in (
        ("linear regression, 5 features", LinearRegression(load_airfoil())),
        ("network, 64 inputs and 32 hidden units", MLP(images)),
    ):
        params = problem.init(rng)[None]
        calls = []
        for size in BATCHES:
            rows = rng.integers(0, problem.examples, (1, size))

            def many(rows: Any = rows, problem: Any = problem, params: Any = params) -> None:
                for _ in range(40):
                    problem.grad(params, rows)

            calls.append(many)
        first, rest = race(*calls, rounds=7)
        found[name] = [
            float(f"{1e6 * duration / 40 / size:.4g}")
            for duration, size in zip([first, *rest], BATCHES, strict=True)
        ]
    return found


def machine() -> dict[str, str | int]:
    model = platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        lines = cpuinfo.read_text().splitlines()
        named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
        model = named[0] if named else model
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else "none"
    return {"processor": model, "cores": CORES, "system": platform.system(), "gpu": gpu}


def main() -> None:
    if not airfoil_is_measured():
        sys.exit("this needs NASA's airfoil data (DESCENT_DATA or a network), and found none")
    results: dict[str, Any] = {
        "machine": machine(),
        "versions": {
            "python": platform.python_version(),
            "numpy": np.__version__,
            "torch": torch.__version__,
        },
        "copied_gb_per_s": {
            "in cache": round(IN_CACHE / 1e9, 1),
            "in memory": round(IN_MEMORY / 1e9, 1),
        },
        "memory": memory(),
        "ratios": {},
    }
    for part in parts():
        for name, found in part.items():
            results["ratios"][name] = found
            target = found["target"]
            goal = f"at most {target:.4g}" if target else "no target"
            mark = "MISSED" if target and found["ratio"] > target else ""
            print(f"{name:36} {found['ratio']:>9.4g}  ({goal}) {mark}", flush=True)
    results["rules"] = costs()
    for name, cost in results["rules"].items():
        print(f"{name:36} {cost['step_over_sgd']:>9.4g} × the time of SGD")
    results["batches"] = apart(batches, OMP_NUM_THREADS="1")
    results["d2l"] = d2l_seconds()
    for item, duration in results["d2l"].items():
        print(f"{'d2l, ' + item:36} {duration:>9.4g} s per epoch")
    if not QUICK:
        temporary = RESULTS.with_suffix(".json.part")
        temporary.write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n")
        temporary.replace(RESULTS)
        print(f"written: {RESULTS.name}")


if __name__ == "__main__":
    for part in (grids, network_sweep, batches):
        if f"--part={part.__name__}" in sys.argv:
            print(json.dumps(part()))
            break
    else:
        main()
