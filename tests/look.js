// What is ugly or out of reach on a page as it stands: one line of text for each place.
() => {
  const width = document.documentElement.clientWidth;
  const found = [];
  const range = document.createRange();
  const main = document.querySelector("main");
  const say = (what, element) => {
    const text = (element.innerText || element.outerHTML).replace(/\s+/g, " ").slice(0, 50);
    found.push(`${what}: <${element.localName} class="${element.getAttribute("class") || ""}"> ${text}`);
  };
  const style = (element, part) => getComputedStyle(element, part);
  const shown = (element) => element.checkVisibility({ visibilityProperty: true });
  const top = (rect) => rect.bottom - rect.height / 2;

  // Sideways scroll of the page, and a box whose text is cut.
  if (document.documentElement.scrollWidth > width) found.push("the page scrolls sideways");
  const boxes = [...main.querySelectorAll(":not(mjx-container *, pre *)")];
  for (const box of boxes) {
    if (box.scrollWidth <= box.clientWidth + 1 || box.clientWidth < 2 || box.matches("span.math")) continue;
    const over = style(box).overflowX;
    if (["hidden", "clip"].includes(over) && shown(box)) say("cut text", box);
    if (["auto", "scroll"].includes(over) && box.matches(".cell_input pre")) say("code that scrolls", box);
  }

  // Controls: whole, within every box that clips them, and large enough to be hit.
  const controls = document.querySelectorAll("a[href], button, input, select, summary");
  for (const control of controls) {
    const rects = [...control.getClientRects()].filter((rect) => rect.width > 1 && rect.height > 1);
    if (!rects.length || !shown(control)) continue;
    for (let box = control.parentElement; box !== document.body; box = box.parentElement) {
      const { overflowX, position } = style(box);
      if (position === "fixed" || ["auto", "scroll"].includes(overflowX)) break;
      if (overflowX === "visible") continue;
      const edge = box.getBoundingClientRect();
      const out = (rect) => rect.right > edge.right + 1 || rect.left < edge.left - 1 ||
        rect.bottom > edge.bottom + 1 || rect.top < edge.top - 1;
      if (rects.some(out)) say("a control that is clipped", control);
    }
    if (style(control).display !== "inline" && !control.closest("label")) {
      const { width, height } = control.getBoundingClientRect();
      if (Math.min(width, height) < 23.5) say(`a target of ${width.toFixed()} × ${height.toFixed()} px`, control);
    }
  }

  // Words broken where nothing allows it, and punctuation that a formula, a chip or a link left behind.
  const walker = document.createTreeWalker(main, NodeFilter.SHOW_TEXT);
  const lines = (node, start, end) => {
    range.setStart(node, start);
    range.setEnd(node, end);
    return [...range.getClientRects()].filter((rect) => rect.width > 0);
  };
  for (let text = walker.nextNode(); text; text = walker.nextNode()) {
    const parent = text.parentElement;
    if (parent.closest("mjx-container, pre, script, style, svg")) continue;
    const rects = lines(text, 0, text.length);
    if (rects.length < 2) continue;
    for (const { 0: word, index } of text.data.matchAll(/[^\s\/\u00ad\u200b\u2010-\u2015\u3000-\u9fff\uff00-\uffef?|{}-]{2,}/g)) {
      const parts = lines(text, index, index + word.length);
      if (parts.some((rect) => top(rect) > parts[0].bottom)) say(`a broken word, ${word}`, parent);
    }
  }
  for (const piece of main.querySelectorAll(":is(p, li, td, th, dd, dt, h1, h2, h3) :is(span, code, a, em, strong, button)")) {
    if (piece.closest("mjx-container, pre") || piece.matches("span.pre")) continue;
    const after = piece.nextSibling, before = piece.previousSibling;
    const rects = piece.getClientRects();
    if (!rects.length) continue;
    if (after?.nodeType === 3 && /^[,.;:!?)\]’”]/.test(after.data)) {
      const [mark] = lines(after, 0, 1);
      if (mark && top(mark) > rects[rects.length - 1].bottom) say(`a line begins with ${after.data[0]} after`, piece);
    }
    if (before?.nodeType === 3 && /[([‘“]$/.test(before.data)) {
      const [mark] = lines(before, before.length - 1, before.length);
      if (mark && top(rects[0]) > mark.bottom) say(`a line ends with ${before.data.at(-1)} before`, piece);
    }
  }

  // What is jumped to is not under the bar at the top.
  const kinds = new Set();
  const bar = document.querySelector(".bd-header-article");
  for (const target of main.querySelectorAll("article [id]:not(mjx-container *, pre, input)")) {
    const kind = `${target.localName} ${target.className}`;
    if (kinds.has(kind) || !shown(target) || !target.getClientRects().length) continue;
    kinds.add(kind);
    target.scrollIntoView();
    if (target.getBoundingClientRect().top < bar.getBoundingClientRect().bottom - 1) say("under the bar when jumped to", target);
  }
  scrollTo(0, 0);

  if (width < 1000) return found;

  // At any width: characters of an icon font, which is not loaded, and characters that no font has.
  const ICON = /[\ue000-\uf8ff]|[\u{f0000}-\u{10ffff}]/u;
  for (const element of document.querySelectorAll("body :not(mjx-container *, pre *, svg *)")) {
    for (const part of ["::before", "::after"]) {
      if (ICON.test(style(element, part).content)) say(`a letter of an icon font ${part}`, element);
    }
  }
  const canvas = new OffscreenCanvas(24, 24).getContext("2d", { willReadFrequently: true });
  canvas.font = `16px ${style(main).fontFamily}`;
  const picture = (letter) => {
    canvas.clearRect(0, 0, 24, 24);
    canvas.fillText(letter, 4, 18);
    return canvas.getImageData(0, 0, 24, 24).data.join();
  };
  const none = picture("\u{10ffff}");
  const letters = new Set(main.innerText.match(/[^\x00-\x7f\u2000-\u200f\u2028-\u206f\u3000-\u9fff\uff00-\uffef]/gu));
  for (const letter of letters) {
    if (picture(letter) === none) found.push(`no font has ${letter} U+${letter.codePointAt(0).toString(16)}`);
  }
  return found;
}
