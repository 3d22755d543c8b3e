"""code/tools/execute.py on a small book of its own, and the Makefile's environment and lock."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import tomllib
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import conftest
import nbformat
import pytest
from conftest import ROOT
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from packaging.specifiers import SpecifierSet

import execute


class Book:
    """A copy of what execute.py needs, with chapters of a line or two."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for folder in ("chapters", "code/descent", "code/tools"):
            (root / folder).mkdir(parents=True)
        for name in ("execute.py", "alone.py"):
            shutil.copy(ROOT / "code" / "tools" / name, root / "code" / "tools")
        inputs = ("requirements.txt", "constraints.txt")
        for name in (*inputs, "code/descent/rules.py"):
            (root / name).write_text("# a stand-in\n")

    def path(self, name: str) -> Path:
        return self.root / "chapters" / f"{name}.ipynb"

    def write(self, name: str, *sources: str, reads: str = "") -> None:
        cells = [new_markdown_cell("# Title", id="title")]
        cells += [new_code_cell(source, id=f"cell-{i}") for i, source in enumerate(sources)]
        notebook = new_notebook(cells=cells)
        if reads:
            notebook.metadata["descent"] = {"reads": [reads]}
        nbformat.write(notebook, self.path(name))

    def edit(self, name: str, old: str, new: str) -> None:
        text = self.path(name).read_text("utf-8")
        assert old in text
        self.path(name).write_text(text.replace(old, new), "utf-8")

    def outputs(self, name: str) -> list[Any]:
        return [c.outputs for c in nbformat.read(self.path(name), 4).cells if c.cell_type == "code"]

    def start(self, **environment: str) -> subprocess.Popen[str]:
        """Run all notebooks in a process of its own, as make does."""
        return subprocess.Popen(
            [sys.executable, "code/tools/execute.py"],
            cwd=self.root,
            env=os.environ | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )


@pytest.fixture
def book(tmp_path: Path) -> Book:
    return Book(tmp_path)


class Quick:
    """execute.py in this process, on a book whose cells `exec` runs in place of a kernel."""

    def __init__(self, book: Book, patch: pytest.MonkeyPatch) -> None:
        self.book, self.patch, self.ran = book, patch, list[str]()
        patch.setattr(execute, "ROOT", book.root)
        patch.setattr(execute, "RECORDS", book.root / "_build" / "executed")
        patch.setattr(execute, "run", self.run)

    async def run(self, path: Path, text: str) -> execute.Run:
        notebook, names = execute.load(text), dict[str, Any]()
        code = (c for c in notebook.cells if c.cell_type == "code")
        for number, cell in enumerate(code, start=1):
            cell.execution_count = number
            with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.chdir(path.parent):
                exec(cell.source, names)
            cell.outputs = [new_output("stream", name="stdout", text=out.getvalue())]
        self.ran.append(path.stem)
        return execute.Run(execute.canonical(notebook), 0.0)

    def __call__(self, *names: str) -> list[str]:
        """Execute, and return the chapters that ran, in their order."""
        self.ran.clear()
        self.patch.setattr(sys, "argv", ["execute.py", *(str(self.book.path(n)) for n in names)])
        assert execute.main() == 0
        return list(self.ran)


@pytest.fixture
def quick(book: Book, monkeypatch: pytest.MonkeyPatch) -> Quick:
    return Quick(book, monkeypatch)


def test_what_is_out_of_date(book: Book, quick: Quick) -> None:
    book.write("01-one", "print(6 * 7)")
    book.write("02-two", "print(2 + 2)")
    look = "from pathlib import Path\nprint('42' in Path('01-one.ipynb').read_text())"
    book.write("a1-map", look, reads="chapters/0*")
    assert sorted(quick()) == ["01-one", "02-two", "a1-map"]
    assert book.outputs("01-one")[0][0].text == "42\n"
    assert book.outputs("a1-map")[0][0].text == "True\n", "the map ran before what it reads"
    first = {path: path.read_bytes() for path in book.root.glob("chapters/*")}

    os.utime(book.path("01-one"))
    assert quick() == [], "nothing changed but the time of a file"

    book.edit("02-two", '"4\\n"', '"5\\n"')
    assert quick() == ["02-two", "a1-map"], "an output was edited"
    (book.root / "code" / "descent" / "rules.py").write_text("# another\n")
    assert quick("01-one") == ["01-one"], "the package changed"
    assert {path: path.read_bytes() for path in book.root.glob("chapters/*")} == first


def test_prose_does_not_run_again(book: Book, quick: Quick) -> None:
    book.write("01-one", "print(6 * 7)")
    book.write("a1-map", "print('map')", reads="chapters/0*")
    quick()
    book.edit("01-one", "# Title", "# Another")
    assert quick() == ["a1-map"], "what reads the chapter may read its prose"
    canonical = book.path("01-one").read_bytes()
    book.path("01-one").write_text(json.dumps(json.loads(canonical), indent=4))
    book.edit("01-one", "# Another", "# A third")
    assert quick("01-one") == []
    assert book.path("01-one").read_bytes() == canonical.replace(b"# Another", b"# A third"), (
        "another editor's layout was put right without a run"
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "Expecting property name"),
        ("[]", "it lacks cells or metadata"),
        ('{"metadata": {}, "nbformat": 4, "nbformat_minor": 5}', "it lacks cells or metadata"),
        (
            '{"metadata": {}, "nbformat": 4, "nbformat_minor": 5, "cells": '
            '[{"cell_type": "code", "metadata": {}, "id": "a", "source": "1", "outputs": []}]}',
            "'execution_count' is a required property",
        ),
        ('\N{BYTE ORDER MARK}{"cells": [], "metadata": {}, "nbformat": 4}', "UTF-8 BOM"),
        ("[" * 100_000, "recursion"),
        ('{"metadata": {}, "nbformat": 3, "cells": []}', "of format 4: nbformat is 3"),
        ('{"metadata": {}, "nbformat": "4", "cells": []}', "of format 4: nbformat is '4'"),
    ],
    ids=range(8),
)
def test_what_is_no_notebook(
    book: Book, quick: Quick, capsys: pytest.CaptureFixture[str], text: str, said: str
) -> None:
    book.path("01-bad").write_text(text, "utf-8")
    quick.patch.setattr(sys, "argv", ["execute.py"])
    assert execute.main() == 1
    error = capsys.readouterr().err.strip()
    assert error.startswith("Stopped. chapters/01-bad.ipynb is not a notebook")
    assert said in error
    assert "\n" not in error


@pytest.mark.parametrize("own", [[], None, {"reads": "a*"}, {"reads": [3]}, {"reads": ["/a"]}])
def test_what_it_reads_is_a_list_of_patterns(
    book: Book, quick: Quick, capsys: pytest.CaptureFixture[str], own: Any
) -> None:
    book.write("01-bad", "1", reads="chapters")  # a folder is no file to read
    assert quick() == ["01-bad"]
    notebook = nbformat.read(book.path("01-bad"), 4)
    notebook.metadata["descent"] = own
    nbformat.write(notebook, book.path("01-bad"))
    assert execute.main() == 1
    error = capsys.readouterr().err.strip()
    assert error.startswith("Stopped. chapters/01-bad.ipynb must say what it reads as a list")
    assert "\n" not in error


def test_reading_in_a_circle(book: Book, quick: Quick, capsys: pytest.CaptureFixture[str]) -> None:
    book.write("01-one", "1", reads="chapters/02*")
    book.write("02-two", "2", reads="chapters/01*")
    quick.patch.setattr(sys, "argv", ["execute.py"])
    assert execute.main() == 1
    assert "in a circle: 01-one, 02-two" in capsys.readouterr().err


def test_what_stops_it(
    book: Book, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(execute, "ROOT", book.root)
    monkeypatch.setattr(execute, "RECORDS", book.root / "_build" / "executed")
    monkeypatch.setattr(sys, "argv", ["execute.py"])
    book.write("01-bad", "x = 1", "1 / 0")
    before = book.path("01-bad").read_bytes()
    assert execute.main() == 1
    error = capsys.readouterr().err
    said = ["01-bad, cell 3 of 3", "    1 / 0", "Traceback", "ZeroDivisionError"]
    assert [part for part in said if part not in error] == []
    assert book.path("01-bad").read_bytes() == before
    left = {p.name for p in (book.root / "chapters").iterdir()}
    assert left == {"01-bad.ipynb"}


@pytest.mark.parametrize(
    ("output", "said"),
    [
        (new_output("stream", name="stderr", text="careful"), "wrote to stderr:\n\ncareful"),
        (
            new_output("execute_result", {"text/plain": "<object at 0x7f52e8a84a10>"}),
            "only this machine has: at 0x7f52e8a84a10",
        ),
        (new_output("display_data", {"image/svg+xml": "/home/me/a.py"}), "has: /home/me/a.py"),
    ],
)
def test_outputs_that_are_not_stored(output: Any, said: str) -> None:
    cells = [new_markdown_cell("# Title"), new_code_cell("object()", outputs=[output])]
    with pytest.raises(execute.Stop) as stop:
        execute.check_outputs("01-bad", new_notebook(cells=cells))
    assert str(stop.value).startswith("01-bad, cell 2 of 2:\n\n    object()\n")
    assert said in str(stop.value)


def test_any_folder_and_nobodys_settings(tmp_path: Path) -> None:
    """A home that cannot be written, a path beyond ASCII, a user's settings, and the twin."""
    home = tmp_path / "home"
    home.write_text("a file, in which even root makes no folder")
    (tmp_path / "mine").write_text("lines.linewidth: 42")
    (tmp_path / "start.py").write_text("import sys; print('a start-up file ran', file=sys.stderr)")
    book = Book(tmp_path / "Bücher und 書")
    book.write(
        "05-data",
        "import matplotlib\n_ = matplotlib.get_cachedir()",
        "assert matplotlib.rcParams['lines.linewidth'] == 1.5",
        "from descent.data import TWIN_NOTICE\nprint(TWIN_NOTICE)",
    )
    before = book.path("05-data").read_bytes()
    user = {
        "HOME": str(home),
        "MATPLOTLIBRC": str(tmp_path / "mine"),
        "PYTHONSTARTUP": str(tmp_path / "start.py"),
    }
    # What conftest.py has set for this process would hide what execute.py does.
    hidden = dict.fromkeys(("MPLCONFIGDIR", "IPYTHONDIR", "JUPYTER_DATA_DIR"), "")
    with book.start(**user, **hidden) as process:
        out, error = process.communicate(timeout=300)
    assert process.returncode == 0, error
    assert "05-data" in out
    assert "(on the moment twin; stored outputs left as they are)" in out
    assert book.path("05-data").read_bytes() == before
    record = json.loads((book.root / "_build" / "executed" / "05-data.json").read_text())
    assert record["twin"] is True


@pytest.mark.parametrize(
    "but", ["", "one not run", "metadata", "edited meanwhile", "count", "not canonical"]
)
def test_what_the_tests_found_unchanged_is_not_run_again(
    book: Book, quick: Quick, but: str
) -> None:
    book.write("01-one", "print(6 * 7)", "print(2 + 2)")
    quick()
    if but == "count":
        book.edit("01-one", '"execution_count": 2', '"execution_count": 3')
    elif but == "not canonical":
        book.path("01-one").write_text(book.path("01-one").read_text("utf-8") + " ", "utf-8")
    path = book.path("01-one")
    execute.record_of(path).unlink()
    conftest.mark_before(path)
    stored = nbformat.read(path, 4)
    code = [cell for cell in stored.cells if cell.cell_type == "code"]
    if but == "edited meanwhile":
        book.edit("01-one", "2 + 2", "1 + 3")
    for number, cell in enumerate(code[: 1 if but == "one not run" else 2]):
        fresh = [
            output | {"metadata": {}} if but == "metadata" else output for output in cell.outputs
        ]
        conftest.passed(
            SimpleNamespace(
                path=path,
                cell=cell,
                cell_num=number,
                test_outputs=fresh,
                parent=SimpleNamespace(nb=stored),
            ),
            0.5,
        )
    assert quick() == (["01-one"] if but else [])
    if not but:
        assert execute.recall(path)["seconds"] == 1.0


def test_interrupted(book: Book) -> None:
    book.write("01-one", "open('started', 'x').close()\nimport time\ntime.sleep(600)")
    before = book.path("01-one").read_bytes()
    with book.start() as process:
        while not (book.root / "chapters" / "started").exists() and process.poll() is None:
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        error = process.communicate(timeout=300)[1]
    assert process.returncode == 130, error
    assert error.strip() == "Interrupted. What had finished is stored; the rest is as it was."
    assert book.path("01-one").read_bytes() == before


AVX512 = ["X86_V3", "X86_V4", "AVX512_ICL"]


@pytest.mark.parametrize(
    ("found", "off", "core"),
    [
        (AVX512, "X86_V4 AVX512_ICL", "Haswell"),
        (["X86_V3"], "", "Haswell"),
        ([], "", None),  # x86-64 without AVX2
        (["ASIMDHP", "ASIMDDP", "SVE"], "", None),  # arm64
    ],
)
def test_only_what_the_processor_has_is_set(found: list[str], off: str, core: str | None) -> None:
    settings = execute.shared_arithmetic(found)
    assert settings["NPY_DISABLE_CPU_FEATURES"] == off
    assert settings.get("OPENBLAS_CORETYPE") == core


@pytest.mark.parametrize(
    ("stored", "fresh", "same"),
    [
        ("loss 0.385 after 7 steps", "loss 0.386 after 7 steps", True),
        ("loss 0.385 after 7 steps", "loss 0.387 after 7 steps", False),
        ("| 9.9 |", "| 10.0|", False),
        ("<td>9.99</td>", "<td>10.00</td>", True),
        ("a  9.99\nb 10.00", "a 10.00\nb 10.00", True),
        ("4e-16", "0e+00", True),
        ("4e-3", "0e+00", False),
        ("0.1234567890123", "0.1234567890999", True),
        ("0.1234567890123", "0.1234667890123", False),
        ("2 × 10<sup>3</sup>", "2 × 10<sup>4</sup>", False),
        ("\N{MINUS SIGN}1.50", "\N{MINUS SIGN}1.51", True),
        ("\N{MINUS SIGN}1.50", "1.50", False),
        ("holds", "fails", False),
    ],
)
def test_what_rounding_may_change(stored: str, fresh: str, same: bool) -> None:
    assert execute.alike(stored, fresh) is same
    html = [
        new_output("display_data", {"text/html": x, "image/svg+xml": x * 2})
        for x in (stored, fresh)
    ]
    assert execute.alike_outputs(html[:1], html[1:]) is same
    assert not execute.alike_outputs(html[:1], [])


def test_a_machine_that_rounds_otherwise_keeps_what_is_stored(
    book: Book, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(execute, "ROOT", book.root)
    monkeypatch.setattr(execute, "EXACT", False)
    # Its kinds of data come from a kernel in this order, and stand in a file in another.
    verdict = {"b": 0.385, "a": 1}
    data = {"text/plain": "0.385", "text/html": "<b>0.385</b>", "application/x+json": verdict}
    cell = new_code_cell(f"print(0.385)\ndisplay({data}, raw=True)", id="a")
    cell.outputs = [
        new_output("stream", name="stdout", text="0.386\n"),
        new_output("display_data", json.loads(json.dumps(data).replace("0.385", "0.386"))),
    ]
    nbformat.write(new_notebook(cells=[cell]), book.path("01-one"))
    run = asyncio.run(execute.run(book.path("01-one"), book.path("01-one").read_text()))
    assert run.text is None
    assert run.kept == execute.WITHIN


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="no affinity on this system")
def test_cores_heed_affinity() -> None:
    whole = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(whole)})
    try:
        assert execute.cores() == 1
    finally:
        os.sched_setaffinity(0, whole)


def test_pins_install_on_the_oldest_python_that_is_promised() -> None:
    project = tomllib.loads((ROOT / "code" / "pyproject.toml").read_text())["project"]
    oldest = project["requires-python"].removeprefix(">=") + ".0"
    pins = [
        line.partition("#")[0].strip()
        for name in ("requirements.txt", "constraints.txt")
        for line in (ROOT / name).read_text().splitlines()
    ]
    asks = {}
    for name, _, version in (pin.partition("==") for pin in pins if "==" in pin):
        with contextlib.suppress(PackageNotFoundError):  # what this platform does not need
            found = metadata(name)
            assert found["Version"].partition("+")[0] == version, f"{name} is not as pinned"
            asks[name] = found.get("Requires-Python") or ""
    assert len(asks) > 100
    assert {n: asked for n, asked in asks.items() if oldest not in SpecifierSet(asked)} == {}


class Made:
    """A copy of the Makefile, and a stand-in for python3 that notes what it is asked for."""

    def __init__(self, root: Path) -> None:
        self.root, self.info = root, root / ".venv/lib/python3.11/site-packages"
        (root / "code/tools").mkdir(parents=True)
        shutil.copy(ROOT / "Makefile", root)
        shutil.copy(ROOT / "code/tools/alone.py", root / "code/tools")
        for name in ("requirements.txt", "constraints.txt", "code/pyproject.toml"):
            (root / name).touch()
        (root / "python3").write_text(
            f"#!/bin/sh\n"
            f'case "$*" in *alone.py*) exec {sys.executable} "$@";; esac\n'
            'echo "$*" >> asked\n'
            'case "$*" in\n'
            '  "-m venv"*) mkdir -p .venv/bin; cp "$0" .venv/bin/python; touch .venv/pip;;\n'
            '  "-m pip"*) test -e .venv/pip;;\n'
            "esac\n"
        )
        (root / "python3").chmod(0o755)

    def __call__(self) -> list[str]:
        """Make the environment, and return what was asked for."""
        (self.root / "asked").write_text("")
        subprocess.run(
            ["make", "--silent", "PYTHON=./python3", ".venv/.installed"], cwd=self.root, check=True
        )
        return (self.root / "asked").read_text().splitlines()


@pytest.mark.skipif(shutil.which("make") is None, reason="no make on this machine")
def test_an_interrupted_environment_is_mended(tmp_path: Path) -> None:
    make = Made(tmp_path)
    whole = [
        "-m pip --version",
        "-m pip install --quiet --disable-pip-version-check --no-compile -r requirements.txt",
    ]
    assert make() == ["-m venv --clear .venv", whole[1]]
    assert make() == []

    (tmp_path / ".venv/pip").unlink()  # interrupted before pip was there
    (tmp_path / ".venv/.installed").unlink()
    assert make() == [whole[0], "-m venv --clear .venv", whole[1]]

    (tmp_path / ".venv/.installed").unlink()  # interrupted while pip installed a package
    for name, record in (("whole", True), ("half", False)):
        (make.info / f"{name}-1.dist-info").mkdir(parents=True)
        if record:
            (make.info / f"{name}-1.dist-info" / "RECORD").touch()
    assert make() == whole
    assert [p.name for p in make.info.iterdir()] == ["whole-1.dist-info"]


def test_builds_in_one_folder_take_turns(tmp_path: Path) -> None:
    book = Book(tmp_path)
    run = [sys.executable, "code/tools/alone.py", sys.executable, "-c"]
    first = subprocess.Popen(
        [*run, "print('in', flush=True); input(); open('order', 'a').write('first ')"],
        cwd=book.root,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert first.stdout is not None
    assert first.stdout.readline() == "in\n"
    inner = [*run, "open('order', 'a').write('second')"]
    nested = f"import subprocess; subprocess.run({inner!r}, check=True)"
    second = subprocess.Popen([*run, nested], cwd=book.root, stderr=subprocess.PIPE, text=True)
    assert second.stderr is not None
    notebooks = book.start()
    assert notebooks.stderr is not None
    for waits in (second.stderr, notebooks.stderr):
        assert waits.readline() == "Waiting for the other build in this folder.\n"
    first.communicate("go\n")
    second.communicate()
    notebooks.communicate()
    assert (first.returncode, second.returncode, notebooks.returncode) == (0, 0, 0)
    assert (book.root / "order").read_text() == "first second", "and what a holder starts runs"


@pytest.mark.skipif(shutil.which("make") is None, reason="no make on this machine")
def test_pages_are_built_by_one_make_at_a_time(tmp_path: Path) -> None:
    Made(tmp_path)()
    builder = tmp_path / ".venv/bin/jupyter-book"
    builder.write_text(
        "#!/bin/sh\n"
        "mkdir building || exit 1\n"  # as Jupyter Book, it fails where another one builds
        "sleep 0.5; rmdir building; mkdir -p _build/html; echo built >> order\n"
    )
    builder.chmod(0o755)
    run = ["make", "--silent", "PYTHON=./python3", "html"]
    both = [
        subprocess.Popen(run, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for _ in range(2)
    ]
    said = [process.communicate() for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    assert (tmp_path / "order").read_text() == "built\n", "the second found them built"
