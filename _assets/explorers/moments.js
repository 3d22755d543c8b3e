(() => {
"use strict";
const { range, minimize, fixed, brief, line, path, text, stroke, part, cursor, readSteps, drawMap, drawRun,
  kinds, handle, player, number, rate, choice, same, grounds, coordinates, follow, rules, surfaces } = window.descent;

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

/* The names of what a row of bars shows, as parts. */
const keys = { g: "gradient", root: "s", step: "lr" };

kinds.moments = {
  title: "Moments",
  hint: "Step, and watch what the rule remembers. Drag the ring to choose the start.",
  symbols: {
    η: ["lr", "the learning rate"],
    g: ["gradient", "the gradient"],
    "m̂": ["m", "the mean of the gradients, corrected"],
    "ŝ": ["s", "the mean of their squares, corrected, as its root"],
  },
  params: {
    rule: choice("Rule", "Adam", same(["Adam", "RMSprop", "AdaGrad"])),
    surface: choice("Surface", "ravine", grounds),
    lr: rate(0.4, 0.001, 1),
    t: number("Step", 1, 0, 60, 1),
    ...coordinates(surfaces.ravine),
  },
  adjust: follow,
  build(ex) {
    ex.map = ex.plot("The path so far over the contours", "dx-map", "x₁", "x₂", { map: true });
    ex.bars = ex.plot("Bars of gradient, moments, learning rate and move of each coordinate", "dx-tall", "", "",
      { bare: true });
    ex.curves = ["gradient", "√s", "step / η"].map((name) => [name,
      ex.plot(`${name} of both coordinates over time`, "dx-third", "step", name, { x: [0, 60] })]);
    ex.place = handle(ex, ex.map, "Start", ["x1", "x2"]);
    player(ex);
  },
  draw(ex, v) {
    const { map, bars } = ex, surface = surfaces[v.surface];
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
    const rows = [["gradient g", "g", share], adam ? ["mean m̂", "m", share] : null,
      [{ Adam: "√ŝ", RMSprop: "√s, averaged", AdaGrad: "√G, the sum" }[v.rule], "root", share],
      [`η / √${{ Adam: "ŝ", RMSprop: "s", AdaGrad: "G" }[v.rule]} of each parameter`, "step", most("step")], ["step of each parameter", "move", most("move")]].filter(Boolean);
    const pitch = bars.height / rows.length, zero = bars.width * 0.4, reach = bars.width * 0.3;
    bars.draw(rows.map(([name, key, scale], r) => text(0, r * pitch + 12, name, "dx-name")
      + now[key].map((value, i) => {
        const top = r * pitch + 18 + i * Math.min(18, (pitch - 20) / 2), w = Math.abs(value) / scale * reach;
        return part(keys[key] ?? key, text(0, top + 10, i ? "x₂" : "x₁", "dx-tick")
          + `<rect class="${i ? "dx-bar1" : "dx-bar0"}" x="${value < 0 ? zero - w : zero}" y="${top + 1}" width="${w}" height="10"/>`
          + text(bars.width, top + 10, brief(value), "dx-tick dx-end"));
      }).join("") + path(`M${zero} ${r * pitch + 17}v${Math.min(36, pitch - 20)}`, "dx-axis")).join(""));

    ex.curves.forEach(([name, plot], n) => {
      const rows = [0, 1].map((i) => all.slice(1).map((a) => [a.g[i], a.root[i], a.move[i] / v.lr][n]));
      const low = Math.min(...rows.flat(), 0), high = Math.max(...rows.flat(), 1e-3), room = (high - low) / 15;
      plot.frame([0, 60], [low && low - room, high + room]);
      const at = rows.map((row) => row.map((y, t) => plot.at([t + 1, y])));
      readSteps(plot, [[`${name}, x₁`, rows[0]], ["x₂", rows[1]]], 1);
      plot.draw(cursor(plot, v.t) + part(["gradient", "s", "move"][n],
        stroke(line(at[0]), "dx-run", v.rule) + stroke(line(at[1]), "dx-run dx-dashed", v.rule)),
      n === 1 ? text(plot.width, 14, "x₁ solid, x₂ dashed", "dx-end dx-halo") : "");
    });

    if (v.t === 0) return `${v.rule} stands at its start, x₁ ${fixed(here[0])}, x₂ ${fixed(here[1])}. Take a step.`;
    return `${v.rule}, step ${v.t}: x₁ ${fixed(here[0])}, x₂ ${fixed(here[1])}, f ${brief(surface.value(here))}. `
      + `A unit of gradient moves x₁ by ${brief(now.step[0])} and x₂ by ${brief(now.step[1])}.`;
  },
};
})();
