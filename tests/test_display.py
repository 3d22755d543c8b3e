"""display: the page shows the code that runs."""

from dataclasses import fields

import numpy as np
import pytest

from descent import rules
from descent.book import display
from descent.book.display import formula_lines, show_comparison, show_rule, show_table
from descent.rules import SGD, Momentum
from descent.tuning import Comparison, Tuned


@pytest.mark.parametrize("name", [name for name in rules.__all__ if name not in {"Rule", "hyper"}])
def test_the_code_shown_is_the_code_that_runs(name: str) -> None:
    rule = getattr(rules, name)
    one, names = rule(lr=0.1), dict(vars(rules))
    x, grad = np.array([1.0, -2.0]), np.array([0.5, 3.0])
    page = {"self": one, "x": x, "grad": grad, "state": one.init(x)}
    for _ in range(3):
        shown, (by_rule, state) = dict(page), one.step(page["x"], grad, page["state"])
        exec("\n".join(code for _, code in formula_lines(rule)), names, shown)
        assert np.array_equal(shown["x"], by_rule)
        assert not np.array_equal(by_rule, page["x"])
        page |= {"x": by_rule, "state": state}


@pytest.mark.parametrize("name", [name for name in rules.__all__ if name not in {"Rule", "hyper"}])
def test_no_option_is_shown(name: str) -> None:
    """An option that is off by default leaves no trace in the lines that a reader sees."""
    rule = getattr(rules, name)
    text = "\n".join(code for _, code in formula_lines(rule))
    off = {f.name for f in fields(rule) if f.default is False or f.default == 0.0}
    assert [option for option in off if option in text] == []


def test_a_rule_is_shown_as_a_table(monkeypatch: pytest.MonkeyPatch) -> None:
    found: list[str] = []
    monkeypatch.setattr(display, "display", lambda markdown: found.append(markdown.data))
    show_rule(rules.SGD)
    assert found == [
        "| formula | code |\n|:---|:---|\n"
        "| $x_t = x_{t-1} - \\eta\\, g_t$ | `x = x - self.lr * grad` |"
    ]


def test_a_rule_without_formulas_is_refused() -> None:
    with pytest.raises(ValueError, match="marked '#:'"):
        formula_lines(rules.Rule)


def table(monkeypatch: pytest.MonkeyPatch, call: object, *arguments: object) -> dict[str, str]:
    """The bundle of the one table that a call displays."""
    found: list[object] = []
    monkeypatch.setattr(display, "display", found.append)
    call(*arguments)  # type: ignore[operator]
    (one,) = found
    return one._repr_mimebundle_()  # type: ignore[attr-defined]


def test_a_table_is_one_of_the_page(monkeypatch: pytest.MonkeyPatch) -> None:
    bundle = table(monkeypatch, show_table, ["rule", "steps < 9"], [["SGD", 150], ["Momentum", 40]])
    assert bundle["text/plain"] == "rule      steps < 9\nSGD             150\nMomentum         40"
    assert '<th scope="col">steps &lt; 9</th>' in bundle["text/html"]
    assert '<tr><th scope="row" class="words">SGD</th><td>150</td></tr>' in bundle["text/html"]
    corner = table(monkeypatch, show_table, ["", "steps"], [["SGD", 150]])
    assert '<tr><td></td><th scope="col">steps</th></tr>' in corner["text/html"]
    with_words = table(monkeypatch, show_table, ["", "is"], [["a", "short"], ["b", "much longer"]])
    assert with_words["text/plain"] == "   is\na  short\nb  much longer"
    assert '<td class="words">short</td>' in with_words["text/html"]
    sentence = table(monkeypatch, show_table, ["", "what"], [["a", "512 runs " * 5]])
    assert '<td class="words">512 runs' in sentence["text/html"]
    with pytest.raises(ValueError, match="2 cells"):
        show_table(["a", "b"], [["c"]])


def test_a_comparison_tells_what_was_tuned(monkeypatch: pytest.MonkeyPatch) -> None:
    scores = np.arange(1.0, 22.0)
    trials = {"lr": np.array([0.1, 0.2])}
    tuned = {
        "SGD": Tuned(SGD(lr=0.2), 1.0, trials, scores[:2], scores, False),
        "Momentum": Tuned(
            Momentum(lr=0.1, momentum=0.7),
            1.0,
            trials | {"momentum": np.array([0.0, 0.7])},
            scores[:2],
            2 * scores,
            False,
        ),
    }
    bundle = table(monkeypatch, show_comparison, Comparison(tuned, 2), "loss")
    lines = bundle["text/plain"].splitlines()
    assert lines[0].split("  ")[-2:] == ["loss, median", "middle 90 %"]
    assert "best of 2 trials" in lines[0]
    assert lines[1].split() == ["SGD", "lr", "0.2", "11", "2", "to", "20"]
    assert lines[2].split() == "Momentum lr 0.1, momentum 0.7 22 4 to 40".split()
