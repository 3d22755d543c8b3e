"""Paper: each page as a browser prints it, and the PDF of the book.

The suite makes a PDF of a few pages, which takes a second for what takes a minute for all. Where
`make pdf` has printed the built pages, all of its PDF is looked at too.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pikepdf
import pypdfium2
import pytest
from conftest import HTML

import pdf
from test_pages import KINDS

if TYPE_CHECKING:
    from playwright.sync_api import Browser

A4: Any = {"width": 642, "height": 970}  # within its margins of 2 cm; a letter is wider
WITHOUT = "chapters/03-gradient-descent.html"  # explorers with a picture and without
FEW = ["index", "a4-cost", "notation"]
LAST = "_static/all.css"  # what a build writes last
ENTRY = re.compile(r'<li class="toctree-l1"><a class="reference internal" href="([\w-]+)\.html">')
CHINESE = re.compile(r"[\u2e80-\u9fff\uff00-\uffef]+[.,;]? ?")

# What of a page is not black on white enough, does not fit, or is of no use on paper.
FAULTS = """() => {
    const faults = [], seen = new Map()
    const context = new OffscreenCanvas(1, 1).getContext('2d', {willReadFrequently: true})
    const luminance = (colour) => {
        if (seen.has(colour)) return seen.get(colour)
        for (context.fillStyle of ['#fff', colour]) context.fillRect(0, 0, 1, 1)
        const [r, g, b] = [...context.getImageData(0, 0, 1, 1).data].map((value) => {
            const share = value / 255
            return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4
        })
        seen.set(colour, 0.2126 * r + 0.7152 * g + 0.0722 * b)
        return seen.get(colour)
    }
    const tell = (fault, e) => faults.push(`${fault}: ${e.outerHTML.slice(0, 120)}`)
    // Of a formula its letters have colours, and its whole has a size.
    const all = 'body, body :not(mjx-container *), mjx-math, mjx-c'
    const shown = [...document.querySelectorAll(all)]
        .filter((e) => e.checkVisibility() && e.getClientRects().length)
    for (const e of shown) {
        const style = getComputedStyle(e)
        const words = [...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim())
        if ((words || e.localName === 'mjx-c') && 1.05 / (luminance(style.color) + 0.05) < 4.5)
            tell(`${style.color} on white`, e)
        if (luminance(style.backgroundColor) < 0.7) tell(`on ${style.backgroundColor}`, e)
        if (style.filter !== 'none') tell(style.filter, e)
        if (e.matches('button, input, select, .folded-code > *, descent-explorer, .only-dark'))
            tell('no use', e)
        // Space beside the text is no text.
        const drawn = words || e.matches('img, mjx-math, pre, table')
        const {right} = e.getBoundingClientRect()
        if (drawn && !e.closest('mjx-assistive-mml') && right > innerWidth + 1)
            tell(`to ${right} px`, e)
        if (e.localName === 'p' && e.closest('article') && e.innerText.trim().endsWith(':')) {
            let next = e
            do { next = next.nextElementSibling } while (next && !next.checkVisibility())
            if (!next || next.matches(':is(h1, h2, h3, h4), section')) tell('nothing follows', e)
        }
    }
    for (const part of document.querySelectorAll('details.solution > *, figure > .figure-box'))
        if (!shown.includes(part)) tell('hidden', part)
    const size = (e) => parseFloat(getComputedStyle(e).fontSize)
    const paragraph = document.querySelector('article section > p')
    for (const caption of document.querySelectorAll('figcaption p'))
        if (size(caption) > 0.9 * size(paragraph)) tell('a caption as large as the text', caption)
    const title = document.querySelector('article h1')
    if (!shown.includes(title)) faults.push('no title')
    const titles = shown.filter((e) => e.matches('h1'))
    if (titles.length > 1) faults.push('a second title')
    return faults
}"""


@pytest.mark.parametrize("script", [True, False])
def test_paper_is_light(site: str, browser: Browser, script: bool) -> None:
    """From a page that is dark on the screen, with scripts and without."""
    context = browser.new_context(viewport=A4, color_scheme="dark", java_script_enabled=script)
    page = context.new_page()
    for name in (
        sorted(KINDS - {"search.html"}) if script else ["chapters/03-gradient-descent.html"]
    ):
        page.goto("about:blank")  # nothing of the last page has to be laid out again
        page.emulate_media(media="screen")
        page.goto(site + name)
        if script:
            page.wait_for_selector("html[data-theme=dark]")
        page.emulate_media(media="print")
        assert page.evaluate(FAULTS) == [], name
    context.close()


class Article(HTMLParser):
    """The titles of an article with their levels, and what its figures say."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.titles: list[tuple[int, str]] = []
        self.pictures: list[str] = []
        self.level = 0
        self.unsaid = ""  # the tag of a part that is not in the PDF: a link to itself, Chinese
        start = page.index('<article class="bd-article">')
        self.feed(page[start : page.rindex("</article>")])

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if re.fullmatch("h[1-6]", tag):
            self.level = int(tag[1])
            self.titles.append((self.level, ""))
        unsaid = "headerlink" in given.get("class", "") or given.get("lang") == "zh"
        self.unsaid = self.unsaid or (tag if unsaid else "")
        if tag == "img" and "only-light" in given.get("class", ""):  # whole, not a phone's panel
            self.pictures.append(plain(given["alt"]))

    def handle_endtag(self, tag: str) -> None:
        if re.fullmatch("h[1-6]", tag):
            self.level = 0
        self.unsaid = "" if tag == self.unsaid else self.unsaid

    def handle_data(self, data: str) -> None:
        if self.level and not self.unsaid:
            level, title = self.titles[-1]
            self.titles[-1] = level, title + data


def plain(text: str) -> str:
    """Return a text on one line, without what may be missing from the PDF."""
    return re.sub(r"\s+", " ", CHINESE.sub("", text)).strip()


def close(text: str) -> str:
    return re.sub(r"[\s\ufffe\u00ad-]", "", text)


def fonts(holder: pikepdf.Object, seen: set[tuple[int, int]]) -> Iterator[pikepdf.Object]:
    """Yield the fonts of a page and of the drawings in it."""
    resources = holder.get("/Resources", {})
    yield from resources.get("/Font", {}).values()
    for drawing in resources.get("/XObject", {}).values():
        if drawing.objgen not in seen:
            seen.add(drawing.objgen)
            yield from fonts(drawing, seen)


def glyphs(page: pikepdf.Page) -> Iterator[bytes]:
    """Yield the two bytes of each glyph that a page shows in a font of many."""
    resources, font = page.obj.Resources.get("/Font", {}), None
    for operands, operator in pikepdf.parse_content_stream(page):
        name = str(operator)
        if name == "Tf":
            font = resources[str(operands[0])]
        elif name in {"Tj", "TJ"} and font is not None and font.get("/Encoding") == "/Identity-H":
            parts = operands[0] if name == "TJ" else operands
            for part in parts:
                if isinstance(part, pikepdf.String):
                    codes = bytes(part)
                    yield from (codes[i : i + 2] for i in range(0, len(codes), 2))


def marked(items: list[pikepdf.OutlineItem], level: int = 1) -> Iterator[tuple[int, Any]]:
    for item in items:
        yield level, item
        yield from marked(item.children, level + 1)


def check(path: Path, names: list[str]) -> int:
    """Check a PDF of the pages, and return how many of paper it has."""
    articles = [Article((HTML / "chapters" / f"{n}.html").read_text("utf-8")) for n in names]
    book, shown = pikepdf.open(path), pypdfium2.PdfDocument(path)
    texts = [close(page.get_textpage().get_text_bounded()) for page in shown]
    number = {page.obj.objgen: i for i, page in enumerate(book.pages)}

    # It says what it is.
    assert book.Root.MarkInfo.Marked and book.Root.Lang == "en"
    assert book.docinfo.keys() == {"/Title", "/Author"}

    # Bookmarks are the titles, in their order and nesting, and lead to them.
    with book.open_outline() as outline:
        items = list(marked(outline.root))
    titles = [(1, "Contents"), *(title for article in articles for title in article.titles)]
    assert [level for level, _ in items] == [level for level, _ in titles]
    wrong = [
        (item.title, title)
        for (_, item), (_, title) in zip(items, titles, strict=True)
        if not plain(item.title).startswith(plain(title))
    ]
    assert wrong == []
    places = [number[item.destination[0].objgen] for _, item in items]
    lost = [
        item.title
        for (_, item), i in zip(items, places, strict=True)
        if close(item.title)[:20] not in texts[i]  # a formula at its end is drawn
    ]
    assert lost == []

    # The contents give the page of each chapter and section; every link leads somewhere.
    starts = [i for (level, _), i in zip(items, places, strict=True) if level == 1]
    misled, listed = [], 0
    for i, page in enumerate(book.pages):
        for note in page.obj.get("/Annots", []):
            if note.Subtype != "/Link":
                continue
            if "/A" in note:
                assert pdf.SITE not in str(note.A.get("/URI", ""))
                continue
            place = number[book.Root.Dests[str(note.Dest)][0].objgen]
            if starts[0] <= i < starts[1]:
                left, bottom, right, top = map(float, note.Rect)
                line = shown[i].get_textpage().get_text_bounded(left, bottom, right, top).split()
                listed += 1
                misled += [(line, place + 1)] if line[-1:] != [str(place + 1)] else []
    assert misled == []
    assert listed == sum(level <= 2 for level, _ in titles[1:])

    # Every picture is there, and says what it says on the page.
    told = [
        plain(str(thing.Alt))
        for thing in book.objects
        if isinstance(thing, pikepdf.Dictionary)
        and thing.get("/S") == "/Figure"
        and "/Alt" in thing
    ]
    expected = [picture for article in articles for picture in article.pictures]
    assert sorted(told) == sorted(expected)

    # Its fonts are in it, and have each character.
    for page in book.pages:
        for font in fonts(page.obj, set()):
            if font.Subtype != "/Type3":
                inner = font.DescendantFonts[0] if "/DescendantFonts" in font else font
                assert {"/FontFile", "/FontFile2", "/FontFile3"} & set(inner.FontDescriptor.keys())
        assert b"\0\0" not in glyphs(page)

    # Within a chapter no page is half empty; where a title of the first level follows, it may be.
    short = []
    for i, page in enumerate(shown):
        grey = page.render(scale=0.15, grayscale=True).to_numpy().squeeze()
        rows = np.flatnonzero((grey < 250).any(axis=1)) / len(grey)
        ends = max(rows[rows < 0.93], default=0.0)  # below stands the number of the page
        if ends < (0.1 if i + 1 in {*starts, len(shown)} else 0.5):
            short.append(i + 1)
    assert short == []
    return len(shown)


def test_pdf_of_a_few_pages(browser: Browser, tmp_path: Path) -> None:
    pdf.make(browser, tmp_path / "few.pdf", FEW)
    check(tmp_path / "few.pdf", FEW)


def test_pdf_of_the_book() -> None:
    if not pdf.TARGET.exists() or pdf.TARGET.stat().st_mtime < (HTML / LAST).stat().st_mtime:
        pytest.skip("no PDF of these pages: `make pdf` makes one")
    index = (HTML / "chapters" / "index.html").read_text("utf-8")
    assert check(pdf.TARGET, ["index", *ENTRY.findall(index)]) <= 250
