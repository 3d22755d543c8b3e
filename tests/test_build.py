"""code/tools/execute.py on a small book of its own: what runs, what does not, and what stops it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import nbformat
import pytest
from conftest import ROOT
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook


class Book:
    """A copy of what execute.py needs, with chapters of a line or two."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for folder in ("chapters", "code/descent", "code/tools"):
            (root / folder).mkdir(parents=True)
        shutil.copy(ROOT / "code" / "tools" / "execute.py", root / "code" / "tools")
        inputs = ("requirements.txt", "constraints.txt", "chapters/claims.toml")
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

    def outputs(self, name: str) -> list[Any]:
        return [c.outputs for c in nbformat.read(self.path(name), 4).cells if c.cell_type == "code"]

    def execute(self, *names: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "code/tools/execute.py", *(str(self.path(n)) for n in names)]
        return subprocess.run(command, cwd=self.root, capture_output=True, text=True, timeout=120)

    def ran(self, *names: str) -> list[str]:
        """Execute, and return the chapters that ran, sorted."""
        done = self.execute(*names)
        assert done.returncode == 0, done.stderr
        return sorted(
            line.split("] ")[1].split()[0] for line in done.stdout.splitlines() if "] " in line
        )


@pytest.fixture
def book(tmp_path: Path) -> Book:
    return Book(tmp_path)


def test_what_is_out_of_date(book: Book) -> None:
    book.write("01-one", "print(6 * 7)")
    book.write("02-two", "2 + 2")
    look = "from pathlib import Path\n'42' in Path('01-one.ipynb').read_text()"
    book.write("a1-map", look, reads="chapters/0*")
    assert book.ran() == ["01-one", "02-two", "a1-map"]
    assert book.outputs("01-one")[0][0].text == "42\n"
    assert book.outputs("a1-map")[0][0].data["text/plain"] == "True", (
        "the map ran before what it reads"
    )
    first = {path: path.read_bytes() for path in book.root.glob("chapters/*")}

    os.utime(book.path("01-one"))
    assert book.ran() == [], "nothing changed but the time of a file"

    text = book.path("02-two").read_text().replace('"4"', '"5"')
    book.path("02-two").write_text(text)
    assert book.ran() == ["02-two", "a1-map"], "an output was edited"
    (book.root / "code" / "descent" / "rules.py").write_text("# another\n")
    assert book.ran("01-one") == ["01-one"], "the package changed"
    assert {path: path.read_bytes() for path in book.root.glob("chapters/*")} == first


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("1 / 0", ["01-bad, cell 3 of 3", "    1 / 0", "Traceback", "ZeroDivisionError"]),
        (
            "import sys; print('careful', file=sys.stderr)",
            ["cell 3 of 3", "wrote to stderr", "careful"],
        ),
        ("object()", ["cell 3 of 3", "only this machine has", "at 0x"]),
    ],
)
def test_what_stops_it(book: Book, source: str, said: list[str]) -> None:
    book.write("01-bad", "x = 1", source)
    before = book.path("01-bad").read_bytes()
    done = book.execute()
    assert done.returncode == 1
    assert [part for part in said if part not in done.stderr] == []
    assert book.path("01-bad").read_bytes() == before
    left = {p.name for p in (book.root / "chapters").iterdir()}
    assert left == {"01-bad.ipynb", "claims.toml"}


def test_twin_outputs_are_not_stored(book: Book) -> None:
    book.write("05-data", "from descent.data import TWIN_NOTICE\nprint(TWIN_NOTICE)")
    before = book.path("05-data").read_bytes()
    done = book.execute()
    assert done.returncode == 0, done.stderr
    assert "moment twin" in done.stdout
    assert book.path("05-data").read_bytes() == before
    assert (
        json.loads((book.root / "_build" / "executed" / "05-data.json").read_text())["twin"] is True
    )


def test_reading_in_a_circle(book: Book) -> None:
    book.write("01-one", "1", reads="chapters/02*")
    book.write("02-two", "2", reads="chapters/01*")
    done = book.execute()
    assert done.returncode == 1
    assert "in a circle: 01-one, 02-two" in done.stderr
