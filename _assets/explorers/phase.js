(() => {
"use strict";
const { clamp, range, minimize, rootsOf, radiusOf, regime, fixed, brief, line, path, text, stroke,
  dots, part, readSteps, kinds, handle, number, hyper, choice, named, rules, theory, shades, FAR } = window.descent;

/* The measured map of the figure: what a run on curvature 1 keeps of its error at each step, between
   steps 100 and 300. One that diverges, or grows, keeps no less than all: NaN. */
const NX = 110, NY = 64, LEVELS = shades.length;
const steps = range(NX).map((i) => 0.05 + 4.1 * i / (NX - 1)), betas = range(NY).map((j) => 0.0125 + 0.975 * j / (NY - 1));
function kept(rule) {
  let x = 1, before = 1, state = rule.init(x), early = 0;
  for (let t = 1; t <= 300; t++) {
    before = x;
    [x, state] = rule._step(x, x, state);
    if (!(Math.abs(x) <= FAR)) return NaN;
    if (t === 100) early = Math.hypot(x, before);
  }
  const factor = early && (Math.hypot(x, before) / early) ** (1 / 200);
  return factor < 1 ? factor : NaN;
}
const measured = { Momentum: [], Nesterov: [] };
/* Fills a map row by row, leaves the page time between rows, and shows every eighth. */
function measure(name, then) {
  const cells = measured[name];
  if (cells.length || !then) return;
  const row = () => {
    const momentum = betas[cells.length];
    cells.push(steps.map((lr) => kept(new rules[name]({ lr, momentum }))));
    if (cells.length % 8 === 0) then();
    if (cells.length < NY) setTimeout(row);
  };
  row();
}

const legend = (end) => text(end - 72, 13, "error kept at each step  0", "dx-tick dx-end") + text(end, 13, "1", "dx-tick dx-end")
  + range(10).map((i) => path(`M${end - 69 + 6 * i} 5h6v8h-6Z`, "dx-heat", `fill="${shades[5 * i + 2]}"`)).join("");

function heat(plane, cells) {
  const levels = range(LEVELS).map(() => ""), [w, h] = [4.1 / (NX - 1), 0.975 / (NY - 1)];
  let hatch = "";
  const px = (x, y) => plane.at([x, y]).map((v) => v.toFixed(1)).join(" ");
  cells.forEach((row, j) => {
    const bottom = betas[j] - h / 2, of = (f) => f >= 0 ? Math.min(Math.floor(f * LEVELS), LEVELS - 1) : -1;
    for (let i = 0, from = 0; i < NX; i++) {
      const left = steps[i] - w / 2, level = of(row[i]);
      if (level < 0 && (i - j) % 3 === 0) hatch += `M${px(left, bottom)}L${px(left + w, bottom + h)}`;
      if (i + 1 < NX && of(row[i + 1]) === level) continue;
      if (level >= 0) levels[level] += `M${px(steps[from] - w / 2, bottom)}H${plane.X(left + w).toFixed(1)}`
        + `V${(plane.Y(bottom + h) - 0.3).toFixed(1)}H${plane.X(steps[from] - w / 2).toFixed(1)}Z`;
      from = i + 1;
    }
  });
  return levels.map((d, level) => d && path(d, "dx-heat", `fill="${shades[level]}"`)).join("") + path(hatch, "dx-hatch");
}

/* The two learning rates on the valley's steep direction, without momentum and with 0.5. */
const sources = [[1.6, 0], [2.4, 0], [1.6, 0.5], [2.4, 0.5]];
const words = { creeps: [0.05, 0.07], swings: [0.9, 0.75], zigzags: [2.2, 0.22], diverges: [3.1, 0.3] };
const places = { Momentum: words, Nesterov: { ...words, swings: [0.5, 0.6], zigzags: [1.08, 0.13], diverges: [2.6, 0.5] } };

kinds.phase = {
  title: "Phase diagram",
  hint: "Drag the ring through the regimes.",
  symbols: {
    η: ["lr", "the learning rate"],
    λ: ["lr", "the curvature"],
    β: ["beta", "the momentum"],
    "√β": ["radius", "the modulus of complex roots"],
    z: ["roots", "the roots"],
    θ: ["angle", "the angle of a complex root"],
  },
  params: {
    rule: choice("Rule", "Momentum", named(["Momentum", "Nesterov"])),
    step: number("Step ηλ", 2.4, 0, 4.15, 0.01, { nudge: 0.05, part: "lr" }),
    momentum: hyper("Momentum β", "Momentum", "momentum", 0.5, 0.01, { nudge: 0.05, part: "beta" }),
  },
  build(ex) {
    ex.plane = ex.plot("Regimes in the plane of ηλ and β", "dx-map", "ηλ", "β", { x: [0, 4.15], y: [0, 1], legend });
    ex.circle = ex.plot("The two roots and the unit circle", "", "", "", { y: [-1.5, 1.5], equal: true, bare: true });
    ex.run = ex.plot("The error along the eigenvector, step by step", "dx-strip", "step", "error, from 1",
      { x: [-0.5, 40.5], y: [-1.5, 1.5] });
    ex.place = handle(ex, ex.plane, "Point in the phase diagram", ["step", "momentum"]);
    new IntersectionObserver(([{ isIntersecting }], seen) => {
      if (!isIntersecting) return;
      seen.disconnect();
      ex.measures = () => ex.frame ||= requestAnimationFrame(() => ex.draw());
      ex.measures();
    }, { rootMargin: "300px" }).observe(ex.plane.node);
  },
  draw(ex, v) {
    const nesterov = v.rule === "Nesterov", { plane, circle, run } = ex, cells = measured[v.rule];
    const bowl = { value: ([x]) => 0.5 * x * x, grad: ([x]) => [x] };
    const errors = minimize(new rules[v.rule]({ lr: v.step, momentum: v.momentum }), bowl, [1], 40).points.map(([x]) => x);
    const top = clamp(1.1 * Math.max(...errors.map(Math.abs)), 1.5, 4);
    for (const plot of [plane, circle]) plot.frame();
    run.frame(run.x, [-top, top]);
    measure(v.rule, ex.measures);
    plane.backdrop(`${v.rule}${cells.length}`, () => heat(plane, cells) + range(3).map((i) => {
      const border = line(range(201).map((k) => plane.at([theory.regimeBorders(k / 201, nesterov)[i], k / 201])));
      return path(border, "dx-edge") + path(border, "dx-border");
    }).join(""));
    const spots = nesterov ? [] : sources.map((at) => plane.at(at));
    plane.draw("", spots.map(([x, y]) => `<circle class="dx-spot" cx="${x}" cy="${y}" r="4"/>`).join("")
      + spots.map(([x, y], i) => text(x + 9, y - 7, `η ${i % 2 ? 0.6 : 0.4}`, "dx-halo")).join("")
      + Object.entries(places[v.rule]).map(([name, at]) => text(...plane.at(at), name, "dx-halo dx-strong")).join(""));
    plane.read = ([p, beta]) => {
      const cell = cells[clamp(Math.round((beta - betas[0]) / 0.975 * (NY - 1)), 0, NY - 1)]
        ?.[clamp(Math.round((p - 0.05) / 4.1 * (NX - 1)), 0, NX - 1)];
      const factor = cell === undefined ? "" : `\nkept a step: ${cell >= 0 ? fixed(cell, 2) : "1 or more"}`;
      return [`ηλ ${fixed(p, 2)}, β ${fixed(beta, 2)}\n${regime(p, Math.min(beta, 1 - 1e-9), nesterov)}${factor}`, [p, beta]];
    };
    ex.place();

    const roots = rootsOf(v.step, v.momentum, nesterov), radius = radiusOf(roots);
    const state = regime(v.step, v.momentum, nesterov);
    const [cx, cy] = circle.at([0, 0]);
    const disc = (r, cls) => `<circle class="${cls}" cx="${cx}" cy="${cy}" r="${r * (circle.X(1) - cx)}"/>`;
    circle.backdrop("", () => disc(1, "dx-unit") + path(`M0 ${cy}H999M${cx} 0V999`, "dx-grid"));
    const edge = circle.x[1] - 0.08;
    const shown = roots.map(([re, im]) => circle.at([clamp(re, -edge, edge), im]));
    circle.draw(part("radius", disc(radius, "dx-radius"))
      + part("angle", stroke(shown.map((p) => line([[cx, cy], p])).join(""), "dx-spoke", v.rule))
      + part("roots", shown.map((p, i) => dots([p], 6, v.rule, Math.abs(roots[i][0]) > edge ? "<" : "o")).join("")),
    text(circle.X(0.74), circle.Y(0.74), "|z| = 1", "dx-tick dx-halo"));
    circle.read = ([a, b]) => [`z ${complex(a, b, 2)}\n|z| ${fixed(Math.hypot(a, b), 2)}`, [a, b]];

    const at = errors.map((e, t) => run.at([t, clamp(e, -0.97 * top, 0.97 * top)]));
    run.draw(path(`M0 ${run.Y(0)}H${run.width}`, "dx-axis")
      + stroke(at.map((p) => line([[p[0], run.Y(0)], p])).join(""), "dx-spoke", v.rule)
      + [[undefined, (e) => Math.abs(e) <= top], ["^", (e) => e > top], ["v", (e) => e < -top]].map(([code, of]) =>
        dots(at.filter((_, t) => of(errors[t])), 3.2, v.rule, code)).join(""));
    readSteps(run, [["error", errors]]);

    return `${v.rule} at ηλ ${brief(v.step)} and β ${brief(v.momentum)} ${story(v, roots, radius, state, errors)}`;
  },
};

function complex(a, b, digits) {
  const short = (x) => fixed(x, digits).replace(/(\.\d*?)0+$/, "$1").replace(/\.$/, "");
  return b ? `${short(a)} ${b < 0 ? "−" : "+"} ${short(Math.abs(b))}i` : short(a);
}
/* What the roots say of the run, in the words of the text. */
function story(v, [[a, b], [c]], radius, state, errors) {
  if (v.step === 0) return "stands still: with a step of 0 nothing moves.";
  if (radius === 0) return `is on the minimum after ${errors[1] ? "two steps" : "one step"}: both roots are 0.`;
  const values = b ? `are ${complex(a, 0, 3)} ± ${complex(Math.abs(b), 0, 3)}i, of modulus ${fixed(radius, 3)}`
    : a === c ? `are both ${complex(a, 0, 3)}` : `are ${complex(a, 0, 3)} and ${complex(c, 0, 3)}`;
  if (state === "diverges") return `diverges: its roots ${values}, so each step makes the error ${brief(radius)} times as large.`;
  if (radius >= 1) return `never settles: its roots ${values}, so the error changes side for ever.`;
  const half = `the error halves every ${brief(theory.halfLife(radius))} steps`;
  return `${state}: its roots ${values}, so ${a === c && !b ? "in the long run " : ""}${half}${{
    creeps: " and stays on one side", swings: `, and changes side every ${brief(Math.PI / Math.atan2(Math.abs(b), a))} steps`,
    zigzags: " and changes side at every step" }[state]}.`;
}
})();
