"""code/tools/sabotage.py: breakages that break copies, and a report that covers every verdict."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import nbformat
import pytest
from conftest import ROOT
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

import sabotage
from descent.book.claims import collect, read_claims
from sabotage import BREAKAGES, ELSEWHERE, broken_copy, outcomes, sliced

REPORT = json.loads(sabotage.REPORT.read_text("utf-8"))
TRIED = {claim.id for claim in read_claims().claims.values() if not claim.untried}


def test_there_are_enough_and_each_is_told() -> None:
    assert len(BREAKAGES) >= 15
    assert len({b.what for b in BREAKAGES.values()}) == len(BREAKAGES)


@pytest.mark.parametrize("name", BREAKAGES)
def test_a_breakage_breaks_a_copy_that_still_parses(name: str, tmp_path: Path) -> None:
    breakage = BREAKAGES[name]
    broken_copy(breakage, tmp_path)
    changed = 0
    for path in [*(tmp_path / "descent").rglob("*.py"), *(tmp_path / "descent").rglob("*.json")]:
        text = path.read_text("utf-8")
        changed += text != (ROOT / "code" / path.relative_to(tmp_path)).read_text("utf-8")
        if path.suffix == ".py":
            compile(text, path.name, "exec")
        else:
            json.loads(text)
    assert changed == len({file for file, _, _ in breakage.edits})
    assert breakage.edits or breakage.before
    compile(breakage.before, name, "exec")


def test_a_breakage_that_fits_no_more_is_told(tmp_path: Path) -> None:
    stale = sabotage.Breakage("nothing happens", "x", (("rules.py", "no such line", "pass"),))
    with pytest.raises(SystemExit, match="does not hold"):
        broken_copy(stale, tmp_path)


SETUP = """
from descent import Momentum, ravine, minimize
from descent.book.claims import judge
unused = 1
"""
RUNS = """
ends = []
for m in (0.0, 0.9):
    ends.append(minimize(Momentum(lr=0.05, momentum=m), ravine, (-5, 0), 60).values[-1])
"""
JUDGED = """
slow, fast = ends
judge("D9-flat", holds=bool(fast < slow), evidence=f"{fast:.2g}, {slow:.2g}")
"""


@pytest.fixture
def chapter(tmp_path: Path) -> Path:
    path = tmp_path / "01-one.ipynb"
    cells = [
        new_code_cell(SETUP, id="imports"),
        new_code_cell("ends = 1 / 0", id="raises"),
        new_code_cell("unused = 1 / 0", id="needless"),
        new_code_cell(RUNS, id="runs"),
        new_code_cell(JUDGED, id="judges"),
        new_code_cell(JUDGED.replace("D9-flat", "D9-minima"), id="judges-another"),
        new_markdown_cell("## Exercises", id="exercises"),
        new_code_cell("raise SystemExit", id="late"),
    ]
    nbformat.write(new_notebook(cells=cells), path)
    return path


def test_the_cells_that_a_verdict_needs_are_kept(chapter: Path) -> None:
    text = chapter.read_text("utf-8")
    kept = [cell.id for cell in sliced(text, {"D9-flat"}, "x = 1").cells]
    assert kept == ["breakage", "imports", "raises", "runs", "judges"]
    assert [cell.id for cell in sliced(text, set()).cells] == ["imports"]


def test_a_verdict_notices(chapter: Path, tmp_path: Path) -> None:
    found = {}
    for name in ("momentum-ignored", "no-ripple"):
        (tmp_path / name).mkdir()
        broken_copy(BREAKAGES[name], tmp_path / name)
        cells = sliced(chapter.read_text("utf-8"), {"D9-flat"})
        found[name] = asyncio.run(outcomes(cells, tmp_path / name))
    assert found == {"momentum-ignored": {"D9-flat": "fails"}, "no-ripple": {"D9-flat": "holds"}}


def test_the_report_is_of_these_breakages_and_verdicts() -> None:
    assert REPORT["breakages"] == {name: b.what for name, b in BREAKAGES.items()}
    assert REPORT["elsewhere"] == ELSEWHERE
    assert REPORT["outcomes"] == {v.claim: v.outcome for v in collect(sabotage.CHAPTERS)}, (
        "verdicts have changed since: run make sabotage"
    )


def test_every_verdict_changes_or_rests_elsewhere() -> None:
    assert set(REPORT["changed"]) | set(ELSEWHERE) == TRIED
    assert not set(REPORT["changed"]) & set(ELSEWHERE)
    assert len(ELSEWHERE) <= len(TRIED) // 10
