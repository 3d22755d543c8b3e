"""A small Sphinx extension: pages that need nothing from anywhere else, and that everyone can use.

It mends what axe-core finds in the theme's markup; it leaves out the theme's icon script, half a
megabyte for twelve icons that book.css draws; it puts what pages use of all style sheets into one;
and it gives every page a content security policy that lets it load from its own host alone. Inline
scripts are allowed by their hashes, one by one; inline styles are allowed as such, since formulas
carry them.

It also says how long a chapter takes to read, puts the notation one click away, and offers what
needs a public repository (source, issues, edits, Binder, Colab) only where one is named.
"""

from __future__ import annotations

import base64
import hashlib
import html
import re
from functools import partial
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.config import Config

import styles

INLINE_SCRIPT = re.compile(r"<script(?![^>]*\bsrc=)[^>]*>(.*?)</script>", re.DOTALL)
INLINE_HANDLER = re.compile(r"<[^>]*?\son[a-z]+=\"([^\"]*)\"")

MENDED = [
    # The side bar holds the mark and the search beside its <nav>: a landmark for all of it.
    (re.compile(r'(<div id="pst-primary-sidebar")'), r'\1 role="region" aria-label="This book"'),
    # docutils gives entries of a bibliography a role that ARIA has dropped, inside a list.
    (re.compile(r'role="doc-biblioentry"'), 'role="listitem"'),
    (re.compile(r'<script src="[^"]*scripts/fontawesome\.js[^"]*"></script>'), ""),
    # No script holds the text up, nor takes its share of a slow line.
    (re.compile(r'<link rel="preload" as="script"[^>]*>\n?'), ""),
    (re.compile(r"<script>\s*DOCUMENTATION_OPTIONS\.\w+ = [^<]*</script>\n?"), ""),
    (re.compile(r"<script(?![^>]*\bdefer\b)([^>]*\bsrc=)"), r"<script defer\1"),
    # The notation opens where the reader is.
    (re.compile(r'(<a href="[^"]*") target="_blank"(\s+class="btn[^"]*btn-notation)'), r"\1\2"),
    # The corner of a table that has row and column titles is no title.
    (re.compile(r'<th class="head( stub)?"><p></p></th>'), "<td></td>"),
    # What follows the reader is the list of contents at the side: the theme misnames it, and then
    # follows every link there is.
    (re.compile(r'data-bs-target="\.bd-toc-nav"'), 'data-bs-target="#pst-page-toc-nav"'),
    (re.compile(r'<body data-bs-spy="scroll"(?!.*id="pst-page-toc-nav")', re.DOTALL), "<body"),
    # A comma stays with the formula before it.
    (re.compile(r"(</mjx-container></span>)(?=[,.;:!?)])"), r"\1&#8288;"),
    # A wide figure scrolls in a box of its own; its caption stays.
    (re.compile(r"(<figure\b[^>]*>\s*)(<img\b[^>]*>)"), r'\1<div class="figure-box">\2</div>'),
]
SCRIPT = re.compile(r"[ \t]*<script defer\b[^>]*></script>\n?")
FIGURE = re.compile(r'<img(?=[^>]*\bsrc="[^"]*_images/([^"/]+\.svg)")')
COVER = re.compile(r'<img\b[^>]*\bsrc="([^"]*_images/[^"]*)"')
SIZE = re.compile(r'<svg[^>]* width="([\d.]+)pt" height="([\d.]+)pt"')
OWN = {"book.css", "explorer.css", "formulas.css"}
CHAPTER = re.compile(r"chapters/\d")
NOTATION = "chapters/notation"
WORDS_A_MINUTE = 200
BESIDE_WORDS = 0.25  # minutes for a figure, a formula of its own or a cell of code


def set_options(app: Sphinx, config: Config) -> None:
    """Complete the theme's options; given in _config.yml, they would replace Jupyter Book's own.

    What needs the address of a repository is offered where there is one, and only there.
    """
    options: dict[str, Any] = config.html_theme_options
    options["logo"] = {
        "text": config.html_title,
        "alt_text": f"{config.html_title}, to the first page",
    }
    options["use_fullscreen_button"] = False
    known = bool(options.get("repository_url"))
    for kind in ("repository", "issues", "edit_page"):
        options[f"use_{kind}_button"] = known
    if not known:
        options.pop("launch_buttons", None)


def minutes(node: nodes.Node) -> float:
    """Return how long it takes to read what a node holds, folded parts and outputs aside."""
    if isinstance(node, nodes.paragraph | nodes.title | nodes.caption):
        return len(node.astext().split()) / WORDS_A_MINUTE
    if isinstance(node, nodes.image | nodes.math_block):
        return BESIDE_WORDS
    if not isinstance(node, nodes.Element) or "dropdown" in node["classes"]:
        return 0
    if "cell_input" in node["classes"]:
        return 0 if "hide-input" in node.parent["classes"] else BESIDE_WORDS
    return sum(minutes(child) for child in node.children)


def add_reading_time(app: Sphinx, doctree: nodes.document, name: str) -> None:
    """Say under the title of a chapter how long it takes to read."""
    title = doctree.next_node(nodes.title)
    if CHAPTER.match(name) and title is not None:
        text = f"About {round(minutes(doctree))} minutes to read"
        section = title.parent
        place = section.index(title) + 1
        section.insert(place, nodes.paragraph("", text, classes=["reading-time"]))


def add_notation(app: Sphinx, page: str, template: str, context: dict[str, Any], _: Any) -> None:
    """Put a button for the table of notation at the top of every page."""
    context["header_buttons"].append(
        {
            "type": "link",
            "url": context["pathto"](NOTATION),
            "text": "Notation",
            "tooltip": "What each symbol means",
            "label": "notation",
        }
    )


def sized(figure: re.Match[str], images: Path) -> str:
    """Return a figure's tag with its size, so that nothing moves when the figure comes in.

    It comes in only when the reader is near it.
    """
    size = SIZE.search((images / figure[1]).read_text("utf-8"))
    if size is None:
        return figure[0]
    width, height = (round(float(points) * 4 / 3) for points in size.groups())
    return f'<img loading="lazy" width="{width}" height="{height}"'


def policy(page: str) -> str:
    """Return the content security policy for a page, with the hashes of its own inline scripts."""
    scripts = INLINE_SCRIPT.findall(page) + [
        html.unescape(code) for code in INLINE_HANDLER.findall(page)
    ]
    hashes = {base64.b64encode(hashlib.sha256(s.encode()).digest()).decode() for s in scripts}
    allowed = " ".join(f"'sha256-{value}'" for value in sorted(hashes))
    return (
        "default-src 'self'; img-src 'self' data:; font-src 'self' data:; "
        f"style-src 'self' 'unsafe-inline'; script-src 'self' 'unsafe-hashes' {allowed}"
    )


def finish(app: Sphinx, error: Exception | None) -> None:
    """Complete the built folder: mended pages, each with its policy in its head."""
    if error or app.builder.format != "html":
        return
    out = Path(app.outdir)
    (out / "_static" / "scripts" / "fontawesome.js").unlink(missing_ok=True)
    pages = {}
    for path in [*out.glob("*.html"), *out.glob("chapters/*.html")]:
        page = path.read_text("utf-8")
        if "</head>" not in page or "Content-Security-Policy" in page:
            continue  # the way to the first page, or left by an earlier build
        for pattern, better in MENDED:
            page = pattern.sub(better, page)
        # Scripts at the end are asked for after the style sheet, and not in place of it.
        scripts = "".join(SCRIPT.findall(page))
        page = SCRIPT.sub("", page).replace("</body>", f"{scripts}</body>")
        page = FIGURE.sub(partial(sized, images=out / "_images"), page)
        page = page.replace('loading="lazy" ', "", 1)  # a chapter opens with a figure
        if path.stem == "index" and (cover := COVER.search(page)):  # the largest thing to be seen
            soon = f'<link rel="preload" as="image" fetchpriority="high" href="{cover[1]}">'
            page = page.replace("</title>", f"</title>\n{soon}", 1)
        pages[path] = page
    styles.bundle(out, pages, OWN)
    for path, page in pages.items():
        meta = f'<meta http-equiv="Content-Security-Policy" content="{policy(page)}">'
        path.write_text(re.sub(r"(<head\b[^>]*>)", rf"\1\n    {meta}", page, count=1), "utf-8")


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("config-inited", set_options)
    app.connect("doctree-resolved", add_reading_time)
    app.connect("html-page-context", add_notation, priority=900)
    app.connect("build-finished", finish, priority=900)  # after the theme has written its colours
    return {"parallel_read_safe": True, "parallel_write_safe": True}
