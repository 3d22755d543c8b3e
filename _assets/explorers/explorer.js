/* <descent-explorer kind="…" figure="…" state="…">, the last script of a page. Each of `kinds` has
   its parameters, what it builds once and what it draws each time. */
(() => {
"use strict";
const { clamp, brief, spoken, make, swatch, Plot, kinds, styles } = window.descent;

let count = 0; // makes ids unique

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
      this.stop?.();
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
    const { rungs } = p, [min, max, step] = rungs ? [0, rungs.length - 1, 1] : [p.min, p.max, p.step];
    const input = make("input", { id, type: "range", min, max, step });
    const value = make("span", { class: "dx-value", "aria-hidden": "true" });
    input.addEventListener("input", () => this.set({ [key]: rungs ? rungs[input.value] : Number(input.value) }));
    this.fields[key] = { input, show: (v) => {
      const place = rungs ? rungs.findIndex((rung) => rung >= v) : v;
      /* What an address puts beside an end is not at it: from there no arrow key would move on to the end. */
      input.value = v > p.min && v < p.max ? clamp(place, min + step, max - step) : place;
      value.textContent = brief(v);
      input.setAttribute("aria-valuetext", brief(v));
    } };
    return make("div", { class: "dx-field" }, make("label", { for: id }, p.label), value, input);
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
