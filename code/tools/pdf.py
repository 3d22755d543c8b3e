"""The whole book as one PDF: the built pages, in their order, joined, and printed by Chromium.

It is printed twice, since a browser cannot write the number of the page that a link leads to: the
first print tells them, for the table of contents of the second.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from importlib.resources import files
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

import pikepdf
import yaml

import chromium

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Route

ROOT = Path(__file__).resolve().parents[2]
HTML = ROOT / "_build" / "html"
TARGET = ROOT / "_build" / "descent.pdf"
SITE = "http://book.invalid/"  # answered from the built folder: no request leaves the browser
BOOK = "chapters/book.html"
CONFIG = yaml.safe_load((ROOT / "_config.yml").read_text("utf-8"))
JOIN = Path(__file__).with_suffix(".js").read_text("utf-8")
NUMBER = """(numbers) => {
    for (const link of document.querySelectorAll('.chapters a'))
        link.querySelector('.page').textContent = numbers[decodeURIComponent(link.hash.slice(1))]
}"""

DEJAVU = files("matplotlib") / "mpl-data" / "fonts" / "ttf"
SANS, SERIF = (files(f"font_source_{kind}_pro") / "files" for kind in ("sans", "serif"))
# The file for each family, weight and style.
FONTS = {
    ("Source Serif", 400, "normal"): SERIF / "SourceSerifPro-Regular.ttf",
    ("Source Serif", 400, "italic"): SERIF / "SourceSerifPro-It.ttf",
    ("Source Serif", 700, "normal"): SERIF / "SourceSerifPro-Semibold.ttf",
    ("Source Serif", 700, "italic"): SERIF / "SourceSerifPro-SemiboldIt.ttf",
    ("Source Sans", 400, "normal"): SANS / "SourceSansPro-Regular.ttf",
    ("Source Sans", 400, "italic"): SANS / "SourceSansPro-It.ttf",
    ("Source Sans", 700, "normal"): SANS / "SourceSansPro-Semibold.ttf",
    ("Source Sans", 700, "italic"): SANS / "SourceSansPro-SemiboldIt.ttf",
    ("DejaVu Serif", 400, "normal"): DEJAVU / "DejaVuSerif.ttf",
    ("DejaVu Sans", 400, "normal"): DEJAVU / "DejaVuSans.ttf",
    ("DejaVu Sans Mono", 400, "normal"): DEJAVU / "DejaVuSansMono.ttf",
    ("DejaVu Sans Mono", 700, "normal"): DEJAVU / "DejaVuSansMono-Bold.ttf",
}


def document() -> str:
    """Return the page that the others are joined into."""
    faces = "".join(
        f'@font-face {{ font-family: "{family}"; font-weight: {weight}; font-style: {style}; '
        f'src: url("/fonts/{path.name}") }}'
        for (family, weight, style), path in FONTS.items()
    )
    return f"""<!DOCTYPE html>
<html lang="{CONFIG["sphinx"]["config"]["language"]}" data-theme="light">
<head><meta charset="utf-8"><title>{CONFIG["title"]}</title>
<link rel="stylesheet" href="/_static/all.css">
<style>{faces}{Path(__file__).with_suffix(".css").read_text("utf-8")}</style></head>
<body class="bd-main"><div class="bd-content"><div class="bd-article-container">
<main class="bd-article"></main></div></div></body></html>"""


def answer(route: Route) -> None:
    """Give the browser the document, a font, or a file of the built folder."""
    path = unquote(urlsplit(route.request.url).path).lstrip("/")
    fonts = {f"fonts/{font.name}": font for font in FONTS.values()}
    if path == BOOK:
        route.fulfill(body=document(), content_type="text/html; charset=utf-8")
    elif path in fonts:
        route.fulfill(body=fonts[path].read_bytes(), content_type="font/ttf")
    else:
        route.fulfill(path=HTML / path)


def numbers(pdf: pikepdf.Pdf) -> dict[str, int]:
    """Return the number of the page of each anchor that is linked to."""
    pages = {page.obj.objgen: number for number, page in enumerate(pdf.pages, 1)}
    return {name[1:]: pages[place[0].objgen] for name, place in pdf.Root.Dests.items()}


def bookmarks(items: list[pikepdf.OutlineItem]) -> Iterator[pikepdf.OutlineItem]:
    for item in items:
        yield item
        yield from bookmarks(item.children)


def finish(pdf: pikepdf.Pdf, titles: list[str]) -> None:
    """Say what the PDF is, without the hour, and put right the words of Chromium's bookmarks.

    They lack the space where a title breaks, and say twice what begins a page.
    """
    with pdf.open_outline() as outline:
        for item, title in zip(bookmarks(outline.root), titles, strict=True):
            item.title, item.is_closed = title, True
    del pdf.docinfo
    with pdf.open_metadata(set_pikepdf_as_editor=False) as metadata:
        metadata["dc:title"] = CONFIG["title"]
        metadata["dc:creator"] = [CONFIG["author"]]
        metadata["dc:language"] = {str(pdf.Root.Lang)}
    pdf.docinfo.Title, pdf.docinfo.Author = CONFIG["title"], CONFIG["author"]
    pdf.Root.ViewerPreferences = pikepdf.Dictionary(DisplayDocTitle=True)


def make(browser: Browser, target: Path, only: list[str] | None = None) -> dict[str, Any]:
    """Write the PDF of the pages, and return what the document says of itself."""
    page = browser.new_page()
    page.route(f"{SITE}**", answer)
    page.goto(SITE + BOOK)
    options = {"title": CONFIG["title"], "author": CONFIG["author"], "only": only}
    told: dict[str, Any] = page.evaluate(JOIN, options)
    page_pdf = partial(page.pdf, prefer_css_page_size=True, print_background=True)
    page.evaluate(NUMBER, numbers(pikepdf.open(BytesIO(page_pdf(tagged=False)))))
    with pikepdf.open(BytesIO(page_pdf(tagged=True, outline=True))) as pdf:
        finish(pdf, told["titles"])
        streams = pikepdf.ObjectStreamMode.generate
        pdf.save(target, object_stream_mode=streams, deterministic_id=True)
    page.close()
    return told


def main() -> None:
    with chromium.started() as browser:
        told = make(browser, TARGET)
    print(f"The book as a PDF: {TARGET.relative_to(ROOT)}")
    if not told["chinese"]:
        print("No font here has Chinese: what the sources say in it is left out.")


if __name__ == "__main__":
    main()
