/* What explorers work out with the package, which explorers/descent.js has in JavaScript. */
(() => {
"use strict";
const { theory, FAR } = window.descent;

const clamp = (v, lo, hi) => Math.min(Math.max(v, lo), hi);
const range = (n, from = 0) => Array.from({ length: n }, (_, i) => from + i);

/* Draws between 0 and 1, the same for the same seed. */
function uniform(seed) {
  let a = Math.imul(seed, 0x9E3779B9);
  return () => {
    a = Math.imul(a, 1664525) + 1013904223;
    return ((a >>> 8 & 0xffff) + 0.5) / 0x10000;
  };
}

/* Like descent.minimize: a run that diverges stays at its last point within FAR and is marked with
   the step that it did not take. `inside[t]` holds, for each coordinate, what the formula worked out in step t.
   `schedule(t)` multiplies the learning rate of the step from t. */
function minimize(rule, surface, start, steps, schedule) {
  let x = [...start], states = x.map((v) => rule.init(v)), seen = null, diverged = false, left;
  const points = [x], inside = [seen];
  for (let t = 0; t < steps; t++) {
    if (!diverged) {
      const now = schedule ? Object.create(rule, { lr: { value: rule.lr * schedule(t) } }) : rule;
      const g = surface.grad(x), moved = x.map((v, i) => now._step(v, g[i], states[i]));
      diverged = !moved.every(([v]) => Math.abs(v) <= FAR);
      if (diverged) left = t + 1;
      else [x, states, seen] = range(3).map((k) => moved.map((m) => m[k]));
    }
    points.push(x);
    inside.push(seen);
  }
  return { points, inside, values: points.map(surface.value), diverged, left };
}

/* The eigenvalues of a step, [real, imaginary], at learning rate times curvature p; their larger
   modulus; and how the error moves, in the words of the text. */
const rootsOf = (p, beta, nesterov) =>
  theory.pairs(...theory[nesterov ? "nesterovEquation" : "momentumEquation"](p, beta, 1));
const radiusOf = (roots) => Math.max(...roots.map(([re, im]) => Math.hypot(re, im)));
function regime(p, beta, nesterov) {
  const [complex, oscillating, divergent] = theory.regimeBorders(beta, nesterov);
  if (Math.abs(p - divergent) < 1e-12) return "never settles";
  return p > divergent ? "diverges" : p > oscillating ? "zigzags" : p > complex ? "swings" : "creeps";
}

/* The learning rate of `grid` that ends lowest; `run` maps a rate to a list of values. */
function tuned(grid, run) {
  const ends = grid.map((lr) => run(lr).at(-1));
  return grid[ends.indexOf(Math.min(...ends))];
}

/* The same on five rates in each power of ten, from and to such `ends`; as long as the best stands at
   an end, the grid goes on beyond it, by a power of ten and by four at most. */
function tunedBeyond([low, high], run) {
  const ends = new Map(), at = (k) => 10 ** (k / 5);
  for (let from = low, to = high; ;) {
    for (let k = from; k <= to; k++) if (!ends.has(k)) ends.set(k, run(at(k)).at(-1));
    const best = Math.min(...ends.values()), first = range(to - from + 1, from).find((k) => ends.get(k) === best);
    if (first === to && to < high + 20) to += 5;
    else if (first === from && from > low - 20) from -= 5;
    else return at(first);
  }
}

Object.assign(window.descent, { clamp, range, uniform, minimize, rootsOf, radiusOf, regime, tuned, tunedBeyond });
})();
