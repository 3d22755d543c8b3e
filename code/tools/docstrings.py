"""A small Sphinx extension: the package's docstrings as its page shows them.

They are written to be read in an editor: what a function takes and gives is a paragraph, an example
an indented line. Here the one becomes a list and the other a block of code.
"""

from __future__ import annotations

import inspect
import re
from typing import Any

from sphinx.application import Sphinx

NAMED = r"(?:^|(?<=[.;)] ))((?:\w+, )*\w+): "
GIVES = re.compile(r"(?:^|(?<=[.;)] ))(Returns|Raises (\w+)) ")


def names(thing: Any) -> set[str]:
    """Return what a function takes, or a class holds."""
    try:
        taken = set(inspect.signature(thing).parameters)
    except (TypeError, ValueError):
        taken = set()
    return taken | set(getattr(thing, "__annotations__", ()))


def fields(text: str, known: set[str]) -> list[str] | None:
    """Return a paragraph such as "x: its place. y: its height. Returns both." as a list of fields.

    None where it is another paragraph.
    """
    found = [m for m in re.finditer(NAMED, text) if {*m[1].split(", ")} <= known]
    if not found or found[0].start() > 0:
        return None
    starts = [*found, *GIVES.finditer(text, found[-1].end())]
    ends = [m.start() for m in starts[1:]] + [len(text)]
    lines = []
    for match, end in zip(starts, ends, strict=True):
        said = text[match.end() : end].strip()
        if match in found:
            lines += [f":param {name}: {said}" for name in match[1].split(", ")]
        else:
            lines.append(f":raises {match[2]}: {said}" if match[2] else f":returns: {said}")
    return lines


def process(app: Sphinx, kind: str, name: str, thing: Any, options: Any, lines: list[str]) -> None:
    """Rewrite a docstring for its page."""
    known, new = names(thing), list[str]()
    for paragraph in "\n".join(lines).split("\n\n"):
        listed = fields(" ".join(paragraph.split()), known)
        if paragraph.startswith("    ") and new and re.search(r"[^:]:$", new[-2]):
            new[-2] += ":"  # what follows is code
        elif paragraph.startswith("    ") and len(new) == 2 and new[-2].endswith("."):
            new += ["::", ""]  # so is what follows the first sentence
        new += [*(listed or paragraph.replace("Attributes:\n", "Args:\n", 1).split("\n")), ""]
    lines[:] = new


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("autodoc-process-docstring", process, priority=400)  # before napoleon's
    return {"parallel_read_safe": True, "parallel_write_safe": True}
