"""A small Sphinx extension: pages that need nothing from anywhere else, and that everyone can use.

It mends what axe-core finds: in what the theme writes with the templates in `templates`, in what
the text becomes with `Translator`. It puts what pages use of all style sheets into one, and gives
every page a content security policy that lets it load from its own host alone. Inline scripts are
allowed by their hashes, one by one; inline styles are allowed as such, since formulas carry them.

It also writes every figure for dark pages and in parts for phones, says how long a chapter takes to
read, numbers what appendices hold, puts the notation one click away, and offers what needs a public
repository (source, issues, edits, Binder, Colab) only where one is named.
"""

from __future__ import annotations

import base64
import hashlib
import html
import re
from functools import partial
from pathlib import Path
from typing import Any
from zlib import crc32

import imagesize
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.environment import BuildEnvironment
from sphinx.writers.html5 import HTML5Translator

import styles
from formulas import every_page

TEMPLATES = Path(__file__).parent / "templates"
# Read, not changed: a parser takes as long for the formulas of a page as Sphinx for writing it, and
# a script that is missed here is one that the browser blocks, which the tests see.
INLINE_SCRIPT = re.compile(r"<script(?![^>]*\bsrc=)[^>]*>(.*?)</script>", re.DOTALL)
INLINE_HANDLER = re.compile(r"<[^>]*?\son[a-z]+=\"([^\"]*)\"")
SHEET = re.compile(r"(_static/all\.css\?v=)\w*")
THEMES_OWN = ["_static/styles/theme.css", "_static/styles/pydata-sphinx-theme.css"]
CHINESE = re.compile(r"[\u4e00-\u9fff][\u3000-\u9fff\uff00-\uffef]*")
CODE = re.compile(r"(?<=<pre><span></span>)|(?=</pre>)")
# Indentation and a first word.
START = re.compile(r"^\s+(?:<span[^>]*>[^<\s]{1,24}</span>|\w{1,24})")
PERCENT = re.compile(r"(\d) %")
LONG = re.compile(r"[\w.]{14,}")
JOINT, BREAK = re.compile(r"(?<=[._])(?=[^._])"), '</span><wbr><span class="pre">'
TAG = re.compile(r"<[^>]*>")
COLOUR = re.compile(r"(?<=(?:fill|roke): )#[0-9a-f]{6}")  # of a fill or a stroke, in a style
PANELS = re.compile(r'<svg data-panels="([^"]*)"')
APPENDIX = re.compile(r"chapters/(a\d)-")
# What the search needs; and tabs, which no page has.
FOR_SEARCH = {"doctools.js", "sphinx_highlight.js", "design-tabs.js"}
CHAPTER = re.compile(r"chapters/\d")
WORDS_A_MINUTE = 200
BESIDE_WORDS = 0.25  # minutes for a figure, a formula of its own or a cell of code


class Translator(HTML5Translator):
    """Sphinx's own writer of HTML, where what it writes can be better read."""

    def visit_Text(self, node: nodes.Text) -> None:
        """Write text, and say what is Chinese, and where a line may or may not break."""
        super().visit_Text(node)
        self.body[-1] = CHINESE.sub(r'<span lang="zh-Hans">\g<0></span>', self.body[-1])
        self.body[-1] = PERCENT.sub("\\1\N{NO-BREAK SPACE}%", self.body[-1])
        if self.protect_literal_text:
            self.body[-1] = LONG.sub(lambda name: JOINT.sub(BREAK, name[0]), self.body[-1])

    def visit_literal_block(self, node: nodes.literal_block) -> None:
        """Write code: each line by itself, so that what is too long goes on under its beginning."""
        try:
            super().visit_literal_block(node)
        except nodes.SkipNode:
            if "python" in node.get("language", ""):
                start, code, end = CODE.split(self.body[-1])
                self.body[-1] = start + "".join(map(line, code.splitlines())) + end
            raise

    def visit_entry(self, node: nodes.entry) -> None:
        """Write a cell of a table: the corner of one with two kinds of titles is no title."""
        super().visit_entry(node)
        if self.body[-1].startswith("<th") and not node.astext():
            self.body[-1] = self.starttag(node, "td", "")
            self.context[-1] = "</td>\n"

    def visit_citation(self, node: nodes.citation) -> None:
        """Write an entry of a bibliography, which ARIA has no role of its own for any more."""
        super().visit_citation(node)
        self.body[-1] = self.starttag(node, "div", classes=[node.tagname], role="listitem")

    def visit_image(self, node: nodes.image) -> None:
        """Write a figure: light and dark, whole and, for phones, in its panels; its caption stays.

        It has a size, so that nothing moves when it comes in, and it comes in only when the reader
        is near it. A browser gets one file of a figure, since what a page hides is not loaded.
        """
        name = node["uri"]
        width, height = imagesize.get(Path(self.builder.srcdir) / name)
        super().visit_image(node)
        if width <= 0:
            return
        tag = f'<img width="{round(width)}" height="{round(height)}" loading="lazy"'
        image = self.body.pop().strip().replace("<img", tag, 1)
        parts = [image]
        if name.endswith(".svg"):
            svg = (Path(self.builder.srcdir) / name).read_text("utf-8")
            stored = Path(self.builder.outdir, self.builder.imagedir, self.builder.images[name])
            write_dark(svg, stored.with_suffix(".dark.svg"))
            parts = []
            for theme, address in ("light", node["uri"]), ("dark", dark_name(node["uri"])):
                themed = image.replace(node["uri"], address)
                panels = panels_of(svg, address, width, height, html.escape(node.get("alt", "")))
                kind = "whole " if panels else ""
                parts.append(themed.replace("<img", f'<img class="{kind}only-{theme}"', 1))
                parts += [f'<div class="panels only-{theme}">{panels}</div>'] if panels else []
        self.body.append("".join(parts))
        if isinstance(node.parent, nodes.figure):
            self.body[-1] = f'<div class="figure-box">{self.body[-1]}</div>'


def dark_name(address: str) -> str:
    """Return where the dark sister of an SVG is."""
    return f"{address.removesuffix('.svg')}.dark.svg"


def write_dark(svg: str, path: Path) -> None:
    """Write a figure as it is on a dark page: each colour of the book's for its dark one.

    Pictures within it, such as maps in shades, stay as they are.
    """
    from descent.plots import DARK

    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(COLOUR.sub(lambda found: DARK.get(found[0], found[0]), svg), "utf-8")


def panels_of(svg: str, address: str, width: int, height: int, alt: str) -> str:
    """Return the panels of a wide figure one by one, as parts of the same picture.

    `descent.plots.to_svg` says where they are. A part fills its box by its height, and the place of
    the picture in the box chooses which part is seen.
    """
    found = PANELS.search(svg)
    written: list[str] = []
    for panel in found[1].split(";") if found and found[1] else []:
        ranges = [tuple(map(float, part.split("-"))) for part in panel.split(",")]
        total = sum(end - start for start, end in ranges)
        images = []
        for start, end in ranges:
            share = end - start
            text = "" if written or (start, end) != ranges[-1] else alt
            look = (
                f"width:{share / total:.3%};aspect-ratio:{width * share / 100:.1f}/{height};"
                f"object-position:{start / (100 - share):.3%}"
            )
            images.append(f'<img src="{address}" alt="{text}" loading="lazy" style="{look}">')
        written.append(f'<div style="width:{width * total / 100:.0f}px">{"".join(images)}</div>')
    return "".join(written)


def line(code: str) -> str:
    """Return a line of code that knows how far it is indented."""
    text = TAG.sub("", code)
    depth = len(text) - len(text.lstrip())
    style = f' style="--depth: {depth}"' if depth else ""
    start = START.sub(r'<span class="start">\g<0></span>', code, count=1)
    return f'<span class="line"{style}>{start}\n</span>'


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
    options["pygments_dark_style"] = "github-dark"
    known = bool(options.get("repository_url"))
    for kind in ("repository", "issues", "edit_page"):
        options[f"use_{kind}_button"] = known
    if not known:
        options.pop("launch_buttons", None)


def number_appendices(app: Sphinx, env: BuildEnvironment) -> None:
    """Count figures, formulas and exercises in each appendix anew: A4.1 is the first of the fourth.

    Sphinx counts on through all pages whose titles have no number.
    """
    for name, kinds in env.toc_fignumbers.items():
        if appendix := APPENDIX.match(name):
            for numbers in kinds.values():
                for i, key in enumerate(numbers, start=1):
                    numbers[key] = (appendix[1].upper(), i)  # type: ignore[assignment]


def add_templates(app: Sphinx, config: Config) -> None:
    """Have the templates here go before the theme's of the same names."""
    config.templates_path.insert(0, str(TEMPLATES))


def minutes(node: nodes.Node) -> float:
    """Return how long it takes to read what a node holds, folded parts and outputs aside."""
    if isinstance(node, nodes.paragraph | nodes.title | nodes.caption):
        return len(node.astext().split()) / WORDS_A_MINUTE
    if isinstance(node, nodes.image | nodes.math_block):
        return BESIDE_WORDS
    if not isinstance(node, nodes.Element) or {"dropdown", "above-input"} & {*node["classes"]}:
        return 0
    if "cell_input" in node["classes"]:
        return BESIDE_WORDS
    return sum(minutes(child) for child in node.children)


def add_reading_time(app: Sphinx, doctree: nodes.document, name: str) -> None:
    """Say under the title of a chapter how long it takes to read."""
    title = doctree.next_node(nodes.title)
    if CHAPTER.match(name) and title is not None:
        text = f"About {round(minutes(doctree))} minutes to read"
        section = title.parent
        place = section.index(title) + 1
        section.insert(place, nodes.paragraph("", text, classes=["reading-time"]))


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


def complete(
    sheets: dict[str, None],
    app: Sphinx,
    page: str,
    template: str,
    context: dict[str, Any],
    doctree: nodes.document | None,
) -> str:
    """Prepare what the templates write, and note the style sheets that the page asks for."""
    ordered = sorted(context["css_files"], key=lambda sheet: sheet.priority)
    sheets |= dict.fromkeys(THEMES_OWN) | {str(sheet.filename): None for sheet in ordered}
    context["css_files"] = []
    # The theme tells its version and the page's name to scripts that nobody asks for here.
    context["script_files"] = [
        script
        for script in context["script_files"]
        if "DOCUMENTATION_OPTIONS." not in script.attributes.get("body", "")
        and (template == "search.html" or Path(script.filename or "").name not in FOR_SEARCH)
    ]
    for script in context["script_files"]:
        if script.filename:
            script.attributes["defer"] = "defer"
    if page == app.config.root_doc and doctree and (cover := doctree.next_node(nodes.image)):
        uri = cover["uri"]  # the largest thing to be seen
        context["covers"] = [("light", uri), ("dark", dark_name(uri))]
    context |= {"inner": template, "policy": policy}
    return "finished.html"


def finish(sheets: dict[str, None], app: Sphinx, error: Exception | None) -> None:
    """Write the one style sheet for the pages, and its version into their links to it."""
    if error or app.builder.format != "html":
        return
    out = Path(app.outdir)
    static = out / "_static"
    (static / "scripts" / "fontawesome.js").unlink(missing_ok=True)
    pages = [page for page in out.rglob("*.html") if static not in page.parents]
    names, starts = styles.words(pages, static.rglob("*.js"))
    css = "\n".join(styles.pruned(styles.rules(out / s), names, starts) for s in sheets)
    css = styles.without_unused(css, names)
    (static / "all.css").write_text(css, "utf-8")
    version = f"{crc32(css.encode()):08x}"  # a browser that kept the last one asks again
    for path in pages:
        page = path.read_text("utf-8")
        # No parser: what is new is the end of one address, which our own template wrote.
        path.write_text(SHEET.sub(rf"\g<1>{version}", page, count=1), "utf-8")


def setup(app: Sphinx) -> dict[str, bool]:
    sheets: dict[str, None] = {}
    app.set_translator("html", Translator)
    app.connect("config-inited", add_templates)
    app.connect("config-inited", set_options)
    app.connect("env-check-consistency", number_appendices)  # when Sphinx has numbered
    app.connect("env-updated", every_page)  # the style sheet is made of what all of them ask for
    app.connect("doctree-resolved", add_reading_time)
    app.connect("html-page-context", partial(complete, sheets), priority=900)
    app.connect("build-finished", partial(finish, sheets), priority=900)  # after formulas.css
    # What pages ask for is noted here as they are written.
    return {"parallel_read_safe": True, "parallel_write_safe": False}
