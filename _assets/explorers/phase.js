(() => {
"use strict";
const { clamp, range, minimize, rootsOf, radiusOf, regime, fixed, brief, line, path, text, stroke,
  dots, kinds, handle, number, hyper, choice, named, rules, theory } = window.descent;

kinds.phase = {
  title: "Phase diagram",
  hint: "Drag the ring through the regions.",
  params: {
    rule: choice("Rule", "Momentum", named(["Momentum", "Nesterov"])),
    step: number("Step ηλ", 0.6, 0, 4.2, 0.01, { nudge: 0.05 }),
    momentum: hyper("Momentum β", "Momentum", "momentum", 0.5, 0.01, { nudge: 0.05 }),
  },
  build(ex) {
    ex.plane = ex.plot("Regimes in the plane of ηλ and β", "dx-map", "ηλ", "β", { x: [0, 4.2], y: [0, 1] });
    ex.circle = ex.plot("The two roots and the unit circle", "", "", "", { y: [-1.5, 1.5], equal: true, bare: true });
    ex.run = ex.plot("The error along the eigenvector, step by step", "dx-strip", "step", "error, from 1",
      { x: [-0.5, 40.5], y: [-1.3, 1.3] });
    ex.place = handle(ex, ex.plane, "Point in the phase diagram", ["step", "momentum"]);
  },
  draw(ex, v) {
    const nesterov = v.rule === "Nesterov", { plane, circle, run } = ex;
    for (const plot of [plane, circle, run]) plot.frame();
    plane.backdrop(v.rule, () => {
      const betas = range(101).map((i) => i / 100);
      const curves = [() => 0, ...range(3).map((i) => (b) => theory.regimeBorders(b, nesterov)[i]), () => 4.2]
        .map((curve) => betas.map((b) => plane.at([curve(b), b])));
      const spots = nesterov ? [[0.04, 0.03], [0.3, 0.62], [1.08, 0.2], [2.4, 0.5]]
        : [[0.04, 0.03], [1.25, 0.62], [1.35, 0.03], [3.1, 0.2]];
      const regions = ["monotone", "complex", "oscillating", "divergent"];
      return regions.map((name, i) => path(`${line([...curves[i], ...curves[i + 1].toReversed()])}Z`, `dx-${name}`)).join("")
        + regions.map((name, i) => text(...plane.at(spots[i]), name, "dx-name")).join("");
    });
    plane.draw("");
    ex.place();

    const roots = rootsOf(v.step, v.momentum, nesterov), radius = radiusOf(roots);
    const state = regime(v.step, v.momentum, nesterov);
    const [cx, cy] = circle.at([0, 0]);
    const disc = (r, cls) => `<circle class="${cls}" cx="${cx}" cy="${cy}" r="${r * (circle.X(1) - cx)}"/>`;
    circle.backdrop("", () => disc(1, "dx-unit") + path(`M0 ${cy}H999M${cx} 0V999`, "dx-grid")
      + text(circle.X(0.74), circle.Y(0.74), "|z| = 1", "dx-tick"));
    const edge = circle.x[1] - 0.08;
    const shown = roots.map(([re, im]) => circle.at([clamp(re, -edge, edge), im]));
    circle.draw(disc(radius, "dx-radius") + stroke(shown.map((p) => line([[cx, cy], p])).join(""), "dx-spoke", v.rule)
      + shown.map((p, i) => dots([p], 6, v.rule, Math.abs(roots[i][0]) > edge ? "<" : "o")).join(""));

    const bowl = { value: ([x]) => 0.5 * x * x, grad: ([x]) => [x] };
    const errors = minimize(new rules[v.rule]({ lr: v.step, momentum: v.momentum }), bowl, [1], 40).points.map(([x]) => x);
    const at = errors.map((e, t) => run.at([t, clamp(e, -1e6, 1e6)]));
    run.draw(path(`M0 ${run.Y(0)}H${run.width}`, "dx-axis")
      + stroke(at.map((p) => line([[p[0], run.Y(0)], p])).join(""), "dx-spoke", v.rule) + dots(at, 3.2, v.rule));

    const [[a, b], [c]] = roots.map(([re, im]) => [re, Math.abs(im)]);
    const which = b ? `roots ${brief(a)} ± ${brief(b)}i, of modulus ${fixed(radius, 3)}`
      : `roots ${fixed(a, 3)} and ${fixed(c, 3)}`;
    const half = radius > 0 && radius < 1 ? `the error halves every ${brief(theory.halfLife(radius))} steps` : "";
    const story = {
      monotone: radius ? `${half || "the error stays"}, on one side` : "one step lands on the minimum",
      complex: `${half}, and turns once in ${brief(2 * Math.PI / Math.atan2(b, a))} steps`,
      oscillating: `${half}, changing side at every step`,
      undamped: "the error changes side for ever",
      divergent: `the error grows ${fixed(radius, 3)} times a step, changing side`,
    }[state];
    return `${v.rule} at ηλ ${brief(v.step)}, β ${brief(v.momentum)}: ${state}. With ${which}, ${story}.`;
  },
};
})();
