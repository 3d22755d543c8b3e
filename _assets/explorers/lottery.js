(() => {
"use strict";
const { range, uniform, brief, fixed, make, path, text, stroke, dots, cursor, kinds,
  table, number, choice } = window.descent;

const settings = ["short memory", "long memory", "smaller steps", "torch's start"];
const losses = [0.24, 0.3], gaps = [0, 0.06], most = 1000;
const apart = (four) => Math.max(...four) - Math.min(...four);
const order = (four) => String(four.map((loss) => four.filter((other) => other < loss).length));

const spelt = (name) => name.replace("'", "’");

/* As NumPy's, of numbers that are sorted. */
function quantile(sorted, share) {
  const place = share * (sorted.length - 1), i = Math.floor(place);
  return sorted[i] + (place - i) * ((sorted[i + 1] ?? sorted[i]) - sorted[i]);
}

/* Places for dots over a line, in piles, pressed together where they would be higher than `height`. */
function piled(plot, values, base, height, r = 2.5) {
  const piles = new Map(), end = plot.x[1];
  const places = values.map((value) => {
    const pile = Math.round(Math.min(plot.X(value), plot.width - 2 * r) / (2 * r)), level = piles.get(pile) ?? 0;
    piles.set(pile, level + 1);
    return [pile, level];
  });
  const pitch = Math.min(2 * r, (height - r) / Math.max(1, ...piles.values()));
  const first = Math.min(...piles.keys()), last = Math.max(...piles.keys());
  const tops = range(last - first + 1, first).map((pile) => `V${base - pitch * (piles.get(pile) ?? 0)}h${2 * r}`).join("");
  return { shape: `M${(2 * first - 1) * r} ${base}${tops}V${base}`, draw: (from, to) => values.slice(from, to).map((value, i) => {
    const [pile, level] = places[from + i];
    return dots([[2 * r * pile, base - r - pitch * level]], r, "Momentum", value > end ? ">" : "o");
  }).join("") };
}

kinds.lottery = {
  title: "The lottery",
  hint: "Guess, then draw. Grey: 200 runs of each setting. Blue: those that you draw, their mean and their middle 90 %.",
  params: {
    draw: choice("Draw runs of", "long memory", { ...Object.fromEntries(settings.map((name) => [name, spelt(name)])), all: "the four settings in turn" }),
    guess: number("Your guess", 0.005, 0.001, 0.05, 0.001),
    seed: number("Seed of the draws", 1, 1, 99, 1),
    n: number("Runs", 0, 0, most, 1, { hidden: true }),
  },
  adjust(ex, changes) {
    if (changes.draw) ex.values.n = 0;
  },
  build(ex) {
    ex.data = JSON.parse(ex.getAttribute("runs"));
    ex.printed = settings.map((name) => ex.data.settings[name].printed);
    ex.rows = ex.plot("The runs drawn of each setting, in piles, and the number that the tutorial prints", "dx-map",
      "loss after training", "dashed: the least loss", { x: losses, y: [0, 1], rows: true });
    ex.fours = ex.plot("How far apart the runs of each group of four lie", "dx-strip", "loss", "from the lowest of four runs to the highest",
      { x: gaps, y: [0, 1], rows: true });
    ex.controls.append(make("div", { class: "dx-player", role: "group", "aria-label": "Draw" },
      ...[["Draw one", 1], ["Draw 4", 4], ["Draw 100", 100]].map(([label, more]) => {
        const button = make("button", { type: "button" }, label);
        button.addEventListener("click", () => ex.set({ n: ex.values.n + more }));
        return button;
      })));
    ex.table = table("Each setting: its printed loss, and the runs drawn", ["setting", "printed", "mean drawn", "middle 90 % drawn"],
      settings.map((name) => {
        const { lr, momentum } = ex.data.settings[name];
        return [spelt(name), " ", make("small", {}, `η ${lr}, β ${momentum}`)];
      }));
    ex.below.append(ex.table.node);
  },
  draw(ex, v) {
    const { rows, fours, data, printed } = ex, next = uniform(v.seed);
    const pool = (name) => data.settings[name].losses.map((loss) => loss / 1e5);
    const drawn = range(v.n).map((i) => {
      const name = v.draw === "all" ? settings[i % 4] : v.draw, from = data.settings[name].losses;
      return { name, loss: from[Math.floor(next() * from.length)] / 1e5, i };
    });
    const key = `${v.draw} ${v.seed}`, before = ex.key === key ? Math.min(ex.before, v.n) : v.n; // those before it do not fall
    Object.assign(ex, { key, before: v.n });

    rows.frame();
    const pitch = rows.height / 4, wide = rows.width > 420, parts = { front: "", fall: "", over: "" };
    const cells = settings.map((name, row) => {
      const mine = drawn.filter((run) => run.name === name), values = mine.map(({ loss }) => loss);
      const top = row * pitch, base = top + pitch - 16, x = rows.X(printed[row]), { lr, momentum } = data.settings[name];
      const pile = piled(rows, values, base, pitch - 32), old = mine.findLastIndex(({ i }) => i < before) + 1;
      parts.front += pile.draw(0, old);
      parts.fall += pile.draw(old);
      parts.over += path(`M${x} ${top + 16}V${base + 2}`, "dx-unit") + `<circle class="dx-unit" cx="${x}" cy="${base + 7}" r="5"/>`
        + text(x - 2, top + 12, `printed ${fixed(printed[row], 4)}`)
        + text(rows.width, top + 12, wide ? `${spelt(name)}: η ${lr}, β ${momentum}` : spelt(name), "dx-end dx-name");
      if (!values.length) return ["–", "–"];
      values.sort((a, b) => a - b);
      const mean = values.reduce((a, b) => a + b) / values.length, [low, high] = [0.05, 0.95].map((share) => quantile(values, share));
      const [a, b, m] = [low, high, mean].map((loss) => rows.X(Math.min(loss, losses[1])));
      parts.front += stroke(`M${a} ${base + 7}H${b}`, "dx-bars", "Momentum") + path(`M${m} ${base + 2}v10`, "dx-unit");
      return [fixed(mean, 4), `${fixed(low, 4)} to ${fixed(high, 4)}`];
    });
    rows.read = ([loss, y]) => {
      const name = settings[Math.min(Math.floor(4 * (1 - y)), 3)], all = pool(name);
      return [`${spelt(name)}\nloss ${fixed(loss, 4)}\n${all.filter((one) => one < loss).length} of ${all.length} runs end lower`, [loss, y]];
    };
    rows.backdrop("", () => settings.map((name, row) => {
      const base = (row + 1) * pitch - 16;
      return path(piled(rows, pool(name), base, pitch - 32).shape, "dx-all") + path(`M0 ${base}H${rows.width}`, "dx-grid");
    }).join("") + cursor(rows, data.least));
    rows.draw(`${parts.front}<g class="dx-fall">${parts.fall}</g>`, parts.over);
    ex.table.fill(cells.map((more, row) => [fixed(printed[row], 4), ...more]));

    const groups = range(Math.floor(v.n / 4)).map((k) => drawn.slice(4 * k, 4 * k + 4).map(({ loss }) => loss));
    const spans = groups.map(apart), gap = apart(printed), old = Math.floor(before / 4);
    fours.frame();
    const pile = piled(fours, spans, fours.height, fours.height - 36);
    const sign = (at, y, words) => cursor(fours, at, y - 10)
      + text(fours.X(at) + (at > 0.03 ? -5 : 5), y, words, `dx-halo ${at > 0.03 ? "dx-end" : ""}`);
    fours.draw(`${pile.draw(0, old)}<g class="dx-fall">${pile.draw(old)}</g>`,
      sign(v.guess, 12, `your guess, ${brief(v.guess)}`) + sign(gap, 28, `the tutorial’s four numbers, ${fixed(gap, 4)}`));

    fours.read = ([span, y]) => [`distance ${fixed(span, 4)}\n${spans.filter((one) => one < span).length} of ${spans.length} groups lie closer`, [span, y]];

    if (!v.n) return `The tutorial’s four numbers lie ${fixed(gap, 4)} apart. How far apart will four runs lie? Set your guess, then draw.`;
    const { name, loss } = drawn.at(-1), run = `Run ${v.n}, ${spelt(name)}: ${fixed(loss, 4)}.`;
    if (!groups.length) return `${run} Four make a group.`;
    const [span] = spans.slice(-1), one = `The last four lie ${fixed(span, 4)} apart, ${span <= v.guess ? "within" : "beyond"} your guess and `
      + `${span < gap ? "closer together" : "farther apart"} than the tutorial’s four numbers (${fixed(gap, 4)}).`;
    if (groups.length === 1) return `${run} ${one}`;
    const count = (kept, [single, more]) => `${kept.length || "none"} ${kept.length === 1 ? single : more}`, lie = ["lies", "lie"];
    return `${run} ${one} Of ${groups.length} groups of four, ${count(spans.filter((s) => s <= v.guess), lie)} within your guess, `
      + `${count(spans.filter((s) => s >= gap), lie)} at least as far apart as the tutorial’s, and `
      + `${count(groups.filter((four) => order(four) === order(printed)), ["has", "have"])} the tutorial’s order.`;
  },
};
})();
