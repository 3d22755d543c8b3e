"""The source map: every claim of the sources, its verdict, and how the verdict was tried.

It is made of what is stored: `claims.toml`, the verdicts in the notebooks' outputs, and
`sabotage.json`, which `make sabotage` writes.
"""

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from descent.book import HERE
from descent.book.claims import OUTCOMES, Claim, Source, Verdict, collect, read_claims, said

__all__ = ["counts", "source_map"]

LABEL = re.compile(r"^\(src-([a-e]\d+)\)=", re.MULTILINE)


def counts(folder: str | Path) -> dict[str, Counter[str]]:
    """How many claims of each source came out how, by the sources' ids.

    folder: that of the notebooks, as in `descent.book.claims.collect`.
    """
    found = {source: Counter[str]() for source in read_claims().sources}
    for verdict in collect(folder):
        found[verdict.claim[0]][verdict.outcome] += 1
    return found


def source_map(folder: str | Path) -> str:
    """The map of the notebooks in `folder`, as HTML that can be filtered without a script."""
    folder = Path(folder)
    book = read_claims()
    verdicts = {verdict.claim: verdict for verdict in collect(folder)}
    titles, places = _chapters(folder)
    tried = json.loads((HERE / "sabotage.json").read_text(encoding="utf-8"))
    sections = []
    for source in book.sources.values():
        items = []
        for item, title in book.items.items():
            if item[0] != source.id:
                continue
            rows = [
                _row(claim, verdicts.get(claim.id), titles, tried)
                for claim in book.claims.values()
                if claim.item == item
            ]
            link = f'<a href="{places[item]}.html#src-{item.lower()}">{item}</a>'
            head = f"<h3>{link} {escape(title)}</h3>"
            items.append(f'<section class="map-item">{head}{"".join(rows)}</section>')
        sections.append(
            f'<section class="map-source" data-source="{source.id}">{_head(source)}'
            f"{''.join(items)}</section>"
        )
    return f'<div class="source-map">{_filters(list(book.sources))}{"".join(sections)}</div>'


def _chapters(folder: Path) -> tuple[dict[str, str], dict[str, str]]:
    """Titles of the notebooks by their names, and the notebook that regenerates each item."""
    titles: dict[str, str] = {}
    places: dict[str, str] = {}
    for path in sorted(folder.glob("*.ipynb")):
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        texts = ["".join(c["source"]) for c in cells if c["cell_type"] == "markdown"]
        titles[path.stem] = texts[0].splitlines()[0].removeprefix("# ")
        places |= {found.upper(): path.stem for text in texts for found in LABEL.findall(text)}
    return titles, places


def _head(source: Source) -> str:
    said_by = ", ".join(filter(None, [source.author, source.date]))
    address = f'<a href="{escape(source.address)}">{escape(source.address)}</a>'
    notes = ". ".join(
        filter(None, [escape(said_by), address if source.address else "", escape(source.names)])
    )
    return (
        f'<h2>{source.id} · <span lang="zh">{escape(source.title)}</span></h2>'
        f"<p>{escape(source.english)}. {notes}</p>"
    )


def _row(
    claim: Claim, verdict: Verdict | None, titles: Mapping[str, str], tried: Mapping[str, Any]
) -> str:
    """One claim: what is said and where, what would show it true, what was found, how tried."""
    quote = f'<q lang="zh">{escape(claim.quote)}</q> <small>({escape(claim.place)})</small>'
    if verdict is None:
        outcome, lines = "untried", [f"<strong>Not tried.</strong> {escape(claim.untried)}"]
    else:
        outcome = verdict.outcome
        clause = f" {escape(verdict.clause)}" if verdict.clause else ""
        link = (
            f'<a href="{verdict.chapter}.html#verdict-{claim.anchor}">'
            f"{escape(titles[verdict.chapter])}</a>"
        )
        lines = [
            f"<strong>{said(outcome)}</strong>{clause}. "
            f"Measured: {escape(verdict.evidence)}. {link}",
            f"<small>True if: {escape(claim.true_if)} {_tried(claim.id, tried)}</small>",
        ]
    body = "".join(f"<p>{line}</p>" for line in [escape(claim.english), quote, *lines])
    return (
        f'<article class="verdict verdict-{outcome.replace(" ", "-")}" id="{claim.anchor}" '
        f'data-outcome="{outcome.replace(" ", "-")}">{body}</article>'
    )


def _tried(claim: str, tried: Mapping[str, Any]) -> str:
    changing = [tried["breakages"][name] for name in tried["changed"].get(claim, [])]
    if changing:
        return f"The outcome changes when {escape(_listed(changing))}."
    why = tried["elsewhere"].get(claim, "not tried yet")
    return f"No breakage changes the outcome: {escape(why)}."


def _listed(parts: Sequence[str], most: int = 3) -> str:
    shown = [*parts[:most], *([f"{len(parts) - most} more"] if len(parts) > most else [])]
    return " or ".join([", ".join(shown[:-1]), shown[-1]] if len(shown) > 1 else shown)


def _filters(sources: list[str]) -> str:
    """Two rows of radio buttons, which the style sheet alone puts into effect."""

    def choices(name: str, values: Sequence[str]) -> str:
        made = [
            f'<label><input type="radio" name="map-{name}" value="{value.replace(" ", "-")}"'
            f"{' checked' if value == 'all' else ''}> {value}</label>"
            for value in ("all", *values)
        ]
        return f"<fieldset><legend>{name.capitalize()}</legend>{''.join(made)}</fieldset>"

    rows = choices("source", sources) + choices("outcome", (*OUTCOMES, "untried"))
    return f'<form class="map-filter">{rows}</form>'
