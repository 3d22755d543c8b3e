"""Formulas drawn when the book is built, so that no page has to load MathJax to read one.

A Sphinx math renderer: the pinned MathJax runs here, in the V8 engine that mini-racer brings, and
pages carry its finished markup, one small style sheet and what they use of its fonts. A formula
that MathJax cannot read is a warning at its place in the source, not red letters for a reader.
Greek letters in formulas are words for the search, like those in the text.

Sphinx's own renderers leave the drawing to the reader's browser, or make a picture of each formula;
the extensions for KaTeX need Node to draw beforehand. With MathJax here a page needs no script.
"""

from __future__ import annotations

import atexit
import json
import re
from functools import cache
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util import logging
from sphinx.util.math import get_node_equation_number

MATHJAX = "sphinx-mathjax-offline/static/mathjax"
STYLE = "formulas.css"
COMPONENTS = [
    "core",
    "adaptors/liteDOM",
    "input/tex-full",
    "output/chtml",
    "output/chtml/fonts/tex",
    "a11y/assistive-mml",
]
# Without `noundefined` an unknown macro is an error that can be seen here.
START = """
var global = globalThis;
globalThis.MathJax = {
  loader: {
    paths: {mathjax: ''},
    require: (path) => { (0, eval)(files[path]); return {}; },
    load: ['adaptors/liteDOM', 'input/tex-full', 'output/chtml', 'a11y/assistive-mml'],
  },
  startup: {typeset: false},
  tex: {packages: {'[-]': ['noundefined']}},
  chtml: {fontURL: 'mathjax', adaptiveCSS: true},
  options: {enableMenu: false},
};
"""
DRAW = """
function draw(tex, display) {
  return MathJax.startup.adaptor.outerHTML(MathJax.tex2chtml(tex, {display}));
}
0
"""
# The one letter of MathJax's font of no width: browsers warn of a font without any.
ZERO = 0xEFFC
FAILED = re.compile(r'data-mjx-error="([^"]*)"')
GLYPH = re.compile(r'content: "(?:\\([0-9A-F]+)|\\?(.))"')
FONT = re.compile(r'url\("mathjax/([^"]*)"\)')
MACRO = re.compile(r"\\(?:var)?([a-z]+)")
GREEK = dict(
    zip(
        "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi omicron pi rho "
        "sigma tau upsilon phi chi psi omega".split(),
        "αβγδεζηθικλμνξοπρστυφχψω",
        strict=True,
    )
)
LOG = logging.getLogger(__name__)


def installed() -> dict[str, Path]:
    """Return where each file of the installed MathJax lies, by its name there."""
    files = distribution("sphinx-mathjax-offline").files or []
    return {
        f.as_posix().removeprefix(MATHJAX): Path(str(f.locate()))
        for f in files
        if f.as_posix().startswith(MATHJAX)
    }


class MathJax:
    """MathJax in a V8 engine of its own, started when the first formula asks for it."""

    def __init__(self) -> None:
        self._engine: Any = None
        self.draw = cache(self._draw)

    def _eval(self, script: str) -> Any:
        if self._engine is None:
            from py_mini_racer import MiniRacer

            self._engine = MiniRacer()
            atexit.register(self.close)  # a process that leaves it running hangs at its end
            files = installed()
            sources = {f"/{c}.js": files[f"/{c}.js"].read_text("utf-8") for c in COMPONENTS}
            self._engine.eval(f"var files = {json.dumps(sources)}; {START}")
            self._engine.eval(files["/startup.js"].read_text("utf-8") + ";0")
            self._engine.eval(DRAW)
        return self._engine.eval(script)

    def _draw(self, tex: str, display: bool) -> str:
        return str(self._eval(f"draw({json.dumps(tex)}, {json.dumps(display)})"))

    def style(self) -> str:
        """Return the style sheet for all that has been drawn."""
        return str(
            self._eval("MathJax.startup.adaptor.textContent(MathJax.chtmlStylesheet())")
            if self._engine
            else ""
        )

    def close(self) -> None:
        """Stop the engine and forget what it drew; the next formula starts another."""
        if self._engine is not None:
            self._engine.close()
            self._engine = None
        self.draw.cache_clear()
        atexit.unregister(self.close)


ENGINE = MathJax()


def drawn(node: nodes.Element, tex: str, display: bool) -> str:
    """Return the markup of a formula; one that MathJax cannot read is a warning at its node."""
    markup = ENGINE.draw(tex, display)
    for problem in FAILED.findall(markup):
        LOG.warning("formula: %s in %s", problem, tex, location=node, type="formulas")
    return markup


def visit_inline(translator: Any, node: nodes.math) -> None:
    """Write a formula that stands in a line."""
    markup = drawn(node, node.astext(), False)
    translator.body.append(f'<span class="math notranslate">{markup}</span>')
    raise nodes.SkipNode


def visit_display(translator: Any, node: nodes.math_block) -> None:
    """Write a formula that stands by itself, with its number."""
    tex = node.astext()
    if r"\\" in tex and not node["nowrap"] and r"\begin" not in tex:
        tex = rf"\begin{{split}}{tex}\end{{split}}"
    translator.body.append(translator.starttag(node, "div", CLASS="math notranslate"))
    if node["number"]:
        number = get_node_equation_number(translator, node)
        translator.body.append(f'<span class="eqno">({number})')
        translator.add_permalink_ref(node, "Link to this equation")
        translator.body.append("</span>")
    translator.body.append(drawn(node, tex, True) + "</div>\n")
    raise nodes.SkipNode


def letters(doctree: nodes.document) -> set[str]:
    """Return the Greek letters of the formulas of a page."""
    formulas = [*doctree.findall(nodes.math), *doctree.findall(nodes.math_block)]
    return {GREEK[m] for f in formulas for m in MACRO.findall(f.astext()) if m in GREEK}


def add_keywords(app: Sphinx, doctree: nodes.document, name: str) -> None:
    """Let the search find a page by the letters in its formulas, which it reads as TeX."""
    if found := letters(doctree):
        doctree.insert(0, nodes.meta("", name="keywords", content=", ".join(sorted(found))))


def every_page(app: Sphinx, env: BuildEnvironment) -> list[str]:
    """Have every page written each time: the style sheet covers what was drawn in this build."""
    return sorted(env.found_docs)


def shown(style: str) -> set[int]:
    """Return the code points that a style sheet of MathJax's writes."""
    return {int(code, 16) if code else ord(char) for code, char in GLYPH.findall(style)}


def subset(font: Path, code_points: set[int], target: Path) -> None:
    """Write what is needed of a font."""
    from fontTools.subset import Options, Subsetter, load_font, save_font

    options = Options(flavor="woff", hinting=False, drop_tables=[*Options().drop_tables, "FFTM"])
    loaded = load_font(str(font), options)
    subsetter = Subsetter(options)
    subsetter.populate(unicodes=code_points)
    subsetter.subset(loaded)
    save_font(loaded, str(target), options)


def finish(app: Sphinx, error: Exception | None) -> None:
    """Write the style sheet beside the pages, and what it uses of the fonts that it names."""
    style = ENGINE.style()
    ENGINE.close()
    if error or app.builder.format != "html":
        return
    static = Path(app.outdir) / "_static"
    (static / STYLE).write_text(style, "utf-8")
    (static / "mathjax").mkdir(exist_ok=True)
    fonts = {path.name: path for path in installed().values() if path.suffix == ".woff"}
    for name in FONT.findall(style):
        subset(fonts[name], shown(style) | {ZERO}, static / "mathjax" / name)


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_html_math_renderer("drawn", (visit_inline, None), (visit_display, None))
    app.add_css_file(STYLE)
    app.connect("env-updated", every_page)
    app.connect("doctree-resolved", add_keywords)
    app.connect("build-finished", finish)
    # One engine knows all that was drawn, and hangs in a forked process: with `-j` Sphinx says that
    # it writes serially, which stops a strict build.
    return {"parallel_read_safe": True, "parallel_write_safe": False}
