"""The built pages: links by parsing the files, everything else in a real browser.

Nothing is built here: `make test` builds the book first, into the folder that conftest.py names.
"""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Iterator
from functools import cache
from hashlib import sha256
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote, urlsplit

import pytest
from conftest import HTML, axe_violations
from docutils import nodes

from pages import minutes, set_options

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

PAGES = sorted(
    path.relative_to(HTML).as_posix()
    for path in HTML.rglob("*.html")
    if path.relative_to(HTML).parts[0] != "_static" and path != HTML / "index.html"
)
if not PAGES:
    pytest.skip(
        f"no built book in {HTML}: `make test` builds it, or set DESCENT_HTML",
        allow_module_level=True,
    )

POLICY = re.compile(r'http-equiv="Content-Security-Policy" content="([^"]*)"')
WIDE: Any = {"width": 1280, "height": 900}
PHONE: Any = {"width": 320, "height": 640}
# One page of each kind: with an explorer and without, with wide tables, with lists, written by the
# theme alone.
KINDS = {
    "chapters/index.html",
    "chapters/01-gradients.html",
    "chapters/04-momentum.html",
    "chapters/a1-source-map.html",
    "chapters/glossary.html",
    "chapters/notation.html",
    "search.html",
}
COLD_KB, WARM_KB = 350, 120
ZIPPED = {".html", ".css", ".js", ".svg"}  # as a good host does
LOADED = "() => [location.href, ...performance.getEntriesByType('resource').map(e => e.name)]"
COLOURS = ["color-contrast", "link-in-text-block"]
TOO_WIDE = """() => {
    const root = document.documentElement, found = []
    if (root.scrollWidth <= root.clientWidth) return found
    const scrolls = (e) => getComputedStyle(e).overflowX !== 'visible'
    const clips = (e) => e && (scrolls(e) || clips(e.parentElement))
    for (const e of document.querySelectorAll('article *')) {
        const box = e.getBoundingClientRect()
        if (box.right <= root.clientWidth + 1 || clips(e.parentElement)) continue
        found.push(e.outerHTML.slice(0, 100))
    }
    return [`the page is ${root.scrollWidth} px wide`, ...found.slice(0, 3)]
}"""
# Of boxes with the same kinds of elements in the same place axe needs to see one: it takes a
# millisecond for each element, and a page has twenty thousand. Explorers have tests of their own.
THIN_OUT = """() => {
    for (const e of [...document.querySelectorAll('mjx-container')].slice(1)) e.replaceChildren()
    for (const e of [...document.querySelectorAll('descent-explorer')].slice(1)) e.remove()
    const code = new Set()
    for (const e of document.querySelectorAll('pre span[class], dt.sig span')) {
        const box = e.closest('.cell_input, .cell_output, .highlight, .sig')
        const kind = box.className + e.className
        if (code.has(kind)) e.replaceWith(...e.childNodes)
        code.add(kind)
    }
    const seen = new Set()
    const kind = (e) => [e.tagName, e.className, e.getAttribute('style')].join('.')
    const top = '.bd-article, body'
    const place = (e) => e.matches(top) ? '' : `${place(e.parentElement)}>${kind(e)}`
    const boxes = '.bd-article :is(div, section, article, tr, li, p), nav li'
    for (const e of document.querySelectorAll(boxes)) {
        if (!e.isConnected || e.closest('th, descent-explorer')) continue
        if (e.querySelector('img, input, h1, h2')) continue
        const parts = new Set([...e.querySelectorAll('*')].map(kind))
        const key = [place(e), ...[...parts].sort()].join(' ')
        if (seen.has(key)) e.remove()
        seen.add(key)
    }
}"""
COLLISIONS = """() => [...document.querySelectorAll('div.math > .eqno')].filter(number => {
    const formula = number.nextElementSibling.getBoundingClientRect()
    return number.getBoundingClientRect().left < formula.right - 0.5
}).map(number => number.innerText)"""
FAILED = "() => [...document.querySelectorAll('mjx-merror')].map(e => e.innerText)"
LOOK = (Path(__file__).parent / "look.js").read_text()
WIDTHS = (375, 800, 1400)
# Formulas are most of a page's elements, and colours most of the others: boxes of the same sizes
# take a third of the time.
LIGHTEN = """() => {
    const formulas = [...document.querySelectorAll('mjx-container > mjx-math')]
    const sizes = formulas.map(formula => formula.getBoundingClientRect())
    formulas.forEach((formula, i) => {
        formula.replaceChildren()
        formula.style = 'display: inline-block; '
            + `width: ${sizes[i].width}px; height: ${sizes[i].height}px`
    })
    for (const e of document.querySelectorAll('mjx-assistive-mml')) e.remove()
    for (const line of document.querySelectorAll('pre > .line')) line.textContent = line.textContent
}"""
MISSING_IMAGES = (
    "() => [...document.images].filter(i => i.complete && !i.naturalWidth).map(i => i.src)"
)


class Links(HTMLParser):
    """Collects what a page points to and what in it can be pointed to."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.targets: list[str] = []
        self.anchors: set[str] = set()
        self.mute: list[str | None] = []  # images without a text
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "img" and "alt" not in dict(attrs):
            self.mute.append(dict(attrs).get("src"))
        for name, value in attrs:
            if value and (name == "id" or (tag == "a" and name == "name")):
                self.anchors.add(value)
            if value and name in ("href", "src"):
                self.targets.append(value)


@cache
def links(path: Path) -> Links:
    return Links(path.read_text("utf-8"))


def dead_links(path: Path) -> list[str]:
    """Return what the page points to inside the book that is not there."""
    dead = []
    for target in links(path).targets:
        parts = urlsplit(target)
        if parts.scheme or parts.netloc:
            continue
        other = (path.parent / unquote(parts.path)).resolve() if parts.path else path
        if not other.is_file():
            dead.append(target)
        elif parts.fragment not in {"", "top"} and other.suffix == ".html":
            dead += [target] if unquote(parts.fragment) not in links(other).anchors else []
    return dead


def test_no_link_is_dead() -> None:
    dead = {page: found for page in ["index.html", *PAGES] if (found := dead_links(HTML / page))}
    assert not dead


def test_every_image_has_a_text() -> None:
    mute = {name: found for name in PAGES if (found := links(HTML / name).mute)}
    assert not mute


def test_what_follows_the_reader_is_there() -> None:
    """The list of contents at the side scrolls along on the pages that have one."""
    contents = "pst-page-toc-nav"
    with_one = {name for name in PAGES if contents in links(HTML / name).anchors}
    spy = f'<body data-bs-spy="scroll" data-bs-target="#{contents}"'
    assert with_one == {name for name in PAGES if spy in (HTML / name).read_text("utf-8")} != set()
    assert not [name for name in PAGES if ".bd-toc-nav" in (HTML / name).read_text("utf-8")]


def test_every_page_has_a_policy() -> None:
    """Violations of it are console errors, which `test_page` looks for."""
    for name in PAGES:
        found = POLICY.search((HTML / name).read_text("utf-8"))
        assert found, f"{name} has no policy"
        assert found[1].startswith("default-src 'self'; ")
        assert not re.search(r"https?:|script-src[^;]*'unsafe-(inline|eval)'", found[1])


def test_every_page_leads_to_the_notation() -> None:
    for name in PAGES:
        text = (HTML / name).read_text("utf-8")
        assert re.search(r'<a href="[^"]*"\s+class="btn btn-sm btn-notation"', text), name


def test_chapters_tell_their_reading_time_and_give_their_notebook() -> None:
    chapters = [p for p in PAGES if re.match(r"chapters/\d", p)]
    assert chapters
    for name in chapters:
        text = (HTML / name).read_text("utf-8")
        found = re.search(r'</h1>\s*<p class="reading-time">About (\d+) minutes to read</p>', text)
        assert found and 3 <= int(found[1]) <= 60, name
        source = re.search(r'href="(\.\./_sources/[^"]*\.ipynb)"', text)
        assert source, name
        assert json.loads((HTML / "chapters" / source[1]).read_bytes())["nbformat"] == 4


def test_what_the_style_sheet_names_is_there() -> None:
    sheet = HTML / "_static" / "all.css"
    named = re.findall(r"url\(\"?(?!\"?data:)([^\")]*)", sheet.read_text("utf-8"))
    assert any(name.endswith("MathJax_Main-Regular.woff") for name in named)
    assert [name for name in named if not (sheet.parent / name).is_file()] == []


def watch(page: Page, base: str) -> list[str]:
    """Return a list that fills with console errors and with requests to anywhere but `base`."""
    problems: list[str] = []
    page.on(
        "console",
        lambda m: m.type == "error" and problems.append(f"console: {m.text} {m.location['url']}"),
    )
    page.on("pageerror", lambda e: problems.append(f"error: {e}"))
    page.on(
        "request",
        lambda r: (
            r.url.startswith((base, "data:", "blob:")) or problems.append(f"request: {r.url}")
        ),
    )
    return problems


@cache
def on_the_wire(path: Path) -> float:
    """Return how many KB a file takes, compressed where that serves."""
    data = path.read_bytes()
    return len(gzip.compress(data) if path.suffix in ZIPPED else data) / 1000


def weights(page: Page, site: str) -> tuple[float, float]:
    """Return the KB that a page takes of those who come from nowhere, and from another page."""
    own = (url for url in page.evaluate(LOADED) if url.startswith(site))
    names = {unquote(urlsplit(url).path).lstrip("/") for url in own}
    sizes = {name: on_the_wire(HTML / name) for name in names}
    return sum(sizes.values()), sum(kb for n, kb in sizes.items() if not n.startswith("_static/"))


def changed(name: str) -> tuple[bool, Path, str]:
    """Tell whether a page is not what it was when it last passed, if it ever did.

    Its links to style sheets and scripts tell their versions. Gives the file that keeps this, and
    what to write into it.
    """
    digest = sha256((HTML / name).read_bytes()).hexdigest()
    record = HTML.parent / "passed" / f"{Path(name).stem}.txt"
    return record.is_file() and record.read_text() != digest, record, digest


@pytest.fixture(scope="session")
def tab(site: str, browser: Browser) -> Iterator[tuple[Page, list[str]]]:
    """Open one tab for all pages, since starting one takes as long as loading; and watch it."""
    page = browser.new_page(reduced_motion="reduce")
    yield page, watch(page, site)
    page.close()


@pytest.fixture
def phone(tab: tuple[Page, list[str]]) -> tuple[Page, list[str]]:
    """Make the tab that of a phone, by day."""
    page, problems = tab
    page.set_viewport_size(PHONE)
    page.emulate_media(media="screen", color_scheme="light", forced_colors="none")
    return page, problems


@pytest.mark.parametrize("name", PAGES)
def test_page(site: str, phone: tuple[Page, list[str]], name: str) -> None:
    """One load of each page, as a phone does it, serves all that is asked of it.

    Axe tries a page of each kind, and those that have changed since they last passed.
    """
    page, problems = phone
    page.goto(site + name)
    problems += [f"image: {src}" for src in page.evaluate(MISSING_IMAGES)]
    problems += [f"a formula that failed: {f}" for f in page.evaluate(FAILED)]
    problems += [f"320 px: {e}" for e in page.evaluate(TOO_WIDE)]
    problems += [f"320 px: a formula meets {e}" for e in page.evaluate(COLLISIONS)]
    cold, warm = weights(page, site)
    problems += [f"cold it weighs {cold:.0f} KB"] if cold > COLD_KB else []
    problems += [f"warm it weighs {warm:.0f} KB"] if warm > WARM_KB else []
    page.evaluate(LIGHTEN)
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        problems += [f"{width} px: {place}" for place in page.evaluate(LOOK)]
    anew, record, digest = changed(name)
    if anew or name in KINDS:
        page.evaluate(THIN_OUT)
        page.set_viewport_size(WIDE)
        problems += [f"light: {v}" for v in axe_violations(page)]
        page.emulate_media(color_scheme="dark")
        page.wait_for_selector("html[data-theme=dark]")
        # What a dark page changes is its colours: the other rules have been tried.
        problems += [f"dark: {v}" for v in axe_violations(page, runOnly=COLOURS)]
    found, problems[:] = problems[:], []
    assert not found, "\n".join(found)
    record.parent.mkdir(exist_ok=True)
    record.write_text(digest)


def test_the_kinds_are_there() -> None:
    assert set(PAGES) >= KINDS


def test_opened_as_a_file(browser: Browser) -> None:
    """A reader who opens the folder from disk gets scripts, formulas, and a search that quotes."""
    page = browser.new_page()
    problems = watch(page, HTML.as_uri())
    try:
        page.goto((HTML / "chapters" / "index.html").as_uri())
        assert page.evaluate("document.fonts.ready.then(() => document.fonts.size)") > 0
        page.goto(f"{(HTML / 'search.html').as_uri()}?q={quote('momentum')}")
        page.wait_for_selector("#search-results li mark")
        assert page.inner_text("#search-results mark").lower() == "momentum"
        assert page.locator("#search-results li").count() == 20
        page.get_by_role("button", name="Show more").press("Enter")
        assert page.locator("#search-results li").count() == 40
        assert page.evaluate("document.activeElement.closest('li').previousSibling.tagName") == "LI"
        assert not axe_violations(page)
        page.locator("#search-results a").first.press("Enter")
        page.wait_for_url("**/chapters/04-momentum.html*")
    finally:
        page.close()
    assert not problems, "\n".join(problems)


def test_the_guide_prints_on_one_page(site: str, phone: tuple[Page, list[str]]) -> None:
    page, _ = phone
    page.goto(f"{site}chapters/13-choosing.html")
    page.emulate_media(media="print")
    for paper in ((21.0, 29.7), (21.59, 27.94)):  # A4, letter
        width, height = ((side - 4) * 96 / 2.54 for side in paper)  # within the margins, in pixels
        page.set_viewport_size({"width": round(width), "height": round(height)})
        box = page.locator(".guide").bounding_box()
        assert box is not None
        assert box["width"] > 0.98 * width  # no margins beside the paper's
        assert 400 < box["height"] < height


def test_forced_colours(site: str, phone: tuple[Page, list[str]]) -> None:
    """The reader's two colours, here black and white, are all that text and figures get."""
    page, _ = phone
    page.emulate_media(forced_colors="active")
    page.goto(f"{site}chapters/01-gradients.html")
    figure = "getComputedStyle(document.querySelector('.figure-box img'))"
    assert page.evaluate(f"{figure}.filter") == "none"
    assert page.evaluate(f"{figure}.backgroundColor") == "rgb(255, 255, 255)"
    colours = """() => new Set([...document.querySelectorAll('article p, article mjx-c')]
        .map(e => getComputedStyle(e).color)).size"""
    assert page.evaluate(colours) <= 2


# An image is loaded when it comes near.
SCROLL_PAST = """async () => {
    for (const image of document.querySelectorAll(".figure-box img")) {
        if (!image.checkVisibility()) continue;
        image.scrollIntoView();
        while (!image.complete) await new Promise((done) => setTimeout(done, 10));
    }
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_of_a_figure_one_file_is_loaded(site: str, browser: Browser, scheme: Any) -> None:
    """The one for the page as it is, once for all its panels; paper gets the light one, whole."""
    page = browser.new_page(viewport=PHONE, color_scheme=scheme)
    page.goto(f"{site}chapters/08-adagrad.html")
    page.wait_for_selector(f"html[data-theme={scheme}]")
    shown = page.locator(".figure-box img:visible")
    page.evaluate(LIGHTEN)
    page.evaluate(SCROLL_PAST)
    figures = [url for url in page.evaluate(LOADED) if "/_images/" in url]
    assert len(figures) == len(set(figures)) == page.locator(".figure-box").count()
    assert all(url.endswith(".dark.svg") is (scheme == "dark") for url in figures)
    assert shown.count() > len(figures)  # panels
    page.emulate_media(media="print", color_scheme=scheme)
    names = shown.evaluate_all("all => all.map(image => image.className)")
    assert len(names) == len(figures)
    assert all(name.endswith("only-light") for name in names)
    page.close()


def test_repository_buttons() -> None:
    """Nothing names another host until a repository has an address."""
    buttons = {"binderhub_url": "https://mybinder.org"}
    for address in ("", "https://github.com/someone/descent"):
        options: dict[str, Any] = {"repository_url": address, "launch_buttons": buttons}
        set_options(Any, SimpleNamespace(html_theme_options=options, html_title="Descent"))  # type: ignore[arg-type]
        assert ("launch_buttons" in options) is bool(address)
        assert options["use_edit_page_button"] is bool(address)


def test_reading_time() -> None:
    """Folded parts and outputs do not count, formulas, figures and cells of code do."""
    text = nodes.paragraph("", "word " * 400)
    folded = nodes.admonition("", nodes.paragraph("", "word " * 4000), classes=["dropdown"])
    code = nodes.container("", classes=["cell_input"])
    hidden = nodes.container("", code.deepcopy(), classes=["above-input"])
    formula = nodes.math_block("x", "x")
    assert minutes(nodes.section("", text, folded, hidden, code, formula)) == 2.5
