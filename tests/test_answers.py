"""Text and explorers answer each other: states in the prose, symbols in formulas and captions.

Which states the chapters hold is read from the notebooks; the rest is tried in a real browser, on a
page made here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

import nbformat
import pytest
from conftest import ROOT, axe_violations
from py_mini_racer import MiniRacer

import explorers
from formulas import ENGINE
from test_explorers import DRAWN, POLICY, Open, address, folder, html, said, slide, tab, visit

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

__all__ = ["address", "folder", "tab", "visit"]  # fixtures
NOTEBOOKS = sorted((ROOT / "chapters").glob("*.ipynb"))
KINDS = sorted(
    {p.stem for p in explorers.ASSETS.glob("*.js")} - {*explorers.BEFORE, *explorers.AFTER}
)
TEXT = r"""<section><h2>Beside it</h2><p>With {eta} and {both} is {root}. Try
<descent-state for="ravine" set="rule=Momentum&amp;momentum=0.9">momentum 0.9</descent-state> or
<descent-state for="ravine" set="">the start</descent-state>.</p>
<figure id="fig-ravine"><div class="figure-box"><img alt="A path" width="600" height="400"
src="data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg'/%3E"></div>
<figcaption>A valley at η = 0.4, seen from x₁.</figcaption></figure>
<figure id="fig-fairness"><figcaption>Without symbols, at η = 0.4.</figcaption></figure>
EXPLORER<div style="height: 200vh"></div>
<p><descent-state id="far" for="ravine" set="lr=0.5">the limit</descent-state></p>
<section><h3>Another</h3><p id="other">{eta}</p></section></section>"""
FORMULAS = {"eta": r"\eta", "both": r"\beta x_1 + \eta \hat x_1", "root": r"\sqrt{\beta}"}
LIT = "[...document.querySelectorAll('.dx-lit')].map((e) => e.dataset.part ?? 'symbol')"


class Found(HTMLParser):
    """The explorers and the states in a text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.explorers: dict[str, str] = {}  # kinds, by name
        self.states: list[tuple[str, str]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "descent-explorer":
            kind = str(given["kind"])
            name = str(given.get("id") or kind)
            self.explorers[name] = kind
            self.states.append((name, given.get("state") or ""))
        if tag == "descent-state":
            self.states.append((str(given["for"]), given["set"] or ""))


def found(path: Path) -> Found:
    cells = nbformat.read(path, as_version=4).cells
    shown = (
        o.data.get("text/html", "") for c in cells for o in c.get("outputs", []) if "data" in o
    )
    return Found("\n".join([*(c.source for c in cells if c.cell_type == "markdown"), *shown]))


@pytest.fixture(scope="module")
def kinds() -> Iterator[dict[str, Any]]:
    """What each kind of explorers says of itself."""
    with MiniRacer() as v8:
        v8.eval(f"var window = globalThis, matchMedia = () => ({{}}); {explorers.package()}; 0")
        for name in (*explorers.BEFORE[1:], *KINDS):
            v8.eval(f"{(explorers.ASSETS / f'{name}.js').read_text('utf-8')}; 0")
        yield json.loads(v8.eval("JSON.stringify(descent.kinds)"))


def dead(params: dict[str, Any], key: str, value: str) -> bool:
    """Tell whether a parameter cannot have a value."""
    p = params.get(key)
    if p is None:
        return True
    if p.get("flag"):
        return value not in {"0", "1"}
    if "many" in p:
        return not set(value.split(",")) <= set(p["many"])
    if "options" in p:
        return value not in p["options"]
    return not p["min"] <= float(value) <= p["max"]


def test_every_state_can_be_had(kinds: dict[str, Any]) -> None:
    count = 0
    for path in NOTEBOOKS:
        page = found(path)
        for name, state in page.states:
            assert name in page.explorers, f"{path.stem}: no explorer is called {name}"
            params = kinds[page.explorers[name]]["params"]
            pairs = parse_qsl(state, keep_blank_values=True)
            assert "&".join(f"{k}={v}" for k, v in pairs) == state
            wrong = [pair for pair in pairs if dead(params, *pair)]
            assert not wrong, f"{path.stem}, {name}: {wrong}"
        told = [name for name, _ in page.states]
        few = [name for name in page.explorers if told.count(name) < 3]
        assert not few, f"{path.stem}: the prose has fewer than two states of {few}"
        count += len(told)
    assert count > 20


def test_every_symbol_is_that_of_a_part(visit: Open) -> None:
    """Of a part that is drawn, or a control: else nothing would be lit."""
    page = visit("light")
    absent = page.evaluate(
        """() => [...document.querySelectorAll("descent-explorer")].flatMap((ex) =>
            Object.entries(ex.kind.symbols ?? {}).filter(([, [part]]) =>
                !ex.querySelector(`[data-part~="${part}"]`)).map(([key]) => [ex.name, key]))"""
    )
    assert absent == []


# What the prose says one sees in a state, in the words of the explorer.
SEEN = {
    "ravine": {
        "rule=SGD&lr=0.4&x2=0": "x1 −0.943",
        "rule=SGD&lr=0.4": "x1 −0.943",
        "rule=SGD&lr=0.48": "x2 −0.377",
        "rule=SGD&lr=0.51": "x2 −4.382",
        "rule=Momentum&lr=0.6&momentum=0": "makes x2 1.400 times as large",
        "rule=Momentum&lr=0.6&momentum=0.9": "f 2.64.",
        "rule=Momentum&lr=0.6&momentum=0.5": "f 1.82×10⁻⁵",
        "rule=Momentum&lr=0.6&momentum=0.9&steps=200": "f 6.69×10⁻⁹",
    },
    "phase": {
        "step=1.6&momentum=0.5": "swings: .* modulus 0.707",
        "step=0.08&momentum=0.5": "creeps: its roots are 0.774",
        "step=2.4&momentum=0": "diverges: its roots are 0 and −1.4",
        "step=2.4&momentum=0.5": "swings: .* halves every 2 steps",
        "step=2.95&momentum=0.5": "zigzags: its roots are −0.565 and −0.885",
    },
    "average": {
        "gamma=0.9&t=1": "sum to 0.1000",
        "gamma=0.5&t=10": "sum to 0.9990",
        "gamma=0.98&t=10": "sum to 0.1829",
        "gamma=0.98&t=50": "window 50 steps.* sum to 0.6358",
    },
    "moments": {
        "rule=Adam&lr=0.4&t=1": "x1 −4.600000, x2 −1.600000",
        "rule=AdaGrad&lr=0.4&t=1": "x1 −4.600000, x2 −1.600000",
        "rule=RMSprop&lr=0.4&t=1": "x1 −3.735089, x2 −0.735089",
    },
    "race": {
        "rules=SGD,Momentum,RMSprop,Adam&t=30": "lowest: RMSprop",
        "rules=SGD,Momentum,RMSprop,Adam&surface=plateau&t=100": "lowest: Adam",
        "rules=SGD,Momentum,RMSprop,Adam&surface=rosenbrock&t=100": "lowest: Momentum",
        "rules=SGD,Momentum,AdaGrad,RMSprop,Adam&t=20": "lowest: AdaGrad",
        "rules=SGD,Momentum,AdaGrad,RMSprop,Adam&surface=rosenbrock&t=100": "lowest: Momentum",
    },
}


def test_in_a_state_one_sees_what_the_prose_says(visit: Open) -> None:
    page = visit("light")
    for kind, states in SEEN.items():
        for state, words in states.items():
            told = page.evaluate(
                """([kind, state]) => {
                    const ex = document.querySelector(`[kind=${kind}]`);
                    ex.enter(ex.after(state));
                    ex.draw();
                    return ex.querySelector("[aria-label=Result]").textContent;
                }""",
                [kind, state],
            )
            told = told.translate({ord("₁"): "1", ord("₂"): "2"})
            assert re.search(words, told), f"{kind}, {state}: {told}"


@pytest.fixture(scope="module")
def text(folder: Path) -> str:
    drawn = {name: ENGINE.draw(tex, False) for name, tex in FORMULAS.items()}
    before, after = TEXT.format(**drawn).split("EXPLORER")
    page = html(["ravine", "fairness"], before=before).replace(
        '<p id="words">', f'{after}<p id="words">'
    )
    styled = page.replace(POLICY, f"{POLICY}; style-src 'self' 'unsafe-inline'")  # as formulas need
    style = re.sub(r"@font-face[^}]*}", "", ENGINE.style())
    ENGINE.close()
    styled = styled.replace("</head>", f"<style>{style}</style></head>")
    (folder / "text.html").write_text(styled, "utf-8")
    return "text"


def lit(page: Page) -> list[str]:
    page.evaluate(DRAWN)
    return sorted(page.evaluate(LIT))


def pressed(page: Page) -> list[str]:
    page.evaluate(DRAWN)
    states: list[str] = page.evaluate(
        "[...document.querySelectorAll('descent-state[aria-pressed=true]')].map((e) => e.innerText)"
    )
    return states


def test_states_by_keyboard(visit: Open, text: str) -> None:
    page = visit(text)
    assert pressed(page) == ["the start"]
    state = page.get_by_role("button", name="momentum 0.9", description="explorer “Narrow valley”")
    state.press("Enter")
    assert pressed(page) == ["momentum 0.9"] and said(page).startswith("Momentum after 20 steps")
    assert state.evaluate("(e) => e === document.activeElement")
    page.wait_for_function("() => document.querySelector('[role=status]').textContent")
    heard = page.evaluate("[...document.querySelectorAll('[aria-live]')].map((e) => e.innerText)")
    assert "".join(heard) == said(page).replace("-", "−"), "once"
    slide(page, "Momentum β", 0.8)
    assert pressed(page) == []
    slide(page, "Momentum β", 0.9)
    assert pressed(page) == ["momentum 0.9"]
    page.get_by_role("button", name="the start").press("Space")
    assert pressed(page) == ["the start"] and said(page).startswith("Gradient descent")
    far = page.locator("#far")
    far.press("Enter")
    page.wait_for_function(
        "() => document.querySelector('svg[aria-label^=Contours]').getBoundingClientRect().top > -1"
    )
    assert far.evaluate("(e) => e === document.activeElement")


def test_states_and_symbols_by_touch(visit: Open, text: str) -> None:
    page = visit(text, width=375, has_touch=True, is_mobile=True, reduced_motion="reduce")
    page.locator("#far").tap()
    assert pressed(page) == ["the limit"] and "neither converges" in said(page)
    assert (
        page.evaluate(
            "document.querySelector('svg[aria-label^=Contours]').getBoundingClientRect().top"
        )
        > -1
    )
    page.get_by_role("button", name="η, the").tap()
    page.wait_for_selector(".dx-field.dx-lit")
    page.get_by_text("Words after").tap()
    page.wait_for_selector(".dx-lit", state="detached")


def test_symbols_and_parts_light_each_other(visit: Open, text: str) -> None:
    page = visit(text)
    names = [
        s.get_attribute("aria-label")
        for s in page.get_by_role("button", name="in the figure").all()
    ]
    assert sorted(names) == sorted({*names}) and "η, the learning rate: show in the figure" in names
    page.get_by_role("button", name="η, the").hover()
    shown = lit(page)
    assert shown.count("symbol") == 3 and "lr" in shown, "in formulas and the caption"
    page.mouse.move(0, 0)
    assert lit(page) == []
    page.get_by_label("Learning rate η").focus()
    page.keyboard.press("ArrowRight")
    assert lit(page) == shown, "also after the charts are drawn anew"
    page.get_by_role("slider", name="Start").focus()
    assert "symbol" in lit(page)
    assert page.locator("#other .dx-symbol").count() == 0


def test_with_states_and_symbols_axe_finds_nothing(visit: Open, text: str) -> None:
    assert axe_violations(visit(text)) == []


def test_without_scripts_it_is_plain_text(browser: Browser, text: str, address: str) -> None:
    page = browser.new_page(java_script_enabled=False)
    page.goto(f"{address}{text}.html")
    assert page.get_by_role("button").count() == 0
    state = page.get_by_text("momentum 0.9", exact=True)
    plain = state.evaluate("(e) => [e, e.parentElement].map((n) => getComputedStyle(n).color)")
    assert plain[0] == plain[1]
    page.close()
