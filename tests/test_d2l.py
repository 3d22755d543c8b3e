"""`from descent.book import d2l`: the real module, usable, and nothing left behind."""

import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch

from descent import LinearRegression, data
from descent.book import d2l

LINES = {
    "A1": (0.4, 0.0, "epoch 20, x1: -0.943467, x2: -0.000073\n"),
    "A2": (0.6, 0.0, "epoch 20, x1: -0.387814, x2: -1673.365109\n"),
    "A3": (0.4, 0.5, "epoch 20, x1: -0.062843, x2: 0.001202\n"),
    "A4": (0.6, 0.5, "epoch 20, x1: 0.007188, x2: 0.002553\n"),
}


def run_python(code: str) -> str:
    """Standard output of a fresh interpreter in which every warning is an error."""
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (run.returncode, run.stderr) == (0, "")
    return run.stdout


@pytest.mark.parametrize("item", LINES)
def test_source_lines_from_the_real_train_2d(item: str, capsys: pytest.CaptureFixture[str]) -> None:
    lr, momentum, line = LINES[item]

    def trainer(x1: float, x2: float, v1: float, v2: float) -> tuple[float, ...]:
        v1 = momentum * v1 + lr * 0.2 * x1
        v2 = momentum * v2 + lr * 4 * x2
        return x1 - v1, x2 - v2, v1, v2

    trace = d2l.train_2d(trainer)
    assert capsys.readouterr().out == line
    assert len(trace) == 21
    assert trace[0] == (-5, -2)


def test_it_is_the_real_module_and_a_second_import_gives_the_same() -> None:
    import d2l as package
    import d2l.torch as real

    import descent.book.d2l as again

    assert d2l is real is again
    assert package.__version__ == "0.17.0"
    names = "show_trace_2d train_ch11 train_concise_ch11 linreg squared_loss evaluate_loss Animator"
    assert all(callable(getattr(d2l, name)) for name in names.split())


def test_show_trace_2d_draws_without_a_warning() -> None:
    plt = pytest.importorskip("matplotlib.pyplot")
    plt.switch_backend("agg")
    with plt.rc_context():
        d2l.show_trace_2d(lambda x1, x2: 0.1 * x1**2 + 2 * x2**2, [(-5, -2), (-3.0, 1.0)])
        (line,) = plt.gca().lines
        plt.close("all")
    assert line.get_xydata().tolist() == [[-5, -2], [-3, 1]]


def test_get_data_ch11_is_the_verified_file() -> None:
    if not data.airfoil_is_measured():
        pytest.skip("NASA's file is neither in DESCENT_DATA nor in the cache nor on the network")
    batches, columns = d2l.get_data_ch11(batch_size=10)
    assert (len(batches), columns) == (150, 5)
    theirs = batches.dataset.tensors[0]
    ours = torch.from_numpy(data.load_airfoil().features).float()
    assert torch.allclose(theirs, ours, atol=1e-4)
    assert d2l.download("airfoil") == str(data.airfoil_path())


def test_get_data_ch11_refuses_the_twin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(d2l.download.__globals__, "airfoil_path", lambda: None)
    with pytest.raises(FileNotFoundError, match="DESCENT_DATA"):
        d2l.get_data_ch11()


def test_other_downloads_are_d2ls_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import hashlib

    (tmp_path / "some.txt").write_bytes(b"kept")
    digest = hashlib.sha1(b"kept").hexdigest()
    monkeypatch.setitem(d2l.DATA_HUB, "some", ("http://127.0.0.1:9/some.txt", digest))
    assert d2l.download("some", str(tmp_path)) == str(tmp_path / "some.txt")


def test_training_of_source_a_runs(capsys: pytest.CaptureFixture[str]) -> None:
    from matplotlib import pyplot as plt

    plt.switch_backend("agg")
    torch.manual_seed(0)
    batches = d2l.load_array((torch.randn(200, 5), torch.randn(200)), 10)

    def trainer(params: list[torch.Tensor], states: None, hyperparams: dict[str, float]) -> None:
        with torch.no_grad():
            for p in params:
                p -= hyperparams["lr"] * p.grad
                p.grad.zero_()

    d2l.train_ch11(trainer, None, {"lr": 0.05}, batches, 5, num_epochs=1)
    d2l.train_concise_ch11(torch.optim.SGD, {"lr": 0.05}, batches, num_epochs=1)
    plt.close("all")
    assert capsys.readouterr().out.count("loss: ") == 2


class Table:
    """300 rows of five features, in float32 and as `LinearRegression` takes them."""

    rng = np.random.default_rng(3)
    features = rng.normal(size=(300, 5)).astype(np.float32)
    targets = (features @ np.arange(1.0, 6.0) + rng.normal(size=300)).astype(np.float32)

    def batches(self, size: int = 10) -> Any:
        return d2l.load_array((torch.tensor(self.features), torch.tensor(self.targets)), size)


TABLE = Table()


def sgd(params: list[torch.Tensor], states: object, hyperparams: dict[str, float]) -> None:
    with torch.no_grad():
        for p in params:
            p -= hyperparams["lr"] * p.grad
            p.grad.zero_()


class Kept:
    """sgd that keeps the parameters before its first step and after its last."""

    def __init__(self) -> None:
        self.first: np.ndarray | None = None

    def __call__(self, params: list[torch.Tensor], states: object, hyper: dict[str, float]) -> None:
        if self.first is None:
            self.first = self.flat(params)
        sgd(params, states, hyper)
        self.last = self.flat(params)

    @staticmethod
    def flat(params: list[torch.Tensor]) -> np.ndarray:
        return np.concatenate([p.detach().double().numpy().ravel() for p in params])


def scratch(trainer: Any = sgd, seed: int = 0, size: int = 10, **options: Any) -> Any:
    torch.manual_seed(seed)
    batches = TABLE.batches(size)
    return d2l.recorded(d2l.train_ch11, trainer, None, {"lr": 0.02}, batches, 5, **options)


def test_recorded_has_a_loss_before_training_and_one_after_every_100_examples(
    capsys: pytest.CaptureFixture[str],
) -> None:
    run = scratch(num_epochs=10)
    assert run.examples.tolist() == list(range(0, 3001, 100))
    assert run.losses.shape == (31,)
    assert run.losses.dtype == np.float64
    assert np.allclose(run.epochs, run.examples / 300)
    assert run.line == f"loss: {run.losses[-1]:.3f}"
    assert (run.seconds.shape, (run.seconds > 0).all()) == ((30,), True)
    assert capsys.readouterr() == ("", "")


def test_recorded_counts_examples_where_batches_are_ragged() -> None:
    run = scratch(size=70, num_epochs=3)  # 70, 140, 210, 280, 300; 370, ..., 600; ...
    assert run.examples.tolist() == [0, 300, 600, 900]
    assert np.allclose(run.epochs[-1], 900 / 20 / 5)  # d2l's axis divides by the last batch


def test_first_and_last_loss_are_those_of_the_parameters() -> None:
    kept, problem = Kept(), LinearRegression(TABLE)
    run = scratch(kept)
    assert kept.first is not None
    assert (kept.first[:5] != 0).all()
    assert kept.first[5] == 0
    assert np.allclose(run.losses[[0, -1]], [problem.loss(kept.first), problem.loss(kept.last)])


def test_recorded_is_a_loop_by_hand_over_the_same_batches() -> None:
    run = scratch(every=10)
    torch.manual_seed(0)
    w = torch.normal(0.0, 0.01, (5, 1)).numpy().ravel().astype(float)
    problem, weights = LinearRegression(TABLE), np.append(w, 0.0)
    losses = [problem.loss(weights)]
    for _ in range(2):
        for inputs, targets in TABLE.batches():
            ones = np.column_stack([inputs.double().numpy(), np.ones(len(inputs))])
            weights = weights - 0.02 * ones.T @ (ones @ weights - targets.double().numpy()) / 10
            losses.append(problem.loss(weights))
    assert np.allclose(run.losses, losses, rtol=1e-5)


def test_how_often_it_is_recorded_does_not_change_the_run() -> None:
    often, seldom = scratch(every=50), scratch(every=200)
    assert seldom.examples.tolist() == [0, 200, 400, 600]
    assert seldom.losses.tolist() == often.losses[::4].tolist()


def test_the_first_epoch_is_d2ls_own(capsys: pytest.CaptureFixture[str]) -> None:
    from matplotlib import pyplot as plt

    plt.switch_backend("agg")
    mine = scratch(every=200, num_epochs=2)
    torch.manual_seed(0)
    theirs = d2l.train_ch11(sgd, None, {"lr": 0.02}, TABLE.batches(), 5)[1]
    plt.close("all")
    assert capsys.readouterr().out.count("loss: ") == 1
    assert theirs[0] == mine.losses[1]
    assert theirs[1:] != mine.losses[2:].tolist()  # d2l has looked, and has drawn other batches


@pytest.mark.parametrize("torch_init", [False, True])
def test_recorded_concise(torch_init: bool) -> None:
    parameters: list[torch.Tensor] = []
    start: list[torch.Tensor] = []

    def optimizer(params: Any, lr: float) -> torch.optim.Optimizer:
        parameters.extend(params)
        start.extend(p.detach().clone() for p in parameters)
        return torch.optim.SGD(parameters, lr=lr)

    batches = TABLE.batches()
    torch.manual_seed(0)
    run = d2l.recorded(
        d2l.train_concise_ch11, optimizer, {"lr": 0.02}, batches, torch_init=torch_init
    )
    assert run.examples.tolist() == list(range(0, 1201, 100))  # 4 epochs, d2l's own default
    problem = LinearRegression(TABLE)
    ends = [problem.loss(Kept.flat(ends)) for ends in (start, parameters)]
    assert np.allclose(run.losses[[0, -1]], ends)
    torch.manual_seed(0)
    layer = torch.nn.Linear(5, 1)
    assert torch.equal(start[0], layer.weight) == torch_init
    assert torch.equal(start[1], layer.bias)


def test_recorded_touches_nothing_even_when_the_trainer_raises() -> None:
    def everything() -> dict[str, Any]:
        return {**vars(d2l), "stdout": sys.stdout, "print": print}

    before, during = everything(), []

    def broken(*_: object) -> None:
        during.append(everything())
        raise RuntimeError("the trainer's own")

    with pytest.raises(RuntimeError, match="the trainer's own"):
        scratch(broken)
    for names in (*during, everything()):
        assert names.keys() == before.keys()
        assert all(names[name] is before[name] for name in before)


def without_the_test(trainer_fn: Any, states: Any, hyperparams: Any, data_iter: Any) -> None:
    """As if d2l recorded at another interval."""


def test_recorded_refuses_another_function() -> None:
    with pytest.raises(ValueError, match=r"without_the_test must have 'n % 200 == 0'"):
        d2l.recorded(without_the_test, sgd, None, {}, TABLE.batches())
    with pytest.raises(ValueError, match=r"train_ch11 must have 'net.apply\(init_weights\)'"):
        scratch(torch_init=True)
    with pytest.raises(ValueError, match="every"):
        scratch(every=0)


def test_with_parts_gives_one_function_another_part(capsys: pytest.CaptureFixture[str]) -> None:
    before, said = d2l.download, []
    d2l.with_parts(d2l.train_2d, print=said.append)(lambda *point: point, steps=3)
    assert said == ["epoch 3, x1: -5.000000, x2: -2.000000"]
    assert capsys.readouterr().out == ""
    with pytest.raises(FileNotFoundError, match="nowhere"):  # as the function says d2l.download
        d2l.with_parts(d2l.get_data_ch11, download=lambda _: "nowhere")()
    assert d2l.download is before


def imported_anew(monkeypatch: pytest.MonkeyPatch, folder: Path) -> ModuleType:
    """d2l.torch, loaded a second time while `folder` comes first on the path."""
    monkeypatch.syspath_prepend(folder)
    for name in [m for m in sys.modules if m.partition(".")[0] == "torchvision"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delitem(sys.modules, "d2l.torch")
    monkeypatch.setattr(sys.modules["d2l"], "torch", d2l)
    return d2l.download.__globals__["_imported"]()


@pytest.mark.parametrize(
    "torchvision",
    [
        "raise ImportError('as if it were missing')",
        "import torchvision.half\nraise RuntimeError('operator torchvision::nms does not exist')",
        "raise OSError('libc10_cuda.so: cannot open shared object file')",
    ],
)
def test_missing_or_broken_torchvision_leaves_no_trace(
    torchvision: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "torchvision").mkdir()
    (tmp_path / "torchvision" / "__init__.py").write_text(torchvision)
    (tmp_path / "torchvision" / "half.py").write_text("")
    module = imported_anew(monkeypatch, tmp_path)
    assert module is not d2l
    assert callable(module.train_2d)
    assert not [name for name in sys.modules if name.startswith("torchvision")]


def test_what_a_broken_torchvision_brought_along_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "torchvision").mkdir()
    (tmp_path / "torchvision" / "__init__.py").write_text("import brought_along\nraise OSError")
    (tmp_path / "brought_along.py").write_text("")
    imported_anew(monkeypatch, tmp_path)
    assert sys.modules.pop("brought_along").__file__ == str(tmp_path / "brought_along.py")
    assert "torchvision" not in sys.modules


def test_working_torchvision_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "torchvision").mkdir()
    (tmp_path / "torchvision" / "__init__.py").write_text("")
    (tmp_path / "torchvision" / "transforms.py").write_text("real = True")
    module = imported_anew(monkeypatch, tmp_path)
    assert module.torchvision is sys.modules.pop("torchvision")
    assert module.transforms is sys.modules.pop("torchvision.transforms")


def test_fresh_import_draws_no_warning_and_prints_nothing() -> None:
    assert run_python("from descent.book import d2l; d2l.set_figsize()") == ""


def test_descent_loads_neither_d2l_nor_torch_nor_matplotlib() -> None:
    loaded = run_python(
        "import sys, descent, descent.book.claims\n"
        "print({'d2l', 'torch', 'matplotlib', 'IPython', 'pooch', 'requests'} & set(sys.modules))"
    )
    assert loaded == "set()\n"
