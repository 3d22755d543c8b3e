"""The explorers of Nesterov's roots and of the lottery: in V8 at random settings, and in a browser.

A kind has its parameters, what it builds and what it draws. Here it draws on charts that keep what
they are given, and is read from its words, its table and its marks.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from py_mini_racer import MiniRacer

from descent import Momentum, minimize, rotated_quadratic, theory
from test_explorers import (
    LOTTERY,
    PLAIN,
    address,
    folder,
    ready,
    said,
    slide,
    tab,
    table,
    visit,
    wait_until_heard,
)
from test_javascript import engine, load_explorers

if TYPE_CHECKING:
    from test_explorers import Open

__all__ = ["address", "engine", "folder", "tab", "visit"]  # fixtures
# Charts of 600 by 400 that keep what is drawn, and an explorer of a kind with the values given.
DRAW = """
class Chart {
    constructor(label, size, xname, yname, more) {
        Object.assign(this, { x: [0, 1], y: [0, 1], width: 600, height: 400, ...more });
    }
    frame(x = this.x, y = this.y) {
        Object.assign(this, { x: this.equal ? y.map((v) => v * 1.5) : x, y });
    }
    X(v) { return (v - this.x[0]) / (this.x[1] - this.x[0]) * 600; }
    Y(v) { return (this.y[1] - v) / (this.y[1] - this.y[0]) * 400; }
    at([x, y]) { return [this.X(x), this.Y(y)]; }
    backdrop(key, draw) {
        if (key !== this.key) Object.assign(this, { key, ground: draw() });
    }
    draw(front, over = "") { Object.assign(this, { front, over }); }
}
var drawn = (name, attributes) => {
    const kind = descent.kinds[name], below = [], ex = Object.assign(new Explorer(), {
        kind, fields: {}, plots: [], controls: new Node(), getAttribute: (key) => attributes[key],
        below: { append: (node) => below.push(node) },
        plot(...given) { this.plots.push(new Chart(...given)); return this.plots.at(-1); },
    });
    kind.build(ex);
    return (values) => {
        const first = Object.entries(kind.params).map(([key, p]) => [key, p.value]);
        const words = kind.draw(ex, { ...Object.fromEntries(first), ...values });
        const [, , body] = below[0].nodes;
        const cells = (row) => row.nodes.slice(1).map((cell) => cell.textContent);
        return { words, rows: body.nodes.map(cells),
            plots: ex.plots.map(({ front, over, ground = "" }) => front + over + ground) };
    };
}; 0"""
BAD = re.compile(r"NaN|Infinity|undefined|null|⁻?¹| ,| \.|  |\(\)")
NUMBER = r"(-?\d+(?:\.\d+)?)"
bowl = rotated_quadratic((1.0, 1.0))


@pytest.fixture(scope="module")
def draw(engine: MiniRacer) -> Iterator[Any]:
    """Draw a kind once for each of the settings."""
    load_explorers(engine)
    engine.eval(DRAW)

    def call(kind: str, settings: list[dict[str, Any]], **attributes: str) -> list[Any]:
        """Return the words, the table's rows and the drawings of each setting."""
        found: list[Any] = engine.execute(
            f"{json.dumps(settings)}.map(drawn('{kind}', {json.dumps(attributes)}))"
        )
        for one in found:
            one["words"] = one["words"].translate(PLAIN)
            one["rows"] = [[cell.translate(PLAIN) for cell in row] for row in one["rows"]]
            assert not BAD.search(one["words"]), one["words"]
            assert not any("NaN" in plot or "undefined" in plot for plot in one["plots"])
        return found

    yield call


def middles(drawing: str, cls: str = "dx-mark", least: int = 1) -> list[np.ndarray]:
    """Return the middles of the marks of each path of a class and of at least so many."""
    found = []
    for d in re.findall(rf'class="{cls}" d="([^"]*)"', drawing):
        outlines = [re.findall(r"-?[\d.]+", one) for one in d.split("Z") if one]
        if len(outlines) >= least:
            points = [np.array(one, float).reshape(-1, 2).mean(axis=0) for one in outlines]
            found.append(np.array(points))
    return found


# Nesterov's roots


def look_ahead(p: float, beta: float, steps: int) -> np.ndarray:
    """Return θ of the look-ahead form, for curvature 1, from 1 and at rest."""
    theta, before = [1.0], 1.0
    for _ in range(steps):
        ahead = theta[-1] + beta * (theta[-1] - before)
        before = theta[-1]
        theta.append((1 - p) * ahead)
    return np.array(theta)


def test_roots_factors_and_errors_are_the_package_s(draw: Any) -> None:
    rng = np.random.default_rng(5)
    settings = [
        {"step": round(p, 2), "momentum": round(b, 2)}
        for p, b in rng.uniform([0.01, 0.01], [4.2, 0.99], (150, 2))
    ]
    words = set()
    for given, found in zip(settings, draw("nesterov", settings), strict=True):
        p, beta = given["step"], given["momentum"]
        curves = middles(found["plots"][2], least=41)
        x = minimize(Momentum(lr=p, momentum=beta), bowl, (1, 1), 40).points[:, 0]
        for row, roots, path, curve in zip(
            found["rows"],
            (theory.momentum_roots(p, beta, 1.0), theory.nesterov_roots(p, beta, 1.0)),
            (x, look_ahead(p, beta, 40)),
            curves,
            strict=True,
        ):
            told = np.array(re.findall(NUMBER, row[0]), float)
            complex_pair = "i" in row[0]
            expected = [roots[0].real, abs(roots[0].imag)] if complex_pair else roots.real
            assert told == pytest.approx(expected[: len(told)], abs=6e-4)
            radius = abs(roots).max()
            assert float(row[1]) == pytest.approx(radius, abs=6e-4)
            if radius == 0:
                assert row[2:] == ["at once", "stops"]
            elif radius < 1:
                assert float(row[2]) == pytest.approx(np.log(0.5) / np.log(radius), rel=6e-3)
            else:
                assert row[2] == "never"
            assert curve[:, 0] == pytest.approx((np.arange(41) + 0.5) / 41 * 600, abs=0.1)
            seen = np.abs(path) < 1.2
            errors = 1.2 - curve[:, 1] / 400 * 2.4
            assert errors[seen] == pytest.approx(path[seen], abs=2e-3)
            words.add(row[3])
    assert words >= {"creeps", "swings", "zigzags", "diverges"}


def test_the_large_marks_are_the_roots_now_and_the_small_ones_their_way(draw: Any) -> None:
    (found,) = draw("nesterov", [{"step": 0.4, "momentum": 0.9}])
    ways = middles(found["plots"][0], "dx-way")
    now = middles(found["plots"][0])
    for radii, way in zip((theory.momentum_roots, theory.nesterov_roots), ways, strict=True):
        z = radii(np.linspace(0, 1, 41), 0.9, 1.0).ravel()
        at = (way - (300, 200)) / (160, -160)
        assert np.abs(at - np.stack([z.real, z.imag], -1)).max() < 2e-3
    large = (np.concatenate([m for m in now if len(m) == 1]) - (300, 200)) / (160, -160)
    z = np.concatenate([f(0.4, 0.9, 1.0) for f in (theory.momentum_roots, theory.nesterov_roots)])
    assert np.abs(large - np.stack([z.real, z.imag], -1)).max() < 2e-3


def test_degenerate_walls_read_well(draw: Any) -> None:
    expected = {
        (0.4, 0.9): "At ηλ 0.4 and β 0.9 the heavy ball swings, and the swing halves every 13.2 "
        "steps. Nesterov’s method swings, and the swing halves every 2.25 steps.",
        (1, 0.9): "Nesterov’s method lands on the minimum in one step.",
        (0, 0.9): "the heavy ball stays where it is. Nesterov’s method stays where it is.",
        (1, 0): "both are gradient descent, which lands on the minimum in one step.",
        (0.5, 0): "gradient descent, which creeps on one side, and the error halves every step.",
        (0.25, 0.25): "the heavy ball stands at the border of swinging, where in the long run the "
        "error halves every step.",
        (0.01, 0.81): "the heavy ball stands at the border of swinging",
        (2, 0): "both are gradient descent, which never settles: it zigzags for ever",
        (1.5, 0.5): "Nesterov’s method never settles: it zigzags for ever, at the limit",
        (4.2, 0.5): "diverges, and the error grows",
    }
    settings = [{"step": p, "momentum": b} for p, b in expected]
    for found, words in zip(draw("nesterov", settings), expected.values(), strict=True):
        assert words in found["words"]


def test_both_sliders_from_end_to_end(draw: Any) -> None:
    steps, betas = np.arange(421) / 100, np.arange(100) / 100
    settings = [{"step": p, "momentum": 0.9} for p in steps]
    settings += [{"step": 1, "momentum": b} for b in betas]
    settings += [{"step": p, "momentum": b} for p in steps[::60] for b in betas[::33]]
    for found in draw("nesterov", settings):
        assert all(cell for row in found["rows"] for cell in row)
        assert re.fullmatch(r"At ηλ [\d.]+ and β [\d.]+ .*\.", found["words"])


# The lottery


def uniform(seed: int) -> Iterator[float]:
    a = seed * 0x9E3779B9 % 2**32
    while True:
        a = (a * 1664525 + 1013904223) % 2**32
        yield ((a >> 8 & 0xFFFF) + 0.5) / 2**16


def test_draws_and_what_is_said_of_them(draw: Any) -> None:
    """Of every setting, and from any seed."""
    data = json.loads(LOTTERY)
    names, rng = list(data["settings"]), np.random.default_rng(6)
    printed = np.array([one["printed"] for one in data["settings"].values()])
    settings = [
        {"draw": chosen, "seed": int(rng.integers(1, 100)), "n": int(n), "guess": 0.005}
        for chosen in [*names, "all"]
        for n in [1, 3, 4, 8, 101, *rng.integers(12, 1001, 8)]
    ]
    for given, found in zip(settings, draw("lottery", settings, runs=LOTTERY), strict=True):
        chosen, n, numbers = given["draw"], given["n"], uniform(given["seed"])
        losses, whose = [], []
        for i in range(n):
            whose.append(names[i % 4] if chosen == "all" else chosen)
            pool = data["settings"][whose[-1]]["losses"]
            losses.append(pool[int(next(numbers) * len(pool))] / 1e5)
        assert found["words"].startswith(
            f"Run {n}, {whose[-1]}: {losses[-1]:.4f}.".replace("'", "’")
        )
        for name, row in zip(names, found["rows"], strict=True):
            mine = [loss for loss, of in zip(losses, whose, strict=True) if of == name]
            ours = [*map(float, re.findall(NUMBER, " ".join(row)))]
            spread = [np.mean(mine), *np.quantile(mine, [0.05, 0.95])] if mine else []
            assert ours == pytest.approx([data["settings"][name]["printed"], *spread], abs=6e-5)
        four = np.reshape(losses[: n // 4 * 4], (-1, 4))
        gaps = np.ptp(four, axis=1)
        if len(four):
            assert f"The last four lie {gaps[-1]:.4f} apart" in found["words"]
        if len(four) > 1:
            ties = np.diff(np.sort(four), axis=1).min(axis=1) == 0
            order = (np.argsort(four) == np.argsort(printed)).all(axis=1) & ~ties
            counts = [sum(gaps <= 0.005), sum(gaps >= np.ptp(printed)), sum(order)]
            told = re.search(
                rf"Of {len(four)} groups of four, (\w+) lies? within your guess, (\w+) lies? at "
                r"least as far apart as the tutorial’s, and (\w+) ha(?:s|ve) the tutorial’s order",
                found["words"],
            )
            assert told and [0 if c == "none" else int(c) for c in told.groups()] == counts
    assert {one["words"][:4] for one in draw("lottery", [{"n": 0}], runs=LOTTERY)} == {"The "}


def test_every_control_of_the_lottery_from_end_to_end(draw: Any) -> None:
    settings = [{"n": n, "draw": "all"} for n in range(25)]
    settings += [{"n": 8, "seed": seed} for seed in range(1, 100)]
    settings += [{"n": 8, "guess": guess / 1000} for guess in range(1, 51)]
    found = draw("lottery", settings, runs=LOTTERY)
    assert all(cell for one in found for row in one["rows"] for cell in row)
    assert len({one["words"] for one in found[:25]}) == 25
    assert len({one["words"] for one in found[25:124]}) == 99
    assert "none lie within your guess" in found[124]["words"]
    assert "2 lie within your guess" in found[-1]["words"]


def test_all_runs_come_up_equally_often_and_in_every_order(draw: Any) -> None:
    settings = [{"draw": "short memory", "seed": seed, "n": 1000} for seed in range(1, 25)]
    found = draw("lottery", settings, runs=LOTTERY)
    pool = np.array(json.loads(LOTTERY)["settings"]["short memory"]["losses"]) / 1e5
    means = [float(one["rows"][0][1]) for one in found]
    assert np.mean(means) == pytest.approx(pool.mean(), abs=4 * pool.std() / 24000**0.5 + 5e-5)
    orders = [
        int(re.search(r"and (\w+) ha", one["words"])[1].replace("none", "0")) for one in found
    ]  # type: ignore[index]
    assert sum(orders) / (24 * 250) == pytest.approx(1 / 24, abs=4 * (1 / 24 / 6000) ** 0.5)


# In a browser, by keyboard


def test_nesterov_by_keyboard(visit: Open) -> None:
    page = visit("nesterov")
    page.get_by_label("Step ηλ").focus()
    for _ in range(32):
        page.keyboard.press("ArrowRight")
    assert "Nesterov’s method swings, and the swing halves every 1.01 steps" in said(page)
    root = theory.nesterov_roots(0.72, 0.9, 1.0)[0]
    assert table(page)[1] == [
        "Nesterov",
        f"{root.real:.3f} ± {abs(root.imag):.3f}i",
        f"{abs(root):.3f}",
        f"{np.log(0.5) / np.log(abs(root)):.3g}",
        "swings",
    ]
    page.keyboard.press("End")
    page.get_by_label("Momentum β").focus()
    page.keyboard.press("Home")
    assert said(page).startswith("At ηλ 4.2 and β 0 both are gradient descent, which diverges")
    page.get_by_role("button", name="Reset").press("Enter")
    assert said(page).startswith("At ηλ 0.4 and β 0.9 the heavy ball swings")


def test_lottery_by_keyboard(visit: Open) -> None:
    page = visit("lottery")
    assert "Set your guess, then draw" in said(page)
    page.get_by_label("Draw runs of").select_option("all")
    page.get_by_role("button", name="Draw one").focus()
    page.keyboard.press("Enter")
    assert said(page).startswith("Run 1, short memory: 0.2")
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    words = said(page)
    assert words.startswith("Run 105, short memory: ") and "Of 26 groups of four" in words
    wait_until_heard(page, words)
    rows = table(page)
    page.reload()
    ready(page)
    assert (said(page), table(page)) == (words, rows)
    slide(page, "Seed of the draws", 2)
    assert said(page) != words
    page.get_by_label("Draw runs of").select_option("long memory")
    assert "Set your guess, then draw" in said(page)


def test_dots_fall_only_where_motion_is_welcome(visit: Open) -> None:
    for motion, falls in (("no-preference", 1), ("reduce", 0)):
        page = visit("lottery", reduced_motion=motion)
        page.get_by_role("button", name="Draw 4").click()
        said(page)
        running = "document.getAnimations().filter((a) => a.animationName === 'dx-fall').length"
        assert (page.evaluate(running) > 0) == falls
