/* Text and explorers answer each other: states in the prose, symbols in formulas and captions. */
(() => {
"use strict";
const { make } = window.descent;
const still = matchMedia("(prefers-reduced-motion: reduce)");
const explorers = [...document.querySelectorAll("descent-explorer")].filter((ex) => ex.kind);

/* What keys press, as a button's. */
function button(node, name, value) {
  node.setAttribute("role", "button");
  node.setAttribute(name, value);
  node.tabIndex = 0;
  node.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" && event.key !== " ") return;
    event.preventDefault();
    node.click();
  });
}

/* Scrolls no farther than it takes to see the charts, or one part where all are too tall. The focus
   stays in the text: from there the next key goes on. */
function reveal(ex, part) {
  const all = ex.plots[0].node.parentNode, [one] = part ? ex.querySelectorAll(`[data-part~="${part}"]`) : [];
  const seen = all.offsetHeight < 0.8 * innerHeight ? all : one?.closest(".dx-plot") ?? one ?? ex.plots[0].node;
  seen.scrollIntoView({ block: "nearest", behavior: still.matches ? "instant" : "smooth" });
}

/* <descent-state for="ravine" set="momentum=0">: the explorer's first state with these changes. */
for (const node of document.querySelectorAll("descent-state")) {
  const ex = explorers.find(({ name }) => name === node.getAttribute("for"));
  if (!ex) continue;
  const state = ex.after(node.getAttribute("set"));
  const show = () => node.setAttribute("aria-pressed",
    Object.keys(state).every((key) => String(ex.values[key]) === String(state[key])));
  button(node, "title", `Sets the explorer “${ex.kind.title}”`);
  node.addEventListener("click", () => {
    ex.enter(state);
    reveal(ex);
  });
  ex.addEventListener("dx-change", show);
  show();
}

/* A symbol as plain letters: x₁ is x1, and a hat, which is drawn first, goes on its letter. */
const plain = (letters) => letters.replace(/\^(.)/u, "$1\u0302").normalize("NFKC");
const drawn = (node) => plain([...node.querySelectorAll("mjx-c")]
  .map((c) => String.fromCodePoint(parseInt(c.className.match(/mjx-c([0-9A-F]+)/)[1], 16))).join(""));

function inFormula(node, known) {
  if (/^mjx-(mi|msub|msubsup|mover|msqrt)$/i.test(node.tagName) && known.has(drawn(node)))
    return [[node, known.get(drawn(node))]];
  return [...node.children].flatMap((child) => inFormula(child, known));
}

function inText(caption, symbols) {
  const whole = new RegExp(`(?<![\\p{L}\\p{M}])(${Object.keys(symbols).join("|")})(?![\\p{L}\\p{M}₀-₉])`, "u");
  const texts = document.createTreeWalker(caption, NodeFilter.SHOW_TEXT), nodes = [], found = [];
  while (texts.nextNode()) nodes.push(texts.currentNode);
  for (const text of nodes) {
    const pieces = text.data.split(whole);
    if (pieces.length < 2 || text.parentElement.closest("mjx-container")) continue;
    text.replaceWith(...pieces.map((piece, i) => {
      if (i % 2 === 0) return piece;
      const node = make("span", {}, piece);
      found.push([node, piece]);
      return node;
    }));
  }
  return found;
}

/* The formulas of an explorer's section, without the sections in it; where there are none, of the next. */
function beside(ex) {
  const formulas = [...document.querySelectorAll("article mjx-math, main mjx-math")];
  const of = (section) => formulas.filter((node) => section && node.closest("section") === section);
  const section = ex.closest("section"), own = of(section);
  const next = [...document.querySelectorAll("section")]
    .find((other) => ex.compareDocumentPosition(other) & Node.DOCUMENT_POSITION_FOLLOWING);
  return own.length ? own : of(next);
}

/* Formulas are hidden from screen readers, which have them as MathML. This one symbol is not. */
function unhide(symbol) {
  const root = symbol.closest("[aria-hidden=true]");
  for (let node = symbol; node !== root; node = node.parentNode)
    for (const other of node.parentNode.children)
      if (other !== node && !other.querySelector("[role=button]") && !other.matches("[role=button]"))
        other.setAttribute("aria-hidden", "true");
  root?.removeAttribute("aria-hidden");
}

const symbolOf = new Map(); // a marked node -> [its explorer, its part]
const pairs = new Map(explorers.map((ex) => [ex, []]));
for (const ex of explorers.filter(({ kind }) => kind.symbols)) {
  const { symbols } = ex.kind, caption = ex.closest("figure")?.querySelector("figcaption");
  const known = new Map(Object.keys(symbols).map((key) => [plain(key), key]));
  const found = [...beside(ex).flatMap((formula) => inFormula(formula, known)),
    ...(caption ? inText(caption, symbols) : [])];
  const named = new Set();
  for (const [node, key] of found) {
    const [part, words] = symbols[key];
    node.classList.add("dx-symbol");
    symbolOf.set(node, [ex, [part]]);
    pairs.get(ex).push([node, part]);
    node.addEventListener("click", () => reveal(ex, part));
    if (named.has(key)) continue;
    named.add(key);
    button(node, "aria-label", `${key}, ${words}: show in the figure`);
    if (node.closest("[aria-hidden=true]")) unhide(node);
  }
}

/* What is lit: what is pointed at, else what has the focus, else what was pressed. */
const lit = { pointed: null, focused: null, pressed: null };
function light() {
  const [target, parts] = lit.pointed ?? lit.focused ?? lit.pressed ?? [];
  redrawn.disconnect();
  for (const ex of explorers) {
    const on = (names) => ex === target && names.some((name) => parts.includes(name));
    for (const [node, part] of pairs.get(ex)) node.classList.toggle("dx-lit", on([part]));
    for (const node of ex.querySelectorAll("[data-part]"))
      node.classList.toggle("dx-lit", on(node.dataset.part.split(" ")));
  }
  if (target) redrawn.observe(target, { childList: true, subtree: true });
}
const redrawn = new MutationObserver(light);

/* The explorer and the parts, or the symbol, at a place of the page. Lines are thin: near is enough. */
const around = [[0, 0], ...[0, 1, 2, 3, 4, 5, 6, 7].map((k) => [6 * Math.cos(k * Math.PI / 4), 6 * Math.sin(k * Math.PI / 4)])];
function meant(node, event) {
  const symbol = node.closest?.(".dx-symbol");
  if (symbol) return symbolOf.get(symbol);
  const ex = node.closest?.("descent-explorer");
  if (!ex) return null;
  const part = (at) => at?.closest("[data-part]");
  const found = part(node) ?? (event && node.closest(".dx-plot")
    && around.map(([x, y]) => part(document.elementFromPoint(event.clientX + x, event.clientY + y))).find(Boolean));
  const parts = found && ex.contains(found) ? found.dataset.part.split(" ") : [];
  const named = parts.filter((name) => pairs.get(ex).some(([, part]) => part === name));
  return named.length ? [ex, named] : null;
}
function answer(how, found) {
  const [before, now] = [lit[how] ?? [], found ?? []];
  lit[how] = found;
  if (before[0] !== now[0] || String(before[1]) !== String(now[1])) light();
}
if (explorers.length) {
  document.addEventListener("pointermove", (event) => answer("pointed", meant(event.target, event)));
  document.addEventListener("pointerout", (event) => event.relatedTarget || answer("pointed", null));
  document.addEventListener("focusin", ({ target }) =>
    answer("focused", target.matches(":focus-visible") ? meant(target) : null));
  document.addEventListener("focusout", () => answer("focused", null));
  /* A symbol that was pressed stays lit, and, as a finger cannot point, what it has tapped. */
  document.addEventListener("click", (event) => {
    const stays = event.pointerType !== "mouse" || event.target.closest(".dx-symbol");
    answer("pressed", stays ? meant(event.target, event) : null);
  });
}
})();
