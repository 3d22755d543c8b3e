"""A small Sphinx extension: the explorers' scripts, on the pages that have an explorer.

What explorers compute with is the package itself: its rules, surfaces and closed forms are put into
JavaScript whenever the book is built, with the defaults, intervals and styles. So nothing of them
is written twice, and nothing made from them is kept. The rest are the files of _assets/explorers: a
page loads what all explorers share, and its own kinds, without their comments.
"""

from __future__ import annotations

import re
from dataclasses import fields
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util import logging

from descent import rules, theory
from descent.book.picture import family
from descent.stepping import FAR
from descent.surfaces import SURFACES, _quadratic, _quadratic_grad
from javascript import Module, literal

ASSETS = Path(__file__).resolve().parents[2] / "_assets" / "explorers"
PACKAGE = "descent"
BEFORE = (PACKAGE, "model", "chart", "widgets")
AFTER = ("explorer", "answers")
SHADES_OF_A_MAP = 50  # as many as an eye tells apart
CLOSED_FORMS = (
    theory.lr_limit,
    theory.best_gradient_descent,
    theory.regime_borders,
    theory.window,
    theory.half_life,
    theory.bias,
    theory._ewma_weight,
    theory._momentum_equation,
    theory._nesterov_equation,
    theory._pairs,
)
LOG = logging.getLogger(__name__)


def of_class(rule: Any) -> dict[str, Any]:
    """Return the defaults of a rule, the interval of each hyper-parameter, and its first state."""
    if rule is rules.Rule:
        return {}
    given, state = fields(rule), rule.State
    return {
        "defaults": {field.name: field.default for field in given},
        "intervals": {f.name: f.metadata["interval"] for f in given if "interval" in f.metadata},
        "zeros": {name: state._field_defaults.get(name, 0) for name in state._fields},
    }


def package() -> str:
    """Return the script that gives `window.descent` what the package has."""
    from matplotlib.colors import to_hex

    from descent.plots import SHADES, STYLES

    module = Module({rules.Rule.init: "init(x) { return this.constructor.zeros; }"})
    module.add_classes([getattr(rules, name) for name in STYLES], ("init", "_step"), of_class)
    surfaces = []
    for name, surface in SURFACES.items():
        value = module.add_function(surface.value, f"{name}_value")
        grad = module.add_function(surface.grad, f"{name}_grad")
        facts = {
            key: getattr(surface, key)
            for key in ("name", "minimum", "window", "start", "eigenvalues")
        }
        surfaces.append(f"{name}: {{ value: {value}, grad: {grad}, ...{literal(facts)} }}")
    value, grad = map(module.add_function, (_quadratic, _quadratic_grad))
    quadratic = f"{{ value: (x) => {value}(x, ...entries), grad: (x) => {grad}(x, ...entries) }}"
    forms = []
    for form in CLOSED_FORMS:
        name = re.sub("_(.)", lambda found: found[1].upper(), form.__name__.lstrip("_"))
        forms.append(f"{name}: {module.add_function(form)}")
    contest = {
        name: {f.name: given for f in fields(rule) if (given := getattr(rule, f.name)) != f.default}
        for name, rule in family().items()
    }
    styles = {name: style._asdict() for name, style in STYLES.items()}
    shades = [to_hex(SHADES(i / (SHADES_OF_A_MAP - 1))) for i in range(SHADES_OF_A_MAP)]
    return f"""\
/* Made from the package by code/tools/explorers.py. */
(() => {{
"use strict";
{module.code()}
globalThis.descent = {{
  rules: {{ {", ".join(STYLES)} }},
  surfaces: {{ {", ".join(surfaces)} }},
  quadratic: (...entries) => ({quadratic}),
  theory: {{ {", ".join(forms)} }},
  styles: {literal(styles)},
  shades: {literal(shades)},
  contest: {literal(contest)},
  FAR: {literal(FAR)},
}};
}})();
"""


def write_package(app: Sphinx) -> None:
    """Write the package's script where the others will be, before any page refers to it."""
    if app.builder.format == "html":
        folder = Path(app.outdir) / "_static" / ASSETS.name
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{PACKAGE}.js").write_text(package(), "utf-8")


def light(script: str) -> str:
    """Return a script of ours without indentation and without comments that stand alone."""
    return re.sub(
        r"^[ \t]+", "", re.sub(r"^[ \t]*/\*.*?\*/\n", "", script, flags=re.M | re.S), flags=re.M
    )


def lighten(app: Sphinx, error: Exception | None) -> None:
    """Leave out of the built scripts what only their authors read."""
    if app.builder.format == "html" and not error:
        for path in (Path(app.outdir) / "_static" / ASSETS.name).glob("*.js"):
            path.write_text(light(path.read_text("utf-8")), "utf-8")


class Kinds(HTMLParser):
    """The kinds of the explorers in a piece of HTML."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "descent-explorer":
            self.found.append(str(dict(attrs).get("kind")))


def scripts(kinds: list[str]) -> list[str]:
    """Return the scripts for explorers of these kinds, in their order."""
    names = [*BEFORE, *dict.fromkeys(kinds), *AFTER] if kinds else []
    return [f"{ASSETS.name}/{name}.js" for name in names]


def add_scripts(
    app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: nodes.document | None
) -> None:
    """Have a page load the scripts for its explorers; a kind that is not there is a warning."""
    kinds: list[str] = []
    for node in doctree.findall(nodes.raw) if doctree else ():
        for kind in Kinds(node.astext()).found:
            if (ASSETS / f"{kind}.js").exists():
                kinds.append(kind)
            else:
                LOG.warning("no explorer is called %s", kind, location=node, type="explorers")
    for script in scripts(kinds):
        app.add_js_file(script)


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("builder-inited", write_package)
    app.connect("html-page-context", add_scripts)
    app.connect("build-finished", lighten)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
