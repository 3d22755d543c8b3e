"""What a reader downloads: notebooks that say what to install, and the package that they run on."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import nbformat
import pytest
from conftest import HTML, ROOT

import downloads

SOURCES = HTML / "_sources"
if not SOURCES.is_dir():
    pytest.skip(
        f"no built book in {HTML}: `make test` builds it, or set DESCENT_HTML",
        allow_module_level=True,
    )

NOTEBOOKS = sorted((ROOT / "chapters").glob("*.ipynb"))
RUN = """
import json, sys
from pathlib import Path
import matplotlib
matplotlib.use("agg")
for cell in json.loads(Path(sys.argv[1]).read_text("utf-8"))["cells"]:
    if cell["cell_type"] == "code":
        exec("".join(cell["source"]), globals())
import descent
print(descent.__file__)
"""


def test_each_notebook_says_what_it_needs_and_its_page_offers_it() -> None:
    for path in NOTEBOOKS:
        offered = SOURCES / "chapters" / path.name
        first, *rest = json.loads(offered.read_text("utf-8"))["cells"]
        stored = json.loads(path.read_text("utf-8"))["cells"]
        assert [c["source"] for c in rest] == [c["source"] for c in stored], path.stem
        said = "".join(first["source"])
        assert f"pip install {downloads.WHEEL} numpy==" in said and "Python 3.11" in said
        code = "".join("".join(c["source"]) for c in stored if c["cell_type"] == "code")
        for name in ("torch", "scipy", "keras", "d2l"):
            directly = re.search(rf"\b(import|from) {name}\b|import {name}$|, {name}$", code, re.M)
            assert not directly or f" {name}==" in said, (path.stem, name)
        page = (HTML / "chapters" / f"{path.stem}.html").read_text("utf-8")
        for link in (f"../_sources/chapters/{path.name}", f"../_sources/{downloads.WHEEL}"):
            assert f'href="{link}"' in page, (path.stem, link)
        nbformat.validate(nbformat.read(offered, as_version=4))


def test_what_is_needed_is_what_is_imported() -> None:
    def needed(source: str) -> set[str]:
        return {pin.partition("==")[0] for pin in downloads.needed(source)}

    assert needed("import math") == set()
    assert needed("from descent import minimize") == {"numpy", "pooch"}
    assert "torch" not in needed("from descent import tuning, plots, MLP")
    assert {"torch", "d2l", "numpy"} <= needed("from descent.book import d2l")
    assert needed("from sklearn.datasets import load_digits") == {"scikit-learn"}


def test_the_wheel_is_the_same_each_time_and_runs_in_an_empty_folder(tmp_path: Path) -> None:
    wheel = downloads.build_wheel(tmp_path / "anew")
    assert wheel.read_bytes() == (SOURCES / downloads.WHEEL).read_bytes()
    with zipfile.ZipFile(wheel) as packed:
        packed.extractall(tmp_path / "site")
    empty = tmp_path / "empty"
    empty.mkdir()
    notebook = SOURCES / "chapters" / "a1-source-map.ipynb"
    ran = subprocess.run(
        [sys.executable, "-c", RUN, str(notebook)],
        cwd=empty,
        env=os.environ | {"PYTHONPATH": str(tmp_path / "site")},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "problems: none" in ran.stdout
    assert str(tmp_path / "site") in ran.stdout
    assert list(empty.iterdir()) == []
