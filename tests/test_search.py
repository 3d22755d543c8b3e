"""What the search finds, in the order in which it shows it; in V8, without a browser."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator

import pytest
from conftest import HTML, ROOT

INDEX = HTML / "searchindex.js"
if not INDEX.exists():
    pytest.skip(
        f"no built book in {HTML}: `make test` builds it, or set DESCENT_HTML",
        allow_module_level=True,
    )

SCRIPTS = ("searchtools.js", "language_data.js", "search.js")
STUBS = """
const _ready = () => {}, SPHINX_HIGHLIGHT_ENABLED = false, IntersectionObserver = class {};
const document = {documentElement: {dataset: {}}};
"""
ENTRY = re.compile(r"^(\S.*)\n  (.*?)\. (.*)$", re.MULTILINE)
# What a reader may type, and where the first of what is found then lies, or one of the first three.
FIRST = {
    "动量": "04-momentum",
    "动量法": "04-momentum",
    "warmup": "10-adam",
    "warm up": "10-adam",
    "Warm-Up": "10-adam",
    "minibatch": "02-samples",
    "mini batches": "02-samples",
    "learning rates": "01-gradients",
    "learning-rate": "01-gradients",
    "saddle points": "03-gradient-descent#plateaus-and-saddle-points",
    "SGD": "02-samples",
    "EWMA": "05-moving-averages",
    "level line": "glossary#term-contour-line",
    "nesterov": "07-nesterov",
    "Nesterov's": "07-nesterov",
    "κ": "03-gradient-descent",
    "kappa": "03-gradient-descent",
    "η": "01-gradients",
    "β": "04-momentum",
    "ε": "notation#symbol-varepsilon",
    "∇": "notation#symbol-f-nabla-f",
    "ξ": "notation#symbol-xi-t",
    "adam": "10-adam",
    "RMSProp": "09-rmsprop",
    "adagrad": "08-adagrad",
    "Adadelta": "09-rmsprop",
    "AMSGrad": "api#descent.rules.AMSGrad",
    "condition_number": "api#descent.theory.condition_number",
    "Momentum carries a run through flat regions.": "04-momentum#it-carries-a-run-through-flat",
    "凭借动量冲过平坦区域": "a1-source-map#d9-flat",
}
AMONG_THREE = {
    "ρ": "notation#symbol-rho",
    "λ": "notation#symbol-lambda",
    "epsilon": "notation#symbol-varepsilon",
    "weight-decay": "glossary#term-weight-decay",
    "does Adam need a warm-up": "10-adam",
    "why does the learning rate of AdaGrad keep falling": "08-adagrad",
    "which way is steepest": "01-gradients",
    "do larger batches reduce the noise": "02-samples",
    "escape from a saddle point": "13-choosing#minima-and-saddles",
    "how to choose an optimizer": "13-choosing",
    "convert momentum between frameworks": "a2-conventions",
}


@pytest.fixture(scope="module")
def search() -> Iterator[Callable[[str], list[str]]]:
    """Give the function that the search page asks, with the index that the book was built with."""
    from py_mini_racer import MiniRacer

    engine = MiniRacer()
    sources = [(HTML / "_static" / name).read_text("utf-8") for name in SCRIPTS]
    engine.eval("\n".join([STUBS, *sources, INDEX.read_text("utf-8"), "0"]))
    yield lambda query: json.loads(engine.eval(f"JSON.stringify(Search.find({json.dumps(query)}))"))
    engine.close()


def glossary() -> dict[str, tuple[str, list[str]]]:
    """Return each name of a term with its place in the glossary and the chapters it refers to."""
    names = {}
    for term, chinese, meaning in ENTRY.findall((ROOT / "chapters/glossary.md").read_text("utf-8")):
        place = "chapters/glossary#term-" + re.sub(r"\W+", "-", term)
        pages = [f"chapters/{page}#" for page in re.findall(r"{doc}`([^`]+)`", meaning)]
        names |= {name: (place, pages) for name in (term, *chinese.split("，"))}
    return names


def test_terms_are_found_where_they_are_defined(search: Callable[[str], list[str]]) -> None:
    """First the chapter that the glossary refers to, and not far from it the glossary."""
    assert len(glossary()) > 100
    for name, (place, pages) in glossary().items():
        found = search(name)
        assert place in found[:4], f"{name}: {found[:5]}"
        assert not pages or found[0].startswith(tuple(pages)), f"{name}: {found[:5]}"


def test_other_spellings_symbols_rules_and_claims_are_found(
    search: Callable[[str], list[str]],
) -> None:
    for table, places in ((FIRST, 1), (AMONG_THREE, 3)):
        for query, wanted in table.items():
            found = search(query)[:places]
            assert any(f"{place}#".startswith(f"chapters/{wanted}") for place in found), (
                f"{query}: {found}"
            )


def test_what_nobody_wrote_is_not_found(search: Callable[[str], list[str]]) -> None:
    for query in ("", "the", "zebra", "斑马", "42"):
        assert search(query) == []


def test_what_is_found_is_there_and_is_quoted_in_sentences(
    search: Callable[[str], list[str]],
) -> None:
    index = json.loads(INDEX.read_text("utf-8").partition("(")[2].rpartition(")")[0])
    ids: dict[str, set[str]] = {}
    quoted = 0
    for unit in index["docnames"]:
        page, _, place = unit.partition("#")
        if page not in ids:
            html = (HTML / f"{page}.html").read_text("utf-8")
            ids[page] = set(re.findall(r' id="([^"]+)"', html))
            script = (HTML / "_static" / "search" / f"{page}.js").read_text("utf-8")
            texts = json.loads(script.partition(", ")[2].rpartition(")")[0])
        assert not place or place in ids[page], unit
        quoted += bool(texts[place])
        code = [s for s in texts[place] if re.search(r"\\[a-z]|</|^from \w+ import", s)]
        assert not code or page == "chapters/a1-source-map", unit  # the sources' own words
    assert quoted > 0.95 * len(index["docnames"])
