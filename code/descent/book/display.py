"""What chapters show of the package: its code, and tables of results."""

import html
import inspect
import re
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from IPython.display import Markdown, display

from descent.rules import Rule

if TYPE_CHECKING:
    from descent.tuning import Comparison

__all__ = ["formula_lines", "show_comparison", "show_rule", "show_table"]

# How a cell that holds a number begins.
NUMBER = re.compile(r"[-−+±<>≤≥≈~(]*\s*(\d|inf\b|∞)")
LONGEST_NUMBER = 40  # characters; what is longer is a sentence


def formula_lines(rule: type[Rule]) -> list[tuple[str, str]]:
    """`rule` with its options off, as pairs of a formula in LaTeX and the statement that runs it.

    They are read from the source of the rule: a comment ``#:`` is the formula of the statement in
    the next line. Raises ValueError for a rule without such lines.
    """
    pairs = [
        (line.strip().removeprefix("#:").strip(), code.strip())
        for method in (rule.decayed, rule.formula)
        for line, code in pairwise(inspect.getsource(method).splitlines())
        if line.strip().startswith("#:")
    ]
    if not pairs:
        raise ValueError(f"rule must have lines marked '#:' in its formula, got {rule.__name__}")
    return pairs


def show_rule(rule: type[Rule]) -> None:
    """Display a rule line by line, each formula beside the statement that runs it.

    rule: its class. Raises ValueError for one without such lines, as `formula_lines` does.
    """
    rows = [f"| ${formula}$ | `{code}` |" for formula, code in formula_lines(rule)]
    table = "\n".join(["| formula | code |", "|:---|:---|", *rows])
    display(Markdown(table))  # type: ignore[no-untyped-call]


class _Table:
    """A table of the page, and in plain text where there is no page."""

    def __init__(self, head: Sequence[str], rows: list[list[str]]) -> None:
        self.head, self.rows = list(head), rows
        # Numbers stand to the right; words, sentences and what names the row to the left.
        self.words = [
            i == 0 or not any(map(NUMBER.match, column)) or max(map(len, column)) > LONGEST_NUMBER
            for i, column in enumerate(zip(*rows, strict=True))
        ]

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        columns = list(zip(self.head, *self.rows, strict=True))
        widths = [max(map(len, column)) for column in columns]
        words = self.words or [True] * len(columns)
        lines = [
            "  ".join(
                cell.ljust(width) if left else cell.rjust(width)
                for cell, width, left in zip(row, widths, words, strict=True)
            ).rstrip()
            for row in [self.head, *self.rows]
        ]
        looks = [' class="words"' if left else "" for left in words]
        # The corner of a table whose rows have titles is no title.
        head = "".join(
            f'<th scope="col"{look}>{html.escape(cell)}</th>' if cell else "<td></td>"
            for cell, look in zip(self.head, looks, strict=True)
        )
        body = "".join(
            "<tr>"
            + (
                f'<th scope="row" class="words">{html.escape(row[0])}</th>'
                if row[0]
                else "<td></td>"
            )
            + "".join(
                f"<td{look}>{html.escape(cell)}</td>"
                for cell, look in zip(row[1:], looks[1:], strict=True)
            )
            + "</tr>"
            for row in self.rows
        )
        return {
            "text/plain": "\n".join(lines),
            "text/html": f'<table class="result"><thead><tr>{head}</tr></thead>'
            f"<tbody>{body}</tbody></table>",
        }


def show_table(head: Sequence[object], rows: Iterable[Sequence[object]]) -> None:
    """Display rows of results as a table of the page.

    head: a title for each column, with its unit. rows: the cells of each. Strings stand as they
    are, other values as `str` gives them; the first cell of a row names it.
    Raises ValueError for a row with another number of cells than the head.
    """
    titles = [str(title) for title in head]
    cells = [[str(cell) for cell in row] for row in rows]
    if any(len(row) != len(titles) for row in cells):
        raise ValueError(f"every row must have {len(titles)} cells, as the head has; got {cells}")
    display(_Table(titles, cells))  # type: ignore[no-untyped-call]


def show_comparison(found: "Comparison", score: str, *, digits: str = ".3g") -> None:
    """Display a comparison: what was tuned to what, and the report's median and middle 90 %.

    found: as `descent.tuning.compare` gives it. score: what was scored, with its unit. digits: how
    its numbers are formatted.
    """
    rows = []
    for name, tuned in found.tuned.items():
        settings = ", ".join(f"{key} {getattr(tuned.rule, key):g}" for key in tuned.trials)
        low, high = np.quantile(tuned.report, [0.05, 0.95], method="nearest")
        rows.append(
            [name, settings, f"{tuned.median:{digits}}", f"{low:{digits}} to {high:{digits}}"]
        )
    head = ["", f"best of {found.trials} trials", f"{score}, median", "middle 90 %"]
    show_table(head, rows)
