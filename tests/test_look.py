"""How pages look and answer: what `look.js` finds, solutions, focus, and pages without scripts.

`test_pages.py` runs `look.js` on every page, at three widths.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from docutils import nodes
from docutils.utils import new_document
from pybtex.database import parse_string

from docstrings import fields
from pages import line
from prose import AuthorYear, keep_together, mention, typeset
from test_pages import LIGHTEN, LOOK, PHONE, WIDE, tab  # noqa: F401, a fixture

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

# The contrast of a colour with what is behind an element; tints count as what they lie on.
CONTRAST = """() => {
    const shade = (colour) => {
        const [r, g, b] = colour.match(/[\\d.]+/g).slice(0, 3).map(v => v / 255)
            .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
        return 0.2126 * r + 0.7152 * g + 0.0722 * b
    }
    const behind = (e) => {
        const colour = e ? getComputedStyle(e).backgroundColor : 'rgb(255, 255, 255)'
        return colour.match(/[\\d.]+/g)[3] < 1 ? behind(e.parentElement) : shade(colour)
    }
    const contrast = (colour, e) => {
        const [more, less] = [shade(colour), behind(e)].sort((a, b) => b - a)
        return (more + 0.05) / (less + 0.05)
    }
"""
# Of each kind of control one is focused, and the faults of its ring told.
RINGS = (
    CONTRAST
    + """
    const faults = [], kinds = new Set()
    for (const e of document.querySelectorAll('a[href], button, input, summary, [tabindex="0"]')) {
        const kind = `${e.localName} ${e.className}`
        if (kinds.has(kind) || e.closest('.dx')) continue
        if (!e.checkVisibility({visibilityProperty: true})) continue
        kinds.add(kind)
        e.focus()
        if (document.activeElement !== e) continue
        const {outlineStyle, outlineWidth, outlineColor} = getComputedStyle(e)
        const seen = contrast(outlineColor, e.parentElement)
        if (outlineStyle === 'none' || parseFloat(outlineWidth) < 2 || seen < 3)
            faults.push(`${kind}: ${outlineStyle} ${outlineWidth} ${seen.toFixed(1)}`)
    }
    return [kinds.size, faults]
}"""
)
FAINT = (
    CONTRAST
    + """
    const texts = document.querySelectorAll('main :is(p, li, h1, h2, td, th, pre, pre span, a)')
    const faint = (e) => e.innerText.trim() && contrast(getComputedStyle(e).color, e) < 4.5
    return [...texts].filter(faint).map(e => e.outerHTML.slice(0, 80))
}"""
)
FAULTS = {
    "sideways": '<p style="width: 3000px">wide</p>',
    "cut text": '<p style="overflow: hidden; white-space: nowrap; width: 2em">much to say</p>',
    "is clipped": '<div style="overflow: hidden; height: 1em"><button>two<br>lines</button></div>',
    "a target of": '<button style="padding: 0; width: 1em">x</button>',
    "a broken word, optimizer": '<p style="overflow-wrap: anywhere; width: 3em">optimizer</p>',
    "a line begins with ,": '<p style="width: 3em"><span class="box">words</span>, so</p>',
    "a line ends with (": '<p style="width: 2em">(<span class="box">words</span></p>',
    "icon font ::before": '<p class="icon">note</p>',
    "no font has": "<p>\U0001fbff\U000105ff</p>",
    "under the bar": '<h2 id="here">Here</h2><p style="height: 2000px"></p>',
}


@pytest.fixture
def page(tab: tuple[Page, list[str]]) -> Page:  # noqa: F811
    page, _ = tab
    page.set_viewport_size(WIDE)
    page.emulate_media(media="screen", color_scheme="light", forced_colors="none")
    return page


@pytest.mark.parametrize("fault", FAULTS)
def test_what_is_looked_for_is_found(page: Page, fault: str) -> None:
    frame = """<style>.icon::before {content: "\\f0eb"} .bar {position: sticky; top: 0; height: 3em}
        .box {display: inline-block}</style>
        <main><div class="bd-header-article bar">top</div><article>%s</article></main>"""
    page.set_content(frame % "<p>Text, (all of it).</p>")
    assert page.evaluate(LOOK) == []
    page.set_content(frame % FAULTS[fault])
    assert fault in "\n".join(page.evaluate(LOOK))


def test_a_solution_opens_by_its_line(site: str, page: Page) -> None:
    """With a click on its words, and with a key; nothing in the line leads elsewhere."""
    page.goto(f"{site}chapters/01-gradients.html")
    solution = page.locator("details.solution").first
    assert solution.locator("summary a").count() == 0
    assert solution.get_attribute("open") is None
    solution.locator("summary").click()
    assert solution.get_attribute("open") == ""
    page.keyboard.press("Enter")
    assert solution.get_attribute("open") is None


def test_one_stop_for_all_that_copy(site: str, page: Page) -> None:
    page.goto(f"{site}chapters/03-gradient-descent.html")
    stops = "[...document.querySelectorAll('button.copybtn')].findIndex(b => b.tabIndex === 0)"
    count = "[...document.querySelectorAll('button.copybtn')].filter(b => b.tabIndex === 0).length"
    page.wait_for_function(f"() => {count} === 1")
    first = page.evaluate(stops)
    page.locator("button.copybtn[tabindex='0']").focus()
    page.keyboard.press("ArrowDown")
    assert page.evaluate(stops) > first
    assert page.evaluate(count) == 1
    assert page.evaluate("document.activeElement.tabIndex") == 0
    page.keyboard.press("ArrowUp")
    assert page.evaluate(stops) == first


def test_focus_is_seen(site: str, page: Page) -> None:
    page.goto(f"{site}chapters/04-momentum.html")
    page.evaluate(LIGHTEN)
    page.keyboard.press("Tab")
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        page.wait_for_selector(f"html[data-theme={scheme}]")
        for size in (WIDE, PHONE):
            page.set_viewport_size(size)
            kinds, faults = page.evaluate(RINGS)
            assert kinds > 10
            assert not faults, "\n".join([scheme, *faults])


def test_without_scripts_on_a_dark_system(site: str, browser: Browser) -> None:
    context = browser.new_context(java_script_enabled=False, color_scheme="dark")
    page = context.new_page()
    page.goto(f"{site}chapters/03-gradient-descent.html")
    assert page.evaluate(FAINT) == []
    assert page.locator("details.solution").first.is_visible()
    context.close()


def test_a_box_that_scrolls_shows_it(site: str, page: Page) -> None:
    """Every one of them has the cue, and nothing in it hides the cue."""
    page.set_viewport_size(PHONE)
    page.goto(f"{site}chapters/a2-conventions.html")
    without = """() => [...document.querySelectorAll('main *')].filter(e =>
        e.scrollWidth > e.clientWidth + 1 && getComputedStyle(e).overflowX === 'auto'
        && !getComputedStyle(e).backgroundAttachment.includes('local')).map(e => e.className)"""
    assert page.evaluate(without) == []


def written(*parts: nodes.Node) -> nodes.document:
    document = new_document("")
    document += nodes.paragraph("", "", *parts)
    return document


def test_a_formula_keeps_what_touches_it() -> None:
    text = nodes.Text
    document = written(
        text("at ("), nodes.math("", "x"), text("-axis), or — "), nodes.math("", "y")
    )
    keep_together(document)
    boxes = list(document.findall(nodes.inline))
    assert [box.astext() for box in boxes] == ["(x-axis),"]
    assert document.astext() == "at (x-axis), or — y"


def test_the_first_mention_of_a_term_is_a_link() -> None:
    strong = nodes.strong("", "", nodes.Text("state"))
    document = written(nodes.Text("A state of Learning rates, a learning rate; "), strong)
    mention(document, {"learning rate": "#rate", "rate": "#r", "state": "#state"})
    links = [(link["refuri"], link.astext()) for link in document.findall(nodes.reference)]
    assert links == [("#rate", "Learning rates"), ("#state", "state")]


def test_formulas_are_set_in_text_alone() -> None:
    row = (
        '<td class="x1 a_b -2">-0.5</td><td>x1 = -1e-06 - R_t of 1-2, Adam-1, max1, γ^k, 10^-4</td>'
    )
    assert typeset(row) == (
        '<td class="x1 a_b -2">−0.5</td><td>x<sub>1</sub> = −1e-06 − R<sub>t</sub> of 1-2, Adam-1, '
        "max1, γ<sup>k</sup>, 10<sup>−4</sup></td>"
    )


def test_a_line_of_code_knows_its_depth() -> None:
    assert line("<b>x</b>") == '<span class="line"><b>x</b>\n</span>'
    assert line('<b class="w">    </b>  y') == (
        '<span class="line" style="--depth: 6"><b class="w">    </b>  y\n</span>'
    )


def test_labels_are_as_the_text_cites() -> None:
    entries = parse_string(
        """@book{a, author = {G{\\"o}del, K. and von Neumann, J.}, year = {1931}}
        @book{b, author = {A, X. and B, Y. and C, Z.}, year = {2000}}""",
        "bibtex",
    ).entries
    labels = AuthorYear().format_labels(list(entries.values()))
    assert labels == ["Gödel and von Neumann, 1931", "A et al., 2000"]


def test_parameters_become_a_list() -> None:
    known = {"x", "y", "size"}
    text = "x, y: where, as (a: b). size: how large. Returns both. Raises ValueError for others."
    assert fields(text, known) == [
        ":param x: where, as (a: b).",
        ":param y: where, as (a: b).",
        ":param size: how large.",
        ":returns: both.",
        ":raises ValueError: for others.",
    ]
    assert fields("Symbols: x a number. y: another.", known) is None
