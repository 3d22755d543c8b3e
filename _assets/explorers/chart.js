/* Charts: SVG in CSS pixels. */
(() => {
"use strict";
const { clamp, range, styles } = window.descent;

/* The name of a rule where a label begins. */
const called = (rule) => styles[rule].label[0].toUpperCase() + styles[rule].label.slice(1);

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
/* A rule's colour, on white paper and on a dark page. */
const ink = (rule) => `light-dark(${styles[rule].colour}, ${styles[rule].dark})`;
const stroke = (d, cls, rule) => path(d, cls, `stroke="${ink(rule)}"`);
const dots = (points, r, rule, code = styles[rule].marker) =>
  path(points.map((p) => mark(code, p, r)).join(""), "dx-mark", `fill="${ink(rule)}"`);
/* What a symbol of the text names, to be found by that name. */
const part = (name, drawn) => `<g data-part="${name}">${drawn}</g>`;
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

/* A chart: axes, a clipped middle (ground, front) and words over it. `log`: y holds powers of ten. `rows`: y is no
   scale.
   `legend(end)`: what stands above it, up to there. `read(point)`, if it is there, gives words on a place and the point that they are about, which
   stand in a note: under the pointer, and under the arrow keys of a chart that has the focus. */
class Plot {
  constructor(label, size, xname, yname, more) {
    Object.assign(this, { xname, yname, width: 0, ...more });
    this.node = make("div", { class: `dx-plot ${size}` });
    this.node.innerHTML = `<svg class="dx-canvas" role="img" aria-label="${label}"><g></g>`
      + "<g><svg class=\"dx-clip\"><g></g><g></g></svg><g></g><g></g></g></svg>";
    this.svg = this.node.firstChild;
    [this.axes, this.inner] = this.svg.children;
    [this.clip, this.over, this.sight] = this.inner.children;
    [this.ground, this.front] = this.clip.children;
    this.node.append(this.note = make("p", { class: "dx-note", hidden: "" }));
    for (const name of ["pointermove", "pointerdown"])
      this.node.addEventListener(name, (event) => this.tell(this.under(event)));
    this.node.addEventListener("pointerleave", ({ pointerType }) => pointerType === "touch" || this.hush());
    this.svg.addEventListener("focus", () => this.tell(this.place ?? [this.x[0], (this.y[0] + this.y[1]) / 2]));
    this.svg.addEventListener("blur", () => this.hush());
    this.svg.addEventListener("keydown", (event) => {
      const way = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key];
      if (!way || !this.readable) return;
      event.preventDefault();
      const sides = [this.x, this.y], from = this.place ?? [this.x[0], this.y[0]];
      this.tell(from.map((v, i) => clamp(v + way[i] * (event.shiftKey ? 10 : 1)
        * (this.grid ?? (sides[i][1] - sides[i][0]) / 50), ...sides[i])));
    });
  }

  /* Shows the note on a place within the axes; elsewhere, none. */
  tell([x, y]) {
    const within = x >= this.x?.[0] && x <= this.x[1] && y >= this.y[0] && y <= this.y[1];
    const [words, at] = (within && this.read?.([x, y])) || [];
    if (!words) return this.hush();
    this.place = at;
    const [px, py] = this.at(at);
    this.note.textContent = words;
    this.note.hidden = false;
    this.note.classList.toggle("dx-left", px > this.width / 2);
    this.sight.innerHTML = path(`M${px} 0V${this.height}${this.grid ? "" : `M0 ${py}H${this.width}`}`, "dx-sight");
    if (this.readable) {
      this.svg.setAttribute("aria-valuenow", brief(at[0]).replace("−", "-"));
      this.svg.setAttribute("aria-valuetext", spoken(words));
    }
  }

  hush() {
    this.note.hidden = true;
    this.sight.innerHTML = "";
  }

  /* After each drawing. A chart without a ring is one stop of the Tab key. */
  tellAgain() {
    if (this.read && !this.ring && !this.readable) {
      this.readable = true;
      const given = { role: "slider", tabindex: "0", "aria-roledescription": "chart", "aria-valuemin": this.x[0],
        "aria-valuemax": this.x[1], "aria-valuenow": this.x[0], "aria-valuetext": "read by arrow keys" };
      for (const [name, value] of Object.entries(given)) this.svg.setAttribute(name, value);
    }
    if (!this.note.hidden) this.tell(this.place);
  }

  resize() {
    const { clientWidth: width, clientHeight: height } = this.node;
    Object.assign(this, { left: this.bare ? 8 : this.rows ? 16 : 40, top: this.yname ? 24 : 10 });
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
    const across = ticks(x, Math.max(this.width / 55, 4)).map((v) => [this.left + this.X(v), brief(v)])
      .filter(([at]) => at < room);
    const up = this.rows ? [] : ticks(y, Math.max(this.height / 26, 4)).filter((v) => !this.log || Number.isInteger(v));
    this.axes.innerHTML = path(`M${this.left} ${base}H${end}`, "dx-axis")
      + across.map(([at, v]) => text(at, base + 17, v, "dx-tick dx-mid")).join("")
      + up.map((v) => (this.map ? "" : path(`M${this.left} ${this.top + this.Y(v)}H${end}`, "dx-grid"))
        + text(this.left - 6, this.top + this.Y(v) + 4, this.log ? power(v) : brief(v), "dx-tick dx-end")).join("")
      + text(end, base + 17, this.xname, "dx-name dx-end") + text(4, 13, this.yname, "dx-name") + (this.legend?.(end) ?? "");
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
    const taken = [];
    for (const words of this.over.querySelectorAll("text")) taken.push(this.settle(words, taken));
  }

  /* Moves words into the canvas and off those that stand: no further than they must. */
  settle(words, taken) {
    const { x, y, width: w, height: h } = words.getBBox(), hit = (top) => taken.find((other) =>
      other.x < x + w + 3 && x < other.x + other.w + 3 && other.y < top + h && top < other.y + other.h);
    const [low, high] = [2 - h / 8, this.height - h], start = clamp(y, low, high);
    let best = start;
    for (const way of [1, -1]) {
      let top = start, other;
      while ((other = hit(top))) top = way > 0 ? other.y + other.h : other.y - h;
      if (top >= low && top <= high && (hit(best) || Math.abs(top - start) < Math.abs(best - start))) best = top;
    }
    const dx = clamp(x, 0, Math.max(this.width - w, 0)) - x;
    if (dx || best !== y) words.setAttribute("transform", `translate(${dx} ${best - y})`);
    return { x: x + dx, y: best, w, h };
  }
}

/* Reads a chart over steps: `lists` holds names and values from step `first` on. */
function readSteps(plot, lists, first = 0, step = "step") {
  plot.grid = 1;
  plot.read = ([x]) => {
    const last = first + Math.max(...lists.map(([, values]) => values.length)) - 1;
    const t = clamp(Math.round(x), first, last);
    return [[`${step} ${t}`, ...lists.filter(([, values]) => t - first in values)
      .map(([name, values]) => `${name} ${brief(values[t - first])}`)].join("\n"), [t, (plot.y[0] + plot.y[1]) / 2]];
  };
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

function drawMap(plot, surface, ground = contours) {
  plot.frame(...surface.window);
  plot.spots = [];
  plot.read = (point) => {
    const [x, y] = plot.at(point), far = ({ at: [u, v] }) => Math.hypot(u - x, v - y);
    const near = plot.spots.reduce((a, b) => far(b) < far(a) ? b : a, { at: [-99, -99] });
    const [at, words] = far(near) < 8 ? [near.point, `${near.words}\n`] : [point, ""];
    const hundredth = (v) => fixed(v, 2).replace(/\.?0+$/, "");
    return [`${words}x₁ ${hundredth(at[0])}, x₂ ${hundredth(at[1])}\nf ${brief(surface.value(at))}`, at];
  };
  plot.backdrop(surface.name, () => ground(plot, surface)
    + path(`M${plot.at(surface.minimum).join(" ")}m-5 0h10m-5-5v10`, "dx-goal"));
}

/* A run on a map: line, markers, and where it leaves the picture, if it ends outside. */
function drawRun(plot, points, rule, every = 1, words = true) {
  const at = points.map((p) => plot.at(p));
  points.forEach((point, t) => plot.spots.push({ at: at[t], point, words: `${called(rule)}, step ${t}` }));
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
    `transform="translate(${ex} ${ey}) rotate(${angle})" fill="${ink(rule)}"`)
    + (words ? text(clamp(ex, 60, plot.width - 60), ey < plot.height / 2 ? ey + 24 : ey - 16, `leaves at step ${last + 1}`,
      "dx-mid dx-halo") : "")];
}

/* f above its minimum, as powers of ten, within [-6, top]; a triangle where it leaves the top. */
function drawLoss(plot, runs, steps, top, now) {
  plot.frame([0, steps], [-6, top]);
  readSteps(plot, runs.map(({ values, rule, name = called(rule) }) => [name, values]));
  let over = "";
  const front = runs.map(({ values, rule, cls = "", name, of }) => {
    const at = values.map((v, t) => plot.at([t, Math.log10(Math.max(v, 1e-300))]));
    const gap = Math.max(1, Math.ceil(steps / 9)), lost = at.findIndex(([, y]) => y < 0);
    if (!cls && lost > 0 && at.at(-1)[1] < 0)
      over += dots([[at[lost][0], 5]], 6, rule, "^");
    const seen = at.filter(([, y]) => y > 0 && y < plot.height), middle = seen[Math.floor(seen.length * 0.6)];
    if (name && middle) over += text(middle[0] + 5, middle[1] + 14, name, "dx-halo");
    const drawn = stroke(line(at), cls || "dx-run", rule) + (cls ? "" : dots(at.filter((p, i) => i % gap === 0), 3.4, rule));
    return of ? part(of, drawn) : drawn;
  }).join("");
  plot.draw((now === undefined ? "" : cursor(plot, now)) + front, over);
}
const topOf = (surface, start) =>
  Math.ceil(Math.log10(Math.max(surface.value(start) - surface.value(surface.minimum), 0.1))) + 1;

Object.assign(window.descent, { called, power, fixed, brief, spoken, make, mark, line, path, text,
  ink, stroke, dots, part, cursor, swatch, Plot, readSteps, drawMap, drawRun, drawLoss, topOf });
})();
