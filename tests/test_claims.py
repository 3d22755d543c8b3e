"""claims: outcomes that follow from tests, claims as data, and a book that answers all of them."""

from __future__ import annotations

import ast
import html
import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from descent.book import claims, source_map
from descent.book.claims import (
    MIME_TYPE,
    Verdict,
    check,
    collect,
    judge,
    read_claims,
    reproduce,
    reproduce_family,
)

CHAPTERS = Path(__file__).parent.parent / "chapters"
JUDGES = {"judge", "reproduce", "reproduce_family"}


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Verdict]]:
    """The verdicts that are displayed; nothing is judged before."""
    found: list[Verdict] = []
    monkeypatch.setattr("IPython.display.display", found.append)
    monkeypatch.setattr(claims, "_judged", {})
    yield found


def test_claims_are_of_the_sources_items() -> None:
    book = read_claims()
    counts = {"A": 11, "B": 10, "C": 7, "D": 10, "E": 10}
    assert list(book.items) == [f"{key}{i}" for key, n in counts.items() for i in range(1, n + 1)]
    assert list(book.sources) == list(counts)
    assert book.sources["C"].author == "Saket Thavanani"
    assert book.sources["E"].author == "ptknx"
    for claim in book.claims.values():
        assert re.fullmatch(r"[A-E]\d+(-[a-z0-9]+)+", claim.id)
        assert claim.quote and claim.place and claim.english.endswith(".")
        assert claim.true_if.endswith(".") or claim.untried
    printed = {c.item for c in book.claims.values() if c.numbers}
    assert printed == {
        "A1",
        "A2",
        "A3",
        "A4",
        "A7",
        "A8",
        "A9",
        "A10",
        "C2",
        "C3",
        "C4",
        "C5",
        "C6",
    }
    # The third source's program prints nothing that is on its page.
    own = [c for c in book.claims.values() if c.numbers and c.id[0] == "C"]
    assert all("computed by the source's program" in c.place for c in own)


@pytest.mark.parametrize(
    ("tests", "outcome", "clause"),
    [
        ({"holds": True}, "holds", ""),
        ({"holds": False}, "fails", ""),
        ({"holds": True, "only_if": ("it rains", True)}, "holds", ""),
        ({"holds": False, "only_if": ("it rains", True)}, "holds only if", "it rains"),
        ({"holds": False, "only_if": ("it rains", False)}, "fails", ""),
        (
            {"holds": np.bool_(True), "undecided": ("more rain", np.bool_(True))},
            "undecided",
            "more rain",
        ),
        ({"holds": False, "undecided": ("more rain", False)}, "fails", ""),
    ],
)
def test_outcomes_follow_from_tests(
    tests: dict[str, Any], outcome: str, clause: str, shown: list[Verdict]
) -> None:
    judge("D9-flat", evidence="161 steps against 717", **tests)
    assert shown == [Verdict("D9-flat", outcome, "161 steps against 717", clause)]


def test_line_html_and_record(shown: list[Verdict]) -> None:
    judge("D9-flat", holds=False, only_if=("lr < 1 & <b>", True), evidence="161 steps, 717 < 718")
    bundle = shown[0]._repr_mimebundle_()
    assert bundle["text/plain"] == "D9-flat · holds only if lr < 1 & <b> · 161 steps, 717 < 718"
    assert bundle[MIME_TYPE] == {
        "claim": "D9-flat",
        "outcome": "holds only if",
        "evidence": "161 steps, 717 < 718",
        "clause": "lr < 1 & <b>",
    }
    text: list[str] = []
    parser = HTMLParser()
    parser.handle_data = text.append  # type: ignore[method-assign]
    parser.feed(bundle["text/html"])
    said = re.sub(r"\s+", " ", "".join(text))
    assert said == (
        "Momentum carries a run through flat regions. Holds only if lr < 1 & <b>. "
        "Measured: 161 steps, 717 < 718. D9-flat"
    )
    assert bundle["text/html"].startswith(
        '<p id="verdict-d9-flat" class="verdict verdict-holds-only-if">'
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"claim": "D9-flatt"}, "claim must be one of"),
        ({"claim": 3}, "claim must be one of"),
        ({"claim": "A1-end"}, "reproduce it"),
        ({"claim": "C7-popular"}, "no run can try"),
        ({"holds": 1}, "holds must be a truth value"),
        ({"holds": np.array([True])}, "holds must be a truth value"),
        ({"holds": None}, "holds must be a truth value"),
        ({"only_if": ("it rains", "yes")}, "only_if must be a truth value"),
        ({"only_if": ("", True)}, "only_if must be words"),
        ({"only_if": True}, "only_if must be a pair"),
        ({"undecided": ("more", 0)}, "undecided must be a truth value"),
        ({"evidence": " "}, "evidence must be words"),
        ({"evidence": "161 steps."}, "evidence must be words"),
    ],
)
def test_judge_refuses(arguments: dict[str, Any], message: str, shown: list[Verdict]) -> None:
    given = {"claim": "D9-flat", "holds": True, "evidence": "161 steps"} | arguments
    with pytest.raises(ValueError, match=message):
        judge(given.pop("claim"), **given)
    assert shown == []


def test_a_claim_is_judged_once(shown: list[Verdict]) -> None:
    judge("D9-flat", holds=True, evidence="161 steps")
    with pytest.raises(ValueError, match="judged before"):
        judge("D9-flat", holds=True, evidence="161 steps")
    judge("D9-minima", holds=True, evidence="161 steps")
    assert len(shown) == 2


def test_a_cell_may_run_again(shown: list[Verdict], monkeypatch: pytest.MonkeyPatch) -> None:
    class Shell:
        execution_count = 1

    monkeypatch.setattr("IPython.core.getipython.get_ipython", lambda: Shell)
    for Shell.execution_count in (1, 2):
        judge("D9-flat", holds=True, evidence="161 steps")
    with pytest.raises(ValueError, match="judged before"):
        judge("D9-flat", holds=True, evidence="161 steps")


def test_numbers_agree_to_the_printed_digits(shown: list[Verdict]) -> None:
    reproduce("A1-end", (-0.9434671, -0.0000731))
    reproduce("A2-end", (-0.387814, -1673.365111))
    assert [v.outcome for v in shown] == ["reproduced", "not reproduced"]
    assert shown[0].evidence == "ours -0.943467, -0.000073; theirs -0.943467, -0.000073"


@pytest.mark.parametrize("claim", ["A1-end", "A2-end", "A3-end", "A4-end"])
def test_printed_numbers_follow_from_the_recurrence(claim: str, shown: list[Verdict]) -> None:
    lr, momentum = {"A1": (0.4, 0), "A2": (0.6, 0), "A3": (0.4, 0.5), "A4": (0.6, 0.5)}[claim[:2]]
    x, v = [-5.0, -2.0], [0.0, 0.0]
    for _ in range(20):
        for i, slope in enumerate((0.2, 4.0)):
            v[i] = momentum * v[i] + lr * slope * x[i]
            x[i] -= v[i]
    reproduce(claim, x)
    assert shown[0].outcome == "reproduced"


def test_reproduce_refuses(shown: list[Verdict]) -> None:
    with pytest.raises(ValueError, match="no numbers"):
        reproduce("D9-flat", (1.0,))
    with pytest.raises(ValueError, match="no numbers"):
        reproduce("A7-loss", (0.2455,))
    with pytest.raises(ValueError, match="must be 2"):
        reproduce("A1-end", (1.0,))


FAMILY = {"A7-loss": 0.245518, "A8-loss": 0.252046, "A9-loss": 0.242905, "A10-loss": 0.253280}


def test_a_family_of_numbers_shares_one_error(shown: list[Verdict]) -> None:
    """Of four independent numbers drawn from ours, all lie inside 19 times of 20."""
    level = 0.95**0.25
    assert level**4 == pytest.approx(0.95)
    rng = np.random.default_rng(0)
    sample = np.sort(rng.random(1000))
    low, high = np.quantile(sample, [(1 - level) / 2, (1 + level) / 2])
    samples = {
        "A7-loss": FAMILY["A7-loss"] + sample - (low + 1e-9),
        "A8-loss": FAMILY["A8-loss"] + sample - (low - 1e-9),
        "A9-loss": FAMILY["A9-loss"] + sample - (high - 1e-9),
        "A10-loss": FAMILY["A10-loss"] + sample - (high + 1e-9),
    }
    reproduce_family(samples)
    inside, outside = "reproduced", "not reproduced"
    assert [v.outcome for v in shown] == [inside, outside, inside, outside]
    assert "98.7% of our 1000 seeds" in shown[0].evidence


def test_a_family_is_judged_whole(shown: list[Verdict]) -> None:
    good = {claim: np.linspace(0.24, 0.26, 300) for claim in FAMILY}
    with pytest.raises(ValueError, match="whole family"):
        reproduce_family({"A7-loss": good["A7-loss"]})
    with pytest.raises(ValueError, match="whole family"):
        reproduce_family({"A1-end": good["A7-loss"]})
    with pytest.raises(ValueError, match="200 or more"):
        reproduce_family(good | {"A8-loss": np.ones(30)})


def bad_file(folder: Path, claim: str) -> Path:
    path = folder / "claims.toml"
    path.write_text(f'[sources.A]\ntitle="a"\nenglish="a"\n[items]\nA1="a"\n{claim}', "utf-8")
    return path


@pytest.mark.parametrize(
    ("claim", "message"),
    [
        ('[claims.A2-x]\nquote="q"\nplace="p"\nenglish="e"\ntrue_if="t"', "no item"),
        ('[claims.A1-x]\nquote="q"\nplace="p"\nenglish="e"', "true_if or untried"),
        (
            '[claims.A1-x]\nquote="q"\nplace="p"\nenglish="e"\ntrue_if="t"\nuntried="u"',
            "true_if or",
        ),
        ('[claims.A1-x]\nquote="q"\nplace="p"\nenglish=""\ntrue_if="t"', "english"),
        ('[claims.A1-x]\nquote="q"\nplace="p"\nenglish="e"\ntrue_if="t"\nnumbers=["a"]', "digits"),
    ],
)
def test_a_bad_file_is_refused(claim: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=message):
        read_claims(bad_file(tmp_path, claim))


def write_notebook(folder: Path, verdicts: list[Verdict]) -> None:
    cells = [{"cell_type": "markdown", "id": "text", "source": ""}]
    cells += [
        {
            "cell_type": "code",
            "id": f"cell-{v.claim}",
            "outputs": [
                {"output_type": "stream", "name": "stdout", "text": "1\n"},
                {"output_type": "display_data", "data": v._repr_mimebundle_(), "metadata": {}},
            ],
        }
        for v in verdicts
    ]
    (folder / "01-first.ipynb").write_text(json.dumps({"cells": cells}), encoding="utf-8")


def whole_book() -> list[Verdict]:
    return [
        Verdict(claim.id, "holds", "1")
        for claim in read_claims().claims.values()
        if not claim.untried
    ]


def test_verdicts_are_read_back_with_their_place(tmp_path: Path) -> None:
    write_notebook(tmp_path, whole_book())
    found = collect(tmp_path)
    assert found[0] == Verdict("A1-end", "holds", "1", chapter="01-first", cell="cell-A1-end")
    assert check(found) == []


def test_what_is_missing_or_twice_is_a_problem() -> None:
    verdicts = whole_book()
    assert check(verdicts[1:]) == ["A1-end has no verdict"]
    assert check([*verdicts, verdicts[0]]) == ["A1-end has 2 verdicts"]
    popular = Verdict("C7-popular", "holds", "1")
    assert check([*verdicts, popular]) == ["C7-popular has 1 verdict"]


def test_an_edited_output_is_refused(tmp_path: Path) -> None:
    write_notebook(tmp_path, whole_book()[:1])
    path = tmp_path / "01-first.ipynb"
    path.write_text(path.read_text("utf-8").replace('"holds"', '"proven"'), "utf-8")
    with pytest.raises(ValueError, match="outcome"):
        collect(tmp_path)
    with pytest.raises(ValueError, match="folder"):
        collect(tmp_path / "missing")


# The chapters -------------------------------------------------------------------------------------


def code_cells(path: Path) -> list[dict[str, Any]]:
    cells: list[dict[str, Any]] = json.loads(path.read_text("utf-8"))["cells"]
    return [cell for cell in cells if cell["cell_type"] == "code"]


class Constants(ast.NodeVisitor):
    """Which names of a notebook hold nothing but constants, and so decide nothing."""

    def __init__(self, tree: ast.AST) -> None:
        self.values: dict[str, list[ast.AST]] = {}
        self.visit(tree)

    def visit_Assign(self, node: ast.Assign) -> None:
        for target in node.targets:
            pairs = [(target, node.value)]
            if isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple):
                pairs = list(zip(target.elts, node.value.elts, strict=False))
            for one, value in pairs:
                for name in ast.walk(one):
                    if isinstance(name, ast.Name):
                        self.values.setdefault(name.id, []).append(value)
        self.generic_visit(node)

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        if isinstance(node.target, ast.Name):
            self.values.setdefault(node.target.id, []).append(node.value)
        self.generic_visit(node)

    def constant(self, node: ast.AST, seen: frozenset[str] = frozenset()) -> bool:
        """Whether a value is the same in every run, as far as it can be told from the text."""
        if isinstance(node, ast.Constant):
            return True
        if isinstance(node, ast.Name):
            given = self.values.get(node.id, [])
            rest = seen | {node.id}
            return (
                bool(given) and node.id not in seen and all(self.constant(v, rest) for v in given)
            )
        if isinstance(node, ast.FormattedValue):
            return self.constant(node.value, seen)
        if isinstance(node, ast.Call):
            plain = isinstance(node.func, ast.Name) and node.func.id in {
                "bool",
                "str",
                "all",
                "any",
            }
            return plain and all(self.constant(a, seen) for a in node.args)
        if isinstance(
            node,
            ast.JoinedStr
            | ast.UnaryOp
            | ast.BoolOp
            | ast.BinOp
            | ast.Compare
            | ast.Tuple
            | ast.IfExp,
        ):
            parts = [n for n in ast.iter_child_nodes(node) if isinstance(n, ast.expr)]
            return all(self.constant(part, seen) for part in parts)
        return False


def literal_arguments(source: str) -> list[str]:
    """What in the calls of `judge` and its like no run can change."""
    tree = ast.parse(source)
    constants = Constants(tree)
    wrong = []
    for call in ast.walk(tree):
        if not (isinstance(call, ast.Call) and isinstance(call.func, ast.Name)):
            continue
        if call.func.id not in JUDGES:
            continue
        tests = [(k.arg, k.value) for k in call.keywords]
        tests += [(f"argument {i}", a) for i, a in enumerate(call.args) if i > 0]
        for name, value in tests:
            if name in {"only_if", "undecided"}:
                if not (isinstance(value, ast.Tuple) and len(value.elts) == 2):
                    wrong.append(f"line {call.lineno}: {name} is no pair")
                    continue
                value = value.elts[1]
            if constants.constant(value):
                wrong.append(f"line {call.lineno}: {name} is a constant")
    return wrong


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("judge('x', holds=True, evidence=f'{a}')", "holds is a constant"),
        ("good = True\njudge('x', holds=good, evidence=f'{a}')", "holds is a constant"),
        ("a = b = 3\njudge('x', holds=a < b, evidence=f'{c}')", "holds is a constant"),
        ("judge('x', holds=not False, evidence=f'{c}')", "holds is a constant"),
        ("judge('x', holds=bool(1), evidence=f'{c}')", "holds is a constant"),
        ("judge('x', holds=a < b, evidence='161 steps')", "evidence is a constant"),
        ("n = 161\njudge('x', holds=a < b, evidence=f'{n} steps')", "evidence is a constant"),
        ("e = '161'\njudge('x', holds=a < b, evidence=e + ' steps')", "evidence is a constant"),
        ("judge('x', holds=a < b, only_if=('it rains', True), evidence=f'{a}')", "only_if is a"),
        ("judge('x', holds=a < b, undecided=('more', 1 > 0), evidence=f'{a}')", "undecided is a"),
        ("reproduce('x', (1.0, 2.0))", "argument 1 is a constant"),
        ("judge('x', holds=a < b, only_if=('it rains', a > b), evidence=f'{a}')", None),
        ("a = measure()\njudge('x', holds=a < 3, evidence=f'{a} steps')", None),
        ("a = 1\na = measure()\njudge('x', holds=a < 3, evidence=f'{a} steps')", None),
    ],
)
def test_literals_are_found(source: str, found: str | None) -> None:
    wrong = literal_arguments(source)
    assert wrong == [] if found is None else any(found in w for w in wrong)


@pytest.mark.parametrize("path", sorted(CHAPTERS.glob("*.ipynb")), ids=lambda p: p.stem)
def test_no_outcome_is_written_by_hand(path: Path) -> None:
    cells = ["".join(cell["source"]) for cell in code_cells(path)]
    assert literal_arguments("\n".join(cells)) == []


def test_every_claim_has_its_verdict() -> None:
    assert check(collect(CHAPTERS)) == []


def test_every_item_is_regenerated_somewhere() -> None:
    texts = "".join(p.read_text("utf-8") for p in CHAPTERS.glob("*.ipynb"))
    labels = re.findall(r"\(src-([a-e]\d+)\)=", texts)
    assert sorted(labels) == sorted(item.lower() for item in read_claims().items)


def test_the_map_holds_every_source_item_claim_and_verdict() -> None:
    page, book = source_map.source_map(CHAPTERS), read_claims()
    for claim in book.claims.values():
        assert page.count(f'id="{claim.anchor}"') == 1
    verdicts = collect(CHAPTERS)
    assert all(html.escape(verdict.evidence) in page for verdict in verdicts)
    assert all(html.escape(title) in page for title in book.items.values())
    found = source_map.counts(CHAPTERS)
    assert sum(counts.total() for counts in found.values()) == len(verdicts)
    assert found["D"]["holds"] == sum(v.claim[0] == "D" and v.outcome == "holds" for v in verdicts)
