"""What the tests share: the built book, a server for it, a browser; and how notebooks compare."""

from __future__ import annotations

import gc
import json
import os
import sys
from collections import defaultdict
from collections.abc import Callable, Generator, Iterator
from functools import cache, partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any

import pytest
from nbval.plugin import IPyNbCell, coalesce_streams
from xdist.scheduler import LoadFileScheduling

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

ROOT = Path(__file__).resolve().parent
sys.path.insert(0, str(ROOT / "code" / "tools"))  # they are scripts, and have tests too
import chromium  # noqa: E402
import execute  # noqa: E402
import warm  # noqa: E402

execute.set_environment()  # before anything imports NumPy, and nbval's kernels inherit it
warm.install()

HTML = Path(os.environ.get("DESCENT_HTML", ROOT / "_build" / "html"))
unchanged: defaultdict[Path, list[float]] = defaultdict(list)  # seconds of such cells
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


@cache
def lasts(path: Path) -> float:
    """Return the seconds that the notebook last took; 0 of what is none or never ran here."""
    seconds: float = execute.recall(path).get("seconds", 0.0) if path.suffix == ".ipynb" else 0.0
    return seconds


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Import everything without looking for garbage, of which there is none.

    Nor is it looked for later in what has been imported. This takes a sixth off the time that each
    worker needs before it begins.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the airfoil chapters without comparison where they get the moment twin.

    Where this processor rounds otherwise than the one that made the stored outputs, cells are
    compared as `execute.alike_outputs` does.

    The notebook that takes longest comes first, lest a worker begins with it when others end. Last
    come the files with tests in a browser: it keeps a loop running, beside which asyncio starts no
    other.
    """
    browsing = {item.path for item in items if "browser" in getattr(item, "fixturenames", ())}
    items.sort(key=lambda item: (-lasts(item.path), item.path in browsing))
    for item in items:
        if isinstance(item, IPyNbCell):
            if uses_airfoil(item.path) and not airfoil_is_measured():
                item.options["check"] = False
            if not execute.EXACT:
                item.compare_outputs = partial(compared, item.compare_outputs)


@cache
def mark_before(notebook: Path) -> str:
    """Return the fingerprint that the notebook had when this was first asked."""
    return execute.fingerprint(execute.common_inputs(), notebook)


def gave_what_is_stored(cell: IPyNbCell) -> bool:
    """Tell whether a cell's outputs are those of its notebook, metadata and pictures included.

    Nbval's kernels do not count the cells that they run.
    """
    fresh, stored = (
        [{key: part for key, part in output.items() if key != "execution_count"} for output in outs]
        for outs in (cell.test_outputs, coalesce_streams(cell.cell.outputs))
    )
    return fresh == stored and cell.cell.execution_count == cell.cell_num + 1


def passed(cell: IPyNbCell, duration: float) -> None:
    """Note a cell; spare `make book` the notebooks whose cells all gave what is stored."""
    path, before, seconds = cell.path, mark_before(cell.path), unchanged[cell.path]
    if gave_what_is_stored(cell):
        seconds.append(duration)
    if len(seconds) == sum(c.cell_type == "code" for c in cell.parent.nb.cells):
        text = path.read_text("utf-8")
        same = execute.fingerprint(execute.common_inputs(), path) == before
        if same and execute.canonical(execute.load(text, outputs=True)) == text:
            execute.remember(path, before, text.encode(), sum(seconds))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if isinstance(item, IPyNbCell):
        mark_before(item.path)
        if call.when == "call" and report.passed:
            passed(item, call.duration)
    return report


def compared(exactly: Callable[..., bool], fresh: list[Any], stored: list[Any]) -> bool:
    """Compare as nbval does, which notes the difference, and else as far as rounding allows."""
    return exactly(fresh, stored) or execute.alike_outputs(stored, fresh)


class ByFile(LoadFileScheduling):  # type: ignore[misc]
    """A file is for one worker, as nbval's kernels need it; but each built page is for any."""

    def _split_scope(self, nodeid: str) -> str:
        scope: str = nodeid if "::test_page[" in nodeid else super()._split_scope(nodeid)
        return scope


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ByFile:
    return ByFile(config, log)


def pytest_xdist_auto_num_workers() -> int:
    """Give `-n auto` the cores that this process may use."""
    return execute.cores()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say where notebooks were not compared byte for byte, and why."""
    if not execute.EXACT:
        terminalreporter.write_line(f"Notebooks: {execute.WITHIN}; figures were not compared.")
    airfoil = [p.stem for p in sorted((ROOT / "chapters").glob("*.ipynb")) if uses_airfoil(p)]
    if airfoil and not airfoil_is_measured():
        terminalreporter.write_line(
            "Notebooks: NASA's airfoil data is out of reach (no DESCENT_DATA, cache or network): "
            f"{', '.join(airfoil)} ran on the moment twin and were not compared."
        )


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


# Of what is drawn in the same way axe needs to see one in each layer of a chart, and of choices the
# first: it takes a millisecond for each element.
THIN_CHARTS = """() => {
    for (const layer of document.querySelectorAll("svg[aria-label] g")) {
        const seen = new Set();
        for (const e of [...layer.children]) {
            const kind = `${e.tagName} ${e.getAttribute("class")} ${e.getAttribute("fill")}`;
            if (seen.has(kind) && !e.children.length) e.remove();
            seen.add(kind);
        }
    }
    for (const e of document.querySelectorAll("option:not(:first-child)")) e.remove();
}"""


def axe_violations(page: Page, **options: Any) -> list[str]:
    """Return what axe-core finds, one line for each kind with the first place."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    page.evaluate(THIN_CHARTS)
    options |= {"resultTypes": ["violations"], "preload": False}
    if page.evaluate("'axe' in window"):
        response = page.evaluate("(options) => axe.run(options)", options)
    else:
        response = axe.Axe().run(page, options=options).response
    found = response["violations"]
    return [f"{v['id']}: {v['nodes'][0]['html'][:160]} ({len(v['nodes'])} places)" for v in found]
