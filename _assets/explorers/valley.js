(() => {
"use strict";
const { clamp, range, minimize, brief, line, path, text, stroke, dots, part, cursor, swatch, readSteps,
  drawMap, drawRun, kinds, ring, table, number, rate, flag, rules, theory, quadratic } = window.descent;

const { PI, cos, sin } = Math;
const LIMIT = 400, NEAR = 1e-3, RADIUS = 5;
const grid = range(9, 6).map((k) => 10 ** (k / 16)), angles = range(13).map((k) => 7.5 * k);
const names = ["gradient descent", "AdaGrad", "the ideal diagonal"];
const shown = (steps) => Number.isFinite(steps) ? steps : `over ${LIMIT}`;
const counted = (n) => n === 1 ? "1 step" : `${n} steps`;

/* The valley of curvatures 1/κ along its floor and 1 across it, turned; and a start that turns with it. */
function turned(kappa, angle) {
  const turn = angle * PI / 180, c = cos(turn), s = sin(turn), low = 1 / kappa, mixed = (low - 1) * c * s;
  const diagonal = [low * c * c + s * s, low * s * s + c * c];
  const at = turn + 217.5 * PI / 180;
  return { ...quadratic(diagonal[0], mixed, diagonal[1]), diagonal, start: [RADIUS * cos(at), RADIUS * sin(at)],
    name: `${kappa} ${angle}`, minimum: [0, 0], window: [[-6, 6], [-6, 6]] };
}
/* Its level lines are ellipses, and a line along its floor ends at the ring. */
const levels = (kappa, angle) => (plot) => {
  const unit = plot.Y(0) - plot.Y(1), [x, y] = plot.at([0, 0]);
  const ellipses = range(30, 1).map((k) => {
    const across = k * (k + 3) / 40 * unit, along = across * kappa ** 0.5;
    return `M${along} 0A${along} ${across} 0 1 1 ${-along} 0A${along} ${across} 0 1 1 ${along} 0`;
  }).join("");
  return `<g transform="translate(${x} ${y}) rotate(${-angle})">${path(ellipses, "dx-contour")}`
    + `${path(`M0 0H${RADIUS * unit}`, "dx-cursor")}</g>`;
};
/* Steps after which the distance stays below a thousandth of the first, if there are at most so
   many. `run(n)` makes n steps; it is asked for no more than it takes to come ten times nearer. */
function stepsOf(run, most = LIMIT) {
  for (let n = Math.min(50, most); ; n = Math.min(2 * n, most)) {
    const far = run(n).points.map((p) => Math.hypot(...p)), last = far.findLastIndex((d) => !(d <= NEAR * RADIUS));
    if (n === most || far[n] < NEAR * RADIUS / 10) return last === n ? Infinity : last + 1;
  }
}
/* The learning rate of the grid that needs the fewest steps. */
function quickest(run) {
  let best = grid[0], fewest = LIMIT;
  for (const lr of grid) {
    const steps = stepsOf((n) => run(lr, n), fewest);
    if (steps < fewest) [best, fewest] = [lr, steps];
  }
  return best;
}

/* A ring on the floor of the valley, which turns it. */
function wheel(ex, plot) {
  const node = ring(plot, "Turn of the valley", { "aria-valuemin": 0, "aria-valuemax": 90, "data-part": "angle" },
    ([x, y]) => {
      const angle = (Math.round(Math.atan2(y, x) * 180 / PI) + 180) % 180;
      ex.set({ angle: angle > 135 ? 0 : angle });
    },
    (event) => {
      const way = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1 }[event.key];
      if (way) ex.set({ angle: ex.values.angle + way * (event.shiftKey ? 15 : 1) });
      return way;
    });
  return (turn) => {
    const [x, y] = plot.at([RADIUS * cos(turn), RADIUS * sin(turn)]);
    node.style.transform = `translate(${x + plot.left}px, ${y + plot.top}px)`;
    node.setAttribute("aria-valuenow", ex.values.angle);
    node.setAttribute("aria-valuetext", `${ex.values.angle} degrees`);
  };
}

kinds.valley = {
  title: "A valley to turn",
  hint: "Drag the ring to turn the valley. The start turns with it.",
  symbols: {
    θ: ["angle", "the angle"],
    c: ["ideal", "what a step of the ideal diagonal leaves of the error"],
  },
  params: {
    tune: flag("Give each rule its best learning rate at every angle", true),
    angle: number("Turned by (degrees)", 45, 0, 90, 1),
    kappa: { ...rate(20, 1, 50), label: "Condition number κ", part: "kappa" },
    lr: rate(0.4, 0.1, 10),
  },
  build(ex) {
    ex.map = ex.plot("The valley, with the first 30 steps of gradient descent and AdaGrad", "dx-map", "x₁", "x₂",
      { map: true, equal: true });
    ex.turns = ex.plot("Steps to a thousandth of the first distance, by the angle", "", "degrees", "steps",
      { x: [-4, 94], grid: 7.5 });
    ex.own = ex.plot("The learning rate of each parameter over the ideal one, step by step", "dx-strip", "step",
      "AdaGrad’s learning rates / ideal", { x: [0, 100], y: [0, 2] });
    ex.place = wheel(ex, ex.map);
    ex.table = table("The three at this angle", ["rule", "η", "rate of x₁ / ideal", "rate of x₂ / ideal", "steps"],
      [[swatch("SGD"), "Gradient descent"], [swatch("AdaGrad"), "AdaGrad"], ["Ideal diagonal (dashed)"]]);
    ex.table.body[2].dataset.part = "ideal";
    ex.below.append(ex.table.node);
  },
  draw(ex, v) {
    const { map, turns, own } = ex, turn = v.angle * PI / 180;
    ex.unused("lr", v.tune);
    const plain = v.tune ? theory.bestGradientDescent(1 / v.kappa, 1).lr : v.lr;
    const at = (angle) => {
      const valley = turned(v.kappa, angle), { start, diagonal } = valley;
      const scaled = { ...valley, grad: (x) => valley.grad(x).map((g, i) => g / diagonal[i]) };
      const run = (rule, lr, n, surface = valley) => minimize(new rules[rule]({ lr }), surface, start, n);
      const lr = v.tune ? quickest((rate, n) => run("AdaGrad", rate, n)) : v.lr;
      const runs = [(n) => run("SGD", plain, n), (n) => run("AdaGrad", lr, n), (n) => run("SGD", 1, n, scaled)];
      return { valley, diagonal, lr, runs, steps: runs.map((one) => stepsOf(one)) };
    };
    const key = `${v.kappa} ${v.tune || v.lr}`;
    if (ex.key !== key) Object.assign(ex, { key, curves: angles.map((angle) => at(angle).steps) });
    const { curves } = ex, now = at(v.angle), { diagonal } = now, adagrad = now.runs[1](LIMIT);

    drawMap(map, now.valley, levels(v.kappa, v.angle));
    const drawn = [["SGD", now.runs[0](30)], ["AdaGrad", adagrad]].map(([rule, { points }]) =>
      drawRun(map, points.slice(0, 31), rule, 1, false));
    map.draw(drawn.map((d) => d[0]).join(""), drawn.map((d) => d[1]).join(""));
    ex.place(turn);

    const finite = [...curves.flat(), ...now.steps].filter(Number.isFinite);
    turns.frame(turns.x, [0, 1.12 * Math.max(10, ...finite)]);
    const curve = (i) => angles.map((a, k) => [a, curves[k][i]]).filter(([, s]) => Number.isFinite(s)).map((p) => turns.at(p));
    const here = (i) => Number.isFinite(now.steps[i]) ? [turns.at([v.angle, now.steps[i]])] : [];
    turns.draw(part("angle", cursor(turns, v.angle)) + part("ideal", path(line(curve(2)), "dx-axis dx-dashed"))
      + ["SGD", "AdaGrad"].map((rule, i) => stroke(line(curve(i)), "dx-run", rule) + dots(curve(i), 2.6, rule)
        + dots(here(i), 5.5, rule)).join(""), text(turns.X(v.angle) + 5, 12, `${v.angle}°`, "dx-halo"));

    turns.read = ([angle]) => {
      const k = Math.round(clamp(angle, 0, 90) / 7.5);
      return [[`turned by ${brief(angles[k])}°`, ...names.map((name, i) => `${name} ${shown(curves[k][i])}`)].join("\n"),
        [angles[k], 0]];
    };

    const share = (t) => adagrad.inside[t].map((seen, i) => now.lr / seen.root * diagonal[i]);
    own.frame();
    const shares = range(100, 1).map(share);
    readSteps(own, ["x₁", "x₂"].map((name, i) => [name, shares.map((s) => s[i])]), 1);
    const trace = (i) => line(shares.map((s, t) => own.at([t + 1, s[i]])));
    own.draw(path(`M0 ${own.Y(1)}H${own.width}`, "dx-axis") + part("x1", stroke(trace(0), "dx-run", "AdaGrad"))
      + part("x2", stroke(trace(1), "dx-run dx-dashed", "AdaGrad")),
    text(own.width - 4, 14, "x₁ solid, x₂ dashed", "dx-end dx-halo"));

    const ends = share(LIMIT), cells = ([a, b], steps) => [brief(a), brief(b), shown(steps)];
    ex.table.fill([[brief(plain), ...cells(diagonal.map((h) => plain * h), now.steps[0])],
      [brief(now.lr), ...cells(ends, now.steps[1])], ["1 / Hᵢᵢ", ...cells([1, 1], now.steps[2])]]);
    const where = v.kappa === 1 ? "A round bowl is the same at every angle; only the start turns."
      : v.angle % 90 === 0 ? "The valley lies along an axis."
      : v.angle === 45 ? "Turned by 45°, the two parameters have the same curvature." : `The valley is turned by ${v.angle}°.`;
    const [first, ...rest] = [1, 0, 2].filter((i) => Number.isFinite(now.steps[i]));
    const limit = theory.lrLimit(1), diverges = plain > limit ? ` Gradient descent diverges, because η is above 2/L = ${limit}.` : "";
    const late = [1, 0].filter((i) => !Number.isFinite(now.steps[i]) && !(i === 0 && diverges)).map((i) => names[i]);
    const missing = late.length ? ` After ${LIMIT} steps ${late.join(" and ")} ${late.length > 1 ? "have" : "has"} not come so near.` : "";
    return `${where} To a thousandth of the first distance ${names[first]} needs ${counted(now.steps[first])}`
      + `${rest.map((i, k) => `${k === rest.length - 1 ? " and" : ","} ${names[i]} ${now.steps[i]}`).join("")}.${missing}${diverges}`
      + ` AdaGrad’s learning rates come to ${brief(ends[0])} and ${brief(ends[1])} of the ideal.`;
  },
};
})();
