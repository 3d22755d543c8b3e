(() => {
"use strict";
const { minimize, rootsOf, radiusOf, regime, called, power, fixed, brief, drawMap, drawRun,
  drawLoss, kinds, handle, table, number, hyper, choice, flag, named, coordinates, rules,
  surfaces, theory } = window.descent;

kinds.ravine = {
  title: "Narrow valley",
  hint: "Drag the ring to choose the start.",
  symbols: {
    η: ["lr", "the learning rate"],
    β: ["beta", "the momentum"],
    λ: ["curvature", "the curvature"],
    f: ["f", "the height"],
    "x₁": ["x1", "the coordinate along the floor"],
    "x₂": ["x2", "the coordinate across the valley"],
  },
  params: {
    rule: choice("Rule", "SGD", named(["SGD", "Momentum", "Nesterov"])),
    lr: number("Learning rate η", 0.4, 0.01, 1, 0.01, { part: "lr" }),
    momentum: hyper("Momentum β", "Momentum", "momentum", 0.5, 0.01, { part: "beta" }),
    steps: number("Steps", 20, 5, 500, 5),
    beside: flag("Gradient descent beside it, at the same η", false),
    ...coordinates(surfaces.ravine),
  },
  build(ex) {
    const [l1, l2] = surfaces.ravine.eigenvalues;
    ex.map = ex.plot(`Contours of ${brief(l1 / 2)} x₁² + ${brief(l2 / 2)} x₂² with the path from the start`, "dx-map", "x₁", "x₂", { map: true });
    ex.loss = ex.plot("f at each step, and the shares of x₁ and x₂ in it", "", "step", "f, and its two shares",
      { log: true });
    ex.place = handle(ex, ex.map, "Start", ["x1", "x2"]);
    ex.table = table("Where the run stands", ["along", "position", "factor a step", "regime"],
      [[`x₁, λ ${brief(l1)}`], [`x₂, λ ${brief(l2)}`]]);
    ex.table.body.forEach((row, i) => { row.dataset.part = `x${i + 1} curvature`; });
    ex.below.append(ex.table.node);
  },
  draw(ex, v) {
    const { ravine } = surfaces, plain = v.rule === "SGD", nesterov = v.rule === "Nesterov";
    ex.unused("momentum", plain);
    ex.fields.beside.input.disabled = plain;
    /* A run that passes FAR ends there. */
    const race = (name) => {
      const rule = new rules[name](name === "SGD" ? { lr: v.lr } : { lr: v.lr, momentum: v.momentum });
      const run = minimize(rule, ravine, [v.x1, v.x2], v.steps);
      return { ...run, rule: name, points: run.points.slice(0, run.left), values: run.values.slice(0, run.left) };
    };
    const { points, values, left } = race(v.rule), other = v.beside && !plain && race("SGD");
    drawMap(ex.map, ravine);
    const drawn = [race(v.rule), ...(other ? [other] : [])].toReversed()
      .map((run) => drawRun(ex.map, run.points, run.rule, Math.ceil(v.steps / 100)));
    ex.map.draw(drawn.map(([run]) => run).join(""), drawn.map(([, words]) => words).join(""));
    const share = (i) => points.map((p) => 0.5 * ravine.eigenvalues[i] * p[i] ** 2);
    drawLoss(ex.loss, [{ values: share(0), rule: v.rule, cls: "dx-share", name: "x₁", of: "x1" },
      { values: share(1), rule: v.rule, cls: "dx-share dx-dashed", name: "x₂", of: "x2" },
      ...(other ? [other] : []), { values, rule: v.rule, of: "f" }], v.steps, 3);
    ex.place();
    const beta = plain ? 0 : v.momentum;
    const modes = ravine.eigenvalues.map((curvature) => ({
      factor: plain ? 1 - v.lr * curvature : radiusOf(rootsOf(v.lr * curvature, beta, nesterov)),
      regime: regime(v.lr * curvature, beta, nesterov),
    }));
    const end = points.at(-1);
    ex.table.fill(modes.map((m, i) => [left ? `left at step ${left}` : fixed(end[i]), fixed(m.factor, 3), m.regime]));
    const limit = brief(theory.lrLimit(ravine.eigenvalues[1], beta, nesterov));
    const story = modes[1].regime === "diverges"
      ? `It diverges: a step makes x₂ ${fixed(Math.abs(modes[1].factor), 3)} times as large, for η is beyond ${limit}.`
      : modes[1].regime === "never settles" ? `It neither converges nor diverges: η is the limit, ${limit}.`
      : `It converges: η is below ${limit}.`;
    return (left ? `${called(v.rule)} leaves at step ${left}, as x₂ passes ${power(30)}. `
      : `${called(v.rule)} after ${v.steps} steps: x₁ ${fixed(end[0])}, x₂ ${fixed(end[1])}, f ${brief(values.at(-1))}. `)
      + story + (other ? ` Beside it, gradient descent ${other.left ? `leaves at step ${other.left}`
        : `${v.lr > theory.lrLimit(ravine.eigenvalues[1]) ? "diverges: f" : "ends at f"} ${brief(other.values.at(-1))}`}.` : "");
  },
};
})();
