(() => {
"use strict";
const { range, uniform, fixed, brief, mark, line, path, text, ink, stroke, dots, part, cursor, readSteps, kinds,
  number, hyper, flag, theory } = window.descent;

const STEPS = 60, SPREAD = 0.3; // as in the figure
const NORMAL = 1.645; // 90 % of normal noise lie within so many standard deviations

/* Normal noise about 1, from a seed. */
function series(seed) {
  const next = uniform(seed);
  return range(STEPS).map(() => 1 + SPREAD * (-2 * Math.log(next())) ** 0.5 * Math.cos(2 * Math.PI * next()));
}

kinds.average = {
  title: "Moving average",
  hint: "The average starts at 0 and has to catch up.",
  symbols: {
    β: ["beta", "the memory"],
    t: ["t", "the step"],
    x: ["values", "the values"],
    y: ["average", "the average"],
    "ŷ": ["corrected", "the corrected average"],
  },
  params: {
    gamma: hyper("Memory β", "Adam", "beta1", 0.9, 0.01, { part: "beta" }),
    t: number("Read out at step", 10, 1, STEPS, 1),
    seed: number("Which sequence", 1, 1, 99, 1),
    corrected: flag("Draw the corrected average", true),
  },
  build(ex) {
    ex.series = ex.plot("A noisy sequence, its average and the corrected average", "dx-map", "step", "value and averages",
      { x: [0, STEPS + 1] });
    ex.weights = ex.plot("The weight of the value k steps ago", "", "steps ago", "weight", { x: [-1, 60] });
  },
  draw(ex, v) {
    const { weights, series: plot } = ex, blue = "Momentum", warm = "Adam"; // for their colours
    const w = range(61).map((age) => theory.ewmaWeight(v.gamma, age)), span = theory.window(v.gamma);
    const half = v.gamma > 0 ? theory.halfLife(v.gamma) : 0;
    weights.frame([-1, 60], [0, 1.15 * w[0]]);
    const rule = (at, y, words) => at > 60 ? "" : cursor(weights, at, y - 10)
      + text(weights.X(at) + (at > 30 ? -5 : 5), y, words, `dx-halo ${at > 30 ? "dx-end" : ""}`);
    weights.draw(part("beta", stroke(w.map((h, k) => line([weights.at([k, 0]), weights.at([k, h])])).join(""), "dx-bars", blue)),
      half > 0 ? rule(half, weights.height * 0.18, `half-life ${fixed(half, 1)}`)
        + part("window", rule(span, weights.height * 0.4, `window ${brief(span)}`)) : "");
    readSteps(weights, [["weight", w]], 0, "steps ago:");

    const raw = series(v.seed), average = [];
    raw.forEach((x, i) => average.push(v.gamma * (average[i - 1] ?? 0) + (1 - v.gamma) * x));
    const corrected = average.map((y, i) => y / theory.bias(v.gamma, i + 1));
    plot.frame(plot.x, [Math.min(0, ...raw) * 1.1, Math.max(1.6, ...raw) + 0.05]);
    const at = (list) => list.map((y, i) => plot.at([i + 1, y]));
    /* The middle 90 % of all such sequences; divided by the weights' sum, of the corrected ones. */
    const sums = raw.map((_, i) => theory.bias(v.gamma, i + 1));
    const spread = sums.map((_, i) => NORMAL * SPREAD * ((1 - v.gamma) / (1 + v.gamma) * (1 - v.gamma ** (2 * i + 2))) ** 0.5);
    const band = (over, rule) => path(`${line([...at(sums.map((s, i) => (s - spread[i]) / over[i])),
      ...at(sums.map((s, i) => (s + spread[i]) / over[i])).toReversed()])}Z`, "dx-band", `fill="${ink(rule)}"`);
    const y = average[v.t - 1], z = corrected[v.t - 1];
    const curves = [["dashed: as it is", average, warm, "dx-run dx-dashed", "◆", "D", "average"]];
    if (v.corrected) curves.push(["solid: corrected", corrected, blue, "dx-run", "■", "s", "corrected"]);
    readSteps(plot, [["value", raw], ["as it is", average], ...(v.corrected ? [["corrected", corrected]] : []),
      ["1 − βᵗ", sums]], 1);
    plot.draw(band(sums.map(() => 1), warm) + (v.corrected ? band(sums, blue) : "")
      + path(line(at(sums)), "dx-dotted") + part("values", path(at(raw).map((p) => mark("o", p, 1.9)).join(""), "dx-dots"))
      + part("t", cursor(plot, v.t)) + curves.map(([, list, rule, cls, , code, name]) =>
        part(name, stroke(line(at(list)), cls, rule) + dots([at(list)[v.t - 1]], 4.5, rule, code))).join(""),
    curves.map(([words, , rule, , glyph], i) => text(plot.width, plot.height - 8 - 17 * i,
      `<tspan fill="${ink(rule)}">${glyph}</tspan> ${words}`, "dx-end dx-halo")).join(""));
    const weight = theory.bias(v.gamma, v.t);
    return `β ${brief(v.gamma)}: ${half ? `window ${brief(span)} steps, half-life ${fixed(half, 2)}`
      : "no memory, each average is the last value"}. At step ${v.t} the average is ${fixed(y, 4)}; its weights sum to ${fixed(weight, 4)}, `
      + `and dividing by that gives ${fixed(z, 4)}.`;
  },
};
})();
