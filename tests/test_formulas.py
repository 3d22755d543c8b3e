"""code/tools/formulas.py: what it draws, what it warns of, and what it writes beside the pages."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT

from formulas import ENGINE, FAILED, shown

CONF = f"""
import sys
sys.path.append({str(ROOT / "code" / "tools")!r})
extensions = ["formulas"]
html_math_renderer = "drawn"
numfig = True
"""
SOURCE = r"""
Title
=====

The rate :math:`\eta`, of :eq:`step`, is :math:`1` here.

.. math:: x_{t+1} = x_t - \eta g_t
   :label: step

.. math::

   a &= b \\
   c &= d
"""


def build(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Build the pages of a folder with warnings as errors."""
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", *options, ".", "out"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120)


def test_pages(tmp_path: Path) -> None:
    (tmp_path / "conf.py").write_text(CONF)
    (tmp_path / "index.rst").write_text(SOURCE)
    done = build(tmp_path)
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "out" / "index.html").read_text("utf-8")
    assert page.count("<mjx-container") == 4
    assert page.count("<mjx-assistive-mml") == 4, "a screen reader gets each formula"
    assert 'href="#equation-step"' in page and 'id="equation-step"' in page
    assert '<span class="eqno">(1)' in page
    assert '<meta content="η" name="keywords"' in page, "the search finds the letter"
    assert not re.search(r"<script[^>]*mathjax", page, re.IGNORECASE)

    static = tmp_path / "out" / "_static"
    style = (static / "formulas.css").read_text("utf-8")
    assert shown(style) >= {ord(c) for c in "xgη+−="}
    fonts = re.findall(r'url\("(.*?)"\)', style)
    assert fonts and all((static / font).is_file() for font in fonts)

    # A second page, with a mistake: it stops a strict build, and the first page loses nothing.
    other = ":orphan:\n\nOther\n=====\n\n:math:`z` :math:`\\unheardof`\n"
    (tmp_path / "other.rst").write_text(other)
    done = build(tmp_path)
    assert done.returncode != 0
    assert "other.rst:6" in done.stderr and "unheardof" in done.stderr
    after = shown((static / "formulas.css").read_text("utf-8"))
    assert after >= shown(style) | {ord("z")}


def test_parallel_builds_are_refused(tmp_path: Path) -> None:
    """The engine hangs in forked processes: Sphinx writes serially, and says so."""
    (tmp_path / "conf.py").write_text(CONF)
    names = [f"page{i}" for i in range(9)]  # fewer pages are not shared out
    contents = "Title\n=====\n\n.. toctree::\n\n" + "".join(f"   {name}\n" for name in names)
    (tmp_path / "index.rst").write_text(contents)
    for name in names:
        (tmp_path / f"{name}.rst").write_text("Page\n====\n\n:math:`x`\n")
    done = build(tmp_path, "-j", "2")
    assert "formulas extension is not safe for parallel writing" in done.stderr
    assert done.returncode == 1
    for name in names:
        assert "<mjx-container" in (tmp_path / "out" / f"{name}.html").read_text("utf-8")


def test_a_process_that_drew_ends() -> None:
    script = "from formulas import ENGINE; print(len(ENGINE.draw('x', True)))"
    tools = ROOT / "code" / "tools"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tools, capture_output=True, timeout=60
    )
    assert done.returncode == 0 and int(done.stdout) > 0


def test_after_the_end_another_engine_starts() -> None:
    once = ENGINE.draw("x", True)
    ENGINE.close()
    assert ENGINE.style() == ""
    assert ENGINE.draw("x", True) == once
    assert ord("x") in shown(ENGINE.style())


@pytest.mark.parametrize(
    ("tex", "said"),
    [
        (r"\unheardof{x}", r"Undefined control sequence \unheardof"),
        (r"\frac{1}{2", "Missing close brace"),
        (r"\left( x", r"missing \right"),
    ],
)
def test_a_formula_that_cannot_be_read(tex: str, said: str) -> None:
    problem = FAILED.search(ENGINE.draw(tex, True))
    assert problem and said in problem[1]
