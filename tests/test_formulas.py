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

The rate :math:`\eta` of :eq:`step`.

.. math:: x_{t+1} = x_t - \eta g_t
   :label: step

.. math::

   a &= b \\
   c &= d
"""


def build(folder: Path) -> subprocess.CompletedProcess[str]:
    """Build the pages of a folder with warnings as errors."""
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", ".", "out"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120)


def test_pages(tmp_path: Path) -> None:
    (tmp_path / "conf.py").write_text(CONF)
    (tmp_path / "index.rst").write_text(SOURCE)
    done = build(tmp_path)
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "out" / "index.html").read_text("utf-8")
    assert page.count("<mjx-container") == 3
    assert page.count("<mjx-assistive-mml") == 3, "a screen reader gets each formula"
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
