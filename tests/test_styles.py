"""code/tools/styles.py: which rules of a style sheet stay, and which pages get them."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT

from styles import pruned, rules, without_unused, words

NAMES = {"kept", "also", "top"}


def short(folder: Path, css: str) -> str:
    sheet = folder / "sheet.css"
    sheet.write_text(css, "utf-8")
    return pruned(rules(sheet), NAMES, ("bs-",)).replace("\n", "")


@pytest.mark.parametrize(
    "rule",
    [
        "body{color:red}",
        ".kept{color:red}",
        '#top .kept:hover::after{content:"}"}',
        ".kept:not(.gone){color:red}",
        "a[href$='.gone']{color:red}",
        "@media print{.kept{color:red}}",
        "@keyframes turn{from{opacity:0}to{opacity:1}}",
        ".kept{background:url(data:image/png;base64,AA==)}",
        ".bs-tooltip-auto{color:red}",
    ],
)
def test_what_stays(tmp_path: Path, rule: str) -> None:
    assert short(tmp_path, rule) == rule.replace("'", '"')


@pytest.mark.parametrize(
    "rule",
    [
        ".gone{color:red}",
        ".kept.gone{color:red}",
        ".kept #gone{color:red}",
        ".w\\:gone{color:red}",
        "@media print{.gone{color:red}}",
        "@supports (color:red){@media print{.gone{color:red}}}",
        "@font-face{font-family:'Font Awesome 6';src:url(x.woff2)}",
        "/* .kept{color:red} */",
    ],
)
def test_what_goes(tmp_path: Path, rule: str) -> None:
    assert short(tmp_path, rule) == ""


def test_custom_properties_that_nothing_uses_go() -> None:
    css = 'p{--a:1;--b:var(--a);color:var(--c)}q{--c: url("x;y{}");--d:";";--kept:2}'
    assert without_unused(css, {"--kept"}) == 'p{color:var(--c)}q{--c: url("x;y{}");--kept:2}'


def test_one_selector_of_several(tmp_path: Path) -> None:
    several = ".gone,.kept:is(.a,.gone),[title='a,b'] .gone,p{color:red}"
    assert short(tmp_path, several) == ".kept:is(.a,.gone),p{color:red}"


def test_paper_is_light(tmp_path: Path) -> None:
    of_dark = "[data-theme=dark] .kept,.also{color:#fff}"
    assert short(tmp_path, of_dark) == (
        "@media screen{[data-theme=dark] .kept{color:#fff}}.also{color:#fff}"
    )
    of_light = 'html[data-theme="light"] .kept{color:#000}'
    of_all = "@media print{html[data-theme] .kept{color:#000}}"
    assert short(tmp_path, of_light) == of_light + of_all


def test_what_a_sheet_imports_stands_in_its_place(tmp_path: Path) -> None:
    (tmp_path / "basic.css").write_text("p{color:red}")
    (tmp_path / "theme.css").write_text('@import "basic.css";p{color:blue}')
    assert pruned(rules(tmp_path / "theme.css"), set()) == "p{color:red}\np{color:blue}"


def test_names_are_words_of_pages_and_scripts(tmp_path: Path) -> None:
    """Bootstrap builds the class of a tooltip when it shows one: its arrow depends on it."""
    (tmp_path / "page.html").write_text('<p class="one-word two">')
    (tmp_path / "script.js").write_text("list.add('open', `bs-${name}-auto`, x-1, i- 1)")
    names, starts = words([tmp_path / "page.html"], [tmp_path / "script.js"])
    assert names >= {"one-word", "two", "open"}
    assert starts == ("bs-",)


CONF = f"""
import sys
sys.path.append({str(ROOT / "code" / "tools")!r})
extensions = ["sphinx_book_theme", "pages"]
html_theme = "sphinx_book_theme"
html_title = "Title"
html_static_path = ["sheets"]

def setup(app):
    def add(app, page, *_):
        if page == "other":
            app.add_css_file("others.css")
    app.connect("html-page-context", add)
"""
FIRST = "Title\n=====\n\n.. toctree::\n\n   other\n"


def test_a_page_written_before_keeps_its_rules(tmp_path: Path) -> None:
    (tmp_path / "conf.py").write_text(CONF)
    (tmp_path / "sheets").mkdir()
    (tmp_path / "sheets" / "others.css").write_text(".opacity-50{orphans:17}")
    (tmp_path / "index.rst").write_text(FIRST)
    (tmp_path / "other.rst").write_text("Other\n=====\n\n.. container:: opacity-50\n\n   text\n")
    sheets = []
    for _ in range(2):
        command = [sys.executable, "-m", "sphinx", "-q", ".", "out"]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        sheets.append((tmp_path / "out" / "_static" / "all.css").read_text("utf-8"))
        pages = [(tmp_path / "out" / f"{n}.html").read_text("utf-8") for n in ("index", "other")]
        (tmp_path / "index.rst").write_text(f"{FIRST}\n.. container:: opacity-75\n\n   text\n")
    assert ".opacity-50" in sheets[0] and ".opacity-75" not in sheets[0]
    assert ".opacity-50" in sheets[1] and ".opacity-75" in sheets[1]
    assert all("orphans:17" in sheet for sheet in sheets), "one that no other page asks for"
    versions = {tuple(re.findall(r'<link rel="stylesheet" href="([^"]*)">', p)) for p in pages}
    assert len(versions) == 1 and len(versions.pop()) == 1
    assert [page.count("Content-Security-Policy") for page in pages] == [1, 1]
