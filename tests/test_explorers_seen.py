"""What is seen of the explorers, at any setting: words, colours, room; by pointer and by keyboard.

All of it is general: it looks at every explorer, every control and everything that is drawn.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import descent
from descent import minimize, ravine, theory
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

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, Page

__all__ = ["address", "folder", "tab", "visit"]

PHONE: Any = {"width": 375, "height": 667}
# Moves controls as a reader does, and draws at once. `ends` lists what can be set at each control:
# a slider's `places` from end to end, or its choices.
MOVES = """
const root = document.querySelector("descent-explorer[kind=KIND]");
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
const named = (name) => [...root.querySelectorAll("button")].find((b) => b.textContent === name);
const reset = () => named("Reset").click();
document.activeElement.blur();
reset();
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
    const listed = ([[input]]) => input.closest("table"); // a runner is drawn as the others are
    chosen.forEach((first, i) => chosen.slice(i + 1).forEach((second) => {
        if (listed(first) || listed(second)) return;
        reset();
        for (const a of first.slice(0, 2)) for (const b of second.slice(0, 2)) {
            put(a);
            put(b);
            look();
        }
    }));
    return [settings, [...found]];
}"""
)


# Sets each choice and each switch; gives what is said before, and after each.
CHOOSE = (
    "() => {"
    + MOVES
    + """
    const told = [];
    const look = () => told.push(root.querySelector("[aria-label=Result]").textContent);
    look();
    const boxes = root.querySelectorAll("input:is([type=checkbox], [type=radio]:not(:checked))");
    for (const box of boxes) {
        if (box.disabled) continue;
        box.click();
        look();
    }
    const chosen = told.length;
    for (const choice of root.querySelectorAll("select"))
        for (const { value } of choice.options) { put([choice, value]); look(); }
    return [chosen, told];
}"""
)


@pytest.fixture(scope="module")
def still(browser: Browser, address: str) -> Iterator[Page]:
    """A page with all kinds, which draw at once."""
    page = browser.new_page(viewport={"width": 800, "height": 800})
    page.add_init_script(AT_ONCE)
    page.goto(f"{address}light.html")
    ready(page)
    yield page
    page.close()


def run(page: Page, script: str, kind: str) -> Any:
    """Run a script that moves controls on the explorer of a kind, from its first state."""
    return page.evaluate(script.replace("KIND", kind))


@pytest.mark.parametrize("kind", KINDS)
def test_no_setting_says_or_draws_nonsense(still: Page, kind: str) -> None:
    """Every control from end to end, and every two at their ends."""
    settings, found = run(still, SWEEP, kind)
    assert settings >= 18 and found == []


@pytest.mark.parametrize("kind", KINDS)
def test_every_choice_and_switch_changes_what_is_said(still: Page, kind: str) -> None:
    chosen, told = run(still, CHOOSE, kind)
    assert not [words for words in told if not words or re.search("NaN|undefined", words)]
    # A runner that is not among the first three, and a curve, change the picture alone.
    if kind not in {"race", "average"}:
        assert len({*told[:chosen]}) == chosen


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
    const light = (colour) => colour.map((v) => v / 255)
        .map((v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
        .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
    const paper = rgba(getComputedStyle(document.body).backgroundColor);
    const sheet = paper[3] ? paper : [255, 255, 255, 255];
    const contrast = (colour, opacity) => {
        const seen = rgba(colour), share = seen[3] / 255 * opacity;
        const x = light(seen.slice(0, 3).map((v, i) => v * share + sheet[i] * (1 - share)));
        const y = light(sheet.slice(0, 3));
        return (Math.max(x, y) + 0.05) / (Math.min(x, y) + 0.05);
    };
    const found = {};
    for (const e of document.querySelectorAll("svg :is(path, circle, rect, text)")) {
        if (e.matches(".dx-grid, .dx-heat, .dx-band, .dx-edge, .dx-hatch")) continue;
        if (!e.getClientRects().length) continue;
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
            const words = [...svg.querySelectorAll("text")]
                .map((e) => [e.textContent, e.getBoundingClientRect(), e]);
            words.forEach(([name, box, e], i) => {
                const wrong = (how) =>
                    found.add(`${svg.getAttribute("aria-label").slice(0, 20)}: ${name} ${how}`);
                if (box.left < canvas.left - 1 || box.right > canvas.right + 1
                    || box.top < canvas.top - 1 || box.bottom > canvas.bottom + 1) wrong("leaves");
                if (parseFloat(getComputedStyle(e).fontSize) < 10) wrong("is small");
                for (const [other, that] of words.slice(i + 1))
                    // Boxes of letters have air above and below.
                    if (box.left < that.right - 1 && that.left < box.right - 1
                        && box.top + 2 < that.bottom - 2 && that.top + 2 < box.bottom - 2)
                        wrong(`over ${other}`);
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


def test_words_in_charts_have_room(still: Page) -> None:
    found = {}
    for width in (375, 800, 1400):
        still.set_viewport_size({"width": width, "height": 800})
        still.evaluate("new Promise((done) => setTimeout(done, 50))")
        found |= {(width, kind): run(still, ROOM, kind) for kind in KINDS}
    assert found == {key: [] for key in found}


@pytest.fixture(scope="module")
def phone(browser: Browser, address: str) -> Iterator[Page]:
    with browser.new_context(viewport=PHONE, has_touch=True, is_mobile=True) as context:
        page = context.new_page()
        page.goto(f"{address}light.html")
        ready(page)
        yield page


def test_320_pixels_are_enough(phone: Page) -> None:
    phone.set_viewport_size({"width": 320, "height": 800})
    for forced in ("none", "active"):
        phone.emulate_media(forced_colors=forced)
        phone.evaluate(DRAWN)
        assert phone.evaluate("document.documentElement.scrollWidth") == 320
        small = phone.evaluate(
            """() => [...document.querySelectorAll(
                'descent-explorer :is(button, select, label, input[type=range])')]
            .filter((e) => !e.matches('label[for]') && e.getBoundingClientRect().height < 24)
            .map((e) => e.outerHTML)"""
        )
        assert small == []
    phone.emulate_media(forced_colors="none")


def test_a_phone_shows_the_controls_with_the_map(phone: Page) -> None:
    phone.set_viewport_size(PHONE)
    phone.evaluate(DRAWN)
    for kind in KINDS:
        top, bottom, small = phone.evaluate(
            """(kind) => {
                const root = document.querySelector(`descent-explorer[kind=${kind}]`);
                const box = (e) => e.getBoundingClientRect();
                const shown = (of) => [...root.querySelectorAll(of)]
                    .filter((e) => box(e).height > 1 && !e.closest("table"));
                const player = "[role=group] [role=group] button";
                const controls = shown(`input[type=range], select, fieldset, ${player}`);
                const targets = shown("button, select, input[type=range], label:has(input)");
                return [box(root.querySelector("svg[aria-label]")).top,
                    Math.max(...controls.map((e) => box(e).bottom)),
                    targets.filter((e) => box(e).height < 24).map((e) => e.outerHTML)];
            }""",
            kind,
        )
        assert bottom - top <= 667, kind
        assert small == []


# Values under the pointer and under the keys


def pointed(page: Page, chart: str, x: float, y: float) -> str:
    """What is told of a place of a chart, given in shares of its box."""
    box = page.get_by_label(chart).bounding_box()
    assert box
    page.mouse.move(box["x"] + x * box["width"], box["y"] + y * box["height"])
    page.evaluate(DRAWN)
    return notes(page)


def notes(page: Page) -> str:
    told: list[str] = page.evaluate(
        "[...document.querySelectorAll('svg[aria-label] + p')].filter((e) => !e.hidden)"
        ".map((e) => e.textContent)"
    )
    assert len(told) <= 1
    return "".join(told).translate(PLAIN)


def test_a_map_tells_what_is_under_the_pointer(visit: Open) -> None:
    page = visit("ravine")
    words = pointed(page, "Contours", 0.7, 0.3)
    x1, x2, f = (float(re.search(rf"{name} (-?[\d.]+)", words)[1]) for name in ("x1", "x2", "f"))  # type: ignore[index]
    assert f == pytest.approx(ravine.value(np.array([x1, x2])), abs=0.05)
    x, y = middle(page.get_by_role("slider", name="Start"))
    page.mouse.move(x, y)
    page.evaluate(DRAWN)
    assert notes(page) == "Gradient descent, step 0\nx1 -5, x2 -2\nf 10.5"
    page.mouse.move(5, 5)
    page.evaluate(DRAWN)
    assert notes(page) == ""


# The map is there to its top when a place there has a number.
MEASURED = """() => {
    const chart = document.querySelector("svg[aria-label^=Regimes]");
    const box = chart.getBoundingClientRect();
    chart.dispatchEvent(new PointerEvent("pointermove", { bubbles: true,
        clientX: box.left + box.width / 2, clientY: box.top + 30 }));
    return chart.parentElement.textContent.includes("kept a step");
}"""


def test_the_measured_map_is_the_package_s(visit: Open) -> None:
    """As in the figure of the chapter on momentum, cell by cell where the pointer goes."""
    for name, rule, radius in (
        ("Momentum", descent.Momentum, theory.momentum_radius),
        ("Nesterov", descent.Nesterov, theory.nesterov_radius),
    ):
        page = visit("phase", f"#phase?rule={name}")
        page.wait_for_function(MEASURED)
        seen = set()
        for x, y in ((0.2, 0.3), (0.3, 0.8), (0.4, 0.5), (0.5, 0.8), (0.9, 0.8), (0.13, 0.7)):
            words = pointed(page, "Regimes", x, y)
            p, beta = (float(re.search(rf"{s} ([\d.]+)", words)[1]) for s in ("ηλ", "β"))  # type: ignore[index]
            seen.add(words.split("\n")[1])
            kept = words.split("kept a step: ")[1]
            if kept == "1 or more":
                assert radius(p, beta, 1.0) > 0.98
                continue
            run = minimize(
                rule(lr=p, momentum=beta), descent.rotated_quadratic((1, 1)), (1, 1), 300
            )
            size = np.hypot(run.points[1:, 0], run.points[:-1, 0])
            assert float(kept) == pytest.approx((size[-1] / size[99]) ** (1 / 200), abs=0.05)
        assert seen == {"creeps", "swings", "zigzags", "diverges"}


def test_arrow_keys_read_a_chart(visit: Open) -> None:
    page = visit("ravine")
    chart = page.get_by_role("slider", name="f at each step")
    chart.focus()
    values = minimize(descent.SGD(lr=0.4), ravine, ravine.start, 20).values
    for key, step in (("Right", 1), ("Right", 2), ("Left", 1)):
        page.keyboard.press(f"Arrow{key}")
        assert notes(page).startswith(f"step {step}\n")
        assert number(notes(page).split("Gradient descent ")[1]) == pytest.approx(
            values[step], rel=6e-3
        )
        assert chart.get_attribute("aria-valuenow") == str(step)
    assert (chart.get_attribute("aria-valuetext") or "").translate(PLAIN) == notes(page)
    slide(page, "Learning rate η", 0.3)  # what is read follows what is drawn
    page.get_by_label("f at each step").focus()
    page.evaluate(DRAWN)
    after = minimize(descent.SGD(lr=0.3), ravine, ravine.start, 20).values[1]
    assert number(notes(page).split("Gradient descent ")[1]) == pytest.approx(after, rel=6e-3)
    page.get_by_role("slider", name="Start").focus()
    page.keyboard.press("ArrowRight")
    page.evaluate(DRAWN)
    assert "x1 -4.9, x2 -2" in notes(page)


# Degenerate cases


CASES = {
    "phase?rule=Nesterov&step=1&momentum=0.5": "on the minimum after two steps: both roots are 0.",
    "phase?rule=Momentum&step=1&momentum=0": "on the minimum after one step: both roots are 0.",
    "phase?rule=Momentum&step=0.25&momentum=0.25": "creeps: its roots are both 0.5, so in the long",
    "phase?rule=Momentum&step=0.5&momentum=0": "its roots are 0.5 and 0, so the error halves",
    "phase?rule=Momentum&step=0&momentum=0.5": "stands still",
    "phase?rule=Momentum&step=3&momentum=0.5": "never settles",
    "ravine?rule=SGD&lr=0.6&steps=500": "leaves at step 204, as x2 passes 10³⁰",
    "average?gamma=0&t=1": "no memory, each average is the last value",
}


@pytest.mark.parametrize("state", CASES)
def test_a_degenerate_case_reads_well(visit: Open, state: str) -> None:
    page = visit(state.split("?")[0], f"#{state}")
    assert CASES[state] in said(page)


def test_a_run_leaves_where_the_package_s_does() -> None:
    run = minimize(descent.SGD(lr=0.6), ravine, ravine.start, 500)
    assert np.flatnonzero((np.diff(run.points, axis=0) == 0).all(axis=-1))[0] + 1 == 204


def test_the_race_s_best_rate_does_not_stand_at_the_edge(visit: Open) -> None:
    page = visit("race", "#race?surface=rosenbrock&t=100&rules=AdaGrad,RMSprop,Adam,Momentum")
    page.evaluate(DRAWN)
    rows = page.get_by_role("table").get_by_role("row").all_text_contents()
    rates = [float(found[0]) for row in rows if (found := re.findall(r"0\.\d+|\d\.?\d*", row))]
    assert len(rates) == 4 and max(rates) > 1
    assert page.get_by_label("Learning rate η").is_disabled()
    assert page.get_by_label("Learning rate η").get_attribute("aria-valuetext") == "unused"


# Addresses


def test_every_state_is_in_the_address(browser: Browser, folder: Path, address: str) -> None:
    (folder / "two.html").write_text(html(["ravine", "phase"]), "utf-8")
    context = browser.new_context(permissions=["clipboard-read", "clipboard-write"])
    page = context.new_page()
    page.goto(f"{address}two.html")
    ready(page)
    heard = page.evaluate_handle(
        """() => {
            const heard = [];
            document.addEventListener("dx-change", ({ target }) =>
                heard.push([target.getAttribute("kind"), { ...target.values }]));
            return heard;
        }"""
    )
    slide(page, "Learning rate η", 0.3)
    slide(page, "Step ηλ", 1.5)
    assert page.evaluate("(h) => h.map(([kind, v]) => [kind, v.lr ?? v.step])", heard) == [
        ["ravine", 0.3],
        ["phase", 1.5],
    ]
    page.wait_for_function("() => location.hash.includes(';')")
    assert page.url.split("#")[1] == (
        "phase?rule=Momentum&step=1.5&momentum=0.5;"
        "ravine?rule=SGD&lr=0.3&momentum=0.5&steps=20&beside=0&x1=-5&x2=-2"
    )

    def states() -> list[str]:
        return [page.get_by_label(e).input_value() for e in ("Learning rate η", "Step ηλ")]

    page.reload()
    ready(page)
    assert states() == ["0.3", "1.5"]
    page.evaluate("location.hash = 'ravine?lr=0.2'")  # one state, as addresses were before
    page.wait_for_function("() => location.hash.includes(';')")
    assert states() == ["0.2", "1.5"]

    button = page.get_by_role("button", name="Copy link").first
    button.click()
    page.get_by_role("button", name="Link copied").wait_for()
    assert page.get_by_role("status").first.text_content() == "Link copied"
    link = page.evaluate("navigator.clipboard.readText()")
    assert link == page.url and "lr=0.2" in link and "step=1.5" in link
    context.close()


def test_a_link_that_cannot_be_copied_is_shown(browser: Browser, address: str) -> None:
    page = browser.new_page()
    page.add_init_script("Object.defineProperty(navigator, 'clipboard', { value: undefined })")
    page.goto(f"{address}ravine.html")
    ready(page)
    page.get_by_role("button", name="Copy link").click()
    shown = page.get_by_label("Link to this state")
    assert shown.input_value() == page.url and "lr=0.4" in page.url
    assert page.evaluate("getSelection().toString()") == page.url
    assert "Copy the link" in (page.get_by_role("status").text_content() or "")
    page.close()
