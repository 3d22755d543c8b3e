/* <descent-explorer kind="…" figure="…" state="…">, after explorer-rules.js. Each of `kinds` has its
   parameters, what it builds once and what it draws each time. Pictures are SVG in CSS pixels. */
(() => {
"use strict";
const { rules, surfaces, minimize, theory, styles } = window.descent;
const still = matchMedia("(prefers-reduced-motion: reduce)");
const called = (rule) => rule === "SGD" ? "Gradient descent" : rule;
const clamp = (v, lo, hi) => Math.min(Math.max(v, lo), hi);
const range = (n, from = 0) => Array.from({ length: n }, (_, i) => from + i);
let count = 0; // makes ids unique

/* Numbers as text: a true minus sign, powers of ten as such. */
const power = (n) => "10" + String(n).replace(/[-\d]/g, (c) => "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"["-0123456789".indexOf(c)]);
function scientific(v) {
  const [mantissa, exponent] = v.toExponential(2).split("e");
  return `${mantissa}×${power(Number(exponent))}`.replace(/^-/, "−");
}
const fixed = (v, digits = 6) =>
  Math.abs(v) >= 1e4 ? scientific(v) : v.toFixed(digits).replace(/^-(0\.?0*$)/, "$1").replace("-", "−");
const brief = (v) => v !== 0 && (Math.abs(v) < 1e-4 || Math.abs(v) >= 1e4) ? scientific(v)
  : String(Number(v.toPrecision(3))).replace("-", "−");
const spoken = (text) => text.replace(/[₁₂]/g, (c) => c === "₁" ? "1" : "2");

function make(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

/* Markers: outlines of unit size, keyed as in matplotlib. */
const ring = (n, turn, radius = 1.1, squash = 1) => range(n).map((i) => {
  const angle = 2 * Math.PI * (i / n + turn);
  return [squash * radius * Math.sin(angle), -radius * Math.cos(angle)];
});
const plus = [[-0.4, -1], [0.4, -1], [0.4, -0.4], [1, -0.4], [1, 0.4], [0.4, 0.4], [0.4, 1], [-0.4, 1],
  [-0.4, 0.4], [-1, 0.4], [-1, -0.4], [-0.4, -0.4]];
const outlines = {
  o: ring(16, 0, 1), s: ring(4, 1 / 8, 1.25), D: ring(4, 0, 1.2), "^": ring(3, 0, 1.25), v: ring(3, 0.5, 1.25),
  ">": ring(3, 0.25, 1.25), "<": ring(3, 0.75, 1.25), P: plus, X: plus.map(([x, y]) => [(x - y) * 0.71, (x + y) * 0.71]),
  "*": ring(5, 0, 1.6).flatMap((p, i) => [p, ring(5, 0.1, 0.65)[i]]), p: ring(5, 0), h: ring(6, 0),
  d: ring(4, 0, 1.3, 0.62),
};
const mark = (code, [x, y], r) =>
  `M${outlines[code].map(([u, v]) => `${(x + r * u).toFixed(1)} ${(y + r * v).toFixed(1)}`).join("L")}Z`;
const line = (points) => points.length
  ? `M${points.map(([x, y]) => `${clamp(x, -9e3, 9e3).toFixed(1)} ${clamp(y, -9e3, 9e3).toFixed(1)}`).join("L")}`
  : "";
const path = (d, cls, more = "") => `<path class="${cls}" d="${d}" ${more}/>`;
const text = (x, y, words, cls = "") =>
  `<text x="${x}" y="${y}" class="${cls}">${words}</text>`;
const stroke = (d, cls, rule) => path(d, cls, `stroke="${styles[rule][0]}"`);
const dots = (points, r, rule, code = styles[rule][1]) =>
  path(points.map((p) => mark(code, p, r)).join(""), "dx-mark", `fill="${styles[rule][0]}"`);
const cursor = (plot, x, from = 0) => path(`M${plot.X(x)} ${from}V${plot.height}`, "dx-cursor");
const swatch = (rule) => {
  const node = make("span", { class: "dx-swatch", "aria-hidden": "true" });
  node.innerHTML = `<svg viewBox="-9 -9 18 18">${dots([[0, 0]], 5.5, rule)}</svg>`;
  return node;
};

function ticks([lo, hi], most) {
  const raw = (hi - lo) / most, unit = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((k) => k * unit).find((s) => s >= raw);
  return range(Math.floor(hi / step) - Math.ceil(lo / step) + 1, Math.ceil(lo / step))
    .map((k) => Number((k * step).toPrecision(12)));
}

/* A chart: axes, a clipped middle (ground, front) and words over it. `log`: y holds powers of ten. */
class Plot {
  constructor(label, size, xname, yname, more) {
    Object.assign(this, { xname, yname, width: 0, ...more });
    this.node = make("div", { class: `dx-plot ${size}` });
    this.node.innerHTML = `<svg class="dx-canvas" role="img" aria-label="${label}"><g></g>`
      + "<g><svg class=\"dx-clip\"><g></g><g></g></svg><g></g></g></svg>";
    this.svg = this.node.firstChild;
    [this.axes, this.inner] = this.svg.children;
    [this.clip, this.over] = this.inner.children;
    [this.ground, this.front] = this.clip.children;
  }

  resize() {
    const { clientWidth: width, clientHeight: height } = this.node;
    Object.assign(this, { left: this.bare ? 8 : 40, top: this.yname ? 24 : 10 });
    this.width = Math.max(width - this.left - 10, 1);
    this.height = Math.max(height - this.top - (this.bare ? 8 : 26), 1);
    this.svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    this.inner.setAttribute("transform", `translate(${this.left} ${this.top})`);
    this.clip.setAttribute("width", this.width);
    this.clip.setAttribute("height", this.height);
    this.key = this.groundKey = "";
  }

  /* Sets the ranges and draws the axes, if they are new. */
  frame(x = this.x, y = this.y) {
    const key = `${x};${y}`;
    if (key === this.key) return;
    this.key = key;
    if (this.equal) x = y.map((v) => v * this.width / this.height);
    Object.assign(this, { x, y });
    if (this.bare) return;
    const base = this.height + this.top, end = this.left + this.width;
    const room = end - 10 - 7 * this.xname.length;
    const across = ticks(x, this.width / 55).map((v) => [this.left + this.X(v), brief(v)])
      .filter(([at]) => at < room);
    const up = ticks(y, this.height / 26).filter((v) => !this.log || Number.isInteger(v));
    this.axes.innerHTML = path(`M${this.left} ${base}H${end}`, "dx-axis")
      + across.map(([at, v]) => text(at, base + 17, v, "dx-tick dx-mid")).join("")
      + up.map((v) => (this.map ? "" : path(`M${this.left} ${this.top + this.Y(v)}H${end}`, "dx-grid"))
        + text(this.left - 6, this.top + this.Y(v) + 4, this.log ? power(v) : brief(v), "dx-tick dx-end")).join("")
      + text(end, base + 17, this.xname, "dx-name dx-end") + text(4, 13, this.yname, "dx-name");
  }

  X(v) { return (v - this.x[0]) / (this.x[1] - this.x[0]) * this.width; }
  Y(v) { return (this.y[1] - v) / (this.y[1] - this.y[0]) * this.height; }
  at([x, y]) { return [this.X(x), this.Y(y)]; }

  /* The values under a pointer. */
  under({ clientX, clientY }) {
    const box = this.node.getBoundingClientRect();
    return [this.x[0] + (clientX - box.left - this.left) / this.width * (this.x[1] - this.x[0]),
      this.y[1] - (clientY - box.top - this.top) / this.height * (this.y[1] - this.y[0])];
  }

  /* Drawn only when `key` changes. */
  backdrop(key, draw) {
    key += this.key;
    if (key === this.groundKey) return;
    this.groundKey = key;
    this.ground.innerHTML = draw();
  }

  draw(front, over = "") {
    this.front.innerHTML = front;
    this.over.innerHTML = over;
  }
}

/* Contours by marching squares, at the levels of descent.plots: equal distances of the root of the height. */
function contours(plot, surface) {
  const nx = 110, ny = 74, [x0, x1] = plot.x, [y0, y1] = plot.y, parts = [];
  const z = range(ny + 1).map((j) => range(nx + 1).map((i) =>
    surface.value([x0 + (x1 - x0) * i / nx, y0 + (y1 - y0) * j / ny])));
  const sorted = z.flat().sort((a, b) => a - b), low = sorted[0], high = sorted[Math.floor(0.98 * sorted.length)];
  const px = (v, n, size) => (v / n * size).toFixed(1);
  for (const k of range(12, 1)) {
    const level = low + (high - low) * (k / 12) ** 2;
    for (const j of range(ny)) for (const i of range(nx)) {
      const corners = [[i, j], [i + 1, j], [i + 1, j + 1], [i, j + 1]], ends = [];
      corners.forEach(([a, b], n) => {
        const [c, d] = corners[(n + 1) % 4], u = z[b][a], v = z[d][c], f = (level - u) / (v - u);
        if (u < level !== v < level)
          ends.push(`${px(a + (c - a) * f, nx, plot.width)} ${px(ny - b - (d - b) * f, ny, plot.height)}`);
      });
      for (let e = 0; e < ends.length; e += 2) parts.push(`M${ends[e]}L${ends[e + 1]}`);
    }
  }
  return path(parts.join(""), "dx-contour");
}

function drawMap(plot, surface) {
  plot.frame(...surface.window);
  plot.backdrop(surface.name, () => contours(plot, surface)
    + path(`M${plot.at(surface.minimum).join(" ")}m-5 0h10m-5-5v10`, "dx-goal"));
}

/* A run on a map: line, markers, and where it leaves the picture, if it ends outside. */
function drawRun(plot, points, rule, every = 1, words = true) {
  const at = points.map((p) => plot.at(p));
  const inside = ([x, y]) => x >= 0 && x <= plot.width && y >= 0 && y <= plot.height;
  const last = at.findLastIndex(inside), lost = last < at.length - 1;
  const front = stroke(line(lost ? at.slice(0, last + 2) : at), "dx-run", rule)
    + dots(at.filter((p, i) => i % every === 0 && i < at.length - 1), 2.6, rule);
  if (!lost) return [front + dots(at.slice(-1), 5.5, rule), ""];
  if (last < 0) return [front, ""];
  const [x, y] = at[last], [u, v] = at[last + 1].map((c) => clamp(c, -1e6, 1e6));
  const reach = (from, to, size) => to === from ? 1 : ((to > from ? size : 0) - from) / (to - from);
  const share = Math.min(reach(x, u, plot.width), reach(y, v, plot.height));
  const ex = x + share * (u - x), ey = y + share * (v - y), angle = Math.atan2(v - y, u - x) * 180 / Math.PI;
  return [front, path("M2 0L-11 6V-6Z", "dx-exit",
    `transform="translate(${ex} ${ey}) rotate(${angle})" fill="${styles[rule][0]}"`)
    + (words ? text(clamp(ex, 60, plot.width - 60), ey < plot.height / 2 ? ey + 24 : ey - 16, `leaves at step ${last + 1}`,
      "dx-mid dx-halo") : "")];
}

/* f above its minimum, as powers of ten, within [-6, top]; a triangle where it leaves the top. */
function drawLoss(plot, runs, steps, top, now) {
  plot.frame([0, steps], [-6, top]);
  let over = "";
  const front = runs.map(({ values, rule, cls = "", name }) => {
    const at = values.map((v, t) => plot.at([t, Math.log10(Math.max(v, 1e-300))]));
    const gap = Math.max(1, Math.ceil(steps / 9)), lost = at.findIndex(([, y]) => y < 0);
    if (!cls && lost > 0 && at.at(-1)[1] < 0)
      over += dots([[at[lost][0], 5]], 6, rule, "^");
    const seen = at.filter(([, y]) => y > 0 && y < plot.height), middle = seen[Math.floor(seen.length * 0.6)];
    if (name && middle) over += text(middle[0] + 5, middle[1] + 14, name, "dx-halo");
    return stroke(line(at), cls || "dx-run", rule) + (cls ? "" : dots(at.filter((p, i) => i % gap === 0), 3.4, rule));
  }).join("");
  plot.draw((now === undefined ? "" : cursor(plot, now)) + front, over);
}
const topOf = (surface, start) =>
  Math.ceil(Math.log10(Math.max(surface.value(start) - surface.value(surface.minimum), 0.1))) + 1;

/* A slider of two dimensions: dragged, moved by arrow keys, or set by a click on its plot. */
function handle(ex, plot, label, [kx, ky]) {
  const node = make("div", { class: "dx-handle", role: "slider", tabindex: "0",
    "aria-label": `${label}, moved by arrow keys` });
  const point = (event) => {
    const [x, y] = plot.under(event);
    ex.set({ [kx]: Number(x.toFixed(2)), [ky]: Number(y.toFixed(2)) });
  };
  node.addEventListener("pointerdown", (event) => node.setPointerCapture(event.pointerId));
  node.addEventListener("pointermove", (event) => node.hasPointerCapture(event.pointerId) && point(event));
  plot.svg.addEventListener("click", (event) => {
    point(event);
    node.focus({ preventScroll: true });
  });
  node.addEventListener("keydown", (event) => {
    const [key, way] = { ArrowLeft: [kx, -1], ArrowRight: [kx, 1], ArrowUp: [ky, 1], ArrowDown: [ky, -1] }[event.key] ?? [];
    if (!key) return;
    event.preventDefault();
    const far = ex.values[key] + way * (event.shiftKey ? 10 : 1) * ex.params[key].nudge;
    ex.set({ [key]: Number(far.toFixed(4)) });
  });
  plot.node.append(node);
  plot.node.classList.add("dx-draggable");
  return () => {
    const { values, params } = ex, [x, y] = plot.at([values[kx], values[ky]]);
    node.style.transform =
      `translate(${clamp(x, 0, plot.width) + plot.left}px, ${clamp(y, 0, plot.height) + plot.top}px)`;
    node.setAttribute("aria-valuemin", params[kx].min);
    node.setAttribute("aria-valuemax", params[kx].max);
    node.setAttribute("aria-valuenow", values[kx]);
    node.setAttribute("aria-valuetext",
      spoken(`${params[kx].label} ${brief(values[kx])}, ${params[ky].label} ${brief(values[ky])}`));
  };
}

/* A table whose cells are filled by `fill(rows)`. */
function table(caption, columns, heads) {
  const body = heads.map((head) => make("tr", {}, make("th", { scope: "row" }, ...head),
    ...columns.slice(1).map(() => make("td"))));
  const node = make("table", { class: "dx-table" }, make("caption", { class: "dx-hidden" }, caption),
    make("thead", {}, make("tr", {}, ...columns.map((c) => make("th", { scope: "col" }, c)))),
    make("tbody", {}, ...body));
  const fill = (rows) => rows.forEach((cells, i) => cells.forEach((cell, j) => {
    body[i].children[j + 1].textContent = cell;
  }));
  return { node, body, fill };
}

/* Drives the parameter `t`. */
function player(ex) {
  const button = (label, act) => {
    const node = make("button", { type: "button" }, label);
    node.addEventListener("click", act);
    return node;
  };
  const { max } = ex.params.t;
  const move = (d) => { stop(); ex.set({ t: ex.values.t + d }); };
  let before = 0, playing = false;
  const play = button("Play", () => {
    if (playing) return stop();
    playing = true;
    before = performance.now();
    play.textContent = "Pause";
    if (ex.values.t >= max) ex.set({ t: 0 });
    requestAnimationFrame(tick);
  });
  play.classList.add("dx-play");
  function stop() {
    playing = false;
    play.textContent = "Play";
  }
  function tick(now) {
    if (!playing || !ex.isConnected) return;
    const due = Math.floor((now - before) / 1000 * (ex.values.speed ?? 4));
    if (due > 0) {
      before = now;
      ex.set({ t: ex.values.t + due });
    }
    if (ex.values.t >= max || still.matches) stop();
    else requestAnimationFrame(tick);
  }
  return make("div", { class: "dx-player", role: "group", "aria-label": "Steps" },
    button("Back", () => move(-1)), play, button("Step", () => move(1)));
}

/* Parameters. */
const number = (label, value, min, max, step, more = {}) => ({ label, value, min, max, step, ...more });
const choice = (label, value, options) => ({ label, value, options });
const flag = (label, value) => ({ label, value, flag: true });
const named = (list) => Object.fromEntries(list.map((name) => [name, called(name)]));
const same = (list) => Object.fromEntries(list.map((name) => [name, name]));
const coordinates = ([x1, x2], [[a, b], [c, d]] = [[-6, 6], [-4, 4]]) => ({
  x1: number("x₁", x1, a, b, 0.01, { hidden: true, nudge: 0.1 }),
  x2: number("x₂", x2, c, d, 0.01, { hidden: true, nudge: 0.1 }),
});
const rate = (value, min, max) => number("Learning rate η", value, min, max, 0.02, { log: true });

/* A new surface brings its own start and window. */
function follow(ex, changes) {
  const { start: [x1, x2], window: [[a, b], [c, d]] } = surfaces[ex.values.surface];
  Object.assign(ex.params.x1, { min: a, max: b });
  Object.assign(ex.params.x2, { min: c, max: d });
  if (changes.surface) Object.assign(ex.values, { x1, x2 }, ex.values.t && { t: 0 });
}

function regime(p, beta, nesterov) {
  const [complex, oscillating, divergent] = theory.borders(beta, nesterov);
  if (Math.abs(p - divergent) < 1e-12) return "undamped";
  return p > divergent ? "divergent" : p > oscillating ? "oscillating" : p > complex ? "complex" : "monotone";
}
const rootsOf = (p, beta, nesterov) => theory[nesterov ? "nesterovRoots" : "momentumRoots"](p, beta, 1);

/* The learning rate of `grid` that ends lowest; `run` maps a rate to a list of values. */
function tuned(grid, run) {
  const ends = grid.map((lr) => run(lr).at(-1));
  return grid[ends.indexOf(Math.min(...ends))];
}

const kinds = {};

kinds.ravine = {
  title: "Ravine",
  hint: "Drag the ring to choose the start.",
  params: {
    rule: choice("Rule", "SGD", named(["SGD", "Momentum", "Nesterov"])),
    lr: number("Learning rate η", 0.4, 0.01, 1, 0.01),
    momentum: number("Momentum β", 0.5, 0, 0.99, 0.01),
    steps: number("Steps", 20, 5, 500, 5),
    ...coordinates([-5, -2]),
  },
  build(ex) {
    ex.map = ex.plot("Contours of 0.1 x₁² + 2 x₂² with the path from the start", "dx-map", "x₁", "x₂", { map: true });
    ex.loss = ex.plot("f at each step, and the shares of x₁ and x₂ in it", "", "step", "f, and its two shares",
      { log: true });
    ex.place = handle(ex, ex.map, "Start", ["x1", "x2"]);
    ex.table = table("Where the run stands", ["along", "position", "factor a step", "regime"],
      [["x₁, λ 0.2"], ["x₂, λ 4"]]);
    ex.below.append(ex.table.node);
  },
  draw(ex, v) {
    const { ravine } = surfaces, plain = v.rule === "SGD", nesterov = v.rule === "Nesterov";
    ex.fields.momentum.input.disabled = plain;
    const rule = rules[v.rule](plain ? { lr: v.lr } : { lr: v.lr, momentum: v.momentum });
    const { points, values } = minimize(rule, ravine, [v.x1, v.x2], v.steps);
    drawMap(ex.map, ravine);
    ex.map.draw(...drawRun(ex.map, points, v.rule, Math.ceil(v.steps / 100)));
    const share = (i) => points.map((p) => 0.5 * ravine.eigenvalues[i] * p[i] ** 2);
    drawLoss(ex.loss, [{ values: share(0), rule: v.rule, cls: "dx-share", name: "x₁" },
      { values: share(1), rule: v.rule, cls: "dx-share dx-dashed", name: "x₂" }, { values, rule: v.rule }], v.steps, 3);
    ex.place();
    const beta = plain ? 0 : v.momentum;
    const modes = ravine.eigenvalues.map((curvature) => ({
      factor: plain ? 1 - v.lr * curvature : theory.radius(rootsOf(v.lr * curvature, beta, nesterov)),
      regime: regime(v.lr * curvature, beta, nesterov),
    }));
    const end = points.at(-1);
    ex.table.fill(modes.map((m, i) => [fixed(end[i]), fixed(m.factor, 3), m.regime]));
    ex.data = { end, modes, values };
    const limit = brief(theory.lrLimit(4, beta, nesterov));
    const story = modes[1].regime === "divergent"
      ? `It diverges: x₂ grows ${fixed(Math.abs(modes[1].factor), 3)} times a step, for η is beyond ${limit}.`
      : modes[1].regime === "undamped" ? `It neither converges nor diverges: η is the limit, ${limit}.`
      : `It converges: η is below ${limit}.`;
    return `${called(v.rule)} after ${v.steps} steps: x₁ ${fixed(end[0])}, x₂ ${fixed(end[1])}, `
      + `f ${brief(values.at(-1))}. ${story}`;
  },
};

kinds.phase = {
  title: "Phase diagram",
  hint: "Drag the ring through the regions.",
  params: {
    rule: choice("Rule", "Momentum", named(["Momentum", "Nesterov"])),
    step: number("Step ηλ", 0.6, 0, 4.2, 0.01, { nudge: 0.05 }),
    momentum: number("Momentum β", 0.5, 0, 0.99, 0.01, { nudge: 0.05 }),
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
      const curves = [() => 0, ...range(3).map((i) => (b) => theory.borders(b, nesterov)[i]), () => 4.2]
        .map((curve) => betas.map((b) => plane.at([curve(b), b])));
      const spots = nesterov ? [[0.04, 0.03], [0.3, 0.62], [1.08, 0.2], [2.4, 0.5]]
        : [[0.04, 0.03], [1.25, 0.62], [1.35, 0.03], [3.1, 0.2]];
      const regions = ["monotone", "complex", "oscillating", "divergent"];
      return regions.map((name, i) => path(`${line([...curves[i], ...curves[i + 1].toReversed()])}Z`, `dx-${name}`)).join("")
        + regions.map((name, i) => text(...plane.at(spots[i]), name, "dx-name")).join("");
    });
    plane.draw("");
    ex.place();

    const roots = rootsOf(v.step, v.momentum, nesterov), radius = theory.radius(roots);
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
    const errors = minimize(rules[v.rule]({ lr: v.step, momentum: v.momentum }), bowl, [1], 40).points.map(([x]) => x);
    const at = errors.map((e, t) => run.at([t, clamp(e, -1e6, 1e6)]));
    run.draw(path(`M0 ${run.Y(0)}H${run.width}`, "dx-axis")
      + stroke(at.map((p) => line([[p[0], run.Y(0)], p])).join(""), "dx-spoke", v.rule) + dots(at, 3.2, v.rule));

    ex.data = { roots, radius, regime: state, errors };
    const [[a, b], [c]] = roots;
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
    gamma: number("Memory β", 0.9, 0, 0.99, 0.01),
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
    const w = theory.ewmaWeights(v.gamma, 61), span = theory.window(v.gamma);
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
      `<tspan fill="${styles[rule][0]}">${glyph}</tspan> ${words}`, "dx-end dx-halo")).join(""));
    const weight = theory.bias(v.gamma, v.t);
    ex.data = { raw, average, corrected, window: span, halfLife: half };
    return `β ${brief(v.gamma)}: window ${brief(span)} steps, half-life ${fixed(half, 2)}. `
      + `At step ${v.t} the average is ${fixed(y, 4)}; its weights sum to ${fixed(weight, 4)}, `
      + `and dividing by that gives ${fixed(z, 4)}.`;
  },
};

/* What an adaptive rule divides by and multiplies with, at step t. */
function insides(rule, run, surface, t) {
  const { h, name } = rule, nothing = [0, 0];
  if (t === 0) return { g: nothing, m: nothing, root: nothing, step: nothing, move: nothing };
  const g = surface.grad(run.points[t - 1]), each = run.states[t].each, adam = name === "Adam";
  const root = each.map((s) => Math.sqrt(adam ? s.square / theory.bias(h.beta2, t) : s.square ?? s.total));
  return {
    g,
    m: adam ? each.map((s) => s.mean / theory.bias(h.beta1, t)) : g,
    root,
    step: root.map((r) => h.lr / (r + h.eps)),
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
    ...coordinates([-5, -2]),
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
    const rule = rules[v.rule](v.rule === "RMSprop" ? { lr: v.lr, alpha: 0.9 } : { lr: v.lr });
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

    ex.data = { point: here, now, diverged: run.diverged };
    if (v.t === 0) return `${v.rule} stands at its start, x₁ ${fixed(here[0])}, x₂ ${fixed(here[1])}. Take a step.`;
    return `${v.rule}, step ${v.t}: x₁ ${fixed(here[0])}, x₂ ${fixed(here[1])}, f ${brief(surface.value(here))}. `
      + `A unit of gradient moves x₁ by ${brief(now.step[0])} and x₂ by ${brief(now.step[1])}.`;
  },
};

const wide = range(21).map((k) => 10 ** (k / 5 - 4));

kinds.race = {
  title: "Race",
  hint: "Choose the runners in the table. Drag the ring to choose the start.",
  params: {
    tune: flag("Give each its best learning rate of 21, from 0.0001 to 1", true),
    surface: choice("Surface", "ravine", same(Object.keys(surfaces))),
    lr: rate(0.1, 0.001, 1),
    speed: choice("Steps a second", "15", same(["5", "15", "60"])),
    t: number("Step", 30, 0, 100, 1),
    rules: { value: ["SGD", "Momentum", "RMSprop", "Adam"], many: Object.keys(rules), hidden: true },
    ...coordinates([-5, -2]),
  },
  adjust: follow,
  build(ex) {
    ex.map = ex.plot("The paths so far over the contours", "dx-map", "x₁", "x₂", { map: true });
    ex.loss = ex.plot("f above its minimum, step by step", "", "step", "f above its minimum", { log: true });
    ex.place = handle(ex, ex.map, "Start", ["x1", "x2"]);
    ex.controls.append(player(ex));
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
    ex.fields.lr.input.disabled = v.tune;
    const above = (run) => run.values.map((f) => f - floor);
    const runs = v.rules.map((name) => {
      const race = (lr) => minimize(rules[name]({ lr }), surface, start, 100);
      const key = `${name} ${v.surface} ${start}`;
      if (v.tune && !ex.best.has(key)) ex.best.set(key, tuned(wide, (lr) => above(race(lr))));
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
    ex.data = { runs };
    const order = [...runs].sort((a, b) => a.values.at(-1) - b.values.at(-1)).slice(0, 3);
    if (!runs.length) return "No runner: choose some in the table.";
    return v.t === 0 ? `${runs.length} at the start, x₁ ${brief(v.x1)}, x₂ ${brief(v.x2)}.`
      : `Step ${v.t}, lowest: ${order.map((r) => `${called(r.rule)} ${brief(r.values.at(-1))}`).join(", ")}.`;
  },
};

const grid = range(25).map((k) => 0.01 * 10 ** (k / 8));
const contest = { SGD: {}, Momentum: { momentum: 0.5 }, AdaGrad: { eps: 1e-6, eps_inside_root: true },
  RMSprop: { alpha: 0.9, eps: 1e-6, eps_inside_root: true }, Adam: { eps: 1e-6, eps_inside_root: true } };

kinds.fairness = {
  title: "A fair comparison?",
  hint: "As published, Adam starts elsewhere, stops early and shows more of its path. Undo that, switch by switch.",
  params: {
    start: flag("Adam starts at (−4, −6) too, not at (−6, −6)", false),
    stop: flag("Adam takes all 20 steps, with no stop near the minimum", false),
    points: flag("Every point is drawn, not the others’ first 15", false),
    tuned: flag("Each has its best learning rate of 25, not 0.4", false),
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
    const runs = Object.entries(contest).map(([rule, more]) => {
      const odd = rule === "Adam", start = odd && !v.start ? [-6, -6] : [-4, -6];
      const race = (lr) => {
        const { points } = minimize(rules[rule]({ lr, ...more }), surface, start, 20);
        const near = odd && !v.stop ? points.findIndex((p) => Math.abs(p[0]) <= 0.1 && Math.abs(p[1]) < 0.1) : -1;
        return near < 0 ? points : points.slice(0, near + 1);
      };
      const lr = v.tuned ? tuned(grid, (lr) => race(lr).map(surface.value)) : 0.4, points = race(lr);
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
    ex.data = { runs };
    const left = 4 - v.start - v.stop - v.points - v.tuned, best = [...runs].sort((a, b) => a.values.at(-1) - b.values.at(-1));
    return `${left ? `${left} unfair setting${left > 1 ? "s" : ""} left.` : "A fair comparison."} Final f, lowest first: `
      + `${best.map((r) => `${called(r.rule)} ${brief(r.values.at(-1))}`).join(", ")}.`;
  },
};

class Explorer extends HTMLElement {
  connectedCallback() {
    const kind = kinds[this.getAttribute("kind")];
    if (this.kind || !kind) return;
    Object.assign(this, { kind, plots: [], fields: {}, frame: 0, uid: `dx${++count}` });
    this.name = this.id || this.getAttribute("kind");
    this.params = Object.fromEntries(Object.entries(kind.params).map(([key, p]) => [key, { ...p }]));
    this.values = Object.fromEntries(Object.entries(kind.params).map(([key, p]) => [key, p.value]));
    this.take(new URLSearchParams(this.getAttribute("state") ?? ""));
    this.first = { ...this.values };
    this.assemble();
    this.fromAddress();
    this.refresh();
    const size = new ResizeObserver(() => {
      for (const plot of this.plots) plot.resize();
      this.draw();
    });
    for (const plot of this.plots) size.observe(plot.node);
    this.upgrade();
  }

  /* Takes the place of a static figure's image on the screen; the caption stays. */
  upgrade() {
    const found = this.hasAttribute("figure") && document.getElementById(this.getAttribute("figure"));
    const figure = found && (found.closest("figure") ?? found.querySelector("figure"));
    if (!figure) return;
    figure.classList.add("dx-upgraded");
    figure.insertBefore(this, figure.querySelector("figcaption"));
  }

  assemble() {
    const { kind } = this, reset = make("button", { type: "button" }, "Reset");
    reset.addEventListener("click", () => {
      Object.assign(this.values, this.first);
      this.kind.adjust?.(this, {});
      this.changed();
    });
    this.area = make("div", { class: "dx-plots" });
    this.controls = make("div", { class: "dx-controls" });
    this.below = make("div", { class: "dx-below" });
    this.result = make("p", { class: "dx-result" });
    this.live = make("p", { class: "dx-hidden", role: "status", "aria-live": "polite" });
    for (const [key, p] of Object.entries(this.params)) if (!p.hidden) this.controls.append(this.control(key, p));
    kind.build(this);
    for (const plot of this.plots) this.area.append(plot.node);
    this.replaceChildren(make("div", { class: "dx", role: "group", "aria-label": `Explorer: ${kind.title}` },
      make("div", { class: "dx-head" }, make("p", {}, make("strong", {}, kind.title), ` ${kind.hint}`), reset),
      this.area, this.controls, this.result, this.below, this.live));
  }

  plot(...given) {
    const plot = new Plot(...given);
    this.plots.push(plot);
    return plot;
  }

  control(key, p) {
    const id = `${this.uid}-${key}`;
    if (p.flag) {
      const input = make("input", { type: "checkbox" });
      input.addEventListener("change", () => this.set({ [key]: input.checked }));
      this.fields[key] = { show: (v) => { input.checked = v; } };
      return make("label", { class: "dx-check" }, input, p.label);
    }
    if (p.options && Object.keys(p.options).length > 3) {
      const input = make("select", { id },
        ...Object.entries(p.options).map(([value, label]) => make("option", { value }, label)));
      input.addEventListener("change", () => this.set({ [key]: input.value }));
      this.fields[key] = { show: (v) => { input.value = v; } };
      return make("div", { class: "dx-field" }, make("label", { for: id }, p.label), input);
    }
    if (p.options) {
      const radios = Object.keys(p.options).map((value) => make("input", { type: "radio", name: id, value }));
      for (const radio of radios) radio.addEventListener("change", () => this.set({ [key]: radio.value }));
      this.fields[key] = { show: (v) => { for (const radio of radios) radio.checked = radio.value === v; } };
      return make("fieldset", { class: "dx-segments" }, make("legend", {}, p.label),
        make("div", {}, ...radios.map((radio) => make("label", {}, radio,
          make("span", {}, ...(styles[radio.value] ? [swatch(radio.value)] : []), p.options[radio.value])))));
    }
    const [to, from] = p.log ? [Math.log10, (u) => Number((10 ** u).toPrecision(2))] : [(u) => u, (u) => u];
    const input = make("input", { id, type: "range", min: to(p.min), max: to(p.max), step: p.step });
    const value = make("span", { class: "dx-value", "aria-hidden": "true" });
    input.addEventListener("input", () => this.set({ [key]: from(Number(input.value)) }));
    this.fields[key] = { input, show: (v) => {
      input.value = to(v);
      value.textContent = brief(v);
      input.setAttribute("aria-valuetext", brief(v));
    } };
    return make("div", { class: "dx-field" }, make("label", { for: id }, p.label), value, input);
  }

  /* Keeps what is valid; the rest is left as it was. */
  accept(key, raw) {
    const p = this.params[key];
    if (!p) return;
    if (p.flag) this.values[key] = raw === true || raw === "1";
    else if (p.many) this.values[key] = p.many.filter((name) => (Array.isArray(raw) ? raw : raw.split(",")).includes(name));
    else if (p.options) this.values[key] = Object.hasOwn(p.options, raw) ? raw : this.values[key];
    else if (raw !== "" && Number.isFinite(Number(raw))) this.values[key] = clamp(Number(raw), p.min, p.max);
    if (Number.isInteger(p.step) && !p.options) this.values[key] = Math.round(this.values[key]);
  }

  /* Takes pairs of an address. The surface comes first: the rest depends on it. */
  take(pairs) {
    if (pairs.has("surface")) {
      this.accept("surface", pairs.get("surface"));
      this.kind.adjust?.(this, { surface: true });
    }
    for (const [key, value] of pairs) if (key !== "surface") this.accept(key, value);
  }

  set(changes) {
    for (const [key, value] of Object.entries(changes)) this.accept(key, value);
    this.kind.adjust?.(this, changes);
    this.changed();
  }

  changed() {
    this.refresh();
    this.frame ||= requestAnimationFrame(() => this.draw());
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      this.toAddress();
      this.live.textContent = spoken(this.result.textContent);
    }, 400);
  }

  refresh() {
    for (const [key, field] of Object.entries(this.fields)) field.show(this.values[key]);
  }

  draw() {
    this.frame = 0;
    if (this.plots.every((plot) => plot.width > 1)) this.result.textContent = this.kind.draw(this, this.values);
  }

  toAddress() {
    const pairs = new URLSearchParams(Object.entries(this.values).map(([key, v]) =>
      [key, v === true ? "1" : v === false ? "0" : String(v)]));
    history.replaceState(history.state, "", `#${this.name}?${String(pairs).replaceAll("%2C", ",")}`);
  }

  fromAddress() {
    const [, name, pairs] = location.hash.match(/^#([^?]+)\?(.+)$/) ?? [];
    if (name !== this.name) return false;
    this.take(new URLSearchParams(pairs));
    requestAnimationFrame(() => this.scrollIntoView({ block: "nearest" }));
    return true;
  }
}

window.addEventListener("hashchange", () => {
  for (const explorer of document.querySelectorAll("descent-explorer"))
    if (explorer.kind && explorer.fromAddress()) explorer.changed();
});

/* A link to a state holds it apart: Bootstrap's scrollspy throws on a "?" in the fragment of a link. */
document.addEventListener("click", (event) => {
  const link = event.target.closest("[data-explorer]");
  if (!link || event.ctrlKey || event.metaKey) return;
  event.preventDefault();
  location.assign(`${link.href.split("#")[0]}#${link.dataset.explorer}`);
});
customElements.define("descent-explorer", Explorer);
})();
