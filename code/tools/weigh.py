"""Weigh the built pages: bytes over the wire, and how soon a phone shows them.

Every page is loaded in Chromium with an empty cache, then the page after it with what that left.
The phone is Lighthouse's mobile profile, "slow 4G" (1.6 Mbit/s down, 150 ms for each request) and
a processor four times slower than this one. The server is this script, with gzip, on this machine.
"""

from __future__ import annotations

import gzip
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path
from threading import Thread
from typing import Any, BinaryIO

from playwright.sync_api import Browser, CDPSession, Page

import chromium

ROOT = Path(__file__).resolve().parents[2]
HTML = ROOT / "_build" / "html"
RESULTS = ROOT / "_build" / "weights.md"
COLD_KB, WARM_KB, LCP_S, CLS = 350.0, 120.0, 1.0, 0.1
SLOW_4G = {"offline": False, "latency": 150, "downloadThroughput": 2e5, "uploadThroughput": 9.4e4}
PHONE: Any = {
    "viewport": {"width": 412, "height": 823},
    "device_scale_factor": 1.75,
    "is_mobile": True,
    "has_touch": True,
}
TEXT = {".html", ".css", ".js", ".svg"}
OBSERVE = """
window.seen = {lcp: 0, cls: 0};
new PerformanceObserver((list) => {
  for (const e of list.getEntries()) window.seen.lcp = e.startTime;
}).observe({type: "largest-contentful-paint", buffered: true});
new PerformanceObserver((list) => {
  for (const e of list.getEntries()) if (!e.hadRecentInput) window.seen.cls += e.value;
}).observe({type: "layout-shift", buffered: true});
"""
REST = """async () => {
  for (const image of document.images) image.loading = "eager";
  await Promise.all([...document.images].map((image) => image.decode().catch(() => {})));
}"""


@cache
def zipped(path: Path) -> bytes:
    return gzip.compress(path.read_bytes(), 9, mtime=0)


class Compressing(SimpleHTTPRequestHandler):
    """A file server as a good host is: text goes out as gzip, and a browser may keep it."""

    protocol_version = "HTTP/1.1"

    def send_head(self) -> BytesIO | BinaryIO | None:
        path = Path(self.translate_path(self.path))
        if path.suffix not in TEXT or not path.is_file():
            return super().send_head()
        body = zipped(path)
        self.send_response(200)
        self.send_header("Content-Type", self.guess_type(path))
        self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        return BytesIO(body)

    def end_headers(self) -> None:
        self.send_header("Cache-Control", "max-age=600")
        super().end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    """Serve a folder; gives its address, with a slash at the end."""
    for path in folder.rglob("*"):  # no page is to wait for this
        if path.suffix in TEXT:
            zipped(path)
    handler = partial(Compressing, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


@dataclass
class Load:
    """One load of a page: KB (1000 bytes) at first, KB with every figure, seconds, layout shift."""

    first: float
    whole: float
    lcp: float
    cls: float


def load(page: Page, session: CDPSession, received: list[float], address: str) -> Load:
    """Load a page as the phone does, then, at full speed, the figures further down."""
    received.clear()
    session.send("Network.emulateNetworkConditions", SLOW_4G)
    session.send("Emulation.setCPUThrottlingRate", {"rate": 4})
    page.goto(address)  # till the last script and all but the lazy figures are there
    page.evaluate("document.fonts.ready.then(() => true)")
    page.wait_for_timeout(500)
    for _ in range(100):  # `wait_for_function` evaluates text, which no page allows
        if page.evaluate("window.seen.lcp"):
            break
        page.wait_for_timeout(50)
    first, seen = sum(received), page.evaluate("window.seen")
    free = {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1}
    session.send("Network.emulateNetworkConditions", free)
    session.send("Emulation.setCPUThrottlingRate", {"rate": 1})
    page.evaluate(REST)
    return Load(first / 1000, sum(received) / 1000, seen["lcp"] / 1000, seen["cls"])


def note(received: list[float], event: dict[str, Any]) -> None:
    """Add what one answer took on the wire."""
    received.append(event["encodedDataLength"])


def weigh(browser: Browser, site: str, names: list[str]) -> dict[str, tuple[Load, Load]]:
    """Return a cold and a warm load of each page."""
    cold, warm = {}, {}
    for name, following in zip(names, names[1:] + names[:1], strict=True):
        context = browser.new_context(**PHONE)
        context.add_init_script(OBSERVE)
        page = context.new_page()
        session = context.new_cdp_session(page)
        session.send("Network.enable")
        received: list[float] = []
        session.on("Network.loadingFinished", partial(note, received))
        cold[name] = load(page, session, received, site + name)
        warm[following] = load(page, session, received, site + following)
        context.close()
    return {name: (cold[name], warm[name]) for name in names}


def table(loads: dict[str, tuple[Load, Load]]) -> str:
    """Return the results as a table in Markdown; an asterisk marks what misses its target."""

    def cell(value: float, form: str, limit: float) -> str:
        return f"{value:{form}}" + ("*" if value >= limit else " ")

    lines = [
        "| page | cold KB | with all figures | LCP s | CLS | warm KB | with all figures | LCP s |",
        "|:--|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for name, (cold, warm) in loads.items():
        cells = [
            cell(cold.first, ".0f", COLD_KB),
            cell(cold.whole, ".0f", COLD_KB),
            cell(cold.lcp, ".2f", LCP_S),
            cell(cold.cls, ".3f", CLS),
            cell(warm.first, ".0f", WARM_KB),
            cell(warm.whole, ".0f", WARM_KB),
            cell(warm.lcp, ".2f", LCP_S),
        ]
        lines.append(f"| {name:32} | " + " | ".join(f"{c:>6}" for c in cells) + " |")
    return "\n".join(lines) + "\n"


def main() -> None:
    html = Path(sys.argv[1]) if len(sys.argv) > 1 else HTML
    names = sorted(p.relative_to(html).as_posix() for p in html.glob("chapters/*.html"))
    with serving(html) as site, chromium.started() as browser:
        loads = weigh(browser, site, names)
        version = browser.version
    text = f"{__doc__}\nChromium {version}; targets: under {COLD_KB:.0f} KB cold, {WARM_KB:.0f} KB "
    text += f"warm, {LCP_S:.0f} s; an asterisk marks a miss.\n\n{table(loads)}"
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(text, "utf-8")
    print(text)


if __name__ == "__main__":
    main()
