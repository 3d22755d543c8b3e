"""The book covers its sources: every item has its label, its verdict, its number and its row."""

import json
import re
from pathlib import Path

import pytest

from descent.sources import ITEMS, check, collect

CHAPTERS = Path(__file__).parent.parent / "chapters"


def cells(path: Path) -> list[dict]:
    return json.loads(path.read_text(encoding="utf-8"))["cells"]


@pytest.fixture(scope="module")
def prose() -> dict[str, str]:
    return {
        path.stem: "\n".join(
            "".join(cell["source"]) for cell in cells(path) if cell["cell_type"] == "markdown"
        )
        for path in sorted(CHAPTERS.glob("[0-9]*.ipynb"))
    }


def test_every_item_has_one_label(prose):
    found = re.findall(r"^\(src-([a-e]\d+)\)=$", "\n".join(prose.values()), re.M)
    assert sorted(found) == sorted(item.lower() for item in ITEMS)


def test_every_item_has_a_verdict_and_the_right_numbers():
    assert check(collect(CHAPTERS)) == []


def test_a_verdict_stands_in_the_chapter_of_its_measurement():
    for found in collect(CHAPTERS):
        assert re.match(r"\d\d-", found.chapter), found


def test_verdict_anchors_are_unique_in_a_chapter():
    anchors = [(found.chapter, found.anchor) for found in collect(CHAPTERS)]
    assert len(set(anchors)) == len(anchors)


def test_the_map_has_a_row_for_every_verdict():
    rows = "".join(
        "".join(output["data"]["text/html"])
        for cell in cells(CHAPTERS / "a1-source-map.ipynb")
        for output in cell.get("outputs", [])
        if "text/html" in output.get("data", {})
    )
    found = re.findall(r'href="([^"]+)\.html#([^"]+)"', rows)
    assert sorted(found) == sorted((v.chapter, v.anchor) for v in collect(CHAPTERS))
