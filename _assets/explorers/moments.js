(() => {
"use strict";
const { clamp, range, minimize, fixed, brief, line, path, text, stroke, cursor, drawMap, drawRun,
  kinds, handle, player, number, rate, choice, same, coordinates, follow, rules, surfaces } = window.descent;

/* What an adaptive rule divides by and multiplies with, at step t, for each coordinate. */
function insides(rule, run, surface, t) {
  const nothing = [0, 0];
  if (t === 0) return { g: nothing, m: nothing, root: nothing, step: nothing, move: nothing };
  const g = surface.grad(run.points[t - 1]), seen = run.inside[t] ?? [{}, {}];
  return {
    g,
    m: seen.map((s, i) => s.mean_hat ?? g[i]),
    root: seen.map((s) => s.root),
    step: seen.map((s) => rule.lr / s.root),
    move: run.points[t].map((x, i) => x - run.points[t - 1][i]),
  };
}

kinds.moments = {
  title: "Moments",
  hint: "Step, and watch what the rule remembers. Drag the ring to choose the start.",
  params: {
    rule: choice("Rule", "Adam", same(["Adam", "RMSprop", "AdaGrad"])),
    surface: choice("Surface", "ravine", same(Object.keys(surfaces))),
    lr: rate(0.4, 0.001, 1),
    t: number("Step", 8, 0, 60, 1),
    ...coordinates(surfaces.ravine),
  },
  adjust: follow,
  build(ex) {
    ex.map = ex.plot("The path so far over the contours", "dx-map", "x₁", "x₂", { map: true });
    ex.bars = ex.plot("Bars of gradient, moments, learning rate and move of each coordinate", "dx-tall", "", "",
      { bare: true });
    ex.steps = ex.plot("The learning rate of each coordinate over time", "dx-strip", "step", "η / √s of each parameter",
      { log: true });
    ex.place = handle(ex, ex.map, "Start", ["x1", "x2"]);
    ex.controls.append(player(ex));
  },
  draw(ex, v) {
    const { map, bars, steps } = ex, surface = surfaces[v.surface];
    const rule = new rules[v.rule](v.rule === "RMSprop" ? { lr: v.lr, alpha: 0.9 } : { lr: v.lr });
    const run = minimize(rule, surface, [v.x1, v.x2], 60);
    const all = range(61).map((t) => insides(rule, run, surface, t)), now = all[v.t];
    drawMap(map, surface);
    const here = run.points[v.t], [x, y] = map.at(here), slope = surface.grad(here);
    const [dx, dy] = [-slope[0] / (map.x[1] - map.x[0]) * map.width, slope[1] / (map.y[1] - map.y[0]) * map.height];
    const length = Math.hypot(dx, dy) || 1, angle = Math.atan2(dy, dx) * 180 / Math.PI;
    const [front, over] = drawRun(map, run.points.slice(0, v.t + 1), v.rule);
    map.draw(`<g class="dx-arrow" transform="translate(${x} ${y}) rotate(${angle})">`
      + (length > 1e-3 ? path("M8 0H34M34 0l-7 -4.5v9Z", "") : "") + `</g>${front}`, over);
    ex.place();

    bars.frame([0, 1], [0, 1]);
    const adam = v.rule === "Adam";
    const most = (...keys) => Math.max(1e-12, ...all.flatMap((a) => keys.flatMap((k) => a[k].map(Math.abs))));
    const share = most("g", "m", "root");
    const rows = [["gradient g", "g", share], adam ? ["mean m, corrected", "m", share] : null,
      [{ Adam: "√s, corrected", RMSprop: "√s, averaged", AdaGrad: "√G, the sum" }[v.rule], "root", share],
      ["η / √s of each parameter", "step", most("step")], ["move", "move", most("move")]].filter(Boolean);
    const pitch = bars.height / rows.length, zero = bars.width * 0.4, reach = bars.width * 0.3;
    bars.draw(rows.map(([name, key, scale], r) => text(0, r * pitch + 12, name, "dx-name")
      + now[key].map((value, i) => {
        const top = r * pitch + 18 + i * Math.min(18, (pitch - 20) / 2), w = Math.abs(value) / scale * reach;
        return text(0, top + 10, i ? "x₂" : "x₁", "dx-tick")
          + `<rect class="dx-bar${i}" x="${value < 0 ? zero - w : zero}" y="${top + 1}" width="${w}" height="10"/>`
          + text(bars.width, top + 10, brief(value), "dx-tick dx-end");
      }).join("") + path(`M${zero} ${r * pitch + 17}v${Math.min(36, pitch - 20)}`, "dx-axis")).join(""));

    const logs = all.slice(1).map((a) => a.step.map((s) => Math.log10(s || 1e-300)));
    const low = Math.floor(Math.min(...logs.flat())), high = Math.ceil(Math.max(...logs.flat()));
    steps.frame([0, 60], [clamp(low, high - 9, high - 1), high]);
    const curve = (i) => logs.map((l, t) => steps.at([t + 1, l[i]]));
    steps.draw(cursor(steps, v.t) + stroke(line(curve(0)), "dx-run", v.rule) + stroke(line(curve(1)), "dx-run dx-dashed", v.rule),
    ["x₁", "x₂, dashed"].map((name, i) =>
      text(steps.width - 4, clamp(curve(i)[59][1] - 6, 10, steps.height - 4), name, "dx-end dx-halo")).join(""));

    if (v.t === 0) return `${v.rule} stands at its start, x₁ ${fixed(here[0])}, x₂ ${fixed(here[1])}. Take a step.`;
    return `${v.rule}, step ${v.t}: x₁ ${fixed(here[0])}, x₂ ${fixed(here[1])}, f ${brief(surface.value(here))}. `
      + `A unit of gradient moves x₁ by ${brief(now.step[0])} and x₂ by ${brief(now.step[1])}.`;
  },
};
})();
