"""Showing the package's own code on a page."""

import inspect
import textwrap

from IPython.display import Markdown, display

from descent.rules import Rule

__all__ = ["show_rule"]


def show_rule(rule: type[Rule]) -> None:
    """Display a rule's formula as the package runs it: the source of its `update`."""
    code = textwrap.dedent(inspect.getsource(rule.update))
    display(Markdown(f"```python\n{code}```"))  # type: ignore[no-untyped-call]
