/* What a reader moves: rings, the player, the table; and the parameters behind sliders and switches. */
(() => {
"use strict";
const { clamp, range, called, brief, spoken, make, rules, surfaces } = window.descent;

const still = matchMedia("(prefers-reduced-motion: reduce)");

/* A ring on a plot: dragged, moved by arrow keys, or set by a click on the plot. `point(place)` and
   `press(event)`, which tells whether the key is one of its own, set what it stands for. */
function ring(plot, label, attributes, point, press) {
  const node = make("div", { class: "dx-handle", role: "slider", tabindex: "0", "aria-label": `${label}, moved by arrow keys`,
    ...attributes });
  node.addEventListener("pointerdown", (event) => node.setPointerCapture(event.pointerId));
  node.addEventListener("pointermove", (event) => node.hasPointerCapture(event.pointerId) && point(plot.under(event)));
  plot.svg.addEventListener("click", (event) => {
    point(plot.under(event));
    node.focus({ preventScroll: true });
  });
  node.addEventListener("keydown", (event) => press(event) && event.preventDefault());
  node.addEventListener("blur", () => plot.hush());
  plot.node.append(node);
  plot.ring = node;
  plot.node.classList.add("dx-draggable");
  return node;
}

/* One for two parameters. */
function handle(ex, plot, label, [kx, ky]) {
  const node = ring(plot, label, { "data-part": [kx, ky].map((key) => ex.params[key].part ?? key).join(" ") },
    ([x, y]) => ex.set({ [kx]: Number(x.toFixed(2)), [ky]: Number(y.toFixed(2)) }),
    (event) => {
      const [key, way] = { ArrowLeft: [kx, -1], ArrowRight: [kx, 1], ArrowUp: [ky, 1], ArrowDown: [ky, -1] }[event.key] ?? [];
      if (!key) return false;
      const far = ex.values[key] + way * (event.shiftKey ? 10 : 1) * ex.params[key].nudge;
      ex.set({ [key]: Number(far.toFixed(4)) });
      return true;
    });
  return () => {
    const { values, params } = ex, point = [values[kx], values[ky]], [x, y] = plot.at(point);
    node.style.transform =
      `translate(${clamp(x, 0, plot.width) + plot.left}px, ${clamp(y, 0, plot.height) + plot.top}px)`;
    node.setAttribute("aria-valuemin", params[kx].min);
    node.setAttribute("aria-valuemax", params[kx].max);
    node.setAttribute("aria-valuenow", values[kx]);
    node.setAttribute("aria-valuetext",
      spoken(`${params[kx].label} ${brief(values[kx])}, ${params[ky].label} ${brief(values[ky])}`));
    if (node.matches(":focus-visible")) plot.tell(point);
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

/* Drives the parameter `t`, from above the other controls. */
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
  ex.stop = stop;
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
  ex.controls.prepend(make("div", { class: "dx-player", role: "group", "aria-label": "Steps" },
    button("Back", () => move(-1)), play, button("Step", () => move(1))), ex.fields.t.node);
}

/* Parameters. */
const number = (label, value, min, max, step, more = {}) => ({ label, value, min, max, step, ...more });
const choice = (label, value, options) => ({ label, value, options });
const flag = (label, value) => ({ label, value, flag: true });
/* One in the interval that a rule gives its hyper-parameter, short of an end that is open. */
function hyper(label, rule, name, value, step, more) {
  const interval = rules[rule].intervals[name], [low, high] = interval.slice(1, -1).split(",").map(Number);
  return number(label, value, interval[0] === "(" ? low + step : low, interval.at(-1) === ")" ? high - step : high,
    step, more);
}
/* One on a slider of powers of ten, fifty rungs each, less those that two digits do not tell apart. */
function rate(value, min, max) {
  const rungs = range(Math.round(50 * Math.log10(max / min)) + 1)
    .map((k) => Number((min * 10 ** (k / 50)).toPrecision(2)));
  return number("Learning rate η", value, min, max, undefined, { rungs: [...new Set(rungs)], part: "lr" });
}
const named = (list) => Object.fromEntries(list.map((name) => [name, called(name)]));
/* The surfaces, by the names that the text has for them. */
const grounds = { ...Object.fromEntries(Object.keys(surfaces).map((name) => [name, name])),
  ravine: "narrow valley", rosenbrock: "Rosenbrock’s valley", beale: "Beale’s function" };
const same = (list) => Object.fromEntries(list.map((name) => [name, name]));
const coordinates = ({ start: [x1, x2], window: [[a, b], [c, d]] }) => ({
  x1: number("x₁", x1, a, b, 0.01, { hidden: true, nudge: 0.1 }),
  x2: number("x₂", x2, c, d, 0.01, { hidden: true, nudge: 0.1 }),
});

/* A new surface brings its own start and window. */
function follow(ex, changes) {
  const { start: [x1, x2], window: [[a, b], [c, d]] } = surfaces[ex.values.surface];
  Object.assign(ex.params.x1, { min: a, max: b });
  Object.assign(ex.params.x2, { min: c, max: d });
  if (changes.surface) Object.assign(ex.values, { x1, x2 }, ex.values.t && { t: 0 });
}

Object.assign(window.descent, { kinds: {}, ring, handle, table, player, number, hyper, rate, choice, flag, named,
  grounds, same, coordinates, follow });
})();
