"""Showing the package's own code on a page."""

import inspect
import re
import textwrap

from IPython.display import Markdown, display

from descent.rules import Rule

__all__ = ["show_rule"]


def show_rule(rule: type[Rule]) -> None:
    """Display a rule's formula as the package runs it: its `update`, without the annotations."""
    code = textwrap.dedent(inspect.getsource(rule.update))
    code = re.sub(r"\A.*?:\n", "def update(self, x, grad, state):\n", code, flags=re.DOTALL)
    display(Markdown(f"```python\n{code}```"))  # type: ignore[no-untyped-call]
