"""What the sources claim, as data, and the verdicts of the chapters on it.

`claims.toml`, beside this file, lists the sources, their items, and every claim of theirs with its
own words. A chapter calls `judge` (for a sentence) or `reproduce` (for printed numbers) beside the
measurement. The outcome is computed from tests, never written down; the line shown carries its
content as data, so that `collect` can read all verdicts back from the stored notebooks, and `check`
can say what is missing.
"""

import html
import json
import re
import sys
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from descent._checks import check_one_of
from descent.book import HERE

__all__ = [
    "OUTCOMES",
    "Claim",
    "Claims",
    "Source",
    "Verdict",
    "check",
    "collect",
    "judge",
    "read_claims",
    "reproduce",
    "reproduce_family",
]

OUTCOMES = ("reproduced", "holds", "holds only if", "fails", "not reproduced", "undecided")
MIME_TYPE = "application/vnd.descent.verdict+json"
# An honest family of numbers that depend on chance falls out of its bands this often.
FAMILY_ERROR = 0.05


@dataclass(frozen=True)
class Source:
    """One source.

    id: its letter, such as "A". title: as its file gives it. english: the title in English.
    author, date, address: whose it is, from when, and where on the network. names: books, papers
    and programs that it refers to. What the file does not name is empty.
    """

    id: str
    title: str
    english: str
    author: str = ""
    date: str = ""
    address: str = ""
    names: str = ""  # books, papers and programs that it refers to


@dataclass(frozen=True)
class Claim:
    """One claim of a source.

    id: that of its item and a word, such as "D9-flat".
    quote: the source's own words, where it has any; place: where they stand.
    english: what it says. true_if: what would show it true.
    numbers: the printed digits, for a claim that is a number; `family` names the numbers that
    depend on chance and are judged together. untried: why no run can try it, if so.
    """

    id: str
    quote: str
    place: str
    english: str
    true_if: str = ""
    numbers: tuple[str, ...] = ()
    family: str = ""
    untried: str = ""

    @property
    def item(self) -> str:
        """The id of the item that it belongs to, such as "D9"."""
        return self.id.partition("-")[0]

    @property
    def anchor(self) -> str:
        """The id of its verdict's line on its page, and of its row in the source map."""
        return self.id.lower()


@dataclass(frozen=True)
class Claims:
    """All of `claims.toml` by its ids: `sources`, titles of the `items`, and `claims`."""

    sources: dict[str, Source]
    items: dict[str, str]
    claims: dict[str, Claim]


@dataclass(frozen=True)
class Verdict:
    """What a chapter found about a claim.

    claim: its id. outcome: one of `OUTCOMES`. evidence: the values that decided. clause: the
    condition under which it holds, or what would decide; empty for the other outcomes.
    chapter, cell: the notebook's name and the cell's id, once the verdict is collected.
    """

    claim: str
    outcome: str
    evidence: str
    clause: str = ""
    chapter: str = field(default="", kw_only=True)
    cell: str = field(default="", kw_only=True)

    def __str__(self) -> str:
        clause = f" {self.clause}" if self.clause else ""
        return f"{self.claim} · {self.outcome}{clause} · {self.evidence}"

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        claim = read_claims().claims[self.claim]
        clause = f" {html.escape(self.clause)}" if self.clause else ""
        record = asdict(self)
        del record["chapter"], record["cell"]
        return {
            "text/plain": str(self),
            "text/html": (
                f'<p id="verdict-{claim.anchor}" '
                f'class="verdict verdict-{self.outcome.replace(" ", "-")}">'
                f'<span class="verdict-claim">{html.escape(claim.english)}</span> '
                f"<strong>{said(self.outcome)}</strong>{clause}"
                f'. <span class="verdict-evidence">Measured: {html.escape(self.evidence)}.</span> '
                f'<a class="verdict-link" href="a1-source-map.html#{claim.anchor}">'
                f"{claim.id}</a></p>"
            ),
            MIME_TYPE: record,
        }


def said(outcome: str) -> str:
    """An outcome, one of `OUTCOMES`, as the start of a sentence of its own."""
    return {"undecided": "Undecided:"}.get(outcome, outcome[0].upper() + outcome[1:])


@cache
def read_claims(path: str | Path | None = None) -> Claims:
    """The sources, items and claims of `claims.toml`, or of the file at `path`.

    Raises ValueError for a claim of no item, without the words that it
    needs, or with numbers that are none.
    """
    table = tomllib.loads(Path(path or HERE / "claims.toml").read_text(encoding="utf-8"))
    made = Claims(
        {key: Source(key, **row) for key, row in table["sources"].items()},
        table["items"],
        {
            key: Claim(key, **row | {"numbers": tuple(row.get("numbers", ()))})
            for key, row in table["claims"].items()
        },
    )
    for claim in made.claims.values():
        _check_claim(claim, made)
    return made


def _check_claim(claim: Claim, among: Claims) -> None:
    if claim.item not in among.items:
        raise ValueError(f"claim {claim.id!r} belongs to no item: {claim.item!r} is unknown")
    if not claim.english or bool(claim.true_if) == bool(claim.untried):
        raise ValueError(f"claim {claim.id!r} must have its english, and either true_if or untried")
    for number in claim.numbers:
        if not re.fullmatch(r"-?\d+\.\d+", number):
            raise ValueError(f"numbers of claim {claim.id!r} must be digits, got {number!r}")


# Claims judged so far in this process, with the run of the cell and the line that did it.
_judged: dict[str, tuple[int, str, int]] = {}


def judge(
    claim: str,
    *,
    holds: bool | np.bool_,
    evidence: str,
    only_if: tuple[str, bool | np.bool_] | None = None,
    undecided: tuple[str, bool | np.bool_] | None = None,
) -> None:
    """Show the verdict on a claim; its outcome follows from the tests.

    claim: an id of `claims.toml`.
    holds: whether the measurement shows the claim true as it stands.
    only_if: a condition in words, to be read after "holds only if", and whether the claim is true
    under it.
    undecided: what would decide, in words, and whether the measurement cannot tell; looked at
    first.
    evidence: the values that decided, formatted from them; no full stop.

    Raises ValueError for an unknown claim, one that is a number or cannot be tried, one judged
    before, a test that is not a truth value, and for empty words.
    """
    found = _known(claim)
    if found.numbers:
        raise ValueError(f"claim {claim!r} is a number: reproduce it")
    holding = _truth("holds", holds)
    clause, under = _condition("only_if", only_if)
    because, open_ = _condition("undecided", undecided)
    _check_text("evidence", evidence)
    if open_:
        verdict = Verdict(claim, "undecided", evidence, because)
    elif holding:
        verdict = Verdict(claim, "holds", evidence)
    elif under:
        verdict = Verdict(claim, "holds only if", evidence, clause)
    else:
        verdict = Verdict(claim, "fails", evidence)
    _show(verdict)


def reproduce(claim: str, numbers: Sequence[float]) -> None:
    """Show whether `numbers` agree with the source's to every printed digit.

    claim: an id of `claims.toml`. numbers: as many as the source has, in its order.

    Raises ValueError for a claim without numbers, one whose number depends on chance, one judged
    before, and for another count of numbers than the source's.
    """
    found = _known(claim)
    if not found.numbers or found.family:
        raise ValueError(f"claim {claim!r} has no numbers that are the same on every run")
    if len(numbers) != len(found.numbers):
        raise ValueError(
            f"numbers must be {len(found.numbers)} for claim {claim!r}, got {len(numbers)}"
        )
    digits = [len(n.partition(".")[2]) for n in found.numbers]
    ours = [f"{float(n):.{d}f}" for n, d in zip(numbers, digits, strict=True)]
    outcome = "reproduced" if ours == list(found.numbers) else "not reproduced"
    _show(Verdict(claim, outcome, f"ours {', '.join(ours)}; theirs {', '.join(found.numbers)}"))


def reproduce_family(samples: Mapping[str, npt.ArrayLike]) -> None:
    """Show whether numbers that depend on chance could have been drawn from ours.

    `samples` gives for every claim of one family the same quantity over many seeds. The band of
    each has the level at which all numbers of an honest family lie within theirs with probability
    95 %, if they are independent (Šidák).

    Raises ValueError where the claims are not one whole family, and for a sample of fewer than 200.
    """
    claims = [_known(claim) for claim in samples]
    families = {claim.family for claim in claims}
    whole = {c.id for c in read_claims().claims.values() if {c.family} == families}
    if families == {""} or set(samples) != whole:
        raise ValueError(f"samples must be for one whole family of claims, got {sorted(samples)}")
    level = (1 - FAMILY_ERROR) ** (1 / len(claims))
    for claim in claims:
        sample = np.asarray(samples[claim.id], dtype=float)
        if sample.ndim != 1 or len(sample) < 200:
            raise ValueError(f"sample of {claim.id!r} must be 200 or more, got {sample.shape}")
        (printed,) = claim.numbers
        low, middle, high = np.quantile(sample, [(1 - level) / 2, 0.5, (1 + level) / 2])
        inside = low <= float(printed) <= high
        _show(
            Verdict(
                claim.id,
                "reproduced" if inside else "not reproduced",
                f"{level:.1%} of our {len(sample)} seeds end between {low:.4f} and {high:.4f}, "
                f"half below {middle:.4f}; theirs {printed}",
            )
        )


def _known(claim: str) -> Claim:
    claims = read_claims().claims
    if not isinstance(claim, str) or claim not in claims:
        check_one_of("claim", claim, claims)
    found = claims[claim]
    if found.untried:
        raise ValueError(f"claim {claim!r} is listed as one that no run can try")
    return found


def _truth(name: str, value: object) -> bool:
    if not isinstance(value, bool | np.bool_):
        raise ValueError(f"{name} must be a truth value, got {value!r}")
    return bool(value)


def _condition(name: str, given: tuple[str, Any] | None) -> tuple[str, bool]:
    if given is None:
        return "", False
    if not isinstance(given, tuple) or len(given) != 2:
        raise ValueError(f"{name} must be a pair of words and a test, got {given!r}")
    _check_text(name, given[0])
    return given[0], _truth(name, given[1])


def _check_text(name: str, text: object) -> None:
    if not isinstance(text, str) or not text.strip() or text.strip()[-1] == ".":
        raise ValueError(f"{name} must be words without a full stop, got {text!r}")


def _show(verdict: Verdict) -> None:
    from IPython.core.getipython import get_ipython
    from IPython.display import display

    shell = get_ipython()
    run = 0 if shell is None else shell.execution_count
    frame = sys._getframe(1)
    while frame.f_globals.get("__name__") == __name__ and frame.f_back is not None:
        frame = frame.f_back
    place = (run, frame.f_code.co_filename, frame.f_lineno)
    before = _judged.get(verdict.claim)
    # A reader may run a cell again; another place, or the same one in a loop, is a mistake.
    if before is not None and not (before[0] != run and before[1:] == place[1:]):
        raise ValueError(f"claim {verdict.claim!r} has been judged before")
    _judged[verdict.claim] = place
    display(verdict)  # type: ignore[no-untyped-call]


def collect(folder: str | Path) -> list[Verdict]:
    """All verdicts in the stored outputs of the notebooks in `folder`, in the order of the book.

    Raises ValueError where that is no folder, and for an unknown claim or outcome in it.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise ValueError(f"folder must be a folder of notebooks, got {str(folder)!r}")
    return [
        replace(_from_record(output["data"][MIME_TYPE]), chapter=path.stem, cell=cell.get("id", ""))
        for path in sorted(folder.glob("*.ipynb"))
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]
        for output in cell.get("outputs", [])
        if MIME_TYPE in output.get("data", {})
    ]


def _from_record(record: Mapping[str, str]) -> Verdict:
    check_one_of("outcome", record["outcome"], OUTCOMES)
    _known(record["claim"])
    return Verdict(**record)


def check(verdicts: Iterable[Verdict]) -> list[str]:
    """What is wrong with the `verdicts`, as a list of sentences; an empty list is a complete book.

    Every claim that can be tried has one verdict, and every item has a claim.
    """
    claims = read_claims()
    verdicts = list(verdicts)
    counts = {key: sum(v.claim == key for v in verdicts) for key in claims.claims}
    problems = [
        f"{key} has {n or 'no'} verdict{'s' * (n > 1)}"
        for key, n in counts.items()
        if n != (not claims.claims[key].untried)
    ]
    with_claims = {claim.item for claim in claims.claims.values()}
    problems += [
        f"{item} ({title}) has no claim"
        for item, title in claims.items.items()
        if item not in with_claims
    ]
    return problems
