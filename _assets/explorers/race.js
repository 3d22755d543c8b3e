(() => {
"use strict";
const { minimize, tunedBeyond, called, brief, make, swatch, drawMap, drawRun, drawLoss, topOf,
  kinds, handle, table, player, number, rate, choice, flag, same, grounds, coordinates, follow, rules,
  surfaces } = window.descent;

const wide = [-20, 0]; // in fifths of a power of ten

kinds.race = {
  title: "Race",
  hint: "Choose the runners in the table. Drag the ring to choose the start.",
  params: {
    tune: flag("Give each rule its best learning rate", true),
    surface: choice("Surface", "ravine", grounds),
    lr: rate(0.1, 0.001, 1),
    speed: choice("Steps a second", "15", same(["5", "15", "60"])),
    t: number("Step", 30, 0, 100, 1),
    rules: { value: ["SGD", "Momentum", "RMSprop", "Adam"], many: Object.keys(rules), hidden: true },
    ...coordinates(surfaces.ravine),
  },
  adjust: follow,
  build(ex) {
    ex.map = ex.plot("The paths so far over the contours", "dx-map", "x₁", "x₂", { map: true });
    ex.loss = ex.plot("f above its minimum, step by step", "", "step", "f above its minimum", { log: true });
    ex.place = handle(ex, ex.map, "Start", ["x1", "x2"]);
    player(ex);
    ex.boxes = Object.keys(rules).map((name) => {
      const box = make("input", { type: "checkbox", value: name });
      box.addEventListener("change", () => ex.set({ rules: ex.boxes.filter((b) => b.checked).map((b) => b.value) }));
      return box;
    });
    ex.table = table("The runners", ["rule", "learning rate", "f above its minimum"],
      Object.keys(rules).map((name, i) => [make("label", { class: "dx-check" }, ex.boxes[i], swatch(name), called(name))]));
    ex.below.append(ex.table.node);
    ex.best = new Map();
  },
  draw(ex, v) {
    const surface = surfaces[v.surface], start = [v.x1, v.x2], floor = surface.value(surface.minimum);
    ex.unused("lr", v.tune);
    const above = (run) => run.values.map((f) => f - floor);
    const runs = v.rules.map((name) => {
      const race = (lr) => minimize(new rules[name]({ lr }), surface, start, 100);
      const key = `${name} ${v.surface} ${start}`;
      if (v.tune && !ex.best.has(key)) ex.best.set(key, tunedBeyond(wide, (lr) => above(race(lr))));
      const lr = v.tune ? ex.best.get(key) : v.lr, run = race(lr);
      return { rule: name, lr, points: run.points.slice(0, v.t + 1), values: above(run).slice(0, v.t + 1) };
    });
    if (ex.best.size > 500) ex.best.clear();
    drawMap(ex.map, surface);
    const drawn = runs.map((run) => drawRun(ex.map, run.points, run.rule, 5, false));
    ex.map.draw(drawn.map((d) => d[0]).join(""), drawn.map((d) => d[1]).join(""));
    drawLoss(ex.loss, runs, 100, topOf(surface, start), v.t);
    ex.place();
    ex.boxes.forEach((box) => { box.checked = v.rules.includes(box.value); });
    ex.table.fill(Object.keys(rules).map((name) => {
      const run = runs.find((r) => r.rule === name);
      return run ? [brief(run.lr), brief(run.values.at(-1))] : ["", ""];
    }));
    const order = [...runs].sort((a, b) => a.values.at(-1) - b.values.at(-1)).slice(0, 3);
    if (!runs.length) return "No runner: choose some in the table.";
    return v.t === 0 ? `${runs.length} at the start, x₁ ${brief(v.x1)}, x₂ ${brief(v.x2)}.`
      : `Step ${v.t}, lowest: ${order.map((r) => `${called(r.rule)} ${brief(r.values.at(-1))}`).join(", ")}.`;
  },
};
})();
