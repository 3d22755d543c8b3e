"""What the pages of the book need and an optimizer does not: claims, tables, d2l made usable.

Its data lies beside it: the claims of the sources, what `make bench` measured, what `make sabotage`
found. The wheel that readers download also carries what the chapters hold of titles and verdicts.
"""

import json
from importlib.resources import files
from pathlib import Path
from typing import Any

__all__ = ["benchmark", "chapters"]

HERE = Path(str(files(__name__)))


def benchmark() -> dict[str, Any]:
    """What `make bench` measured of the package's speed, and on which machine."""
    measured: dict[str, Any] = json.loads((HERE / "bench.json").read_text(encoding="utf-8"))
    return measured


def chapters() -> Path:
    """The folder of the notebooks: the book's own or, where this was installed, what the wheel has.

    There each notebook holds its title, its labels and its verdicts alone.
    """
    carried = HERE / "chapters"
    return carried if carried.is_dir() else HERE.parents[2] / "chapters"
