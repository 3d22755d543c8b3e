"""One style sheet for all pages, with what they use of the theme's and the extensions'.

Their sheets come to 600 KB for a book that needs a third of that: 100 KB against 37 KB on the wire.
As in PurgeCSS, which needs Node, a rule stays when each class and id that it asks for is a word in
some page or script. Scripts also build names: where one has `bs-` before a part that it fills in,
every name that starts so stays. Of the custom properties, those stay that something uses.

On paper every page is a light one: what holds for the dark one alone holds on a screen alone, and
what holds for the light one holds on paper for both.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import tinycss2

WORD = re.compile(r"[\w-]+")
NESTED = {"media", "supports", "layer"}
PROPERTY = re.compile(r"""(?<=[;{\s])(--[\w-]+)\s*:(?:"[^"]*"|'[^']*'|[^;{}"'])*;?""")
ICON_FONT = "Font Awesome"  # book.css draws the icons
DARK = re.compile(r"""\[data-theme=(["']?)dark\1\]""")
LIGHT = re.compile(r"""\[data-theme=(["']?)light\1\]""")


def words(pages: Iterable[Path], scripts: Iterable[Path]) -> tuple[set[str], tuple[str, ...]]:
    """Return the words that can be names, and with what those start that scripts build."""
    shown = {word for page in pages for word in WORD.findall(page.read_text("utf-8"))}
    spoken = {word for script in scripts for word in WORD.findall(script.read_text("utf-8"))}
    return shown | spoken, tuple(word for word in spoken if word.endswith("-") and len(word) > 2)


def rules(sheet: Path) -> list[Any]:
    """Return the rules of a style sheet, and of those that it imports in their place."""
    found = []
    css = sheet.read_text("utf-8")
    for rule in tinycss2.parse_stylesheet(css, skip_comments=True, skip_whitespace=True):
        if rule.type == "at-rule" and rule.lower_at_keyword == "import":
            imported = next(token.value for token in rule.prelude if token.type == "string")
            found += rules(sheet.parent / imported)
        else:
            found.append(rule)
    return found


def selectors(prelude: list[Any]) -> Iterable[list[Any]]:
    """Split a list of selectors at its commas."""
    selector: list[Any] = []
    for token in prelude:
        if token == ",":
            yield selector
            selector = []
        else:
            selector.append(token)
    yield selector


def asked(selector: list[Any]) -> set[str]:
    """Return the classes and ids that a selector asks for; those inside `:not()` are no demand."""
    ids = {token.value for token in selector if token.type == "hash"}
    classes = {name.value for dot, name in pairwise(selector) if dot == "."}
    return {word for name in ids | classes for word in WORD.findall(name)}


def styled(heads: list[str], body: str) -> Iterator[str]:
    """Write a rule, so that paper is light."""
    dark = [head for head in heads if DARK.search(head)]
    rest = [head for head in heads if head not in dark]
    light = [LIGHT.sub("[data-theme]", head) for head in rest if LIGHT.search(head)]
    for media, some in (("@media screen", dark), ("", rest), ("@media print", light)):
        rule = f"{','.join(some)}{{{body}}}"
        if some:
            yield f"{media}{{{rule}}}" if media else rule


def without_unused(css: str, names: set[str]) -> str:
    """Leave out the custom properties that neither the sheet itself nor any of the names uses."""
    used = names | set(re.findall(r"var\(\s*(--[\w-]+)", css))
    left = PROPERTY.sub(lambda found: found[0] if found[1] in used else "", css)
    return css if left == css else without_unused(left, names)


def pruned(rules: list[Any], names: set[str], starts: tuple[str, ...] = ()) -> str:
    """Return style rules as text, without those that no page can need."""

    def wanted(selector: list[Any]) -> bool:
        return all(name in names or name.startswith(starts) for name in asked(selector))

    kept: list[str] = []
    for rule in rules:
        if rule.type == "qualified-rule":
            heads = [tinycss2.serialize(s).strip() for s in selectors(rule.prelude) if wanted(s)]
            body = tinycss2.serialize(rule.content).strip()
            kept += styled(heads, body) if body else []
        elif rule.content is not None and rule.lower_at_keyword in NESTED:
            inner = tinycss2.parse_rule_list(rule.content, skip_comments=True, skip_whitespace=True)
            body = pruned(inner, names, starts)
            head = f"@{rule.at_keyword}{tinycss2.serialize(rule.prelude)}"
            kept += [f"{head}{{{body}}}"] if body else []
        elif ICON_FONT not in (text := rule.serialize()):
            kept.append(text)
    return "\n".join(kept)
