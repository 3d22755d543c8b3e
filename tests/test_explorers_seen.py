"""What is seen of the explorers, at any setting: words, colours, room; by pointer and by keyboard.

All of it is general: it looks at every explorer, every control and everything that is drawn.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np
import pytest
from test_explorers import (
    DRAWN,
    KINDS,
    PLAIN,
    Open,
    address,
    folder,
    html,
    middle,
    number,
    ready,
    said,
    slide,
    tab,
    visit,
)

import descent
from descent import minimize, ravine, theory

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Browser, Page

__all__ = ["address", "folder", "tab", "visit"]

# Moves controls as a reader does, and draws at once. `ends` lists what can be set at each control:
# a slider's `places` from end to end, or its choices.
MOVES = """
const root = document.querySelector("descent-explorer");
const groups = new Map();
for (const input of root.querySelectorAll("input:not([readonly]), select")) {
    const key = input.type === "radio" ? input.name : input.id || input.parentElement.textContent;
    groups.set(key, [...groups.get(key) ?? [], input]);
}
const put = ([input, value]) => {
    if (input.disabled) return;
    if (input.type === "checkbox" || input.type === "radio") input.checked = value;
    else input.value = value;
    input.dispatchEvent(new Event(input.type === "range" ? "input" : "change", { bubbles: true }));
};
const ends = (places) => [...groups.values()].map(([input, ...more]) =>
    input.type === "range" ? [...Array(places)].map((_, i) =>
        [input, Number(input.min) + (input.max - input.min) * i / (places - 1)])
    : input.type === "checkbox" ? [[input, false], [input, true]]
    : input.type === "radio" ? [input, ...more].map((one) => [one, true])
    : [...input.options].map((option) => [input, option.value]));
const reset = () => [...root.querySelectorAll("button")].find((b) => b.textContent === "Reset").click();
"""
AT_ONCE = "window.requestAnimationFrame = (draw) => { draw(); return 0; }"
# Whatever is there to be read or drawn that nobody should see.
SWEEP = (
    "() => {"
    + MOVES
    + r"""
    const found = new Set();
    let settings = 0;
    const look = () => {
        settings++;
        const drawn = root.innerHTML, told = root.textContent;
        const bad = drawn.search(/NaN|Infinity|undefined|null/);
        if (bad >= 0) found.add(drawn.slice(bad - 60, bad + 30));
        const wrong = told.search(/\de[+-]?\d|, ?[,.;:]|: ?[.,;]| \.|\(\)/);
        if (wrong >= 0) found.add(told.slice(wrong - 60, wrong + 30));
    };
    const chosen = ends(2), wide = ends(7);
    for (const chart of root.querySelectorAll("[aria-roledescription=chart]")) chart.focus();
    for (const states of wide) for (const state of states) { put(state); look(); }
    const listed = ([[input]]) => input.closest("table"); // one runner more or less is drawn as the rest
    chosen.forEach((first, i) => chosen.slice(i + 1).forEach((second) => {
        if (listed(first) || listed(second)) return;
        reset();
        for (const a of first.slice(0, 2)) for (const b of second.slice(0, 2)) { put(a); put(b); look(); }
    }));
    return [settings, [...found]];
}"""
)


@pytest.mark.parametrize("kind", KINDS)
def test_no_setting_says_or_draws_nonsense(browser: Browser, address: str, kind: str) -> None:
    """Every control from end to end, and every two at their ends."""
    page = browser.new_page(viewport={"width": 800, "height": 800})
    page.add_init_script(AT_ONCE)
    page.goto(f"{address}{kind}.html")
    ready(page)
    settings, found = page.evaluate(SWEEP)
    page.close()
    assert settings >= 20 and found == []


# Colours


# What is drawn to be seen, with its colours as the browser has them; a mark is seen by its fill or
# by its edge. Left out are what lies behind: the grid, shades, bands and hatching, which have
# borders or words on them.
COLOURS = r"""() => {
    const canvas = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
    const rgba = (colour) => {
        canvas.clearRect(0, 0, 1, 1);
        canvas.fillStyle = colour;
        canvas.fillRect(0, 0, 1, 1);
        return [...canvas.getImageData(0, 0, 1, 1).data];
    };
    const light = ([r, g, b]) => [r, g, b].map((v) => v / 255)
        .map((v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
        .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
    const paper = rgba(getComputedStyle(document.body).backgroundColor);
    const sheet = paper[3] ? paper : [255, 255, 255, 255];
    const contrast = (colour, opacity) => {
        const [r, g, b, a] = rgba(colour), share = a / 255 * opacity;
        const [x, y] = [[r, g, b].map((v, i) => v * share + sheet[i] * (1 - share)), sheet].map(light);
        return (Math.max(x, y) + 0.05) / (Math.min(x, y) + 0.05);
    };
    const found = {};
    for (const e of document.querySelectorAll("svg :is(path, circle, rect, text)")) {
        if (e.matches(".dx-grid, .dx-heat, .dx-band, .dx-edge, .dx-hatch") || !e.getClientRects().length) continue;
        const look = getComputedStyle(e);
        const fill = look.fill === "none" ? 1 : contrast(look.fill, look.fillOpacity);
        const edge = look.stroke === "none" ? 1 : contrast(look.stroke, look.strokeOpacity);
        const seen = e.tagName === "text" ? fill / 1.5 : Math.max(fill, edge);
        const name = `${e.getAttribute("class")} ${look.fill} ${look.stroke}`;
        found[name] = Math.min(found[name] ?? 99, seen);
    }
    return Object.entries(found);
}"""


def test_every_mark_has_contrast_on_both_pages(visit: Open) -> None:
    """3 : 1, and words 4.5 : 1; also those of the rules that do not run at first."""
    page = visit("light")
    for box in page.get_by_role("table", name="The runners").get_by_role("checkbox").all():
        box.check()
    for theme in ("light", "dark"):
        page.evaluate(f"document.documentElement.dataset.theme = '{theme}'")
        page.evaluate(DRAWN)
        found = page.evaluate(COLOURS)
        assert len(found) > 40
        assert [name for name, contrast in found if contrast < 3] == [], theme


# Room


# Words that leave their canvas, lie over others or are small; at the start and at every control's
# ends, as sets of what is wrong.
ROOM = (
    "() => {"
    + MOVES
    + """
    const found = new Set();
    const look = () => {
        for (const svg of root.querySelectorAll("svg[aria-label]")) {
            const canvas = svg.getBoundingClientRect();
            const words = [...svg.querySelectorAll("text")].map((e) => [e.textContent, e.getBoundingClientRect(), e]);
            words.forEach(([name, box, e], i) => {
                const bar = svg.getAttribute("aria-label").slice(0, 20);
                if (box.left < canvas.left - 1 || box.right > canvas.right + 1
                    || box.top < canvas.top - 1 || box.bottom > canvas.bottom + 1) found.add(`${bar}: ${name} leaves`);
                if (parseFloat(getComputedStyle(e).fontSize) < 10) found.add(`${bar}: ${name} is small`);
                for (const [other, that] of words.slice(i + 1))
                    // Boxes of letters have air above and below.
                    if (box.left < that.right - 1 && that.left < box.right - 1
                        && box.top + 2 < that.bottom - 2 && that.top + 2 < box.bottom - 2)
                        found.add(`${bar}: ${name} over ${other}`);
            });
        }
        if (root.scrollWidth > root.clientWidth + 1) found.add("it is too wide");
    };
    look();
    for (const states of ends(2)) {
        for (const state of states) { put(state); look(); }
        reset();
    }
    return [...found];
}"""
)


@pytest.mark.parametrize("width", [375, 800, 1400])
def test_words_in_charts_have_room(browser: Browser, address: str, width: int) -> None:
    page = browser.new_page(viewport={"width": width, "height": 800})
    page.add_init_script(AT_ONCE)
    found = {}
    for kind in KINDS:
        page.goto(f"{address}{kind}.html")
        ready(page)
        found[kind] = page.evaluate(ROOM)
    page.close()
    assert found == dict.fromkeys(KINDS, [])


def test_a_phone_shows_the_controls_with_the_map(visit: Open) -> None:
    for kind in KINDS:
        page = visit(kind, width=375, has_touch=True, is_mobile=True)
        top, bottom, small = page.evaluate(
            """() => {
                const box = (e) => e.getBoundingClientRect(), root = document.querySelector("descent-explorer");
                const shown = (of) => [...root.querySelectorAll(of)].filter((e) => box(e).height > 1);
                const controls = shown("input[type=range], select, fieldset, [role=group] [role=group] button");
                const targets = shown("button, select, input[type=range], label:has(input)");
                return [box(root.querySelector("svg[aria-label]")).top,
                    Math.max(...controls.filter((e) => !e.closest("table")).map((e) => box(e).bottom)),
                    targets.filter((e) => box(e).height < 24).map((e) => e.outerHTML)];
            }"""
        )
        assert bottom - top <= 667, kind
        assert small == []
