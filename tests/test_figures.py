"""The stored figures: what a reader sees of them, on either page and on a phone, without a browser.

Each is parsed once: where its texts, lines and markers are, and in which colours.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from conftest import ROOT

from pages import PANELS, number_appendices, panels_of, write_dark

pytest.importorskip("matplotlib")

from descent.plots import DARK, FAINT, PAPER
from test_plots import DARK_PAPER, contrast

FIGURES = {
    f"{path.stem}-{number}": "".join(output["data"]["image/svg+xml"])
    for path in sorted((ROOT / "chapters").glob("*.ipynb"))
    for number, cell in enumerate(json.loads(path.read_text("utf-8"))["cells"])
    for output in cell.get("outputs", [])
    if "image/svg+xml" in output.get("data", {})
}
PHONE = 343  # pixels that a figure has on a screen of 375
PIXELS = 4 / 3  # in a point
NUMBER = r"-?\d+(?:\.\d+)?(?:e-?\d+)?"
COLOUR = re.compile(r"(fill|stroke): (#\w+|none|url\([^)]*\))")
TRANSFORM = re.compile(r"(translate|scale|rotate|matrix)\(([^)]*)\)")
HREF = "{http://www.w3.org/1999/xlink}href"

Box = tuple[float, float, float, float]


def affine(text: str | None) -> np.ndarray:
    matrix = np.eye(3)
    for name, arguments in TRANSFORM.findall(text or ""):
        n = [float(number) for number in re.findall(NUMBER, arguments)]
        own = np.eye(3)
        if name == "translate":
            own[:2, 2] = n[0], n[1] if len(n) > 1 else 0
        elif name == "scale":
            own[0, 0], own[1, 1] = n[0], n[-1]
        elif name == "rotate":
            turn = np.radians(n[0])
            own[:2, :2] = [[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]
        else:
            own[:2] = np.reshape(n, (3, 2)).T
        matrix = matrix @ own
    return matrix


@cache
def corners(path: str) -> np.ndarray:
    """The points of a path, as columns."""
    numbers = np.array(re.findall(NUMBER, path), dtype=float)
    return np.vstack([numbers.reshape(-1, 2).T, np.ones(len(numbers) // 2)])


def box_of(points: np.ndarray) -> Box:
    (x0, y0), (x1, y1) = points[:2].min(axis=1), points[:2].max(axis=1)
    return float(x0), float(y0), float(x1), float(y1)


@dataclass
class Text:
    words: str
    size: float  # in points
    colour: str
    box: Box
    order: int


@dataclass
class Drawing:
    """What a figure holds, in points from its upper left corner and in the order of painting."""

    width: float
    height: float
    texts: list[Text] = field(default_factory=list)
    lines: list[tuple[int, np.ndarray, Box | None]] = field(default_factory=list)
    dots: list[tuple[int, float, float]] = field(default_factory=list)
    covers: list[tuple[int, Box]] = field(default_factory=list)  # painted in the paper's colour
    pictures: list[tuple[int, Box]] = field(default_factory=list)
    colours: set[str] = field(default_factory=set)  # of marks


def meets(box: Box, path: np.ndarray) -> bool:
    """Whether a chain of straight lines passes through a box (Liang and Barsky, 1984)."""
    start, way = path[:2, :-1], np.diff(path[:2])
    low, high = np.zeros(way.shape[1]), np.ones(way.shape[1])
    for axis in (0, 1):
        with np.errstate(divide="ignore", invalid="ignore"):
            ends = (np.array([[box[axis]], [box[axis + 2]]]) - start[axis]) / way[axis]
        inside = (box[axis] <= start[axis]) & (start[axis] <= box[axis + 2])
        still = way[axis] == 0
        low = np.maximum(low, np.where(still, np.where(inside, 0, 2), ends.min(axis=0)))
        high = np.minimum(high, np.where(still, 1, ends.max(axis=0)))
    return bool((low < high).any())


def overlap(a: Box, b: Box) -> float:
    """By how much two boxes overlap in the direction in which they do so least."""
    return min(min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1]))


def style(element: ElementTree.Element) -> dict[str, str]:
    return dict(COLOUR.findall(element.get("style", "")))


@cache
def drawing(name: str) -> Drawing:
    parser = ElementTree.XMLParser(target=ElementTree.TreeBuilder(insert_comments=True))
    root = ElementTree.fromstring(FIGURES[name], parser)
    width, height = map(float, root.get("viewBox", "").split()[2:])
    found = Drawing(width, height)
    shapes: dict[str, np.ndarray] = {}
    clips: dict[str, Box] = {}
    for element in root.iter():
        if element.tag == "{http://www.w3.org/2000/svg}clipPath":
            child = element[0]
            if child.tag.endswith("rect"):
                x, y, w, h = (float(child.get(k, 0)) for k in ("x", "y", "width", "height"))
                clips[f"url(#{element.get('id')})"] = (x, y, x + w, y + h)
        elif element.get("id") and element.get("d"):
            own = affine(element.get("transform"))
            shapes[f"#{element.get('id')}"] = own @ corners(element.get("d", ""))
    order = 0

    def read_text(group: ElementTree.Element, words: str) -> None:
        parts = [part for part in group if "scale" in part.get("transform", "")]
        points = []
        for part in parts:
            outer = affine(part.get("transform"))
            for use in part.iter("{http://www.w3.org/2000/svg}use"):
                shape = shapes.get(use.get(HREF, ""))
                if shape is not None:  # a space has none
                    at = np.eye(3)
                    at[:2, 2] = float(use.get("x", 0)), float(use.get("y", 0))
                    points.append(outer @ affine(use.get("transform")) @ at @ shape)
        if points:
            sizes = [float(re.findall(r"scale\((\S+) ", p.get("transform", ""))[0]) for p in parts]
            colour = style(parts[0]).get("fill", "black")
            box = box_of(np.hstack(points))
            found.texts.append(Text(words, 100 * min(sizes), colour, box, order))

    def walk(element: ElementTree.Element, clip: str | None) -> None:
        nonlocal order
        order += 1
        tag = str(element.tag).rpartition("}")[2]
        if tag in ("defs", "metadata"):
            return
        clip = element.get("clip-path", clip)
        look = style(element)
        comments = [child for child in element if child.tag is ElementTree.Comment]
        if comments:
            for patch in element.iterfind(".//{http://www.w3.org/2000/svg}path[@style]"):
                walk(patch, clip)
            read_text(element, str(comments[0].text).strip())
            return
        faded = "opacity" in element.get("style", "")
        painted = {c for c in look.values() if c.startswith("#")}
        if tag in ("path", "use") and not faded:
            found.colours.update(painted)
        if tag == "path" and element.get("d"):
            points = corners(element.get("d", ""))
            if look.get("fill") == PAPER:
                found.covers.append((order, box_of(points)))
            elif look.get("stroke", "none") not in ("none", PAPER):
                for part in re.findall("M[^M]*", element.get("d", "")):
                    found.lines.append((order, corners(part), clips.get(clip or "")))
        elif tag == "use":
            x, y = (float(element.get(k, 0)) for k in "xy")
            if within((x, y, x + 0.01, y + 0.01), clips.get(clip or "")):
                found.dots.append((order, x, y))
        elif tag == "image":
            x, y, w, h = (float(element.get(k, 0)) for k in ("x", "y", "width", "height"))
            at = affine(element.get("transform")) @ np.array([[x, x + w], [y, y + h], [1, 1]])
            found.pictures.append((order, box_of(at)))
        for child in element:
            walk(child, clip)

    walk(root, None)
    return found


def inner(box: Box, share: float = 0.12) -> Box:
    x, y = share * (box[2] - box[0]), share * (box[3] - box[1])
    x = min(x, y)
    return box[0] + x, box[1] + y, box[2] - x, box[3] - y


def within(box: Box, other: Box | None) -> Box | None:
    if other is None:
        return box
    cut = (
        max(box[0], other[0]),
        max(box[1], other[1]),
        min(box[2], other[2]),
        min(box[3], other[3]),
    )
    return cut if cut[0] < cut[2] and cut[1] < cut[3] else None


def test_there_are_figures() -> None:
    assert len(FIGURES) > 90


@pytest.mark.parametrize("name", FIGURES)
def test_colours_have_contrast_on_both_pages(name: str) -> None:
    """3:1 of marks, 4.5:1 of text (WCAG 2.1).

    Three things need none: level lines and guides, which carry no meaning that is not beside them
    in numbers (FAINT); the paper; and areas that are filled faintly between lines (with opacity).
    """
    seen = drawing(name)
    unknown = (seen.colours | {text.colour for text in seen.texts}) - set(DARK)
    assert not unknown, "colours of descent.plots only, which knows what they are on a dark page"
    for colour in seen.colours - {FAINT, PAPER}:
        assert contrast(colour) >= 3 and contrast(DARK[colour], DARK_PAPER) >= 3, colour
    for text in seen.texts:
        assert contrast(text.colour) >= 4.5, text
        assert contrast(DARK[text.colour], DARK_PAPER) >= 4.5, text


@pytest.mark.parametrize("name", FIGURES)
def test_texts_are_apart_and_in_the_figure(name: str) -> None:
    seen = drawing(name)
    for i, text in enumerate(seen.texts):
        x0, y0, x1, y1 = text.box
        assert min(x0, y0, seen.width - x1, seen.height - y1) > -0.5, f"{text.words} is cut"
        for other in seen.texts[:i]:
            assert overlap(text.box, other.box) < 0.7, f"{text.words} meets {other.words}"


@pytest.mark.parametrize("name", FIGURES)
def test_nothing_strikes_a_text_through(name: str) -> None:
    """A line or a dot may pass behind a text that is on a patch of paper."""
    seen = drawing(name)
    wrong = []
    for text in seen.texts:
        box = inner(text.box)
        patch = max(
            (at for at, cover in seen.covers if at <= text.order and within(box, cover) == box),
            default=0,
        )
        for at, path, clip in seen.lines:
            cut = within(box, clip)
            if at > patch and cut and meets(cut, path):
                wrong.append(f"a line through {text.words}")
        for at, x, y in seen.dots:
            if at > patch and box[0] < x < box[2] and box[1] < y < box[3]:
                wrong.append(f"a dot in {text.words}")
        if not patch and any(overlap(picture, box) > 0 for _, picture in seen.pictures):
            wrong.append(f"{text.words} on a picture")
    assert not wrong, set(wrong)


@pytest.mark.parametrize("name", FIGURES)
def test_text_can_be_read_on_a_phone(name: str) -> None:
    """10 pixels at least; indices and exponents are smaller."""
    seen = drawing(name)
    found = PANELS.search(FIGURES[name])
    assert found
    width = seen.width * PIXELS
    panels = [
        [tuple(map(float, part.split("-"))) for part in panel.split(",")]
        for panel in (found[1] or "0-100").split(";")
    ]
    shares = [sum(end - start for start, end in panel) for panel in panels]
    parts = {part for panel in panels for part in panel}
    for text in seen.texts:
        x0, _, x1, _ = (100 * side / seen.width for side in text.box)
        assert any(a - 0.1 < x0 and x1 < b + 0.1 for a, b in parts), f"{text.words} is lost"
        cut = [(a, b) for a, b in parts if x0 < a - 0.1 < x1 or x0 < b + 0.1 < x1]
        assert not cut, f"{text.words} is cut"
    scale = min(1, *(PHONE / (width * share / 100) for share in shares))
    smallest = min(seen.texts, key=lambda text: text.size)
    assert smallest.size * PIXELS * scale >= 10, smallest


# What pages make of them.


def test_a_dark_page_gets_the_dark_colours_and_the_same_pictures(tmp_path: Path) -> None:
    """An identifier may look like a colour, and so may the data of a picture."""
    blue = "#0072b2"
    kept = f'<g id="d0072b2" clip-path="url({blue})"><image href="data:{blue}"/>'
    drawn = '<path style="fill: none; stroke: {}; stroke-width: 1"/><use style="fill: {}"/>'
    write_dark(kept + drawn.format(blue, PAPER), tmp_path / "new" / "dark.svg")
    expected = kept + drawn.format(DARK[blue], DARK_PAPER)
    assert (tmp_path / "new" / "dark.svg").read_text("utf-8") == expected


def test_panels_are_parts_of_one_picture() -> None:
    svg = '<svg data-panels="0.00-50.00;0.00-10.00,60.00-100.00" width="1">'
    first, second = panels_of(svg, "a.svg", 400, 200, "Two").split("</div>")[:2]
    assert first == (
        '<div style="width:200px"><img src="a.svg" alt="Two" loading="lazy" '
        'style="width:100.000%;aspect-ratio:200.0/200;object-position:0.000%">'
    )
    assert second.count("<img") == 2 and second.startswith('<div style="width:200px">')
    look = r'style="width:([^;"]*%);aspect-ratio:([^;]*);object-position:([^"]*)"'
    assert re.findall(look, second) == [
        ("20.000%", "40.0/200", "0.000%"),
        ("80.000%", "160.0/200", "100.000%"),  # its right edge is the picture's
    ]
    assert 'alt="Two"' not in second  # said once
    assert panels_of('<svg data-panels="" width="1">', "a.svg", 400, 200, "") == ""


def test_appendices_count_anew() -> None:
    numbers: dict[str, Any] = {
        "chapters/04-momentum": {"figure": {"x": (4, 1)}},
        "chapters/a2-conventions": {"figure": {"x": (3,), "y": (4,)}, "displaymath": {"z": (9,)}},
        "chapters/api": {"figure": {"x": (5,)}},
    }
    number_appendices(Any, SimpleNamespace(toc_fignumbers=numbers))  # type: ignore[arg-type]
    assert numbers == {
        "chapters/04-momentum": {"figure": {"x": (4, 1)}},
        "chapters/a2-conventions": {
            "figure": {"x": ("A2", 1), "y": ("A2", 2)},
            "displaymath": {"z": ("A2", 1)},
        },
        "chapters/api": {"figure": {"x": (5,)}},
    }
