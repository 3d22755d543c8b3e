(() => {
"use strict";
const { range, minimize, tuned, called, brief, make, path, swatch, drawMap, drawRun, drawLoss,
  kinds, table, rate, flag, rules, surfaces, contest } = window.descent;

const grid = range(25).map((k) => 0.01 * 10 ** (k / 8));

kinds.fairness = {
  title: "A fair comparison?",
  hint: "Undo four of the six choices, one by one.",
  params: {
    points: flag("Points: all are drawn, not the others’ first 15", false),
    stop: flag("Stop: Adam takes all 20 steps", false),
    start: flag("Start: Adam, too, starts at (−4, −6)", false),
    tuned: flag("Learning rate: each has its best of 25, not 0.4", false),
  },
  build(ex) {
    ex.map = ex.plot("The five paths over the contours of 0.1 x₁² + 2 x₂²", "dx-map", "x₁", "x₂", { map: true });
    ex.loss = ex.plot("f at every step of the five", "", "step", "f", { log: true });
    ex.table = table("Where each method ends", ["method", "η", "f, last point drawn", "f, last step"],
      Object.keys(contest).map((name) => [make("div", { class: "dx-check" }, swatch(name),
        make("div", {}, called(name), " ", make("small")))]));
    ex.below.append(ex.table.node);
  },
  draw(ex, v) {
    const surface = { ...surfaces.ravine, name: "contest", window: [[-8, 8], [-8, 8]] };
    const runs = Object.entries(contest).map(([rule, settings]) => {
      const odd = rule === "Adam", start = odd && !v.start ? [-6, -6] : [-4, -6];
      const race = (lr) => {
        const { points } = minimize(new rules[rule]({ ...settings, lr }), surface, start, 20);
        const near = odd && !v.stop ? points.findIndex((p) => Math.abs(p[0]) <= 0.1 && Math.abs(p[1]) < 0.1) : -1;
        return near < 0 ? points : points.slice(0, near + 1);
      };
      const lr = v.tuned ? tuned(grid, (lr) => race(lr).map(surface.value)) : settings.lr, points = race(lr);
      // The published loops note each point before the step, so the last one is never drawn.
      const drawn = v.points ? points : odd ? points.slice(0, -1) : points.slice(0, 15);
      return { rule, lr, start, points, drawn, values: points.map(surface.value) };
    });
    drawMap(ex.map, surface);
    const drawn = runs.map((run) => drawRun(ex.map, run.drawn, run.rule, 1, false));
    ex.map.draw(drawn.map((d) => d[0]).join(""), drawn.map((d) => d[1]).join(""));
    drawLoss(ex.loss, runs, 20, 3);
    ex.table.fill(runs.map((r) => [brief(r.lr), `${brief(surface.value(r.drawn.at(-1)))} (${r.drawn.length - 1})`,
      `${brief(r.values.at(-1))} (${r.points.length - 1})`]));
    runs.forEach((r, i) => {
      ex.table.body[i].querySelector("small").textContent = `from (${r.start.map(brief).join(", ")})`;
    });
    const left = 4 - v.start - v.stop - v.points - v.tuned, best = [...runs].sort((a, b) => a.values.at(-1) - b.values.at(-1));
    return `${left ? `${left} of these 4 choices still stand${left > 1 ? "" : "s"}.` : "All 4 choices are undone."} Final f, lowest first: `
      + `${best.map((r) => `${called(r.rule)} ${brief(r.values.at(-1))}`).join(", ")}.`;
  },
};
})();
