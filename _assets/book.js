// What the style sheet alone cannot do: boxes that scroll can be reached and scrolled by keyboard.

const boxes = ".figure-box, mjx-container[display=true], div.highlight pre, .cell_output .text_html, " +
  ".pst-scrollable-table-container, mjx-container.wide";

function fit() {
  for (const formula of document.querySelectorAll("article mjx-container:not([display=true])")) {
    formula.classList.remove("wide");
    const room = formula.parentElement.closest("p, li, td, th, dd, dt, figcaption, h1, h2, h3, div");
    formula.classList.toggle("wide", formula.offsetWidth > room.clientWidth);
  }
  for (const box of document.querySelectorAll(boxes)) {
    if (box.scrollWidth > box.clientWidth + 1) box.tabIndex = 0;
    else box.removeAttribute("tabindex");
  }
}

let due = 0;
function fitSoon() {
  cancelAnimationFrame(due);
  due = requestAnimationFrame(fit);
}

window.addEventListener("load", () => {
  fitSoon();
  document.fonts.addEventListener("loadingdone", fitSoon);
  new ResizeObserver(fitSoon).observe(document.body);
});

// Opened from disk, a page may not read the other pages to quote them under what the search finds.
if (location.protocol === "file:") DOCUMENTATION_OPTIONS.SHOW_SEARCH_SUMMARY = false;
