(() => {
"use strict";
const { range, minimize, brief, ink, mark, line, path, text, stroke, dots, part, readSteps, kinds, number, hyper,
  rate, choice, rules, theory } = window.descent;

/* What multiplies the learning rate of the step from t, of n. */
const schedules = {
  constant: () => 1,
  root: (t) => (1 + t) ** -0.5,
  cosine: (t, n) => 0.5 * (1 + Math.cos(Math.PI * t / n)),
};
/* Sliders of powers of ten, as the learning rate has. */
const ladder = (part, label, ...given) => ({ ...rate(...given), part, label });
const epsilon = ladder("eps", "Constant ε", 0, 0.001, 1);

kinds.cycle = {
  title: "The cycle of RMSprop",
  hint: "One parameter, with exact gradients. Find out what moves the jumps, and what ends them.",
  symbols: {
    η: ["lr", "the learning rate"],
    α: ["alpha", "the decay"],
    λ: ["curvature", "the curvature"],
    ε: ["eps", "the constant in the denominator"],
    x: ["x", "the position"],
    c: ["cycle", "the distance of the cycle"],
  },
  params: {
    lr: rate(0.4, 0.05, 1),
    alpha: hyper("Decay α", "RMSprop", "alpha", 0.9, 0.01),
    curvature: ladder("curvature", "Curvature λ", 0.2, 0.1, 10),
    eps: { ...epsilon, min: 0, rungs: [0, ...epsilon.rungs] },
    start: number("Start", -5, -5, 5, 0.1),
    steps: number("Steps", 250, 10, 2000, 10),
    schedule: choice("The learning rate", "constant",
      { constant: "stays", root: "falls as 1/√t", cosine: "cosine to 0" }),
  },
  build(ex) {
    ex.path = ex.plot("The position x at each step, and the band from −η/2 to η/2", "dx-map", "step", "x",
      { y: [-1.5, 1.5] });
    ex.map = ex.plot("The map from x to the next x, and the last steps on it", "", "x", "next x",
      { legend: (end) => text(end, 13, "dashed: next x = −x", "dx-tick dx-end") });
    ex.own = ex.plot("The per-parameter learning rate times λ at each step, and its limit 2", "dx-strip", "step",
      "per-parameter learning rate times λ", { log: true, y: [-2.4, 1.4] });
  },
  draw(ex, v) {
    const { path: plot, map, own } = ex, n = v.steps, factor = (t) => schedules[v.schedule](t, n);
    const bowl = { value: ([x]) => 0.5 * v.curvature * x * x, grad: ([x]) => [v.curvature * x] };
    const given = { lr: v.lr, alpha: v.alpha, eps: v.eps };
    const { points, inside, diverged } = minimize(new rules.RMSprop(given), bowl, [v.start], n, factor);
    const xs = points.map(([x]) => x), lr = v.lr * factor(n - 1);

    plot.frame([0, n]);
    readSteps(plot, [["x", xs]]);
    const edge = (side) => range(n, 1).map((t) => plot.at([t, side * v.lr * factor(t - 1) / 2]));
    const at = xs.map((x, t) => plot.at([t, x])), borders = line(edge(1)) + line(edge(-1));
    plot.draw(path(`${line([...edge(1), ...edge(-1).toReversed()])}Z`, "dx-band", `fill="${ink("RMSprop")}"`)
      + part("cycle", path(borders, "dx-axis dx-dashed")) + part("x", stroke(line(at), "dx-share", "RMSprop")
        + path(at.map((p) => mark("s", p, 1.8)).join(""), "dx-points", `fill="${ink("RMSprop")}"`)),
    text(plot.width - 3, plot.Y(v.lr / 2) - 6, "η/2", "dx-end dx-halo")
      + text(plot.width - 3, plot.Y(-v.lr / 2) + 15, "−η/2", "dx-end dx-halo"));

    /* The next step as a map of x alone: what the rule remembers stays as it is. */
    const kept = { ...rules.RMSprop.zeros, square: inside[n]?.[0].square ?? 0 };
    const step = new rules.RMSprop({ ...given, lr }), next = (x) => step._step(x, v.curvature * x, kept)[0];
    const last = xs.slice(-12), reach = 1.3 * Math.max(v.lr / 2, ...last.map(Math.abs));
    map.frame([-reach, reach], [-reach, reach]);
    const web = last.slice(1).flatMap((x, i) => [[last[i], x], [x, x]]);
    const curve = range(121).map((i) => reach * (i / 60 - 1)).map((x) => [x, next(x)]).filter(([, y]) => !Number.isNaN(y));
    map.read = ([x]) => [`x ${brief(x)}\nnext x ${brief(next(x))}`, [x, next(x)]];
    map.draw(path(`M0 ${map.height}L${map.width} 0`, "dx-axis") + path(`M0 0L${map.width} ${map.height}`, "dx-axis dx-dashed")
      + stroke(line(curve.map((p) => map.at(p))), "dx-run", "RMSprop") + path(line(web.map((p) => map.at(p))), "dx-web")
      + dots(web.filter((_, i) => i % 2 === 0).map((p) => map.at(p)), 3.2, "RMSprop"));

    const pace = range(n, 1).map((t) => v.curvature * v.lr * factor(t - 1) / (inside[t]?.[0].root ?? NaN));
    own.frame([0, n]);
    readSteps(own, [["per-parameter learning rate times λ", pace]], 1);
    own.draw(path(`M0 ${own.Y(Math.log10(2))}H${own.width}`, "dx-axis dx-dashed")
      + stroke(line(pace.map((p, i) => own.at([i + 1, Math.log10(p)])).filter(([, y]) => !Number.isNaN(y))), "dx-run", "RMSprop"),
    text(own.width - 4, own.Y(Math.log10(2)) - 6, "2, the limit", "dx-end dx-halo"));

    const [twice, before, end] = xs.slice(-3), off = brief(Math.abs(end)), size = lr / 2 - v.eps / v.curvature;
    const now = v.schedule === "constant" ? "" : `The learning rate has fallen to ${brief(lr)}. `;
    const told = `${now}After ${n} steps x `;
    if (end === 0) return `${told}lies exactly at the minimum, ${diverged
      ? "where the rule without ε divides 0 by 0." : "where the gradient is 0, and stays there."}`;
    const least = lr * v.curvature / 2;
    if (v.eps > least * (1 - 1e-9))
      return `${told}is ${off} from the minimum. There is no cycle: ε is not below ηλ/2, which is ${brief(least)}.`;
    if (end * before < 0 && Math.abs(end - twice) < (now ? 1e-2 : 1e-3) * Math.abs(end - before)) {
      const ends = [end, before].sort((a, b) => a - b).map(brief).join(" and ");
      const where = now ? `while half the learning rate is ${brief(lr / 2)}.`
        : v.eps > 0 ? `η/2 − ε/λ = ${brief(size)} from the minimum.`
        : v.alpha === 0 ? "η apart. Without a memory the start decides where they lie." : "half a learning rate from the minimum.";
      const life = v.alpha > 1 / 9 && !v.eps && !now
        ? ` A small deviation from the cycle halves every ${brief(theory.halfLife(v.alpha ** 0.5))} steps.` : "";
      return `${told}jumps between ${ends}, ${where}${life}`;
    }
    const p = pace.at(-1);
    return `${told}is ${off} from the minimum${now ? `, while half the learning rate is ${brief(lr / 2)}` : " and has not settled"}. `
      + `In the latest step the per-parameter learning rate was ${brief(p)} / λ, ${p > 2 ? "above" : "below"} the limit 2 / λ, `
      + `so x came ${p > 2 ? "away from" : "nearer to"} the minimum.`;
  },
};
})();
