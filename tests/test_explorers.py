"""The explorers in a real browser: their controls, and what they say, draw and tabulate.

A page made here loads the scripts, so no built book is needed. That their numbers are those of the
package is held without a browser, in test_javascript.py; here they are read as a reader does, from
words, tables and charts.
"""

from __future__ import annotations

import gzip
import re
import shutil
from collections.abc import Callable, Iterator
from functools import partial
from html import escape, unescape
from http.server import ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from conftest import ROOT, Quiet, axe_violations
from docutils import nodes

import descent
import explorers
from descent import minimize, plots, ravine, theory

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page

KINDS = [
    "ravine",
    "phase",
    "average",
    "moments",
    "race",
    "fairness",
    "nesterov",
    "lottery",
    "cycle",
    "valley",
]
STYLE = explorers.ASSETS.parent / "explorer.css"
# The runs that the lottery draws from, as the chapter measured them.
LOTTERY = unescape(
    re.findall(
        r'kind=.{1,2}lottery.{1,2} runs=.{1,2}"?({&quot;.*?})\\?"',
        (ROOT / "chapters" / "06-momentum-airfoil.ipynb").read_text("utf-8"),
    )[0]
)
ATTRIBUTES = {"lottery": f'runs="{escape(LOTTERY)}"'}
FIGURE = """<p><a id="plain" href="#words">down</a></p>
<figure id="fig-ravine"><div class="figure-box"><img alt="A path" width="600" height="400"
src="data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg'/%3E"></div>
<figcaption>The finding.</figcaption></figure>"""
POLICY = "default-src 'self'; img-src 'self' data:"
Open = Callable[..., "Page"]
PLAIN = str.maketrans("₁₂−", "12-")
# Two frames: one draws what has changed, and the next begins when it is there.
DRAWN = "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
RESULT = "document.querySelector('descent-explorer [aria-label=Result]')"
# The middle of each marker of the first path that is of markers, in the chart whose label begins
# with the first word and in the first of its parts of that name; in the units of the ticks beside
# it, which are read as numbers. Markers are closed outlines.
MARKS = """([label, part]) => {
    const svg = document.querySelector(`svg[aria-label^="${label}"]`);
    const within = svg.querySelector(part === "svg" ? part : `[data-part=${part}]`);
    const marks = [...within.querySelectorAll("path")]
        .find((e) => /^(M[^MHV]*Z)+$/.test(e.getAttribute("d")));
    const [left, top] = svg.children[1].getAttribute("transform").match(/[\\d.]+/g).map(Number);
    const value = (e) => Number(e.textContent.replace("−", "-"));
    const place = (e) => ["x", "y"].map((name) => Number(e.getAttribute(name)));
    const words = [...svg.children[0].querySelectorAll("text")].filter((e) => !isNaN(value(e)));
    const base = Math.max(...words.map((e) => place(e)[1]));
    const scale = (ticks, axis, shift) => {
        const [[p, u], [q, v]] = [ticks.at(0), ticks.at(-1)]
            .map((e) => [place(e)[axis] + shift, value(e)]);
        return (at) => u + (at - p) / (q - p) * (v - u);
    };
    const X = scale(words.filter((e) => place(e)[1] === base), 0, -left);
    const Y = scale(words.filter((e) => place(e)[1] !== base), 1, -top - 4);
    return marks.getAttribute("d").split("Z").filter(Boolean).map((outline) => {
        const at = outline.match(/-?[\\d.]+/g).map(Number), n = at.length / 2;
        const mean = (from) => at.filter((_, i) => i % 2 === from).reduce((a, b) => a + b) / n;
        return [X(mean(0)), Y(mean(1))];
    });
}"""


def html(kinds: list[str], before: str = "", state: str = "") -> str:
    tags = "\n".join(
        f'<descent-explorer kind="{kind}" figure="fig-{kind}" state="{state}" '
        f"{ATTRIBUTES.get(kind, '')}>\n</descent-explorer>"
        for kind in kinds
    )
    scripts = "".join(f'<script defer src="{s}"></script>' for s in explorers.scripts(kinds))
    return f"""<!doctype html><html lang="en" data-theme="light"><head><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{POLICY}">
<link rel="icon" href="data:,"><title>Explorers</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="stylesheet" href="page.css"><link rel="stylesheet" href="explorer.css">
{scripts}
</head><body><main><h1>Explorers</h1>{before}{tags}
<p id="words">Words after.</p></main></body></html>"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page for each kind, one with all of them, and what they load."""
    folder = tmp_path_factory.mktemp("pages")
    shutil.copytree(explorers.ASSETS, folder / "explorers")
    shutil.copy(STYLE, folder)
    (folder / "explorers" / "descent.js").write_text(explorers.package(), "utf-8")
    for script in (folder / "explorers").glob("*.js"):
        script.write_text(explorers.light(script.read_text("utf-8")), "utf-8")
    (folder / "page.css").write_text(
        "body { font-family: sans-serif; margin: 1rem auto; max-width: 37rem; padding: 0 1rem }\n"
        "html[data-theme=dark] body { background: #14181c; color: #dce2e8 }\n"
        "img { max-width: 100% }"
    )
    for kind in KINDS:
        (folder / f"{kind}.html").write_text(html([kind]), "utf-8")
    (folder / "figure.html").write_text(html(["ravine"], before=FIGURE), "utf-8")
    # Where no choice takes a control away.
    sliders = html(KINDS, state="rule=Momentum&amp;tune=0")
    (folder / "sliders.html").write_text(sliders, "utf-8")
    (folder / "light.html").write_text(html(KINDS), "utf-8")
    return folder


@pytest.fixture(scope="module")
def address(folder: Path) -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder))) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


@pytest.fixture(scope="module")
def tab(browser: Browser) -> Iterator[Page]:
    """One page for all tests that ask for nothing special: opening one takes longer than a test."""
    with browser.new_context(viewport={"width": 1280, "height": 800}) as context:
        yield context.new_page()


@pytest.fixture
def visit(browser: Browser, tab: Page, address: str) -> Iterator[Open]:
    """Open a page, `visit("ravine", "#fragment", ...)`; fails on any error that it logs."""
    errors: list[str] = []
    contexts = []

    def failed(error: Any) -> None:
        errors.append(str(error))

    def logged(message: Any) -> None:
        if message.type == "error":
            errors.append(message.text)

    def go(
        name: str, fragment: str = "", width: int = 1280, height: int = 800, **options: Any
    ) -> Page:
        page = tab
        if options:
            context = browser.new_context(viewport={"width": width, "height": height}, **options)
            contexts.append(context)
            page = context.new_page()
            page.on("pageerror", failed)
            page.on("console", logged)
        there = f"{address}{name}.html" if ":" not in name else name
        if page.url.split("#")[0] == there:  # or another fragment would load nothing
            page.evaluate("history.replaceState(null, '', 'elsewhere')")
        page.goto(there + fragment)
        ready(page)
        return page

    tab.on("pageerror", failed)
    tab.on("console", logged)
    yield go
    tab.remove_listener("pageerror", failed)
    tab.remove_listener("console", logged)
    tab.emulate_media(media="screen")
    for context in contexts:
        context.close()
    assert not errors


def ready(page: Page) -> None:
    page.wait_for_function(f"() => {RESULT}?.textContent", polling=20)


def said(page: Page) -> str:
    """What stands under the charts, in plain letters."""
    words: str = page.evaluate(f"{DRAWN}.then(() => {RESULT}.textContent)")
    return words.translate(PLAIN)


def wait_until_heard(page: Page, words: str) -> None:
    """Wait until whoever does not see it is told, which is once it has settled."""
    page.wait_for_function(
        "(said) => document.querySelector('[role=status]').textContent.replace(/−/g, '-') === said",
        arg=words,
    )


def table(page: Page) -> list[list[str]]:
    """The cells of the explorer's table, the heads of its rows among them, in plain letters."""
    rows: list[list[str]] = page.evaluate(
        f"{DRAWN}.then(() => [...document.querySelectorAll('descent-explorer tbody tr')]"
        ".map((row) => [...row.children].map((cell) => cell.textContent)))"
    )
    return [[cell.translate(PLAIN) for cell in row] for row in rows]


def marks(page: Page, chart: str, part: str = "svg") -> np.ndarray:
    """The middles of the markers of a chart, or of a part of it, by the beginning of its label."""
    page.evaluate(DRAWN)
    return np.array(page.evaluate(MARKS, [chart, part]))


def number(text: str) -> float:
    """Read a number as the explorers write it, 2.50×10⁻⁷ among them."""
    mantissa, _, power = text.translate(PLAIN).partition("×10")
    digits = str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789")
    return float(mantissa) * 10.0 ** int(power.translate(digits) or 0)


def shifts(page: Page) -> list[float]:
    """How far things have moved since the page began to load."""
    page.evaluate(DRAWN)
    found: list[float] = page.evaluate(
        """new Promise((done) => {
            const seen = new PerformanceObserver(() => {});
            seen.observe({ type: "layout-shift", buffered: true });
            setTimeout(() => done(seen.takeRecords().map((entry) => entry.value)));
        })"""
    )
    return found


def slide(page: Page, label: str, value: float) -> None:
    page.get_by_label(label, exact=True).fill(str(value))


def middle(thing: Locator) -> tuple[float, float]:
    box = thing.bounding_box()
    assert box
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def end(rule: Any, start: tuple[float, float] = (-5, -2), steps: int = 20) -> str:
    x1, x2 = minimize(rule, ravine, start, steps).points[-1]
    return f"x1 {x1:.6f}, x2 {x2:.6f}"


# Every control


# Goes to the middle of a slider, and will tell where it moves and what it says and shows there.
LISTEN = """(e) => {
    const shown = e.parentElement.querySelector(".dx-value"), last = (e.max - e.min) / e.step;
    const heard = window.heard = [];
    e.value = Number(e.min) + Math.floor(last / 2) * e.step;
    e.oninput = () => heard.push([Math.round((e.value - e.min) / e.step),
        e.getAttribute("aria-valuetext"), shown.textContent]);
    e.focus();
    return Math.round(last);
}"""


def test_arrow_keys_move_every_slider(browser: Browser, address: str) -> None:
    """By one place a press, in the middle and at both ends.

    Every place between has words of its own: see test_javascript.py.
    """
    lengths = []
    page = browser.new_page(viewport={"width": 600, "height": 400})
    page.add_init_script("window.requestAnimationFrame = () => 1")  # it need not draw
    page.goto(f"{address}sliders.html")
    for slider in page.locator("input[type=range]").all():
        last = slider.evaluate(LISTEN)
        middle = last // 2
        for key in "Right Left Home Up Left End Down Right".split():
            page.keyboard.down(key if key in {"Home", "End"} else f"Arrow{key}")
        places, spoken, shown = zip(*page.evaluate("heard"), strict=True)
        assert [*places] == [middle + 1, middle, 0, 1, 0, last, last - 1, last]
        assert spoken == shown and len({*spoken}) == len({*places})
        lengths.append(last)
    page.close()
    assert len(lengths) >= 25 and sum(lengths) > 1500


# Will tell what the ring that has the focus says after each key.
HEAR = """(() => {
    const said = () => document.activeElement.getAttribute("aria-valuetext");
    window.heard = [said()];
    addEventListener("keydown", ({ key }) => key.startsWith("Arrow") && heard.push(said()));
})()"""


@pytest.mark.parametrize(("kind", "ways"), [("ravine", (12, 8)), ("phase", (8, 2))])
def test_arrow_keys_move_a_ring_through_its_whole_range(
    browser: Browser, address: str, kind: str, ways: tuple[int, int]
) -> None:
    page = browser.new_page(viewport={"width": 600, "height": 400})
    page.add_init_script("window.requestAnimationFrame = (draw) => { draw(); return 0; }")
    page.goto(f"{address}{kind}.html")
    ready(page)
    page.locator("div[role=slider]").focus()
    page.evaluate(HEAR)

    def pressed(key: str, times: int) -> list[str]:
        """Press a key until the ring stays where it is; gives where it is said to be."""
        page.evaluate("heard.splice(0, heard.length, heard.at(-1))")
        for _ in range(times):
            page.keyboard.down(key)
        seen: list[str] = page.evaluate("heard")
        assert seen[-1] == seen[-2], "that is not far enough"
        return seen[: seen.index(seen[-1]) + 1]

    for low, high, least in (("Left", "Right", ways[0]), ("Down", "Up", ways[1])):
        page.keyboard.down("Shift")
        pressed(f"Arrow{low}", least + 2)
        there, back = (pressed(f"Arrow{key}", least + 2) for key in (high, low))
        page.keyboard.up("Shift")
        assert len({*there}) == len(there) > least
        assert len({*back}) == len(there) and back[-1] == there[0]


# Each explorer, driven


def test_ravine_by_keyboard(visit: Open) -> None:
    page = visit("ravine")
    assert "x1 -0.943467, x2 -0.000073" in said(page)
    page.get_by_label("Learning rate η").focus()
    for _ in range(20):
        page.keyboard.press("ArrowRight")
    assert "x1 -0.387814, x2 -1673.365109" in said(page)
    assert "It diverges: a step makes x2 1.400 times as large, for η is beyond 0.5." in said(page)
    assert page.get_by_text("leaves at step 3").count() == 1
    assert page.get_by_label("Momentum β").is_disabled()
    page.get_by_label("Momentum", exact=True).focus()
    page.keyboard.press("Space")
    slide(page, "Momentum β", 0.25)
    assert end(descent.Momentum(lr=0.6, momentum=0.25)) in said(page)
    slide(page, "Learning rate η", 0.4)
    slide(page, "Momentum β", 0)
    assert "x1 -0.943467, x2 -0.000073" in said(page)
    ring = page.get_by_role("slider", name="Start")
    ring.focus()
    for key in ("ArrowRight", "ArrowUp", "Shift+ArrowDown"):
        page.keyboard.press(key)
    assert end(descent.SGD(lr=0.4), (-4.9, -2.9)) in said(page)
    assert ring.get_attribute("aria-valuetext") == "x1 −4.9, x2 −2.9"
    # The path that is drawn, less its last point, is the one that is said.
    path = minimize(descent.SGD(lr=0.4), ravine, (-4.9, -2.9), 20).points
    assert np.abs(marks(page, "Contours") - path[:-1]).max() < 0.03
    page.get_by_role("button", name="Reset").press("Enter")
    assert "x1 -0.943467, x2 -0.000073" in said(page)
    factors = [[row[0], *row[2:]] for row in table(page)]
    assert factors == [["x1, λ 0.2", "0.920", "creeps"], ["x2, λ 4", "-0.600", "zigzags"]]
    wait_until_heard(page, said(page))


def test_ravine_by_pointer_and_touch(visit: Open) -> None:
    page = visit("ravine", has_touch=True)
    ring = page.get_by_role("slider", name="Start")
    x, y = middle(ring)
    scale = page.evaluate(
        "document.querySelector('svg[aria-label^=Contours] svg').width.baseVal.value / 12"
    )
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 3 * scale, y - 10, steps=4)
    page.mouse.up()
    page.mouse.move(x, y)
    told = said(page)
    words = (ring.get_attribute("aria-valuetext") or "").translate(PLAIN)
    x1, x2 = map(float, re.findall(r"-?\d[\d.]*(?=,|$)", words))
    assert x1 == pytest.approx(-2, abs=0.03) and x2 > -2
    assert end(descent.SGD(lr=0.4), (x1, x2)) in told
    page.touchscreen.tap(x + 6 * scale, y)
    said(page)
    assert middle(ring) == pytest.approx((x + 6 * scale, y), abs=1)


def test_phase(visit: Open) -> None:
    page = visit("phase")
    slide(page, "Step ηλ", 3.5)
    assert "diverges" in said(page)
    slide(page, "Step ηλ", 2.4)
    page.get_by_role("slider", name="Point in").focus()
    page.keyboard.press("Shift+ArrowUp")
    page.keyboard.press("ArrowDown")
    root = theory.momentum_roots(2.4, 0.94, 1.0)[1]
    assert said(page).startswith(
        "Momentum at ηλ 2.4 and β 0.94 swings: "
        f"its roots are {root.real:.3g} ± {root.imag:.3g}i, of modulus {abs(root):.3f}"
    )
    bowl = descent.rotated_quadratic((1.0, 1.0))
    run = minimize(descent.Momentum(lr=2.4, momentum=0.94), bowl, (1, 1), 40).points[:, 0]
    shown = marks(page, "The error")
    assert np.abs(shown - np.stack([np.arange(41), run], axis=-1)).max() < 0.02
    page.get_by_label("Nesterov").check(force=True)
    assert "diverges" in said(page)
    x, y = middle(page.get_by_role("slider", name="Point in"))
    page.mouse.click(x - 80, y)
    assert "zigzags" in said(page)


def test_average(visit: Open) -> None:
    page = visit("average")
    slide(page, "Memory β", 0.95)
    slide(page, "Read out at step", 5)
    words = said(page)
    assert "window 20 steps, half-life 13.51" in words
    assert f"its weights sum to {1 - 0.95**5:.4f}" in words
    raw = marks(page, "A noisy sequence", "values")
    assert raw[:, 0] == pytest.approx(np.arange(1, 61), abs=0.1)
    assert raw[:, 1].mean() == pytest.approx(1, abs=0.15)
    assert raw[:, 1].std() == pytest.approx(0.3, abs=0.1)
    y = theory.ewma_weights(0.95, 5) @ raw[4::-1, 1]
    told = [float(re.search(rf"{w} (\d\.\d+)", words)[1]) for w in ("average is", "gives")]  # type: ignore[index]
    assert told == pytest.approx([y, y / theory.bias(0.95, 5)], abs=0.01)
    curve = page.get_by_label("A noisy sequence").locator("[data-part=corrected] path")
    assert curve.first.is_visible()
    page.get_by_label("Draw the corrected average").uncheck()
    said(page)
    assert curve.count() == 0
    slide(page, "Which sequence", 3)
    assert np.abs(marks(page, "A noisy sequence", "values") - raw).max() > 0.1


def test_moments(visit: Open) -> None:
    page = visit("moments", "#moments?t=2&lr=0.3")
    page.get_by_role("button", name="Step").click()
    page.get_by_role("button", name="Step").press("Enter")
    page.get_by_role("button", name="Back").click()
    bars = page.get_by_label("Bars of gradient").locator("[data-part] text:last-child")
    for rule in (
        descent.Adam(lr=0.3),
        descent.RMSprop(lr=0.3, alpha=0.9),
        descent.AdaGrad(lr=0.3),
    ):
        name = type(rule).__name__
        page.get_by_label(name).check(force=True)
        x = np.array(ravine.start)
        state = rule.init(x)
        for _ in range(3):
            old, g = x, ravine.grad(x)
            x, state = rule.step(x, g, state)
        square, rows = getattr(state, "total", getattr(state, "square", None)), [g]
        if name == "Adam":
            square = square / (1 - 0.999**3)
            rows.append(state.mean / (1 - 0.9**3))
        root = np.sqrt(square) + rule.eps
        rows += [root, 0.3 / root, x - old]
        assert f"{name}, step 3: x1 {x[0]:.6f}, x2 {x[1]:.6f}" in said(page)
        shown = bars.all_text_contents()
        assert [number(text) for text in shown] == pytest.approx(np.ravel(rows), rel=6e-3)


def test_race(visit: Open) -> None:
    page = visit("race", "#race?surface=beale&tune=0&lr=0.01&t=0&rules=SGD,Lion&speed=60")
    page.get_by_label("NAdam").check()
    step = page.get_by_label("Step", exact=True)
    page.get_by_role("button", name="Play").click()
    page.wait_for_function("() => document.querySelector('[id$=-t]').value > 3")
    page.get_by_role("button", name="Pause").click()
    t = step.input_value()
    for _ in range(4):
        page.evaluate(DRAWN)
    assert t == step.input_value()
    slide(page, "Step", 100)
    assert said(page).startswith("Step 100, lowest: ")
    found = {row[0]: row[1:] for row in table(page) if row[1]}
    assert list(found) == ["Gradient descent", "NAdam", "Lion"]
    for (lr, f), rule in zip(found.values(), ("SGD", "NAdam", "Lion"), strict=True):
        run = minimize(getattr(descent, rule)(lr=0.01), descent.beale, descent.beale.start, 100)
        assert lr == "0.01" and number(f) == pytest.approx(run.values[-1], rel=6e-3)


@pytest.mark.parametrize("kind", ["race", "moments"])
def test_reset_stops_the_player(visit: Open, kind: str) -> None:
    page = visit(kind, f"#{kind}?t=0")
    step = page.get_by_label("Step", exact=True)
    page.get_by_role("button", name="Play").click()
    page.wait_for_function("() => document.querySelector('[id$=-t]').value > 0")
    page.get_by_role("button", name="Reset").click()
    first = {"race": "30", "moments": "1"}[kind]
    assert step.input_value() == first
    page.evaluate(DRAWN)
    assert step.input_value() == first
    assert page.get_by_role("button", name="Pause").count() == 0


def test_race_tunes_each_on_one_grid(visit: Open) -> None:
    page = visit("race", "#race?t=100")
    grid = 10 ** (np.arange(21) / 5 - 4)
    found = {row[0]: row[1:] for row in table(page) if row[1]}
    assert list(found) == ["Gradient descent", "Momentum", "RMSprop", "Adam"]
    for (_, (lr, f)), rule in zip(
        found.items(), ("SGD", "Momentum", "RMSprop", "Adam"), strict=True
    ):
        swept = getattr(descent, rule)(lr=grid[:, None])
        ends = minimize(swept, ravine, ravine.start, 100, record_every=100).values[-1]
        assert number(lr) == pytest.approx(grid[np.argmin(ends)], rel=6e-3)
        assert number(f) == pytest.approx(ends.min(), rel=6e-3)


CONTEST = {
    "Gradient descent": descent.SGD(lr=0.4),
    "Momentum": descent.Momentum(lr=0.4, momentum=0.5),
    "AdaGrad": descent.AdaGrad(lr=0.4, eps=1e-6, eps_inside_root=True),
    "RMSprop": descent.RMSprop(lr=0.4, alpha=0.9, eps=1e-6, eps_inside_root=True),
    "Adam": descent.Adam(lr=0.4, eps=1e-6, eps_inside_root=True),
}


def test_fairness(visit: Open) -> None:
    page = visit("fairness")
    for row, (name, rule) in zip(table(page), CONTEST.items(), strict=True):
        adam = name == "Adam"
        run = minimize(rule, ravine, (-6, -6) if adam else (-4, -6), 17 if adam else 20)
        last = 16 if adam else 14
        assert row[0] == f"{name} from ({-6 if adam else -4}, -6)"
        assert row[1] == "0.4"
        for cell, steps in ((row[2], last), (row[3], 17 if adam else 20)):
            f, count = cell.split()
            assert count == f"({steps})"
            assert number(f) == pytest.approx(run.values[steps], rel=6e-3)
    for words in ("Start: Adam, too,", "Stop: Adam takes"):
        page.get_by_label(words).focus()
        page.keyboard.press("Space")
    words = said(page)
    assert words.startswith("2 of these 4 choices still stand.") and "Adam 0.714" in words
    page.get_by_label("Points: all are drawn").click()
    page.get_by_label("Learning rate: each has its best").click()
    assert said(page).startswith("All 4 choices are undone.")
    grid = 0.01 * 10 ** (np.arange(25) / 8)[:, None]
    for row, rule in zip(table(page), CONTEST.values(), strict=True):
        run = minimize(descent.trajectory.replace(rule, lr=grid), ravine, (-4, -6), 20)
        assert number(row[1]) == pytest.approx(grid[np.argmin(run.values[-1])][0], rel=6e-3)
        assert row[2] == row[3] and row[3].endswith("(20)")
        assert number(row[3].split()[0]) == pytest.approx(run.values[-1].min(), rel=6e-3)


# The page around them


def test_the_state_is_in_the_address(visit: Open, address: str) -> None:
    page = visit("figure")
    assert page.url == f"{address}figure.html"
    entries = page.evaluate("history.length")
    slide(page, "Learning rate η", 0.3)
    page.wait_for_function("() => location.hash")
    assert page.evaluate("history.length") == entries
    assert page.url.endswith("#ravine?rule=SGD&lr=0.3&momentum=0.5&steps=20&beside=0&x1=-5&x2=-2")
    page.reload()
    ready(page)
    assert page.get_by_label("Learning rate η").input_value() == "0.3"
    page.click("#plain")
    assert page.url.endswith("#words")


def test_an_address_sets_no_more_than_the_parameters(visit: Open) -> None:
    bad = "#ravine?rule=toString&lr=x&momentum=9&steps=1e9&x1=&nothing=1&__proto__=2&constructor=1"
    page = visit("ravine", bad)
    slide(page, "Learning rate η", 0.3)
    kept = "rule=SGD&lr=0.3&momentum=0.99&steps=500&beside=0&x1=-5&x2=-2"
    page.wait_for_function("() => location.hash.includes('lr=0.3')")
    assert page.url.endswith(f"#ravine?{kept}")


def test_a_figure_is_upgraded_in_place(visit: Open, browser: Browser, address: str) -> None:
    page = visit("figure")
    assert shifts(page) == []
    image = page.locator("figure img")
    assert not image.is_visible() and page.locator("figcaption").is_visible()
    assert page.locator("figure#fig-ravine > descent-explorer + figcaption").count() == 1
    page.emulate_media(media="print")
    assert image.is_visible() and not page.locator("descent-explorer").is_visible()
    plain = browser.new_page(java_script_enabled=False)
    plain.goto(f"{address}figure.html")
    assert plain.locator("figure img").is_visible()
    box = plain.locator("descent-explorer").bounding_box()
    assert box and box["height"] == 0
    plain.close()


def test_from_a_file(visit: Open, folder: Path) -> None:
    page_file = folder / "file.html"
    page_file.write_text(html(["ravine"]).replace("'self'", "'self' file:"), "utf-8")
    page = visit(page_file.as_uri(), "#ravine?lr=0.5")
    assert "neither converges nor diverges" in said(page)
    slide(page, "Learning rate η", 0.4)
    assert "x1 -0.943467, x2 -0.000073" in said(page)
    page.wait_for_function("() => location.hash.includes('lr=0.4')")


def test_a_page_with_all_of_them_keeps_still_and_axe_finds_nothing(visit: Open) -> None:
    page = visit("light")
    assert shifts(page) == []
    assert axe_violations(page) == []
    page.evaluate("document.documentElement.dataset.theme = 'dark'")
    assert axe_violations(page, runOnly=["color-contrast"]) == []  # all that a theme changes


def test_reduced_motion_leaves_stepping(visit: Open) -> None:
    page = visit("race", "#race?t=0", reduced_motion="reduce")
    assert not page.get_by_role("button", name="Play").is_visible()
    assert not page.get_by_text("Steps a second").is_visible()
    page.get_by_role("button", name="Step").click()
    assert said(page).startswith("Step 1, lowest")


# What a page loads


def test_a_page_loads_what_its_explorers_need() -> None:
    loaded: list[str] = []
    page = nodes.document("", "")
    page += nodes.raw("", '<p>\n<descent-explorer state="t=1" kind="race">\n', format="html")
    page += nodes.raw("", '<b></b><descent-explorer kind="phase"><descent-explorer kind="race">')
    app: Any = SimpleNamespace(add_js_file=loaded.append)
    explorers.add_scripts(app, "", "", {}, page)
    names = [script.removeprefix("explorers/").removesuffix(".js") for script in loaded]
    assert names == ["descent", "model", "chart", "widgets", "race", "phase", "explorer", "answers"]
    for other in (nodes.document("", ""), None):
        loaded.clear()
        explorers.add_scripts(app, "", "", {}, other)
        assert loaded == []


def test_a_kind_that_is_not_there_is_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    page = nodes.document("", "")
    page += nodes.raw("", '<descent-explorer kind="rocket">', format="html")
    app: Any = SimpleNamespace(add_js_file=pytest.fail)
    with caplog.at_level("WARNING"):
        explorers.add_scripts(app, "", "", {}, page)
    assert "no explorer is called rocket" in caplog.text


def test_a_page_s_scripts_are_light(folder: Path) -> None:
    zipped = {path.stem: len(gzip.compress(path.read_bytes())) for path in folder.glob("*/*.js")}
    shared = sum(size for name, size in zipped.items() if name not in KINDS)
    assert shared < 18 * 1024 and max(zipped[kind] for kind in KINDS) < 4 * 1024
    assert len(gzip.compress(STYLE.read_bytes())) < 4 * 1024


def test_every_style_s_marker_has_an_outline() -> None:
    charts = (explorers.ASSETS / "chart.js").read_text("utf-8")
    for style in plots.STYLES.values():
        assert re.search(rf'[ {{"]{re.escape(style.marker)}"?: ', charts)
