"""The explorers of RMSprop's cycle and of the turned valley, against the package.

Their words and tables come from V8 without a browser, at random settings and from one end of each
control to the other; a reader's way through each is tried in a browser.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import descent
from descent import minimize, rotated_quadratic, theory
from test_explorers import (
    Open,
    address,
    folder,
    marks,
    middle,
    number,
    said,
    slide,
    tab,
    table,
    visit,
)
from test_javascript import engine, load_explorers

if TYPE_CHECKING:
    from py_mini_racer import MiniRacer

__all__ = ["address", "engine", "folder", "tab", "visit"]  # fixtures

# A kind on charts that keep what is drawn: gives its words, its table, and what is no number in it.
STAGE = """
Object.defineProperty(Node.prototype, "children", { get() { return this.nodes; } });
Object.assign(Node.prototype, { style: {}, dataset: {}, classList: { add() {} } });
var staged = (name) => {
    const kind = descent.kinds[name], { params } = kind, charts = [];
    const first = Object.fromEntries(Object.entries(params).map(([key, p]) => [key, p.value]));
    const ex = { kind, params, below: new Node(), unused() {} };
    ex.plot = (label, size, xname, yname, more) => {
        const chart = Object.create(descent.Plot.prototype);
        for (const layer of ["axes", "ground", "front"]) chart[layer] = {};
        charts.push(Object.assign(chart, { left: 40, top: 24, width: 400, height: 300 },
            { over: { querySelectorAll: () => [] }, node: new Node(), svg: new Node() }, more));
        return Object.assign(chart, { xname, yname });
    };
    kind.build(ex);
    return (changes) => {
        const words = kind.draw(ex, ex.values = { ...first, ...changes });
        const cells = (row) => row.children.slice(1).map((cell) => String(cell.textContent));
        const drawn = charts.flatMap((c) => [c.axes, c.ground, c.front, c.over])
            .map((layer) => layer.innerHTML).join("");
        return { words, rows: ex.table?.body.map(cells) ?? [],
            odd: drawn.match(/NaN|Infinity|undefined|null/g) ?? [] };
    };
};
/* Some places of each control, its ends among them. */
var places = (name, every) => {
    const found = {};
    for (const [key, p] of Object.entries(descent.kinds[name].params)) {
        const few = p.flag ? [true, false] : p.options && Object.keys(p.options);
        const rungs = p.rungs ?? descent.range(Math.round((p.max - p.min) / p.step) + 1 || 0)
            .map((i) => Number((p.min + i * p.step).toFixed(6)));
        found[key] = few ?? rungs.filter((_, i) => i % every === 0 || i === rungs.length - 1);
    }
    return found;
};
var cycle = staged("cycle"), valley = staged("valley");
"""
# No number, no clause between commas, no object of a verb, no end of a sentence.
EMPTY = re.compile(
    r"NaN|Infinity|undefined|null|  | [.,]|,,|\.\.|(?:is|and|by|to|needs|between) [.,]|[^.]$"
)
FACTORS: dict[str, Callable[[int, int], float]] = {
    "constant": lambda t, n: 1.0,
    "root": lambda t, n: (1 + t) ** -0.5,
    "cosine": lambda t, n: 0.5 * (1 + math.cos(math.pi * t / n)),
}
Told = Callable[..., tuple[str, list[list[str]]]]


@pytest.fixture(scope="module")
def told(engine: MiniRacer) -> Told:
    """Set an explorer, `told("cycle", lr=0.1)`; gives its words in plain letters, and its table."""
    load_explorers(engine)
    engine.eval(STAGE + "0")

    def told(kind: str, **changes: Any) -> tuple[str, list[list[str]]]:
        found = engine.execute(f"{kind}({json.dumps(changes)})")
        assert found["odd"] == [], changes
        assert not EMPTY.search(found["words"]), (changes, found["words"])
        assert all(cell for row in found["rows"] for cell in row), changes
        return found["words"].replace("−", "-"), found["rows"]

    return told


def close(text: str, value: float) -> bool:
    return bool(number(text) == pytest.approx(value, rel=6e-3, abs=1e-300))


@pytest.mark.parametrize("name", ["RMSprop", "Momentum", "AdaGrad"])
def test_a_run_follows_a_schedule_as_the_package_s_does(engine: MiniRacer, name: str) -> None:
    factors = np.random.default_rng(3).uniform(0, 1, 80).tolist()
    ours = engine.execute(
        f"descent.minimize(new descent.rules.{name}({{ lr: 0.3 }}), descent.surfaces.ravine,"
        f" [-5, -2], 80, (t) => {factors}[t]).points"
    )
    rule = getattr(descent, name)(lr=0.3)
    run = minimize(rule, descent.ravine, (-5, -2), 80, schedule=factors.__getitem__)
    assert (np.array(ours) == run.points).all()


def test_the_cycle_is_the_package_s(told: Told) -> None:
    """Where x is, the learning rate, and what ends the cycle, at random settings."""
    rng, seen = np.random.default_rng(0), set()
    for _ in range(50):
        n, kind = int(rng.integers(1, 40)) * 10, str(rng.choice([*FACTORS, "constant"]))
        lr, curvature = (float(drawn) for drawn in 10 ** rng.uniform([-1.3, -1], [0, 1]))
        alpha = float(rng.choice([0, 0.5, rng.uniform(0.1, 0.97)]))
        eps = float(rng.choice([0, lr * curvature * rng.uniform(0.1, 0.7)]))
        start, bowl = float(rng.uniform(-5, 5)), rotated_quadratic((curvature, curvature))
        given = {"lr": lr, "alpha": alpha, "eps": eps}
        more = {"curvature": curvature, "start": start, "steps": n, "schedule": kind}
        words, _ = told("cycle", **given, **more)
        factors = [FACTORS[kind](t, n) for t in range(n)]
        rule = descent.RMSprop(**given)
        run = minimize(rule, bowl, (start, start), n, schedule=factors.__getitem__)
        (before, x), last = run.points[-2:, 0], lr * factors[-1]
        if kind != "constant":
            assert close(re.findall(r"^The learning rate has fallen to (\S+)\. ", words)[0], last)
        assert f"After {n} steps x " in words
        if "jumps between" in words:
            ends = re.findall(r"between (\S+) and ([^ ,]+),", words)[0]
            assert all(map(close, ends, sorted([x, before]))) and x * before < 0
            if kind == "constant" and alpha > 0:
                assert abs(x) == pytest.approx(lr / 2 - eps / curvature, rel=5e-3)
        else:
            assert close(re.findall(r"is (\S+) from", words)[0], abs(x))
        assert ("There is no cycle" in words) == (eps >= last * curvature / 2)
        if "latest step" in words:
            assert (abs(x) > abs(before)) == ("away from" in words)
        seen.add(re.sub(r"[-\d.×⁻⁰¹²³⁴⁵⁶⁷⁸⁹]+", "#", words))
    assert len(seen) >= 6


def test_the_cycle_opens_as_its_figure_and_says_what_moves_it(told: Told) -> None:
    words, _ = told("cycle")
    assert words == (
        "After 250 steps x jumps between -0.2 and 0.2, half a learning rate from the minimum. "
        f"A small deviation from the cycle halves every {theory.half_life(0.9**0.5):.1f} steps."
    )
    for curvature in (0.1, 2, 10):  # it cancels
        assert told("cycle", curvature=curvature)[0] == words
    assert "halves every" not in told("cycle", alpha=0.1)[0]
    assert "divides 0 by 0" in told("cycle", start=0)[0]
    assert "stays there" in told("cycle", start=0, eps=0.1)[0]
    assert "no cycle: ε is not below ηλ/2, which is 0.04." in told("cycle", eps=0.04)[0]
    assert "has not settled" in told("cycle", alpha=0.99)[0]
    assert "jumps between" in told("cycle", alpha=0.99, steps=2000)[0]


def steps_of(rule: Any, surface: Any, angle: float) -> tuple[np.ndarray, Any]:
    """Steps to a thousandth of the first distance within 400, and the run."""
    at = math.radians(angle + 217.5)
    run = minimize(rule, surface, (5 * math.cos(at), 5 * math.sin(at)), 400)
    return run.steps_to_stay(5e-3, error=np.linalg.norm(run.points, axis=-1)), run


def test_the_valley_is_the_package_s(told: Told) -> None:
    rng, grid = np.random.default_rng(1), 10 ** (np.arange(6, 15) / 16)
    settings = [(20.0, 45, True), (1.0, 30, True), (20.0, 0, True), (50.0, 90, True)]
    settings += [(float(rng.uniform(1, 50)), int(rng.integers(91)), i % 2 > 0) for i in range(8)]
    for kappa, angle, tune in settings:
        given = float(10 ** rng.uniform(-1, 1))
        words, rows = told("valley", kappa=kappa, angle=angle, tune=tune, lr=given)
        surface = rotated_quadratic((1 / kappa, 1.0), math.radians(angle))
        curvatures = surface.grad(np.eye(2)).diagonal()
        plain = theory.best_gradient_descent(1 / kappa, 1.0).lr if tune else given
        lr = grid if tune else np.array([given])
        steps, run = steps_of(descent.AdaGrad(lr=lr[:, None]), surface, angle)
        chosen = np.argmin(abs(lr - number(rows[1][0])))  # one of those that need the fewest
        assert close(rows[1][0], lr[chosen]) and close(rows[0][0], plain)
        wanted = [
            steps_of(descent.SGD(lr=plain), surface, angle)[0],
            steps.min(),
            steps_of(descent.SGD(lr=1 / curvatures[None]), surface, angle)[0].min(),
        ]
        assert steps[chosen] == steps.min()
        assert [row[-1] for row in rows] == [
            "over 400" if count == np.inf else f"{count:.0f}" for count in wanted
        ]
        sums = (surface.grad(run.points[:-1, chosen]) ** 2).sum(0)
        assert all(map(close, rows[1][1:3], lr[chosen] / np.sqrt(sums) * curvatures))
        assert f"come to {rows[1][1]} and {rows[1][2]} of the ideal." in words
        assert ("diverges" in words) == (plain > 2)


def test_the_valley_opens_as_its_figure(told: Told) -> None:
    """Within a few steps of the medians that chapter 8 tabulates, and with gradient descent's."""
    for angle, median in zip(range(0, 91, 15), (5, 39, 82, 96, 79, 40, 5), strict=True):
        _, rows = told("valley", angle=angle)
        assert int(rows[1][-1]) == pytest.approx(median, abs=4)
        assert int(rows[0][-1]) == pytest.approx(69, abs=1)
    words, _ = told("valley")
    assert "Turned by 45°" in words and "AdaGrad needs 98 steps, gradient descent 70" in words


def test_the_lead_is_lost_and_found_where_the_text_says(told: Told) -> None:
    for kappa in (20, 50):
        for angle, ahead in ((24, True), (27, False), (61, False), (66, True)):
            (*_, plain), (*_, own), _ = told("valley", kappa=kappa, angle=angle)[1]
            assert (int(own) < int(plain)) == ahead
    bowl = [[row[-1] for row in told("valley", kappa=1, angle=a)[1]] for a in range(0, 91, 9)]
    assert {(plain, ideal) for plain, _, ideal in bowl} == {("1", "1")}
    assert {own for _, own, _ in bowl} <= set("34567")


def test_no_control_of_either_leads_to_an_empty_clause(told: Told, engine: MiniRacer) -> None:
    """From end to end, alone and beside the extremes of another."""
    beside: dict[str, list[dict[str, Any]]] = {
        "cycle": [{}, {"schedule": "cosine", "eps": 0.02}, {"alpha": 0}, {"start": 0}],
        "valley": [{"tune": False}, {"tune": False, "kappa": 1, "angle": 0}],
    }
    for kind, others in beside.items():
        places = engine.execute(f"places('{kind}', 40)")
        for other in others:
            for key, values in places.items():
                for value in values:
                    told(kind, **{**other, key: value})


# As a reader does


def test_the_cycle_by_keyboard(visit: Open) -> None:
    page = visit("cycle")
    assert "jumps between -0.2 and 0.2" in said(page)
    shown = marks(page, "The position", "x")
    run = minimize(descent.RMSprop(lr=0.4, alpha=0.9, eps=0.0), descent.ravine, (-5, -2), 250)
    path = np.stack([np.arange(251), run.points[:, 0]], axis=-1)
    assert np.abs(shown - path)[8:].max() < 0.05
    page.get_by_label("Learning rate η").focus()
    page.keyboard.press("End")
    assert "jumps between -0.5 and 0.5" in said(page)
    page.get_by_role("button", name="Reset").press("Enter")
    page.get_by_label("falls as 1/√t").focus()
    page.keyboard.press("Space")
    assert "jumps between -0.0122 and 0.0122, while half the learning rate is 0.0126" in said(page)
    page.get_by_label("stays").focus()
    page.keyboard.press("Space")
    page.get_by_label("Constant ε").focus()
    page.keyboard.press("End")
    assert "There is no cycle: ε is not below ηλ/2, which is 0.04." in said(page)


def test_the_valley_by_keyboard_and_pointer(visit: Open) -> None:
    page = visit("valley")
    ring = page.get_by_role("slider", name="Turn of the valley")
    ring.focus()
    for _ in range(3):
        page.keyboard.press("Shift+ArrowLeft")
    assert "The valley lies along an axis. " in said(page) and "AdaGrad needs 4" in said(page)
    assert ring.get_attribute("aria-valuetext") == "0 degrees"
    assert page.get_by_label("Turned by (degrees)").input_value() == "0"
    x, y = middle(ring)
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x - 60, y - 120, steps=2)
    page.mouse.up()
    assert "The valley is turned by" in said(page)
    turned = page.get_by_label("Turned by (degrees)").input_value()
    assert 60 < int(turned) < 90 and ring.get_attribute("aria-valuenow") == turned
    slide(page, "Turned by (degrees)", 90)
    page.get_by_label("Give each rule").uncheck()
    said(page)  # a frame later the slider is free
    page.get_by_label("Learning rate η").focus()
    page.keyboard.press("End")
    assert "Gradient descent diverges, because η is above 2/L = 2." in said(page)
    assert [row[-1] for row in table(page)] == ["over 400", "8", "1"]
