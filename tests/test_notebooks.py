"""The stored notebooks: what can be told of them without running them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import nbformat
import pytest
import yaml
from conftest import ROOT

from execute import MACHINE, canonical, output_texts

LONGEST_CELL = 25
# What a reader sees without a click: one idea, and little else.
SEEN_CELL, LONGEST_SEEN_CELL, SHARE_WITHIN = 12, 18, 0.9
FOLDED = {"hide-input", "remove-input", "hide-cell", "remove-cell"}
SILENCED = re.compile(
    r"^\w+ = (?:\w+(?:\[.*\])?\.(?:set|legend|set_\w+)|plots\.(?:label_ends|mark|trace))\(",
    re.MULTILINE,
)
PLUMBING = re.compile(r"redirect_std|mock\.patch|unittest|perf_counter|tight_layout")
NOTEBOOKS = sorted((ROOT / "chapters").glob("*.ipynb"))


def read(path: Path) -> Any:
    return nbformat.read(path, as_version=4)


def figures(cell: Any) -> list[Any]:
    outputs = [o for o in cell.outputs if any(k.startswith("image/") for k in o.get("data", {}))]
    return [cell.metadata.get("mystnb", {})] * len(outputs)


def in_contents() -> set[str]:
    """Return every file that _toc.yml names, with the folder and without the ending."""
    return set(re.findall(r"(?:root|file):\s*(\S+)", (ROOT / "_toc.yml").read_text("utf-8")))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_stored_notebook(path: Path) -> None:
    notebook = read(path)
    wrong = []
    for number, cell in enumerate(notebook.cells, start=1):
        if cell.cell_type != "code":
            continue
        if len(cell.source.splitlines()) > LONGEST_CELL:
            wrong.append(f"cell {number} has more than {LONGEST_CELL} lines")
        if cell.source.strip() and cell.execution_count is None:
            wrong.append(f"cell {number} was never run")
        for figure in figures(cell):
            if not figure.get("image", {}).get("alt", "").strip():
                wrong.append(f"cell {number}: a figure without alt text (mystnb.image.alt)")
            if not figure.get("figure", {}).get("caption", "").strip():
                wrong.append(f"cell {number}: a figure without caption (mystnb.figure.caption)")
        for output in cell.outputs:
            if output.output_type == "error" or output.get("name") == "stderr":
                wrong.append(f"cell {number} stores an error or stderr")
            wrong += [
                f"cell {number}: {m[0]}" for t in output_texts(output) if (m := MACHINE.search(t))
            ]
    names = [c.metadata.get("mystnb", {}).get("figure", {}).get("name") for c in notebook.cells]
    names = [name for name in names if name]
    wrong += [f"two figures are called {name}" for name in set(names) if names.count(name) > 1]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_stored_form_is_canonical(path: Path) -> None:
    assert path.read_text("utf-8") == canonical(read(path)), "run code/tools/execute.py on it"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_cells_that_a_reader_sees(path: Path) -> None:
    cells = [c for c in read(path).cells if c.cell_type == "code"]
    seen = [c for c in cells if not FOLDED.intersection(c.metadata.get("tags", []))]
    lengths = [sum(bool(line.strip()) for line in c.source.splitlines()) for c in seen]
    assert max(lengths, default=0) <= LONGEST_SEEN_CELL
    assert sum(n <= SEEN_CELL for n in lengths) >= SHARE_WITHIN * len(lengths)
    assert [c.id for c in cells if SILENCED.search(c.source)] == [], "plt.show() ends a figure"
    assert [c.id for c in seen if PLUMBING.search(c.source)] == []


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_prose_names_no_item(path: Path) -> None:
    """Letters and numbers of sources and items stay in labels and in the source map."""
    prose = "\n".join(c.source for c in read(path).cells if c.cell_type == "markdown")
    assert not re.search(r"\b[Ss]ources? [A-E]\b|\b[Ii]tems? [A-E]\d", prose)


def test_contents_and_chapters_agree() -> None:
    yaml.safe_load((ROOT / "_toc.yml").read_text("utf-8"))
    listed = in_contents()
    present = {
        f"chapters/{p.stem}"
        for p in (ROOT / "chapters").glob("*.*")
        if p.suffix in {".ipynb", ".md"}
    }
    assert listed == present
