(() => {
"use strict";
const { clamp, range, minimize, rootsOf, radiusOf, regime, fixed, brief, make, ink, mark, line, path,
  text, stroke, dots, part, cursor, swatch, readSteps, kinds, table, number, hyper, rules, surfaces, theory, styles } = window.descent;

const names = { Momentum: "heavy ball", Nesterov: "Nesterov" };
const both = Object.keys(names);
const steps = 40, last = 4.2;
const every = (count) => brief(count) === "1" ? "every step" : `every ${brief(count)} steps`;

/* The error of both from 1, at rest, across the valley: of Nesterov's θ, to which a plain step leads
   from the point where the gradient is taken. */
function errors(name, p, momentum) {
  const lr = p / surfaces.ravine.eigenvalues[1], rule = new rules[name]({ lr, momentum });
  const { points } = minimize(rule, surfaces.ravine, [0, 1], steps);
  return name === "Momentum" ? points.map((x) => x[1])
    : [1, ...points.slice(0, -1).map((x) => x[1] - lr * surfaces.ravine.grad(x)[1])];
}

/* What the roots say: in the table, and as the end of a sentence. */
function told(name, p, beta) {
  const roots = rootsOf(p, beta, name === "Nesterov"), radius = radiusOf(roots);
  const state = regime(p, beta, name === "Nesterov"), [[a, b], [c, d]] = roots;
  const twice = Math.hypot(a - c, b - d) < 1e-6, settles = p > 0 && radius > 0 && !["never settles", "diverges"].includes(state);
  const count = settles ? theory.halfLife(radius) : 0, half = `halves ${every(count)}`;
  const [word, story] = p === 0 ? ["stays", "stays where it is"]
    : !radius ? ["stops", "lands on the minimum in one step"]
    : twice ? [p < 1 ? "creeps" : "zigzags", `stands at the border of swinging, where in the long run the error ${half}`]
    : [state, {
      creeps: `creeps on one side, and the error ${half}`,
      swings: `swings, and the swing ${half}`,
      zigzags: `zigzags, and the error ${half}`,
      "never settles": "never settles: it zigzags for ever, at the limit between converging and diverging",
      diverges: `diverges, and the error grows ${fixed(radius, 3)} times a step`,
    }[state]];
  return { roots, radius, story, cells: [
    twice ? `${fixed(a, 3)} twice` : b ? `${fixed(a, 3)} ± ${fixed(Math.abs(b), 3)}i` : `${fixed(a, 3)} and ${fixed(c, 3)}`,
    fixed(radius, 3), count ? brief(count) : radius ? "never" : "at once", word] };
}

const legend = (end) => [["Momentum", "heavy ball", 168], ["Nesterov", "Nesterov’s θ", 80]]
  .map(([name, words, from]) => dots([[end - from - 10, 9]], 4, name) + text(end - from, 13, words)).join("");

kinds.nesterov = {
  title: "Two roots for each method",
  hint: "Move ηλ from 0 to 1, and beyond. Large marks: the roots there. Small ones: their way from ηλ = 0.",
  symbols: {
    η: ["lr", "the learning rate"],
    λ: ["lr", "the curvature"],
    β: ["beta", "the momentum"],
    z: ["roots", "the roots"],
    ρ: ["factor", "the convergence factor"],
    θ: ["error", "the error of θ"],
  },
  params: {
    step: number("Step ηλ", 0.4, 0, last, 0.01, { part: "lr" }),
    momentum: hyper("Momentum β", "Momentum", "momentum", 0.9, 0.01, { part: "beta" }),
  },
  build(ex) {
    ex.plane = ex.plot("The two roots of each method, and the unit circle", "dx-map", "real part", "imaginary part",
      { y: [-1.25, 1.25], equal: true });
    ex.factor = ex.plot("The convergence factor of each method against ηλ", "", "ηλ", "convergence factor ρ",
      { x: [0, last], y: [0, 1.5] });
    ex.run = ex.plot("The error of each method along one eigenvector, step by step", "dx-strip", "step", "error",
      { x: [-0.5, steps + 0.5], y: [-1.2, 1.2], legend });
    ex.table = table("The roots of each method, and what they say", ["method", "roots", "factor ρ", "steps to halve", "error"],
      both.map((name) => [make("div", { class: "dx-check" }, swatch(name), names[name])]));
    ex.below.append(ex.table.node);
  },
  draw(ex, { step, momentum }) {
    const { plane, factor, run } = ex;
    for (const plot of ex.plots) plot.frame();
    const found = both.map((name) => told(name, step, momentum));
    const rootsAt = (p, name) => rootsOf(p, momentum, name === "Nesterov");

    const [cx, cy] = plane.at([0, 0]), edge = plane.x[1] - 0.08, seen = Math.max(1, step);
    plane.backdrop("", () => `<circle class="dx-unit" cx="${cx}" cy="${cy}" r="${plane.X(1) - cx}"/>`
      + path(`M0 ${cy}H${plane.width}M${cx} 0V${plane.height}`, "dx-grid"));
    plane.read = ([a, b]) => [`z ${fixed(a, 2)} ${b < 0 ? "−" : "+"} ${fixed(Math.abs(b), 2)}i\n|z| ${fixed(Math.hypot(a, b), 2)}`, [a, b]];
    plane.draw(both.map((name) => path(range(41).flatMap((i) => rootsAt(i / 40 * seen, name))
      .map((z) => mark("o", plane.at(z), 1.7)).join(""), "dx-way", `fill="${ink(name)}"`)).join("")
      + part("roots", both.map((name, i) => found[i].roots.map(([re, im]) => dots([plane.at([clamp(re, -edge, edge), im])], 6.5, name,
        Math.abs(re) > edge ? "<" : styles[name].marker)).join("")).join("")),
    text(plane.X(0.74), plane.Y(0.8), "|z| = 1", "dx-tick"));

    factor.backdrop(`${momentum}`, () => path(`M0 ${factor.Y(1)}H${factor.width}`, "dx-axis")
      + part("factor", both.map((name) => stroke(line(range(211).map((i) => i / 210 * last)
        .map((p) => factor.at([p, radiusOf(rootsAt(p, name))]))), "dx-run", name)).join("")));
    factor.draw(cursor(factor, step), both.map((name, i) => dots([factor.at([step, Math.min(found[i].radius, 1.47)])], 6, name,
      found[i].radius > 1.47 ? "^" : styles[name].marker)).join(""));

    factor.grid = 0.05;
    factor.read = ([p]) => [[`ηλ ${fixed(p, 2)}`, ...both.map((name) => {
      const { radius, cells } = told(name, p, momentum);
      return `${names[name]} ρ ${fixed(radius, 3)}, ${cells[3]}`;
    })].join("\n"), [p, 0.75]];

    const paths = both.map((name) => errors(name, step, momentum));
    readSteps(run, [["heavy ball", paths[0]], ["Nesterov’s θ", paths[1]]]);
    const curves = paths.map((list) => list.map((e, t) => run.at([t, clamp(e, -1e6, 1e6)])));
    run.draw(path(`M0 ${run.Y(0)}H${run.width}`, "dx-axis")
      + part("error", both.map((name, i) => stroke(line(curves[i]), "dx-run", name) + dots(curves[i], 3.2, name)).join("")));

    ex.table.fill(found.map(({ cells }) => cells));
    const [ball, ahead] = found.map(({ story }) => story);
    return `At ηλ ${brief(step)} and β ${brief(momentum)} ` + (momentum === 0 ? `both are gradient descent, which ${ball}.`
      : `the heavy ball ${ball}. Nesterov’s method ${ahead}.`);
  },
};
})();
