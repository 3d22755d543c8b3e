"""`from descent import d2l`: the real module, usable, and nothing left behind."""

import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from descent import d2l, data

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

    import descent.d2l as again

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
    import torch

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
    import torch
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
    assert run_python("from descent import d2l; d2l.set_figsize()") == ""


def test_descent_loads_neither_d2l_nor_torch_nor_matplotlib() -> None:
    loaded = run_python(
        "import sys, descent, descent.sources\n"
        "print({'d2l', 'torch', 'matplotlib', 'IPython', 'pooch', 'requests'} & set(sys.modules))"
    )
    assert loaded == "set()\n"
