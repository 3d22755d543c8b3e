// What the style sheet alone cannot do: boxes that scroll can be reached and scrolled by keyboard, and
// the buttons that copy code are one stop of it, from which arrows lead to the others.

const boxes = ".figure-box, mjx-container[display=true], div.highlight pre, .cell_output .text_html, " +
  ".pst-scrollable-table-container, mjx-container.wide";

function fit() {
  for (const formula of document.querySelectorAll("article mjx-container:not([display=true])")) {
    formula.classList.remove("wide");
    const room = formula.parentElement.closest("p, li, td, th, dd, dt, figcaption, h1, h2, h3, div");
    formula.classList.toggle("wide", formula.offsetWidth > room.clientWidth);
  }
  for (const box of document.querySelectorAll(boxes)) {
    box.classList.remove("scrolls"); // the style sheet gives more room to a table that does
    const scrolls = box.scrollWidth > box.clientWidth + 1;
    if (scrolls) box.tabIndex = 0;
    else box.removeAttribute("tabindex");
    if (box.matches(".pst-scrollable-table-container")) box.classList.toggle("scrolls", scrolls);
  }
}

let due = 0;
function fitSoon() {
  cancelAnimationFrame(due);
  due = requestAnimationFrame(fit);
}

function isCopy(element) {
  return element.matches("button.copybtn") && element.checkVisibility();
}

function gather() {
  const copies = [...document.querySelectorAll("button.copybtn")];
  const first = copies.find(isCopy);
  for (const button of copies) {
    button.tabIndex = button === first ? 0 : -1;
    button.setAttribute("aria-label", "Copy the code");
    button.setAttribute("aria-description", "Arrow keys lead to other code");
  }
}

document.addEventListener("keydown", (event) => {
  const by = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (!by || !isCopy(event.target)) return;
  const copies = [...document.querySelectorAll("button.copybtn")].filter(isCopy);
  const next = copies[(copies.indexOf(event.target) + by + copies.length) % copies.length];
  event.target.tabIndex = -1;
  next.tabIndex = 0;
  next.focus();
  event.preventDefault();
});

window.addEventListener("load", () => {
  gather();
  fitSoon();
  document.fonts.addEventListener("loadingdone", fitSoon);
  new ResizeObserver(fitSoon).observe(document.body);
});
