"""One style sheet for all pages, with what they use of the theme's and the extensions'.

Their sheets come to 600 KB for a book that needs a fifth of that. A rule stays when every class
and id that it asks for is one that a page carries or that a script could set.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from zlib import crc32

TOKEN = re.compile(
    r'/\*.*?\*/|"(?:\\.|[^"\\])*"|\'(?:\\.|[^\'\\])*\'|url\([^"\')]*\)|[{};]|.[^"\'{};/u]*',
    re.DOTALL,
)
FUNCTION = re.compile(r":(?:not|is|where|has)\([^()]*(?:\([^()]*\)[^()]*)*\)")
NAME = re.compile(r"[.#]((?:\\.|[\w-])+)")
WORD = re.compile(r"[A-Za-z_][\w-]*")
ATTRIBUTE = re.compile(r'\b(?:class|id)="([^"]*)"')
LINK = re.compile(r'[ \t]*<link\b[^>]*\brel="stylesheet"[^>]*>\n?')
HREF = re.compile(r'href="([^"?]*)')
SCRIPT = re.compile(r'<script\b[^>]*\bsrc="([^"?]*)')
IMPORT = re.compile(r'@import "([^"]*)";')
NESTED = ("@media", "@supports", "@layer")
BUNDLE = "all.css"
ICON_FONT = "Font Awesome"  # book.css draws the icons


def rules(css: str) -> Iterator[tuple[str, str]]:
    """Give each rule of a style sheet, or statement with no body, as prelude and body."""
    prelude: list[str] = []
    body: list[str] = []
    depth = 0
    for token in TOKEN.findall(css):
        if token.startswith("/*"):
            continue
        if token == "}":
            depth -= 1
        if depth:
            body.append(token)
        elif token in ("}", ";"):
            yield "".join(prelude).strip(), "".join(body)
            prelude, body = [], []
        elif token not in "{;":
            prelude.append(token)
        if token == "{":
            depth += 1


def wanted(selector: str, names: set[str]) -> bool:
    """Tell whether a page can have what a selector asks for."""
    asked = NAME.findall(re.sub(r"\[[^\]]*\]", "", FUNCTION.sub("", selector)))
    return all(name.replace("\\", "") in names for name in asked)


def pruned(css: str, names: set[str]) -> str:
    """Return a style sheet without the rules that no page can need."""
    kept = []
    for prelude, body in rules(css):
        if prelude.startswith(NESTED):
            inner = pruned(body, names)
            kept += [f"{prelude}{{{inner}}}"] if inner else []
        elif prelude.startswith("@"):
            kept += [] if ICON_FONT in body else [f"{prelude}{{{body}}}" if body else f"{prelude};"]
        else:
            selectors = [s for s in split(prelude) if wanted(s, names)]
            kept += [f"{','.join(selectors)}{{{body}}}"] if selectors and body.strip() else []
    return "\n".join(kept)


def split(selectors: str) -> list[str]:
    """Split a list of selectors at the commas that are not inside brackets."""
    return [s.strip() for s in re.split(r",(?![^(]*\))(?![^\[]*\])", selectors)]


def whole(sheet: Path) -> str:
    """Return a style sheet with those that it imports."""
    css = sheet.read_text("utf-8")
    return IMPORT.sub(lambda found: whole(sheet.parent / found[1]), css)


def bundle(out: Path, pages: dict[Path, str], own: set[str]) -> None:
    """Write one style sheet for the pages, and link them to it in place of theirs.

    The sheets of the names in `own` go in whole.
    """
    names: set[str] = set()
    sheets: dict[Path, None] = {}  # in the order of the pages
    scripts: set[Path] = set()
    for path, page in pages.items():
        for value in ATTRIBUTE.findall(page):
            names.update(value.split())
        sheets |= {(path.parent / href).resolve(): None for href in hrefs(page)}
        scripts |= {(path.parent / source).resolve() for source in SCRIPT.findall(page)}
    for script in scripts:
        names.update(WORD.findall(script.read_text("utf-8")))
    parts = [s.read_text("utf-8") if s.name in own else pruned(whole(s), names) for s in sheets]
    css = "\n".join(parts)
    (out / "_static" / BUNDLE).write_text(css, "utf-8")
    version = f"{crc32(css.encode()):08x}"  # a browser that kept the last one asks again
    for path, page in pages.items():
        if links := LINK.findall(page):
            # Where the first one was: the short scripts after it wait for it, and the text too;
            # otherwise every script of the page would run before the text is first seen.
            start = page.index(links[0])
            root = "../" * len(path.relative_to(out).parent.parts)
            link = f'<link rel="stylesheet" href="{root}_static/{BUNDLE}?v={version}">\n'
            pages[path] = page[:start] + link + LINK.sub("", page[start:])


def hrefs(page: str) -> list[str]:
    """Return the addresses of a page's style sheets."""
    return [href[1] for link in LINK.findall(page) if (href := HREF.search(link))]
