"""The list of source items, and the verdicts: shown, read back from notebooks, and checked."""

import json
from html.parser import HTMLParser
from pathlib import Path

import pytest

from descent.sources import ITEMS, MIME_TYPE, OUTCOMES, SOURCES, Verdict, check, collect, verdict

QUANTILES = {
    "A7": (0.2424, 0.2438, 0.2486),
    "A8": (0.2451, 0.2548, 0.2768),
    "A9": (0.2425, 0.2437, 0.2483),
    "A10": (0.2422, 0.2437, 0.2468),
}


def bundle(*args: object, **kwargs: object) -> dict[str, object]:
    """What `verdict` would hand to IPython."""
    shown: list[Verdict] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("IPython.display.display", shown.append)
        assert verdict(*args, **kwargs) is None  # type: ignore[arg-type]
    (found,) = shown
    return found._repr_mimebundle_()


def complete(**changes: dict[str, object]) -> list[dict[str, object]]:
    """Arguments of one right verdict for every item, changed by item where asked."""
    calls = []
    for item in ITEMS.values():
        call: dict[str, object] = {"item": item.id, "outcome": "covered"}
        if item.numbers:
            call = {"item": item.id, "outcome": "reproduced", "numbers": item.numbers}
        if item.spread:
            call["numbers"] = QUANTILES[item.id]
            call["outcome"] = "fails" if item.id == "A10" else "reproduced"
        calls.append(call | changes.get(item.id, {}))
    return calls


def notebooks(folder: Path, calls: list[dict[str, object]]) -> Path:
    """Two notebooks with the verdicts as stored outputs, among outputs of other kinds."""
    for name, part in (("01-first", calls[::2]), ("02-second", calls[1::2])):
        cells = [{"cell_type": "markdown", "id": "text", "source": ""}]
        cells += [
            {
                "cell_type": "code",
                "id": f"cell-{call['item']}",
                "outputs": [
                    {"output_type": "stream", "name": "stdout", "text": "1\n"},
                    {"output_type": "display_data", "data": bundle(**call), "metadata": {}},
                ],
            }
            for call in part
        ]
        (folder / f"{name}.ipynb").write_text(json.dumps({"cells": cells}), encoding="utf-8")
    return folder


def test_items_are_those_of_the_five_sources_in_order() -> None:
    counts = {"A": 11, "B": 10, "C": 7, "D": 10, "E": 10}
    assert list(ITEMS) == [f"{key}{i}" for key, n in counts.items() for i in range(1, n + 1)]
    assert list(SOURCES) == list(counts)
    for key, item in ITEMS.items():
        assert item.id == key
        assert item.source.id == key[0]
        assert item.title.isascii()
    assert {s.id: s.author for s in SOURCES.values() if s.author} == {
        "C": "Saket Thavanani",
        "E": "ptknx",
    }


def test_numbers_of_the_sources() -> None:
    assert [key for key, item in ITEMS.items() if item.numbers] == [
        *("A1", "A2", "A3", "A4", "A7", "A8", "A9", "A10", "C2", "C3", "C4", "C5", "C6")
    ]
    assert ITEMS["A2"].display_numbers() == "-0.387814, -1673.365109"
    assert ITEMS["A10"].display_numbers() == "0.253280"
    assert all(item.printed == (key[0] == "A") for key, item in ITEMS.items() if item.numbers)


@pytest.mark.parametrize("item", ["A1", "A2", "A3", "A4"])
def test_printed_numbers_follow_from_the_recurrence(item: str) -> None:
    lr, momentum = {"A1": (0.4, 0), "A2": (0.6, 0), "A3": (0.4, 0.5), "A4": (0.6, 0.5)}[item]
    x, v = [-5.0, -2.0], [0.0, 0.0]
    for _ in range(20):
        for i, slope in enumerate((0.2, 4.0)):
            v[i] = momentum * v[i] + lr * slope * x[i]
            x[i] -= v[i]
    call = {"item": item, "outcome": "reproduced", "numbers": tuple(x)}
    assert bundle(**call)[MIME_TYPE]["ours"] == ITEMS[item].display_numbers()


def test_line_html_and_record() -> None:
    shown = bundle("A1", "reproduced", numbers=(-0.9434671, -0.0000731))
    assert shown["text/plain"] == (
        "A1 · reproduced · ours: -0.943467, -0.000073 · source: -0.943467, -0.000073"
    )
    assert shown[MIME_TYPE] == {
        "item": "A1",
        "part": "",
        "outcome": "reproduced",
        "ours": "-0.943467, -0.000073",
        "numbers": (-0.943467, -0.000073),
        "source": [-0.943467, -0.000073],
    }
    assert str(shown["text/html"]).startswith(
        '<p id="verdict-a1" class="verdict verdict-reproduced"><a href="#src-a1">'
    )


def test_text_is_escaped_in_html_and_the_tags_close() -> None:
    shown = str(bundle("D9", "holds only if", "3 < 5 & <b>", part="lr < 1")["text/html"])
    assert 'class="verdict verdict-holds-only-if"' in shown
    open_tags: list[str] = []
    text: list[str] = []
    parser = HTMLParser()
    parser.handle_starttag = lambda tag, attributes: open_tags.append(tag)  # type: ignore[method-assign]
    parser.handle_endtag = lambda tag: (open_tags.pop() == tag) or pytest.fail(tag)  # type: ignore
    parser.handle_data = text.append  # type: ignore[method-assign]
    parser.feed(shown)
    assert open_tags == []
    assert "".join(text) == "D9 lr < 1 holds only if ours: 3 < 5 & <b>"


def test_outside_a_notebook_it_prints_its_line(capsys: pytest.CaptureFixture[str]) -> None:
    verdict("C7", "fails", "0.714 > 0.011", part="Adam fastest")
    assert capsys.readouterr().out == "C7 · Adam fastest · fails · ours: 0.714 > 0.011\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"item": "A12", "outcome": "holds", "ours": "1"}, "item"),
        ({"item": "a1", "outcome": "holds", "ours": "1"}, "item"),
        ({"item": "A5", "outcome": "true", "ours": "1"}, "outcome"),
        ({"item": "A5", "outcome": "holds"}, "ours"),
        ({"item": "A5", "outcome": "fails", "part": "window"}, "ours"),
        ({"item": "A1", "outcome": "reproduced"}, "ours"),
        ({"item": "A1", "outcome": "reproduced", "ours": "1", "numbers": (1.0, 2.0)}, "not both"),
        ({"item": "A1", "outcome": "reproduced", "numbers": (1.0,)}, "2 finite numbers"),
        ({"item": "A1", "outcome": "fails", "numbers": (1.0, float("nan"))}, "2 finite numbers"),
        ({"item": "A7", "outcome": "reproduced", "numbers": (0.2438,)}, "3 finite numbers"),
        ({"item": "D1", "outcome": "holds", "numbers": (1.0,)}, "0 finite numbers"),
    ],
)
def test_verdict_refuses(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        verdict(**arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize("outcome", ["undecided", "covered"])
def test_what_claims_nothing_needs_no_measurement(outcome: str) -> None:
    assert outcome in OUTCOMES
    assert bundle("D1", outcome)["text/plain"] == f"D1 · {outcome}"


def test_verdicts_are_read_back_with_their_place(tmp_path: Path) -> None:
    found = collect(notebooks(tmp_path, complete()))
    assert sorted(v.item for v in found) == sorted(ITEMS)
    assert found[0] == Verdict(
        item="A1",
        outcome="reproduced",
        ours="-0.943467, -0.000073",
        numbers=(-0.943467, -0.000073),
        chapter="01-first",
        cell="cell-A1",
    )
    assert {v.chapter for v in found} == {"01-first", "02-second"}
    assert check(found) == []


def test_collect_refuses_what_is_no_folder(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="folder"):
        collect(tmp_path / "missing")


def test_an_edited_output_is_refused(tmp_path: Path) -> None:
    notebooks(tmp_path, complete())
    path = tmp_path / "01-first.ipynb"
    path.write_text(path.read_text("utf-8").replace('"covered"', '"proven"'), "utf-8")
    with pytest.raises(ValueError, match="outcome"):
        collect(tmp_path)


@pytest.mark.parametrize(
    ("item", "change", "problem"),
    [
        ("A1", {"numbers": (-0.943468, -0.000073)}, "'reproduced' with -0.943468"),
        ("A3", {"outcome": "fails"}, "'fails' with -0.062843"),
        ("A4", {"numbers": (), "ours": "close"}, "no verdict with numbers"),
        ("C6", {"numbers": (-0.055825, -0.055823)}, "'reproduced' with -0.055825, -0.055823"),
        ("A7", {"outcome": "fails"}, "lies inside"),
        ("A10", {"outcome": "reproduced"}, "lies outside"),
        ("A8", {"numbers": (0.23, 0.24, 0.28)}, "median 0.2400 lies outside"),
    ],
)
def test_what_does_not_match_is_a_problem(
    item: str, change: dict[str, object], problem: str, tmp_path: Path
) -> None:
    (found,) = check(collect(notebooks(tmp_path, complete(**{item: change}))))
    assert found.startswith(item)
    assert problem in found


def test_an_item_without_a_verdict_is_a_problem(tmp_path: Path) -> None:
    calls = [call for call in complete() if call["item"] != "B5"]
    (found,) = check(collect(notebooks(tmp_path, calls)))
    assert found.startswith("B5 (valleys")
    assert found.endswith("has no verdict")
    assert len(check([])) == len(ITEMS)
