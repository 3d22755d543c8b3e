"""What a reader takes along from a page: its notebook, which says what to install, and the package.

The package is on no index, and the book has no address of its own. So its wheel is built with the
pages and lies beside the notebooks: pure Python, the same bytes each time, with what the book has
measured and judged. Each notebook that is offered begins with the line that installs the wheel and
what this notebook imports, in the pinned versions; the stored ones need none.
"""

from __future__ import annotations

import ast
import json
import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError

ROOT = Path(__file__).resolve().parents[2]
CODE, CHAPTERS = ROOT / "code", ROOT / "chapters"
PROJECT: dict[str, Any] = tomllib.loads((CODE / "pyproject.toml").read_text("utf-8"))["project"]
WHEEL = f"{PROJECT['name']}-{PROJECT['version']}-py3-none-any.whl"
BUILD = "import sys; from setuptools import build_meta as b; print(b.build_wheel(sys.argv[1]))"
EPOCH = "315532800"  # 1980, the first year that a zip file knows
# What a module is called where it is installed, if by another name.
INSTALLED_AS = {"sklearn": "scikit-learn", "font_source_sans_pro": "font-source-sans-pro"}
JUDGED = "application/vnd.descent.verdict+json"


def build_wheel(folder: Path) -> Path:
    """Build the wheel of the package, with the chapters' verdicts, into the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as place:
        copy = Path(place, "code")
        shutil.copytree(CODE / "descent", copy / "descent", ignore=shutil.ignore_patterns("__pyc*"))
        shutil.copy(CODE / "pyproject.toml", copy)
        carried = copy / "descent" / "book" / "chapters"
        carried.mkdir()
        for path in CHAPTERS.glob("*.ipynb"):
            (carried / path.name).write_text(json.dumps(judged(path), ensure_ascii=False), "utf-8")
        for path in copy.rglob("*"):
            path.chmod(0o755 if path.is_dir() else 0o644)
        made = subprocess.run(
            [sys.executable, "-c", BUILD, str(folder.resolve())],
            cwd=copy,
            env=os.environ | {"SOURCE_DATE_EPOCH": EPOCH},
            capture_output=True,
            text=True,
        )
    if made.returncode:
        raise ExtensionError(f"the wheel of the package was not built:\n{made.stderr}")
    return folder / WHEEL


def judged(path: Path) -> dict[str, Any]:
    """Return of a notebook what the source map reads: its title, its labels and its verdicts."""
    cells: list[dict[str, Any]] = []
    for cell in json.loads(path.read_text("utf-8"))["cells"]:
        if cell["cell_type"] == "markdown":
            lines = "".join(cell["source"]).splitlines()
            kept = [line for line in lines if line.startswith("(src-") or (line[:2] == "# ")]
            if kept:
                cells.append({"cell_type": "markdown", "source": "\n".join(kept)})
        elif found := [out for out in cell["outputs"] if JUDGED in out.get("data", {})]:
            records = [{"data": {JUDGED: out["data"][JUDGED]}} for out in found]
            cells.append({"cell_type": "code", "id": cell["id"], "outputs": records})
    return {"cells": cells}


def pins() -> dict[str, str]:
    """Return the requirement of each package that requirements.txt pins."""
    lines = (ROOT / "requirements.txt").read_text("utf-8").splitlines()
    asked = [line.partition("#")[0].strip() for line in lines if "==" in line]
    return {pin.partition("==")[0]: pin for pin in asked}


def imported(source: str) -> Iterator[str]:
    """Yield the modules that a program imports, and the names from them, which may be modules."""
    waiting: list[ast.AST] = [ast.parse(source)]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            continue
        waiting += ast.iter_child_nodes(node)
        match node:
            case ast.Import(names):
                yield from (alias.name for alias in names)
            case ast.ImportFrom(str(module), names):
                yield module
                yield from (f"{module}.{alias.name}" for alias in names)
            case ast.Call(ast.Attribute(attr="import_module"), [ast.Constant(str(module))]):
                yield module


def needed(source: str) -> list[str]:
    """Return what of the pinned packages a program imports, itself or through the package."""
    pinned, found, seen = pins(), set[str](), set[str]()
    waiting = list(imported(source))
    while waiting:
        name = waiting.pop()
        top = name.partition(".")[0]
        package = INSTALLED_AS.get(top, top.lower())
        if package in pinned and package != "ipython":  # which Jupyter brings
            found.add(package)
        if top != "descent" or name in seen:
            continue
        seen.add(name)
        path = CODE.joinpath(*name.split("."))
        for file in (path.with_suffix(".py"), path / "__init__.py"):
            if file.is_file():
                waiting += imported(file.read_text("utf-8"))
    return [pin for package, pin in pinned.items() if package in found]


def how_to_run(notebook: nbformat.NotebookNode, repository: str) -> str:
    """Return what the notebook's reader has to install."""
    source = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "code")
    source_of_wheel = f", whose source is at {repository}" if repository else ""
    parts = [
        f"**To run this notebook** you need Python {PROJECT['requires-python'].strip('>=')} or "
        f"later, Jupyter, and the package of the book it is from, `{WHEEL}`{source_of_wheel}. The "
        "page offers the package beside this notebook, under *Download this page*. Put both into "
        "one folder, and run there",
        f"    pip install {' '.join([WHEEL, *needed(source)])}",
        "These are the versions that gave the stored outputs.",
    ]
    if "load_airfoil(" in source:
        parts[-1] += (
            " NASA's airfoil data (60 KB) is fetched once; without a network a stand-in with the "
            "same loss takes its place, and the notebook says so."
        )
    return "\n\n".join(parts)


def offer(
    app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: nodes.document | None
) -> None:
    """Offer the wheel in the menu of downloads, after the notebook."""
    for menu in context.get("header_buttons", []):
        if (
            menu.get("label") == "download-buttons"
            and context.get("page_source_suffix") == ".ipynb"
        ):
            wheel = {
                "type": "link",
                "url": context["pathto"](f"_sources/{WHEEL}", 1),
                "text": "package (.whl)",
                "tooltip": "Download the package that the notebook runs on",
                "icon": "fas fa-download",
                "label": "download-package-button",
            }
            menu["buttons"].insert(1, wheel)


def finish(app: Sphinx, error: Exception | None) -> None:
    """Build the wheel, and tell in each notebook beside it how to run it."""
    if error or app.builder.format != "html":
        return
    sources = Path(app.outdir, "_sources")
    build_wheel(sources)
    repository = app.config.html_theme_options.get("repository_url", "")
    for path in sources.rglob("*.ipynb"):
        notebook = nbformat.read(path, as_version=4)
        cell = nbformat.v4.new_markdown_cell(how_to_run(notebook, repository), id="how-to-run")
        notebook.cells.insert(0, cell)
        nbformat.write(notebook, path)


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("html-page-context", offer, priority=800)  # after the theme's menu
    app.connect("build-finished", finish)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
