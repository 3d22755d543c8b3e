"""What the search finds: sections, terms, symbols and functions, each by the names it defines.

The theme's search looks words up in an index of whole pages. Here its index is fed with units
instead, of which a page has many: a section, an exercise, an entry of the glossary, a row of the
notation, a function. The titles of a unit are its own and the names of the terms that it defines:
the glossary's, in English, in Chinese and as a symbol, where a chapter sets them in bold. Code and
what it draws are left out. The look-up is Sphinx's. `_assets/search.js` puts in order what it
finds, and quotes it from the texts that are kept here, page by page, in files that load from disk.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from docutils import nodes
from docutils.utils import new_document
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.builders.html import StandaloneHTMLBuilder
from sphinx.environment import BuildEnvironment
from sphinx.search import IndexBuilder
from sphinx.search.en import SearchEnglish

from formulas import ENGINE, GREEK

GLOSSARY, NOTATION = "chapters/glossary", "chapters/notation"

HAN, LETTER = "\u4e00-\u9fff", "\u03b1-\u03c9\u0391-\u03a9\u2207"
PLAIN = rf"(?:(?![{HAN}{LETTER}])\w)+"
WORD = rf"[{HAN}]+|[{LETTER}]|{PLAIN}(?:-{PLAIN})*"
LETTERS = GREEK | {"eps": "ε", "nabla": "\u2207"}
# What asks and joins, and tells nothing of what is looked for.
ASKING = """can could do does doing did from had has have how i me my our should so than s that
them us we were what when where whether which while who why would you your""".split()

MATHML = re.compile(r"<math .*</math>", re.DOTALL)
RAISED = str.maketrans("0123456789+−=()n⋆*", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁼⁽⁾ⁿ⋆*")
LOWERED = str.maketrans("0123456789+−=()aehijklmnoprstuvx", "₀₁₂₃₄₅₆₇₈₉₊₋₌₍₎ₐₑₕᵢⱼₖₗₘₙₒₚᵣₛₜᵤᵥₓ")
SPACED = re.compile(r"(?<=[^\s(,=])[=+−≤≥≈<>←→∈·×](?=\S)")

TAG = re.compile(r"<[^>]*>")
VERDICT = re.compile(r'<(p|article)[^>]* class="verdict .*?</\1>', re.DOTALL)
ROW = re.compile(r'<article[^>]* id="([^"]*)"')
SENTENCE = re.compile(r"\n+|\t(?=[“(]?[A-Z])|(?:(?<=[.!?])|(?<=[.!?][”)])) (?=[“(]?[A-Z])")
ALSO = re.compile(r"[Aa]lso called (?:an? |the )?([\w-]+(?: [\w-]+)?)")
SYMBOL = re.compile(r"(\\?[a-z]+)(?: =|$)")
UNREAD = (nodes.comment, nodes.image, nodes.literal_block, nodes.target, nodes.title)


class English(SearchEnglish):
    """Sphinx's English, with Chinese, letters by name, and compounds with and without hyphens."""

    stopwords = SearchEnglish.stopwords | set(ASKING)
    js_splitter_code = """
var splitQuery = query => (query.match(/WORD/gu) || []).flatMap(word =>
  /[HAN]{2}/.test(word) ? [...word].slice(1).map((sign, i) => word[i] + sign)
    : word.includes("-") ? [...word.split("-"), word.replaceAll("-", "")] : [word]);
""".replace("WORD", WORD.replace(r"\w", r"[\p{L}\p{N}_]")).replace("HAN", HAN)
    js_stemmer_code = (
        SearchEnglish.js_stemmer_code
        + """
Stemmer = (English => function () {
  const letters = LETTERS, english = new English();
  this.stemWord = word => letters[word] || english.stemWord(word);
})(Stemmer);
""".replace("LETTERS", json.dumps(LETTERS, ensure_ascii=False))
    )

    def split(self, input: str) -> list[str]:
        words = []
        for word in re.findall(WORD, input.lower()):
            if re.match(f"[{HAN}]{{2}}", word):
                words += [a + b for a, b in pairwise(word)]
            else:
                words += [*word.split("-"), word.replace("-", "")] if "-" in word else [word]
        return words

    def stem(self, word: str) -> str:
        return LETTERS.get(word) or super().stem(word)

    def word_filter(self, word: str) -> bool:
        return word != "" and not word.isdigit() and super().word_filter(word)


@dataclass
class Term:
    """An entry of the glossary: all its names, and the chapters that it refers to."""

    names: list[str]
    chapters: list[str]


@dataclass
class Unit:
    """What a result leads to: its place on the page, its titles, and what it says.

    shown: what it is called, if not by its first title. bold: what its text sets in bold.
    defines: the terms that it defines.
    """

    place: str
    titles: list[str]
    text: str = ""
    shown: str = ""
    bold: set[str] = field(default_factory=set)
    defines: list[str] = field(default_factory=list)

    def sentences(self) -> list[str]:
        """Return what may be quoted, first what defines; an entry of the glossary is one."""
        parts = [self.text] if self.place.startswith("term-") else SENTENCE.split(self.text)
        lines = [line for part in parts if (line := " ".join(part.split()))]
        return sorted(lines, key=lambda s: not any(name in s.lower() for name in self.defines))


def in_line(formula: ElementTree.Element) -> str:
    """Return a formula in MathML as one writes it who has a single line for it."""
    parts = [in_line(child) for child in formula]
    match formula.tag.rpartition("}")[2], parts:
        case "mspace", _:
            return " "
        case "mtr", _:
            return ", ".join(parts)
        case "mtable", _:
            return "; ".join(parts)
        case "mfrac", [above, below]:
            return "/".join(f"({p})" if SPACED.search(p) else p for p in (above, below))
        case "msqrt", _:
            root = "".join(parts)
            return f"√{root}" if len(root) == 1 else f"√({root})"
        case "munder", [base, low]:
            return f"{base} {low} "
        case "mover", [under, "^"]:
            return f"{under}\u0302"
        case "msub", [base, low]:
            return base + small(low, "_", LOWERED)
        case "msup", [base, high]:
            return base + small(high, "^", RAISED)
        case "msubsup", [base, low, high]:
            return base + small(low, "_", LOWERED) + small(high, "^", RAISED)
    text = (formula.text or "").replace("\u2061", " ") + "".join(parts)
    return f" {text}" if formula.tag.endswith("}mi") and len(text) > 1 else text


def small(text: str, mark: str, table: dict[int, int]) -> str:
    """Return an index or an exponent, in small letters where there are such."""
    if all(ord(sign) in table for sign in text):
        return text.translate(table)
    return mark + (text if len(text) == 1 else f"({text})")


def words(node: nodes.Node) -> str:
    """Return what a node says, its formulas in a line."""
    if isinstance(node, nodes.math | nodes.math_block):
        mathml = MATHML.search(ENGINE.draw(node.astext(), isinstance(node, nodes.math_block)))
        line = in_line(ElementTree.fromstring(mathml[0].replace("&nbsp;", " "))) if mathml else ""
        return SPACED.sub(r" \g<0> ", line)
    if isinstance(node, nodes.raw):  # a tag
        return ""
    if isinstance(node, nodes.row):
        return " · ".join(filter(None, (words(entry).strip() for entry in node)))
    if isinstance(node, nodes.Element):
        return "".join(words(child) for child in node if not isinstance(child, UNREAD))
    return str(node)


def glossary(env: BuildEnvironment) -> dict[str, Term]:
    """Return the terms of the glossary, by their names in small letters."""
    terms = {}
    for item in env.get_doctree(GLOSSARY).findall(nodes.definition_list_item):
        name, meaning = item[0].astext(), item[1]
        chinese, _, rest = meaning.astext().partition(". ")
        math = meaning.next_node(nodes.math)
        symbol = SYMBOL.match(math.astext()) if math else None
        terms[name.lower()] = Term(
            [
                name,
                *chinese.split("，"),
                *ALSO.findall(rest),
                *([words(nodes.math("", symbol[1]))] if symbol else []),
            ],
            [f"chapters/{x['reftarget']}" for x in meaning.findall(addnodes.pending_xref)],
        )
    return terms


def name_rows(app: Sphinx, doctree: nodes.document) -> None:
    """Give each row of the notation an id, by which it is found."""
    if app.env.docname == NOTATION:
        for row in doctree.findall(nodes.row):
            if row.next_node(nodes.math):
                row["ids"].append(f"symbol-{nodes.make_id(row[0].astext())}")


def units(page: nodes.Element, unit: Unit, terms: dict[str, Term]) -> Iterator[Unit]:
    """Yield the units within a node; what belongs to none of them is added to `unit`."""
    exercise = unit
    for node in page.children:
        if not isinstance(node, nodes.Element) or isinstance(node, UNREAD):
            continue
        if titles := own_titles(node, terms):
            inner = Unit((node["ids"] or node[0]["ids"])[0], titles)
            if isinstance(node, nodes.row):
                inner.text = words(node)
            else:
                yield from units(node, inner, terms)
            yield inner
            if "exercise" in node["classes"]:
                exercise = inner
        elif "solution" in node["classes"]:
            yield from units(node, exercise, terms)
        elif isinstance(node, nodes.raw):
            for verdict in VERDICT.finditer(node.astext()):
                said = html.unescape(TAG.sub("", verdict[0].replace("</p>", "\n")))
                if row := ROW.match(verdict[0]):  # of the source map, which repeats the chapters'
                    claim, quote = said.split("\n")[:2]
                    yield Unit(row[1], [], f"{claim}\n{quote}", shown=claim)
                else:
                    unit.text += said
        elif isinstance(node, nodes.math_block):
            unit.text = f"{unit.text.rstrip()} {words(node)}\t"  # within a sentence, or at its end
        elif isinstance(node, nodes.paragraph | nodes.caption | nodes.row):
            unit.bold |= {strong.astext().lower() for strong in node.findall(nodes.strong)}
            unit.text += " ".join(words(node).split()) + "\n"
        elif "cell_input" not in node["classes"]:
            yield from units(node, unit, terms)


def own_titles(node: nodes.Element, terms: dict[str, Term]) -> list[str]:
    """Return the titles of a unit, the one to be shown first; none for what is no unit."""
    if not node.children:
        return []
    exercise = "exercise" in node["classes"]
    if isinstance(node[0], nodes.title) and (exercise or isinstance(node, nodes.section)):
        title = words(nodes.inline("", "", *node[0].deepcopy().children)).strip()
        return [title.strip("()") if exercise else title]
    if isinstance(node, nodes.definition_list_item) and node[0]["ids"]:
        return terms[node[0].astext().lower()].names
    if isinstance(node, nodes.row) and node["ids"]:
        return [words(math) for math in node[0].findall(nodes.math)]
    if isinstance(node, addnodes.desc) and node["objtype"] in ("class", "function"):
        return [f"{node[0]['module']}.{node[0]['fullname']}"]
    return []


class Index(IndexBuilder):
    """Sphinx's index, of units instead of pages."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.terms: dict[str, Term] = {}
        self.defined: set[str] = set()
        self.texts: dict[str, dict[str, list[str]]] = {}

    def spellings(self, titles: list[str]) -> dict[str, None]:
        """Return the stems of each title in a line, as what is asked is compared with them."""
        stop = self.lang.stopwords
        return {
            " ".join(dict.fromkeys(self.lang.stem(word) for word in split)): None
            for title in titles
            for hyphen in (" ", "")
            if (split := [w for w in self.lang.split(title.replace("-", hyphen)) if w not in stop])
        }

    def get_objects(self, fn2index: dict[str, int]) -> dict[str, Any]:
        return {}  # they are units

    def prune(self, docnames: Any) -> None:
        pass  # every page is written, and so indexed, each time

    def feed(self, docname: str, filename: str, title: str, doctree: nodes.document) -> None:
        self.terms = self.terms or glossary(self.env)
        section = doctree.next_node(nodes.section)
        top = Unit("", own_titles(section, {}))
        found = [top, *units(section, top, self.terms)]
        page = top.titles[0]
        pages = [*self.env.toctree_includes[self.env.config.root_doc], self.env.config.root_doc]
        before = 1000 * pages.index(docname)
        for name, term in self.terms.items():
            if docname in term.chapters or (not term.chapters and name not in self.defined):
                bold = [unit for unit in found if {name, f"{name}s"} & unit.bold]
                if docname in term.chapters:
                    bold += [unit for unit in found if name in unit.titles[0].lower()] + [top]
                if bold:
                    unit = bold[0]
                    unit.titles += term.names
                    unit.defines.append(name)
                    self.defined.add(name)
        for number, unit in enumerate(found):
            document = new_document(docname)
            for title in unit.titles:
                document += nodes.section("", nodes.title("", title))
            document += nodes.paragraph("", f"{page} {unit.text}")
            shown = f"{page} › {unit.shown or unit.titles[0]}" if unit.place else page
            name = f"{docname}#{unit.place}"
            super().feed(name, str(before + number), shown, document)
            self._all_titles[name] = [(spelling, None) for spelling in self.spellings(unit.titles)]
        self.texts[docname] = {unit.place: unit.sentences() for unit in found}


class Builder(StandaloneHTMLBuilder):
    """The builder of pages, with that index."""

    def load_indexer(self, docnames: Any) -> None:
        language = self.config.html_search_language or self.config.language
        self.indexer = Index(self.env, language, {}, "")


def write_texts(app: Sphinx, error: Exception | None) -> None:
    """Write what the search quotes, a file for each page."""
    index = getattr(app.builder, "indexer", None)
    if error or not isinstance(index, Index):
        return
    for docname, texts in index.texts.items():
        path = Path(app.outdir, "_static", "search", f"{docname}.js")
        path.parent.mkdir(parents=True, exist_ok=True)
        said = json.dumps(texts, ensure_ascii=False, separators=(",", ":"))
        path.write_text(f"Search.quote({json.dumps(docname)}, {said})\n", "utf-8")


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_search_language(English)
    app.add_builder(Builder, override=True)
    app.connect("doctree-read", name_rows)
    app.connect("build-finished", write_texts, priority=400)  # before the formulas' engine stops
    return {"parallel_read_safe": True, "parallel_write_safe": False}
