/* <descent-explorer kind="…" figure="…" state="…">, the last script of a page. Each of `kinds` has
   its parameters, what it builds once and what it draws each time. */
(() => {
"use strict";
const { clamp, brief, spoken, make, swatch, Plot, kinds, styles } = window.descent;

let count = 0; // makes ids unique
let named = []; // explorers whose states the address holds, the one moved last first

/* The states that an address holds: #ravine?lr=0.3&steps=20;phase?step=2 */
const held = () => new Map(location.hash.includes("?")
  ? location.hash.slice(1).split(";").map((one) => one.split("?")) : []);

class Explorer extends HTMLElement {
  connectedCallback() {
    const kind = kinds[this.getAttribute("kind")];
    if (this.kind || !kind) return;
    Object.assign(this, { kind, plots: [], fields: {}, frame: 0, uid: `dx${++count}` });
    const name = this.id || this.getAttribute("kind"), twins = [...document.querySelectorAll("descent-explorer")]
      .filter((other) => other.name && (other.id || other.getAttribute("kind")) === name).length;
    this.name = twins ? `${name}-${twins + 1}` : name;
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
    this.link = make("button", { type: "button" }, "Copy link");
    this.link.addEventListener("click", () => this.copy());
    reset.addEventListener("click", () => this.enter(this.first));
    this.controls = make("div", { class: "dx-controls" });
    this.below = make("div", { class: "dx-below" });
    this.result = make("p", { class: "dx-result", role: "group", "aria-label": "Result" });
    this.live = make("p", { class: "dx-hidden", role: "status", "aria-live": "polite" });
    for (const [key, p] of Object.entries(this.params)) if (!p.hidden) this.controls.append(this.control(key, p));
    kind.build(this);
    const [map, ...others] = this.plots.map((plot) => plot.node);
    this.head = make("div", { class: "dx-head" }, make("p", {}, make("strong", {}, kind.title), ` ${kind.hint}`),
      make("div", { class: "dx-tools" }, this.link, reset));
    this.replaceChildren(make("div", { class: "dx", role: "group", "aria-label": `Explorer: ${kind.title}` },
      this.head, make("div", { class: "dx-plots" }, map, this.controls, ...others), this.result, this.below, this.live));
  }

  /* Copies the address with the states; where that is not allowed, shows it to be copied by hand. */
  async copy() {
    this.toAddress();
    try {
      await navigator.clipboard.writeText(location.href);
      this.say("Link copied");
      this.link.textContent = "Link copied";
      setTimeout(() => { this.link.textContent = "Copy link"; }, 3000);
    } catch {
      this.shown ??= this.head.appendChild(make("input", { readonly: "", class: "dx-link", "aria-label": "Link to this state" }));
      this.shown.value = location.href;
      this.shown.select();
      this.say("Copy the link that is selected");
    }
  }

  say(words) {
    this.live.textContent = spoken(words);
  }

  plot(...given) {
    const plot = new Plot(...given);
    this.plots.push(plot);
    return plot;
  }

  /* A parameter's control, which bears the name of its part in formulas and charts. */
  control(key, p) {
    const node = this.field(key, p);
    this.fields[key].node = node;
    node.setAttribute("data-part", p.part ?? key);
    return node;
  }

  field(key, p) {
    const id = `${this.uid}-${key}`;
    if (p.flag) {
      const input = make("input", { type: "checkbox" });
      input.addEventListener("change", () => this.set({ [key]: input.checked }));
      this.fields[key] = { input, show: (v) => { input.checked = v; } };
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
    const { rungs } = p, [min, max, step] = rungs ? [0, rungs.length - 1, 1] : [p.min, p.max, p.step];
    const input = make("input", { id, type: "range", min, max, step });
    const value = make("span", { class: "dx-value", "aria-hidden": "true" });
    input.addEventListener("input", () => this.set({ [key]: rungs ? rungs[input.value] : Number(input.value) }));
    this.fields[key] = { input, show: (v) => {
      if (input.disabled) return this.unused(key, true);
      const place = rungs ? rungs.findIndex((rung) => rung >= v) : v;
      /* What an address puts beside an end is not at it: from there no arrow key would move on to the end. */
      input.value = v > p.min && v < p.max ? clamp(place, min + step, max - step) : place;
      value.textContent = brief(v);
      input.setAttribute("aria-valuetext", brief(v));
    } };
    return make("div", { class: "dx-field" }, make("label", { for: id }, p.label), value, input);
  }

  /* A slider that has no part in what is drawn says so, and shows no number. */
  unused(key, is) {
    const { input, show } = this.fields[key], value = input.previousSibling;
    if (input.disabled !== is) {
      input.disabled = is;
      if (!is) show(this.values[key]);
    }
    if (!is) return;
    value.textContent = "–";
    input.setAttribute("aria-valuetext", "unused");
  }

  /* Keeps what is valid; the rest is left as it was. */
  accept(key, raw) {
    if (!Object.hasOwn(this.params, key)) return;
    const p = this.params[key];
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

  /* The first state with the changes of an address. */
  after(changes) {
    const { values } = this;
    this.values = { ...this.first };
    this.kind.adjust?.(this, {});
    this.take(new URLSearchParams(changes));
    const state = this.values;
    this.values = values;
    this.kind.adjust?.(this, {});
    return state;
  }

  enter(state) {
    this.stop?.();
    Object.assign(this.values, state);
    this.kind.adjust?.(this, {});
    this.changed();
  }

  changed() {
    named = [this.name, ...named.filter((name) => name !== this.name)];
    this.refresh();
    this.dispatchEvent(new CustomEvent("dx-change", { bubbles: true }));
    this.frame ||= requestAnimationFrame(() => this.draw());
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      this.toAddress();
      this.say(this.result.textContent);
    }, 400);
  }

  refresh() {
    for (const [key, field] of Object.entries(this.fields)) field.show(this.values[key]);
  }

  draw() {
    this.frame = 0;
    if (!this.plots.every((plot) => plot.width > 1)) return;
    this.result.textContent = this.kind.draw(this, this.values);
    for (const plot of this.plots) plot.tellAgain();
  }

  /* Its state as in an address. */
  get state() {
    const pairs = new URLSearchParams(Object.entries(this.values).map(([key, v]) =>
      [key, v === true ? "1" : v === false ? "0" : String(v)]));
    return `${this.name}?${String(pairs).replaceAll("%2C", ",")}`;
  }

  toAddress() {
    if (!named.includes(this.name)) named.unshift(this.name);
    const all = [...document.querySelectorAll("descent-explorer")];
    const states = named.map((name) => all.find((one) => one.name === name)?.state).filter(Boolean);
    history.replaceState(history.state, "", `#${states.join(";")}`);
  }

  fromAddress() {
    const states = held();
    if (!states.has(this.name)) return false;
    named = [...new Set([...states.keys(), ...named])];
    this.take(new URLSearchParams(states.get(this.name)));
    if (named[0] === this.name) requestAnimationFrame(() => this.scrollIntoView({ block: "nearest" }));
    return true;
  }
}

window.addEventListener("hashchange", () => {
  const all = [...document.querySelectorAll("descent-explorer")].filter((one) => one.kind);
  for (const explorer of all.filter((one) => one.fromAddress()).toReversed()) explorer.changed();
});

customElements.define("descent-explorer", Explorer);
})();
