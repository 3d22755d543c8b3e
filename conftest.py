"""What the tests share: the built book, a server for it, a browser; and how notebooks compare."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from functools import cache, partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser

ROOT = Path(__file__).resolve().parent
sys.path.insert(0, str(ROOT / "code" / "tools"))  # they are scripts, and have tests too
import chromium  # noqa: E402
from execute import ENVIRONMENT  # noqa: E402

# Before anything imports NumPy, and for nbval's kernels, which inherit it.
os.environ.update(ENVIRONMENT)
os.environ.pop("MPLBACKEND", None)

HTML = Path(os.environ.get("DESCENT_HTML", ROOT / "_build" / "test" / "_build" / "html"))
collect_ignore = ["code/descent/book/d2l.py"]  # importing it gives the module of another file


@cache
def airfoil_is_measured() -> bool:
    from descent.data import airfoil_is_measured

    return airfoil_is_measured()


@cache
def uses_airfoil(notebook: Path) -> bool:
    """Tell whether a cell of the notebook calls `load_airfoil`."""
    cells = json.loads(notebook.read_bytes())["cells"]
    return any("load_airfoil(" in "".join(c["source"]) for c in cells if c["cell_type"] == "code")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the airfoil chapters without comparison where they get the moment twin.

    With `--dist loadfile` a file runs on one worker, which nbval needs for its kernel. The built
    pages are shared out all the same: each counts as a file of its own.
    """
    for item in items:
        if item.name.startswith("test_page["):
            item._nodeid = item.nodeid.replace("::", f"#{item.name[10:-1]}::", 1)  # type: ignore[attr-defined]
        if item.path.suffix == ".ipynb" and uses_airfoil(item.path) and not airfoil_is_measured():
            item.options["check"] = False  # type: ignore[attr-defined]  # nbval's own


class Quiet(SimpleHTTPRequestHandler):
    """A file server that does not log each request."""

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture(scope="session")
def site() -> Iterator[str]:
    """Serve the built book; gives its address, with a slash at the end."""
    if not (HTML / "index.html").exists():
        pytest.skip(f"no built book in {HTML}: `make test` builds it, or set DESCENT_HTML")
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(HTML))) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Start Debian's Chromium, once for the whole session."""
    if chromium.INSTALLED is None:
        pytest.skip("no chromium on this machine: the pages are not tried in a browser")
    with chromium.started() as browser:
        yield browser
