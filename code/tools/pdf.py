"""The whole book as one PDF: the built pages, in their order, joined, and printed by Chromium."""

from __future__ import annotations

import html
import re
from functools import partial
from pathlib import Path
from urllib.parse import unquote, urlsplit

from playwright.sync_api import Route

import chromium

ROOT = Path(__file__).resolve().parents[2]
HTML = ROOT / "_build" / "html"
TARGET = ROOT / "_build" / "descent.pdf"
SITE = "http://book.invalid/"  # answered from the built folder: no request leaves the browser
BOOK = "chapters/book.html"

NAV = re.compile(r'<nav class="bd-links.*?</nav>', re.DOTALL)
ENTRY = re.compile(r'href="([\w.-]+)\.html"')
ARTICLE = re.compile(r'<article class="bd-article">(.*?)</article>', re.DOTALL)
DETAILS = re.compile(r"<details\b.*?</details>", re.DOTALL)  # the code of figures
ID = re.compile(r'\b(id|for)="([^"]+)"')
LINK = re.compile(r'<a\b([^>]*?)\bhref="([^"]*)"')
SHEET = re.compile(r'<link rel="stylesheet"[^>]*>')
PAPER = """
@page {
  size: A4;
  margin: 2cm 2.2cm;
  @bottom-center { content: counter(page); font: 8pt sans-serif; }
}
@page :first { @bottom-center { content: none; } }
body { background: #fff; }
.bd-article { font-size: 10pt; margin: 0; padding: 0; }
.bd-article > section { break-before: page; }
.title { break-after: page; padding-top: 7cm; text-align: center; }
.title img { height: 4cm; }
.title p { font: 600 40pt var(--book-sans); margin: 1cm 0; }
.title small { color: #4f5b66; font: 10pt var(--book-sans); }
.bd-article div.highlight pre { font-size: 7.6pt; line-height: 1.4; }
.contents { break-after: page; }
.contents ul { list-style: none; padding: 0; }
.contents li, .contents a { line-height: 1.3; margin: 0; padding: 0 !important; }
.contents a { border: 0 !important; color: inherit; }
.contents .caption { font-weight: 600; margin: 0.8rem 0 0.2rem; }
h1, h2, h3, h4, .admonition-title, figcaption { break-after: avoid; }
figure, .figure-box { break-inside: avoid; }
figcaption { break-before: avoid; }
p, li { orphans: 2; widows: 2; }
h1 { display: block !important; }
.admonition, table { break-inside: auto !important; }
.headerlink, details, .reading-time { display: none !important; }
"""


def linked(page: str, pages: list[str], link: re.Match[str]) -> str:
    """Return the start of a link with its target inside the one document, or with none."""
    before, target = link.groups()
    parts = urlsplit(html.unescape(target))
    if parts.scheme in {"http", "https", "mailto"}:
        return link[0]
    name = Path(unquote(parts.path)).stem if parts.path else page
    if name not in pages:
        return f"<a{before}"  # a file beside the pages
    anchor = f"{name}--{parts.fragment}" if parts.fragment else name
    return f'<a{before}href="#{html.escape(anchor)}"'


def article(page: str, pages: list[str]) -> str:
    """Return what one page says, with its anchors and links made fit for the whole."""
    text = (HTML / "chapters" / f"{page}.html").read_text("utf-8")
    found = ARTICLE.search(text)
    assert found is not None, f"{page} has no article"
    body = DETAILS.sub("", found[1]).replace('loading="lazy"', "")
    body = ID.sub(rf'\1="{page}--\2"', body)
    return f'<section id="{page}">{LINK.sub(partial(linked, page, pages), body)}</section>'


def book() -> str:
    """Return the whole book as one page."""
    first = (HTML / "chapters" / "index.html").read_text("utf-8")
    sheet, nav = SHEET.search(first), NAV.search(first)
    assert sheet is not None and nav is not None
    pages = ["index", *ENTRY.findall(nav[0])]
    contents = LINK.sub(partial(linked, "index", pages), nav[0])
    return f"""<!DOCTYPE html>
<html lang="en" data-mode="light" data-theme="light">
<head><meta charset="utf-8"><title>Descent</title>{sheet[0]}<style>{PAPER}</style></head>
<body class="bd-main"><div class="bd-content"><div class="bd-article-container">
<div class="bd-article">
<div class="title"><img src="../_static/mark.svg" alt=""><p>Descent</p>
<small>Text and figures: CC BY 4.0. Code: MIT.</small></div>
<div class="contents"><h2>Contents</h2>{contents}</div>
{"".join(article(page, pages) for page in pages)}
</div></div></div></body></html>"""


def answer(document: str, route: Route) -> None:
    """Give the browser the document, or a file of the built folder."""
    path = urlsplit(route.request.url).path.lstrip("/")
    if path == BOOK:
        route.fulfill(body=document, content_type="text/html; charset=utf-8")
    else:
        route.fulfill(path=HTML / unquote(path))


def main() -> None:
    with chromium.started() as browser:
        page = browser.new_page()
        page.route(SITE + "**", partial(answer, book()))
        page.goto(SITE + BOOK)
        page.evaluate("document.fonts.ready")
        page.pdf(path=TARGET, prefer_css_page_size=True, outline=True, tagged=True)
    print(f"The book as a PDF: {TARGET.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
