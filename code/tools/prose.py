"""A small Sphinx extension: what the text of a page becomes before it is written.

Solutions and the code of figures fold without a script. A formula takes the punctuation beside it
along to the next line. The first mention of a term in a chapter leads to the glossary. The
bibliography has the labels by which the text cites, and formulas in its titles.
"""

from __future__ import annotations

import re
from typing import Any

from docutils import nodes
from myst_nb.sphinx_ import HideCodeCellNode
from pybtex.database import Entry
from pybtex.plugin import register_plugin
from pybtex.style.formatting.plain import Style
from pybtex.style.labels import BaseLabelStyle
from sphinx.application import Sphinx
from sphinx.writers.html5 import HTML5Translator
from sphinx_exercise.nodes import solution_node

CHAPTER = re.compile(r"chapters/(\d|a\d)")
PIECE = re.compile(r"\s+|[^\s—]+—?|—")  # a line may break after a dash
# What a verdict or a table types for want of anything better, outside of tags.
TYPED = [
    (re.compile(r"(?<=[\s>(\[^≤≥<])-(?=[\d. ])(?![^<>]*>)"), "−"),
    (re.compile(r"\b([xz])([0-3])\b(?![^<>]*>)"), r"\1<sub>\2</sub>"),
    (re.compile(r"\b([A-Za-z])_(\w)\b(?![^<>]*>)"), r"\1<sub>\2</sub>"),
    (re.compile(r"(?<=[\w)])\^(−?\w+)(?![^<>]*>)"), r"<sup>\1</sup>"),
]
RESULT = re.compile(r'class="(?:verdict|result)\b')
QUOTATION = re.compile(r"(<q\b.*?</q>)", re.DOTALL)
TEX = re.compile(r"\$([^$]+)\$")
# Words of everyday language too, linked only where a chapter defines them, which it does in bold.
EVERYDAY = {"error", "excess", "moment", "spread", "state", "sweep", "window"}
NO_MENTION = (
    nodes.title,
    nodes.reference,
    nodes.literal,
    nodes.figure,
    nodes.table,
    nodes.citation,
)


class folded(nodes.General, nodes.Element):  # type: ignore[misc]
    """What stands behind one line of text until the reader asks for it."""


def visit_folded(translator: HTML5Translator, node: folded) -> None:
    translator.body.append(translator.starttag(node, "details"))
    translator.body.append(f"<summary>{translator.encode(node['summary'])}</summary>\n")


def depart_folded(translator: HTML5Translator, node: folded) -> None:
    translator.body.append("</details>\n")


def fold(doctree: nodes.document) -> None:
    """Fold solutions, which stand beneath their exercises, and hidden code.

    As the extensions have it, a solution needs a script to fold, and its title is a link elsewhere.
    """
    for node in list(doctree.findall(solution_node)):
        title = node.next_node(nodes.title)
        summary = " ".join(title.astext().split())
        title.parent.remove(title)
        part = folded("", *node.children, summary=summary, ids=node["ids"], classes=node["classes"])
        node.replace_self(part)
    for node in list(doctree.findall(HideCodeCellNode)):
        node.replace_self(folded("", *node.children, summary="Code", classes=["folded-code"]))
    for section in doctree.findall(nodes.section):
        if section["ids"] in (["exercise-content"], ["solution-content"]):
            section["ids"] = []  # of which each exercise of a page would have one


def typeset(text: str) -> str:
    """Return HTML with minus signs, subscripts and powers in place of what was typed."""
    for typed, printed in TYPED:
        text = typed.sub(printed, text)
    return text


def set_formulas(doctree: nodes.document) -> None:
    """Typeset what comes as HTML, verdicts and tables of results; quotations stay as they are."""
    for output in doctree.findall(nodes.raw):
        if RESULT.search(output.astext()):
            parts = QUOTATION.split(output.astext())
            parts[::2] = map(typeset, parts[::2])
            output[:] = [nodes.Text("".join(parts))]


def mention(doctree: nodes.document, terms: dict[str, str]) -> None:
    """Link the first mention of each term, by its address in the glossary."""
    names = "|".join(sorted(map(re.escape, terms), key=len, reverse=True))
    pattern = re.compile(rf"(?<![\w-])({names})(s|es)?(?![\w-])", re.IGNORECASE)
    seen: set[str] = set()

    def place(text: nodes.Text) -> bool:
        above = text.parent
        while above and not isinstance(above, nodes.paragraph):
            if isinstance(above, NO_MENTION):
                return False
            above = above.parent
        while above and not isinstance(above, NO_MENTION):
            above = above.parent
        return above is None

    for text in list(doctree.findall(nodes.Text)):
        parts: list[nodes.Node] = []
        end = 0
        for match in pattern.finditer(text):
            name = match[1].lower()
            everyday = name in EVERYDAY and not isinstance(text.parent, nodes.strong)
            if name in seen or everyday or not place(text):
                continue
            seen.add(name)
            link = nodes.reference(
                "", match[0], refuri=terms[name], internal=True, classes=["term"]
            )
            parts += [nodes.Text(text[end : match.start()]), link]
            end = match.end()
        if parts:
            text.parent.replace(text, [*parts, nodes.Text(text[end:])])


def keep_together(doctree: nodes.document) -> None:
    """Put a formula and what touches it into one box, as a line may break on its either side.

    A word joiner does not keep Chromium from that.
    """
    for parent in {formula.parent for formula in doctree.findall(nodes.math)}:
        words: list[list[nodes.Node]] = [[]]
        for child in parent.children:
            split = isinstance(child, nodes.Text)
            for part in map(nodes.Text, PIECE.findall(child)) if split else [child]:
                last = words[-1][-1] if words[-1] else None
                if sticks(last) and sticks(part) and not str(last).endswith("—"):
                    words[-1].append(part)
                else:
                    words.append([part])
        parent.children = []
        for word in words:
            boxed = len(word) > 1 and any(isinstance(part, nodes.math) for part in word)
            parent += [nodes.inline("", "", *word, classes=["together"])] if boxed else word


def sticks(node: nodes.Node | None) -> bool:
    return isinstance(node, nodes.math) or (isinstance(node, nodes.Text) and not node.isspace())


def draw_titles(doctree: nodes.document) -> None:
    """Have the formulas in the bibliography's titles drawn, which it hands on as TeX."""
    for entry in doctree.findall(nodes.citation):
        for text in list(entry.findall(nodes.Text)):
            if TEX.search(text):
                parts = enumerate(TEX.split(text))
                new = [nodes.math("", part) if i % 2 else nodes.Text(part) for i, part in parts]
                text.parent.replace(text, new)


class AuthorYear(BaseLabelStyle):  # type: ignore[misc]
    """Labels as the text cites: the authors' last names and the year."""

    def format_labels(self, sorted_entries: list[Entry]) -> list[str]:
        return [self.label(entry) for entry in sorted_entries]

    def label(self, entry: Entry) -> str:
        people = entry.persons["author"]
        names = [" ".join(map(str, p.rich_prelast_names + p.rich_last_names)) for p in people]
        few = " and ".join(names) if len(names) < 3 else f"{names[0]} et al."
        return f"{few}, {entry.fields['year']}"


class Cited(Style):  # type: ignore[misc]
    default_label_style = AuthorYear


def prepare(app: Sphinx, doctree: nodes.document, name: str) -> None:
    """Prepare what a page says for its writer."""
    if app.builder.format != "html":
        return
    fold(doctree)
    draw_titles(doctree)
    set_formulas(doctree)
    if CHAPTER.match(name):
        objects = app.env.get_domain("std").get_objects()
        terms = {
            title.lower(): f"{app.builder.get_relative_uri(name, page)}#{anchor}"
            for title, _, kind, page, anchor, _ in objects
            if kind == "term"
        }
        mention(doctree, terms)
    keep_together(doctree)


def setup(app: Sphinx) -> dict[str, Any]:
    register_plugin("pybtex.style.formatting", "cited", Cited)
    app.add_node(folded, html=(visit_folded, depart_folded))
    app.connect("doctree-resolved", prepare, priority=600)  # after what numbers exercises
    return {"parallel_read_safe": True, "parallel_write_safe": True}
