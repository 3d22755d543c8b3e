/* The package `descent` in JavaScript, held to it by tests/test_explorers.py. */
(() => {
"use strict";

/* A rule acts on each coordinate alone, so its formula is for numbers, and t counts steps from 1:
   [defaults, zero state, (h, x, g, state, t) => [x, state]]. */
const l2 = (h, x, g) => h.weight_decay === 0 ? g : g + h.weight_decay * x;
const root = (h, v) => h.eps_inside_root ? Math.sqrt(v + h.eps) : Math.sqrt(v) + h.eps;
const mix = (beta, old, value) => beta * old + (1 - beta) * value;
const adam = { lr: 1e-3, beta1: 0.9, beta2: 0.999, eps: 1e-8, weight_decay: 0 };
const moments = () => ({ mean: 0, square: 0 });

function adamStep(h, x, g, s, t) {
  const mean = mix(h.beta1, s.mean, g), square = mix(h.beta2, s.square, g * g);
  const move = h.lr * (mean / (1 - h.beta1 ** t)) / root(h, square / (1 - h.beta2 ** t));
  return [x - move, { mean, square }];
}

const formulas = {
  SGD: [{ lr: 1e-3, weight_decay: 0 }, () => ({}), (h, x, g, s) => [x - h.lr * l2(h, x, g), s]],

  Momentum: [{ lr: 1e-3, momentum: 0.9, dampening: 0, weight_decay: 0 }, () => ({ velocity: 0 }),
    (h, x, g, s, t) => {
      const push = (t === 1 ? 1 : 1 - h.dampening) * l2(h, x, g);
      const velocity = h.momentum * s.velocity + push;
      return [x - h.lr * velocity, { velocity }];
    }],

  Nesterov: [{ lr: 1e-3, momentum: 0.9, weight_decay: 0 }, () => ({ velocity: 0 }),
    (h, x, g, s) => {
      g = l2(h, x, g);
      const velocity = h.momentum * s.velocity + g;
      return [x - h.lr * (g + h.momentum * velocity), { velocity }];
    }],

  AdaGrad: [{ lr: 1e-2, lr_decay: 0, weight_decay: 0, initial_accumulator_value: 0, eps: 1e-10,
    eps_inside_root: false }, (h) => ({ total: h.initial_accumulator_value }),
    (h, x, g, s, t) => {
      g = l2(h, x, g);
      const total = s.total + g * g, lr = h.lr / (1 + (t - 1) * h.lr_decay);
      return [x - lr * g / root(h, total), { total }];
    }],

  RMSprop: [{ lr: 1e-2, alpha: 0.99, eps: 1e-8, weight_decay: 0, momentum: 0, centered: false,
    eps_inside_root: false }, () => ({ square: 0, mean: 0, velocity: 0 }),
    (h, x, g, s) => {
      g = l2(h, x, g);
      const square = mix(h.alpha, s.square, g * g), mean = mix(h.alpha, s.mean, g);
      const variance = h.centered ? square - mean * mean : square;
      const velocity = h.momentum * s.velocity + g / root(h, variance);
      return [x - h.lr * velocity, { square, mean, velocity }];
    }],

  Adadelta: [{ lr: 1, rho: 0.9, eps: 1e-6, weight_decay: 0 }, () => ({ square: 0, moved: 0 }),
    (h, x, g, s) => {
      g = l2(h, x, g);
      const square = mix(h.rho, s.square, g * g);
      const delta = Math.sqrt(s.moved + h.eps) / Math.sqrt(square + h.eps) * g;
      return [x - h.lr * delta, { square, moved: mix(h.rho, s.moved, delta * delta) }];
    }],

  Adam: [{ ...adam, eps_inside_root: false }, moments,
    (h, x, g, s, t) => adamStep(h, x, l2(h, x, g), s, t)],

  AMSGrad: [adam, () => ({ mean: 0, square: 0, largest: 0 }),
    (h, x, g, s, t) => {
      g = l2(h, x, g);
      const mean = mix(h.beta1, s.mean, g), square = mix(h.beta2, s.square, g * g);
      const largest = Math.max(s.largest, square);
      const move = h.lr * (mean / (1 - h.beta1 ** t)) / root(h, largest / (1 - h.beta2 ** t));
      return [x - move, { mean, square, largest }];
    }],

  AdamW: [{ ...adam, weight_decay: 1e-2, eps_inside_root: false }, moments,
    (h, x, g, s, t) => adamStep(h, x * (1 - h.lr * h.weight_decay), g, s, t)],

  NAdam: [{ ...adam, lr: 2e-3, momentum_decay: 4e-3 }, () => ({ mean: 0, square: 0, product: 1 }),
    (h, x, g, s, t) => {
      g = l2(h, x, g);
      const mu = (k) => h.beta1 * (1 - 0.5 * 0.96 ** (k * h.momentum_decay));
      const product = s.product * mu(t), next = mu(t + 1);
      const mean = mix(h.beta1, s.mean, g), square = mix(h.beta2, s.square, g * g);
      const ahead = (1 - mu(t)) / (1 - product) * g + next / (1 - product * next) * mean;
      return [x - h.lr * ahead / root(h, square / (1 - h.beta2 ** t)), { mean, square, product }];
    }],

  AdaMax: [{ ...adam, lr: 2e-3 }, () => ({ mean: 0, largest: 0 }),
    (h, x, g, s, t) => {
      g = l2(h, x, g);
      const mean = mix(h.beta1, s.mean, g);
      const largest = Math.max(h.beta2 * s.largest, Math.abs(g) + h.eps);
      return [x - h.lr / (1 - h.beta1 ** t) * mean / largest, { mean, largest }];
    }],

  Lion: [{ lr: 1e-4, beta1: 0.9, beta2: 0.99, weight_decay: 0 }, () => ({ mean: 0 }),
    (h, x, g, s) => [x - h.lr * (Math.sign(mix(h.beta1, s.mean, g)) + h.weight_decay * x),
      { mean: mix(h.beta2, s.mean, g) }]],
};

/* rules.Adam({lr: 0.1}) is an object with `init` and `step`, both pure, over points of any length. */
const rules = Object.fromEntries(Object.entries(formulas).map(([name, [defaults, zero, update]]) => {
  const rule = (given = {}) => {
    const h = { ...defaults, ...given };
    return {
      name,
      h,
      init: (x) => ({ t: 0, each: x.map(() => zero(h)) }),
      step: (x, g, state) => {
        const t = state.t + 1, each = [];
        const next = x.map((value, i) => {
          const [moved, s] = update(h, value, g[i], state.each[i], t);
          each.push(s);
          return moved;
        });
        return [next, { t, each }];
      },
    };
  };
  rule.defaults = defaults;
  return [name, rule];
}));

/* The package's rotated_quadratic. */
function quadratic([first, second], angle = 0, name = "quadratic") {
  const c = Math.cos(angle), s = Math.sin(angle);
  const a = c * c * first + s * s * second, d = s * s * first + c * c * second;
  const b = c * s * (first - second);
  return {
    name,
    value: ([x, y]) => 0.5 * (a * x * x + d * y * y + 2 * b * x * y),
    grad: ([x, y]) => [a * x + b * y, b * x + d * y],
    minimum: Math.min(first, second) >= 0 ? [0, 0] : null,
    window: [[-6, 6], [-4, 4]],
    start: [-5, -2],
    eigenvalues: [first, second],
  };
}

const surfaces = {
  ravine: quadratic([0.2, 4], 0, "ravine"),
  rosenbrock: {
    value: ([x, y]) => (1 - x) ** 2 + 100 * (y - x * x) ** 2,
    grad: ([x, y]) => [-2 * (1 - x) - 400 * x * (y - x * x), 200 * (y - x * x)],
    minimum: [1, 1], window: [[-2, 2], [-1, 3]], start: [-1.5, 2],
  },
  beale: {
    value: ([x, y]) =>
      (1.5 - x + x * y) ** 2 + (2.25 - x + x * y ** 2) ** 2 + (2.625 - x + x * y ** 3) ** 2,
    grad: ([x, y]) => {
      const a = 1.5 - x + x * y, b = 2.25 - x + x * y ** 2, c = 2.625 - x + x * y ** 3;
      return [2 * a * (y - 1) + 2 * b * (y ** 2 - 1) + 2 * c * (y ** 3 - 1),
        2 * a * x + 4 * b * x * y + 6 * c * x * y ** 2];
    },
    minimum: [3, 0.5], window: [[-1, 4.5], [-2, 2]], start: [1, 1.5],
  },
  saddle: {
    value: ([x, y]) => 0.5 * x * x - 0.5 * y * y + 0.25 * y ** 4,
    grad: ([x, y]) => [x, y ** 3 - y],
    minimum: [0, 1], window: [[-2, 2], [-1.6, 1.6]], start: [-1.5, 1e-4],
  },
  plateau: {
    value: ([x, y]) => (x * x + 4 * y * y) / (1 + (x * x + 4 * y * y)),
    grad: ([x, y]) => {
      const slope = 2 / (1 + x * x + 4 * y * y) ** 2;
      return [slope * x, slope * 4 * y];
    },
    minimum: [0, 0], window: [[-6, 6], [-4, 4]], start: [-5, 2],
  },
  basins: {
    value: ([x, y]) => 0.05 * x * x + 0.5 * y * y + 0.5 * (1 - Math.cos(2 * x)),
    grad: ([x, y]) => [0.1 * x + Math.sin(2 * x), y],
    minimum: [0, 0], window: [[-8, 8], [-3, 3]], start: [-7, 2],
  },
};
for (const [name, surface] of Object.entries(surfaces)) surface.name = name;

/* Like descent.minimize: a run that diverges stays at its last point within 1e30 and is marked. */
function minimize(rule, surface, start, steps) {
  let x = [...start], state = rule.init(x), diverged = false;
  const points = [x], states = [state];
  for (let t = 0; t < steps; t++) {
    if (!diverged) {
      const [next, after] = rule.step(x, surface.grad(x), state);
      diverged = !next.every((v) => Math.abs(v) <= 1e30);
      if (!diverged) [x, state] = [next, after];
    }
    points.push(x);
    states.push(state);
  }
  return { points, states, values: points.map(surface.value), diverged };
}

/* Closed forms on a quadratic, of p = learning rate × curvature. A root is [real, imaginary]. */
function solve(trace, determinant) {
  const centre = trace / 2, square = centre * centre - determinant;
  const spread = Math.sqrt(Math.abs(square));
  return square < 0 ? [[centre, spread], [centre, -spread]]
    : [[centre + spread, 0], [centre - spread, 0]];
}
const theory = {
  momentumRoots: (lr, beta, curvature) => solve(1 + beta - lr * curvature, beta),
  nesterovRoots: (lr, beta, curvature) =>
    solve((1 + beta) * (1 - lr * curvature), beta * (1 - lr * curvature)),
  radius: (roots) => Math.max(...roots.map(([re, im]) => Math.hypot(re, im))),
  lrLimit: (curvature, beta = 0, nesterov = false) =>
    2 * (1 + beta) / curvature / (nesterov ? 1 + 2 * beta : 1),
  /* Where p passes from monotone to complex, from complex to oscillating, and to divergent. */
  borders: (beta, nesterov = false) => nesterov
    ? [((1 - beta) / (1 + beta)) ** 2, 1, theory.lrLimit(1, beta, true)]
    : [(1 - Math.sqrt(beta)) ** 2, (1 + Math.sqrt(beta)) ** 2, theory.lrLimit(1, beta)],
  ewmaWeights: (beta, terms) => Array.from({ length: terms }, (_, k) => (1 - beta) * beta ** k),
  window: (beta) => 1 / (1 - beta),
  halfLife: (beta) => Math.log(0.5) / Math.log(beta),
  bias: (beta, t) => 1 - beta ** t,
};

/* Colour and matplotlib marker of each rule: those of descent.plots. */
const styles = {
  SGD: ["#4d4d4d", "o"], Momentum: ["#0072B2", "s"], Nesterov: ["#56B4E9", "D"],
  AdaGrad: ["#E69F00", "^"], RMSprop: ["#009E73", "v"], Adadelta: ["#8C6D1F", "P"],
  Adam: ["#D55E00", "*"], AMSGrad: ["#CC79A7", "X"], AdamW: ["#882255", "p"],
  NAdam: ["#AA4499", "h"], AdaMax: ["#999933", "d"], Lion: ["#332288", ">"],
};

window.descent = { rules, surfaces, quadratic, minimize, theory, styles };
})();
