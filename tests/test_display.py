"""display: the page shows the code that runs."""

import numpy as np
import pytest

from descent import display, rules
from descent.display import show_rule


def shown(rule: type[rules.Rule], monkeypatch: pytest.MonkeyPatch) -> str:
    """The markdown that `show_rule` hands to IPython."""
    found: list[str] = []
    monkeypatch.setattr(display, "display", lambda markdown: found.append(markdown.data))
    assert show_rule(rule) is None  # type: ignore[func-returns-value]
    (text,) = found
    return text


@pytest.mark.parametrize("name", [name for name in rules.__all__ if name != "Rule"])
def test_the_code_shown_is_the_code_that_runs(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    rule = getattr(rules, name)
    lines = shown(rule, monkeypatch).splitlines()
    assert (lines[0], lines[-1]) == ("```python", "```")
    assert lines[1] == "def update(self, x, grad, state):"
    names = dict(vars(rules))
    exec("\n".join(lines[1:-1]), names)
    one = rule(lr=0.1)
    x, grad = np.array([1.0, -2.0]), np.array([0.5, 3.0])
    by_page, _ = names["update"](one, x, grad, one.init(x))
    by_rule, _ = one.step(x, grad, one.init(x))
    assert np.array_equal(by_page, by_rule)
    assert not np.array_equal(by_page, x)


def test_it_is_shown_as_markdown(capsys: pytest.CaptureFixture[str]) -> None:
    show_rule(rules.SGD)
    assert capsys.readouterr().out == "<IPython.core.display.Markdown object>\n"
