"""The package in JavaScript, run in V8 without a browser, against the package itself."""

from __future__ import annotations

import ast
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, replace
from itertools import product
from typing import Any, NamedTuple

import numpy as np
import pytest
from conftest import HTML, ROOT
from py_mini_racer import MiniRacer

import descent
import explorers
import javascript
from descent import SURFACES, minimize, plots, rotated_quadratic, rules, theory
from descent.rules import Momentum, MomentumState, Rule

RULES = [
    name for name in rules.__all__ if isinstance(getattr(rules, name), type) and name != "Rule"
]
# Their arithmetic has no power but x² and √x, so every bit agrees.
EXACT = {"SGD", "Momentum", "Nesterov", "AdaGrad", "RMSprop", "Adadelta", "Lion"}
STEPS = 60


@pytest.fixture(scope="module")
def engine() -> Iterator[MiniRacer]:
    """V8 with the package and the explorers' `minimize`; closed, or it may hang at the end."""
    with MiniRacer() as v8:
        v8.eval(f"var window = globalThis; {explorers.package()}; 0")
        v8.eval(f"{(explorers.ASSETS / 'model.js').read_text('utf-8')}; 0")
        v8.eval(
            """function answer([name, h, x, grads]) {
                const rule = new descent.rules[name](h);
                let state = rule.init(x);
                return grads.map((g) => { [x, state] = rule._step(x, g, state); return x; });
            }
            function run([name, h, surface, start, steps]) {
                const rule = new descent.rules[name](h);
                return descent.minimize(rule, descent.surfaces[surface], start, steps);
            } 0"""
        )
        yield v8


def options(rule: type[Rule]) -> list[dict[str, bool]]:
    """Every way to set the options of a rule."""
    names = [field.name for field in fields(rule) if isinstance(field.default, bool)]
    return [dict(zip(names, c, strict=True)) for c in product([False, True], repeat=len(names))]


def drawn(rule: type[Rule], rng: np.random.Generator) -> dict[str, float]:
    """Draw hyper-parameters anywhere in their intervals; each may be 0, which drops its term."""
    found = {}
    for field in fields(rule):
        if isinstance(field.default, bool):
            continue
        low, high = (float(end) for end in field.metadata["interval"][1:-1].split(","))
        value = 10 ** rng.uniform(-6, 0) if high == math.inf else rng.uniform(low, high)
        zero = field.name not in {"lr", "eps"} and rng.uniform() < 0.25
        found[field.name] = 0.0 if zero else float(value)
    return found


def apart(ours: Any, theirs: Any) -> float:
    """Return the largest difference, relative where the numbers are large; 0 is every bit."""
    ours = np.array([math.nan if value is None else value for value in np.ravel(ours)], float)
    theirs = np.ravel(theirs)
    assert ours.shape == theirs.shape
    assert (np.isfinite(ours) == np.isfinite(theirs)).all()
    finite = np.isfinite(theirs)
    gap = np.abs(ours - theirs)[finite] / np.maximum(np.abs(theirs[finite]), 1)
    return float(gap.max(initial=0))


@pytest.mark.parametrize("name", RULES)
def test_a_rule_answers_gradients_as_the_package_does(engine: MiniRacer, name: str) -> None:
    """The same gradients to both, so that no path can amplify a difference.

    Of all its options, and with hyper-parameters from all their intervals.
    """
    rule, rng, worst = getattr(descent, name), np.random.default_rng(RULES.index(name)), 0.0
    for chosen in options(rule) * 12:
        h = drawn(rule, rng) | chosen
        x = np.array([rng.normal()])
        grads = rng.normal(size=STEPS) * 10 ** rng.uniform(-2, 2)
        grads[rng.uniform(size=STEPS) < 0.1] = 0
        found = engine.call("answer", [name, h, float(x[0]), grads.tolist()])
        one, path = rule(**h), []
        state = one.init(x)
        with np.errstate(all="ignore"):
            for grad in grads:
                x, state = one.step(x, np.array([grad]), state)
                path.append(x[0])
        worst = max(worst, apart(found, path))
    assert worst == 0 if name in EXACT else worst <= 1e-12


@pytest.mark.parametrize("name", RULES)
def test_a_run_is_the_package_s(engine: MiniRacer, name: str) -> None:
    """By default and with every option, on every surface, also where it diverges."""
    rule, diverged = getattr(descent, name), set()
    for chosen, surface, lr in product(options(rule), SURFACES.values(), (0.02, 0.6)):
        ours = engine.call("run", [name, {"lr": lr, **chosen}, surface.name, surface.start, STEPS])
        starts = np.multiply(surface.start, [[1], [1 + 1e-14]])
        run = minimize(rule(lr=lr, **chosen), surface, starts, STEPS)
        points, values = run.points[:, 0], run.values[:, 0]
        # Only as long as a change of a last bit in the start does not show, and short of overflow.
        wild = np.abs(run.points[:, 1] - points).max(axis=-1) > 1e-10
        wild |= np.abs(points).max(axis=-1) > 1e3
        calm = int(np.argmax(wild)) or len(points)
        assert apart(ours["points"][:calm], points[:calm]) <= 1e-9
        assert apart(ours["values"][:calm], values[:calm]) <= 1e-9
        assert ours["diverged"] == run.diverged[0]
        diverged.add(ours["diverged"])
    if name in {"SGD", "Momentum", "Nesterov"}:
        assert diverged == {False, True}


def test_a_rule_tells_what_its_formula_worked_out(engine: MiniRacer) -> None:
    """The explorer of the moments shows these, and does not work them out again."""
    inside = engine.call("run", ["Adam", {"lr": 0.4}, "ravine", [-5, -2], 3])["inside"][3]
    x = np.array([-5.0, -2.0])
    rule = descent.Adam(lr=0.4)
    state = rule.init(x)
    for _ in range(3):
        x, state = rule.step(x, descent.ravine.grad(x), state)
    for name, value in (
        ("mean", state.mean),
        ("mean_hat", state.mean / (1 - 0.9**3)),
        ("root", np.sqrt(state.square / (1 - 0.999**3)) + 1e-8),
    ):
        assert apart([coordinate[name] for coordinate in inside], value) <= 1e-12


def test_a_step_changes_nothing_that_it_is_given(engine: MiniRacer) -> None:
    assert engine.execute(
        """Object.values(descent.rules).every((make) => {
            const rule = new make({ lr: 0.1 }), first = JSON.stringify(rule.init(1));
            const [x, state] = rule._step(1, 0.3, rule.init(1)), kept = JSON.stringify(state);
            const again = () => JSON.stringify(rule._step(x, 0.4, state));
            return again() === again() && kept === JSON.stringify(state)
                && first === JSON.stringify(rule.init(1));
        })"""
    )


def test_defaults_intervals_and_styles_are_the_package_s(engine: MiniRacer) -> None:
    assert engine.execute("Object.keys(descent.rules)") == list(plots.STYLES)
    assert sorted(plots.STYLES) == sorted(RULES)
    for name in RULES:
        known = fields(getattr(descent, name))
        ours = engine.execute(f"{{ ...descent.rules.{name} }}".join("()"))
        assert ours["defaults"] == {field.name: field.default for field in known}
        assert ours["intervals"] == {
            f.name: f.metadata["interval"] for f in known if not isinstance(f.default, bool)
        }
    assert engine.execute("descent.styles") == {
        name: style._asdict() for name, style in plots.STYLES.items()
    }


@pytest.mark.parametrize("name", SURFACES)
def test_a_surface_is_the_package_s(engine: MiniRacer, name: str) -> None:
    surface, rng = SURFACES[name], np.random.default_rng(7)
    points = np.stack([rng.uniform(*side, 500) for side in surface.window], axis=-1)
    found = engine.execute(
        f"((s, points) => ({{ ...s, value: points.map(s.value), grad: points.map(s.grad) }}))"
        f"(descent.surfaces.{name}, {points.tolist()})"
    )
    exact = name in {"ravine", "rosenbrock", "plateau"}  # no power but the square
    for ours, theirs in (
        (found["value"], surface.value(points)),
        (found["grad"], surface.grad(points)),
    ):
        assert apart(ours, theirs) <= (0 if exact else 1e-13)
    for key in ("name", "minimum", "window", "start", "eigenvalues"):
        assert found[key] == _listed(getattr(surface, key))


def _listed(value: Any) -> Any:
    return [_listed(one) for one in value] if isinstance(value, tuple) else value


def test_the_closed_forms_are_the_package_s(engine: MiniRacer) -> None:
    rng = np.random.default_rng(8)
    lr, beta, curvature = rng.uniform([[0], [0.001], [0.1]], [[4], [0.99], [3]], (3, 300))
    found = engine.execute(
        """((lr, beta, curvature) => lr.map((_, i) => {
            const t = descent.theory, b = beta[i], c = curvature[i], roots = (nesterov) =>
                descent.rootsOf(lr[i] * c, b, nesterov);
            return { roots: [roots(false), roots(true)],
                radii: [descent.radiusOf(roots(false)), descent.radiusOf(roots(true))],
                limits: [t.lrLimit(c), t.lrLimit(c, b), t.lrLimit(c, b, true)],
                borders: [t.regimeBorders(b), t.regimeBorders(b, true)],
                average: [t.window(b), t.halfLife(b), t.bias(b, 7)],
                weights: [0, 1, 2, 3, 4, 5, 6, 7, 8].map((age) => t.ewmaWeight(b, age)) };
        }))"""
        + f"({lr.tolist()}, {beta.tolist()}, {curvature.tolist()})"
    )
    p = lr * curvature
    roots = np.stack([theory.momentum_roots(p, beta, 1.0), theory.nesterov_roots(p, beta, 1.0)], 1)
    assert apart([case["roots"] for case in found], np.stack([roots.real, roots.imag], -1)) == 0
    expected = {
        "radii": [theory.momentum_radius(p, beta, 1.0), theory.nesterov_radius(p, beta, 1.0)],
        "limits": [
            theory.lr_limit(curvature),
            theory.lr_limit(curvature, beta),
            theory.lr_limit(curvature, beta, nesterov=True),
        ],
        "average": [theory.window(beta), theory.half_life(beta), theory.bias(beta, 7)],
        "weights": np.transpose([theory.ewma_weights(b, 9) for b in beta]),
        "borders": [
            np.transpose(np.broadcast_arrays(*theory.regime_borders(beta, nesterov)))
            for nesterov in (False, True)
        ],
    }
    for name, values in expected.items():
        assert apart([case[name] for case in found], np.stack(values, 1)) <= 1e-14, name


def test_a_run_that_leaves_is_held_where_the_package_holds_it(engine: MiniRacer) -> None:
    assert engine.execute("descent.FAR") == descent.trajectory.FAR
    ours = engine.call("run", ["SGD", {"lr": 1.0}, "ravine", [-5, -2], 200])
    theirs = minimize(descent.SGD(lr=1.0), descent.ravine, (-5, -2), 200)
    assert ours["diverged"] and apart(ours["points"], theirs.points) == 0


# A document that keeps what it is told, so that an explorer's controls are made and moved.
DOCUMENT = """
var HTMLElement = class {}, matchMedia = () => ({});
var customElements = { define(name, made) { globalThis.Explorer = made; } };
class Node {
    heard = {};
    setAttribute(name, value) { this[name] = value; }
    append(...nodes) { this.nodes = nodes; }
    get children() { return this.nodes; }
    addEventListener(name, act) { this.heard[name] = act; }
}
var document = { createElement: () => new Node(), addEventListener() {} };
globalThis.addEventListener = () => {};
"""
# The sliders of a kind, in an explorer of that kind.
SLIDERS = """
var sliders = (kind) => {
    const { params } = kind, shown = Object.entries(params).filter(([, p]) => !p.hidden);
    const ex = Object.assign(new Explorer(), { kind, params, fields: {},
        values: Object.fromEntries(Object.entries(params).map(([key, p]) => [key, p.value])),
        changed() { this.refresh(); } });
    const controls = shown.map(([key, p]) => [ex, key, p, ...(ex.control(key, p).nodes ?? [])]);
    return controls.filter(([, , , , , input]) => input?.type === "range");
};
var put = (input, place) => {
    input.value = String(Number((input.min + place * input.step).toFixed(9)));
    input.heard.input();
};
"""
# What each slider of a kind holds, says and shows where it is set to one place after another.
LADDERS = """(kind) => {
    const ladders = {};
    for (const [ex, key, , , shown, input] of sliders(kind)) {
        const { min, max, step } = input, last = Math.round((max - min) / step);
        ladders[key] = descent.range(last + 1).map((place) => {
            put(input, place);
            const held = Math.round((input.value - min) / step * 1e6) / 1e6;
            return [held, ex.values[key], input["aria-valuetext"], shown.textContent];
        });
    }
    return ladders;
}"""


KINDS = sorted(
    {p.stem for p in explorers.ASSETS.glob("*.js")} - {*explorers.BEFORE, *explorers.AFTER}
)


def load_explorers(engine: MiniRacer) -> None:
    """Run the explorers' scripts, once in an engine."""
    if not engine.eval("'Explorer' in globalThis"):
        engine.eval(DOCUMENT + SLIDERS + "0")
        for name in ("chart", "widgets", *KINDS, "explorer"):
            engine.eval(f"{(explorers.ASSETS / f'{name}.js').read_text('utf-8')}; 0")


def test_every_place_of_a_slider_has_words_of_its_own(engine: MiniRacer) -> None:
    """And the slider stays where it is put, so that an arrow key moves it on."""
    load_explorers(engine)
    places = []
    for kind in KINDS:
        for key, ladder in engine.execute(f"({LADDERS})(descent.kinds.{kind})").items():
            held, values, spoken, shown = zip(*ladder, strict=True)
            assert held == tuple(range(len(ladder))), f"{kind}, {key}"
            assert sorted(set(values)) == list(values), f"{kind}, {key}"
            assert len(set(spoken)) == len(ladder) and spoken == shown, f"{kind}, {key}"
            assert max(map(len, shown)) <= 6, f"{kind}, {key}"
            told = [float(words.replace("−", "-")) for words in spoken]
            assert told == pytest.approx(values, rel=6e-3), f"{kind}, {key}"
            places.append(len(ladder) - 1)
    assert len(places) >= 25 and sum(places) > 1500


# From where each slider of a kind is put, as by an address, what an arrow key moves it on to.
PRESSES = """(kind) => {
    const found = [];
    for (const [ex, key, p, , , input] of sliders(kind)) {
        const { min, max, step } = input, places = Math.round((max - min) / step);
        for (let i = 0; i <= 999; i++) for (const way of [1, -1]) {
            ex.accept(key, String(p.min + (p.max - p.min) * (i / 999) ** 3));
            ex.refresh();
            const from = ex.values[key];
            const at = Math.round((input.value - min) / step); // as browsers do
            const to = Math.min(Math.max(at + way, 0), places);
            if (to !== at) put(input, to);
            found.push([key, from, way, ex.values[key], way > 0 ? p.max : p.min]);
        }
    }
    return found;
}"""


def test_an_arrow_key_moves_a_slider_from_wherever_an_address_puts_it(engine: MiniRacer) -> None:
    load_explorers(engine)
    sliders = set()
    for kind in KINDS:
        for key, was, way, now, end in engine.execute(f"({PRESSES})(descent.kinds.{kind})"):
            assert way * (now - was) > 0 or was == now == end, f"{kind}, {key} {was}, {way:+}"
            sliders.add((kind, key))
    assert len(sliders) == 25


def test_the_built_book_has_the_package_as_it_is() -> None:
    """A change of a rule, and no build after it, is seen here."""
    built = HTML / "_static" / "explorers" / "descent.js"
    if not built.exists():
        pytest.skip(f"no built book in {HTML}: `make test` builds it, or set DESCENT_HTML")
    assert built.read_text("utf-8") == explorers.light(explorers.package())


def test_nothing_made_from_the_package_is_kept() -> None:
    """None of the scripts in the repository defines a rule, or has its defaults."""
    for path in (ROOT / "_assets").rglob("*.js"):
        text = path.read_text("utf-8")
        for word in ("beta2", "0.999", "1e-8", "Math.sqrt", "weight_decay"):
            assert word not in text, f"{path.name}: {word}"


# What the translation refuses, and what it keeps


class KeptState(NamedTuple):
    mean: Any


def _translated(function: Callable[..., Any]) -> str:
    module = javascript.Module()
    module.add_function(function)
    return module.code()


def _looped(x: Any) -> Any:
    for _ in range(3):
        x = x * x
    return x


def _looked_up(x: Any) -> Any:
    return {"a": x}["a"]


def _chained(x: Any) -> Any:
    return 0 < x < 1


def _of_numpy(x: Any) -> Any:
    return np.tanh(x)


def _half_a_state(x: Any) -> Any:
    return KeptState(value=x)


def _many(*x: Any) -> Any:
    return x


def _stacked(x: Any) -> Any:
    return np.stack([x, x], axis=0)


def _floored(x: Any) -> Any:
    return x // 2


@pytest.mark.parametrize(
    ("function", "construct"),
    [
        (_looped, "For `for _ in range(3)"),
        (_looked_up, "Subscript"),
        (_chained, "Compare `0 < x < 1`"),
        (_of_numpy, "Call `np.tanh(x)`"),
        (_half_a_state, "Call `KeptState(value=x)`"),
        (_many, "arguments `*x"),
        (_stacked, "Call `np.stack([x, x], axis=0)`"),
        (_floored, "BinOp `x // 2`"),
    ],
)
def test_what_has_no_translation_is_named_with_its_line(
    function: Callable[..., Any], construct: str
) -> None:
    with pytest.raises(javascript.UntranslatableError) as error:
        _translated(function)
    message = str(error.value)
    assert construct in message
    line = int(message.split(":")[1])
    assert 0 <= line - function.__code__.co_firstlineno <= 1 and __file__ in message


def _bracketed(a: Any, b: Any, c: Any) -> Any:
    d = e = a - (b - c) / (a * (b + c)) - -b * (c - a) ** 2
    if d > e or not (a > b and c > b):
        d = (a if b > c else b) * (b - (c - a)) ** 3
    return d - (e - (a + b) ** 0.5 * (abs(c) ** 2) ** 0.5)


def test_brackets_keep_the_order_of_the_arithmetic() -> None:
    with MiniRacer() as v8:
        v8.eval(_translated(_bracketed) + ";0")
        for a, b, c in np.random.default_rng(0).uniform(0.1, 3, (50, 3)).tolist():
            ours = v8.execute(f"_bracketed({a}, {b}, {c})")
            assert ours == pytest.approx(_bracketed(a, b, c), rel=1e-14)


@dataclass(frozen=True)
class Clipped(Momentum):
    """A rule of one's own: on another's shoulders, with a helper and a constant of its module."""

    most: float = rules.hyper(0.5)

    def formula(self, x: Any, grad: Any, state: MomentumState) -> Any:
        velocity = self.momentum * state.velocity + _shrunk(np.maximum(-self.most, grad))
        return x - self.lr * velocity, MomentumState(velocity, t=state.t + 1)


def test_a_rule_of_one_s_own_is_translated() -> None:
    module = javascript.Module({Rule.init: "init(x) { return this.constructor.zeros; }"})
    module.add_classes([Clipped], ["init", "_step"], explorers.of_class)
    rule, x = Clipped(lr=0.1), np.array([1.0])
    x, state = rule.step(x, np.array([-2.0]), rule.init(x))
    with MiniRacer() as v8:
        v8.eval(module.code() + "const rule = new Clipped({ lr: 0.1 }); 0")
        assert v8.execute("rule._step(1, -2, rule.init(1)).slice(0, 2)") == [x[0], state._asdict()]


def _shrunk(x: Any) -> Any:
    return x * SHARE


SHARE = 0.75


def test_two_things_of_one_name_are_refused() -> None:
    module = javascript.Module()
    module.add_function(_shrunk)
    assert ast.literal_eval(module.code().split("return x * ")[1].split(";")[0]) == SHARE
    module.add_function(_shrunk)
    with pytest.raises(javascript.UntranslatableError, match="both called _shrunk"):
        module.add_function(_floored, "_shrunk")


def test_a_turned_quadratic_has_both_products() -> None:
    surface = rotated_quadratic((0.5, 3.0), 0.7)
    module = javascript.Module()
    module.add_function(surface.value, "value")
    module.add_function(surface.grad, "grad")
    point = [0.3, -1.2]
    with MiniRacer() as v8:
        v8.eval(module.code() + ";0")
        assert apart(v8.execute(f"grad({point})"), surface.grad(np.array(point))) <= 1e-15
        assert v8.execute(f"value({point})") == pytest.approx(float(surface.value(np.array(point))))
        assert replace(surface, name="again").grad is surface.grad
