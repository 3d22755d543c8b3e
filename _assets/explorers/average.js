(() => {
"use strict";
const { range, fixed, brief, mark, line, path, text, stroke, dots, cursor, kinds, number, hyper,
  flag, theory, styles } = window.descent;

/* Noise from a seed, about a slow wave. */
function series(seed, n) {
  let a = Math.imul(seed, 0x9E3779B9);
  const uniform = () => {
    a = Math.imul(a, 1664525) + 1013904223;
    return (a >>> 8 & 0xffff) / 0x10000;
  };
  return range(n).map((i) => 2 + 0.6 * Math.sin(i / 16) + 1.2 * (uniform() + uniform() - 1));
}

kinds.average = {
  title: "Moving average",
  hint: "The average starts at 0 and has to catch up.",
  params: {
    gamma: hyper("Memory β", "Adam", "beta1", 0.9, 0.01),
    t: number("Read out at step", 10, 1, 100, 1),
    seed: number("Noise", 1, 1, 99, 1),
    corrected: flag("Draw the corrected average", true),
  },
  build(ex) {
    ex.series = ex.plot("A noisy series, its average and the corrected average", "dx-map", "step", "value",
      { x: [0, 101], y: [0, 4] });
    ex.weights = ex.plot("The weight of the value k steps ago", "", "steps ago", "weight", { x: [-1, 60] });
  },
  draw(ex, v) {
    const { weights, series: plot } = ex, blue = "Momentum", warm = "Adam"; // for their colours
    const w = range(61).map((age) => theory.ewmaWeight(v.gamma, age)), span = theory.window(v.gamma);
    const half = v.gamma > 0 ? theory.halfLife(v.gamma) : 0;
    weights.frame([-1, 60], [0, 1.15 * w[0]]);
    const rule = (at, y, words) => at > 60 ? "" : cursor(weights, at, y - 10)
      + text(weights.X(at) + (at > 30 ? -5 : 5), y, words, `dx-halo ${at > 30 ? "dx-end" : ""}`);
    weights.draw(stroke(w.map((h, k) => line([weights.at([k, 0]), weights.at([k, h])])).join(""), "dx-bars", blue),
      half > 0 ? rule(half, weights.height * 0.18, `half-life ${fixed(half, 1)}`)
        + rule(span, weights.height * 0.4, `window ${brief(span)}`) : "");

    const raw = series(v.seed, 100), average = [];
    raw.forEach((x, i) => average.push(v.gamma * (average[i - 1] ?? 0) + (1 - v.gamma) * x));
    const corrected = average.map((y, i) => y / theory.bias(v.gamma, i + 1));
    plot.frame();
    const at = (list) => list.map((y, i) => plot.at([i + 1, y]));
    const y = average[v.t - 1], z = corrected[v.t - 1];
    const curves = [["dashed: as it is", average, warm, "dx-run dx-dashed", "◆", "D"]];
    if (v.corrected) curves.push(["solid: corrected", corrected, blue, "dx-run", "■", "s"]);
    plot.draw(path(at(raw).map((p) => mark("o", p, 1.9)).join(""), "dx-dots") + cursor(plot, v.t)
      + curves.map(([, list, rule, cls, , code]) =>
        stroke(line(at(list)), cls, rule) + dots([at(list)[v.t - 1]], 4.5, rule, code)).join(""),
    curves.map(([words, , rule, , glyph], i) => text(plot.width, plot.height - 8 - 17 * i,
      `<tspan fill="${styles[rule].colour}">${glyph}</tspan> ${words}`, "dx-end dx-halo")).join(""));
    const weight = theory.bias(v.gamma, v.t);
    return `β ${brief(v.gamma)}: window ${brief(span)} steps, half-life ${fixed(half, 2)}. `
      + `At step ${v.t} the average is ${fixed(y, 4)}; its weights sum to ${fixed(weight, 4)}, `
      + `and dividing by that gives ${fixed(z, 4)}.`;
  },
};
})();
