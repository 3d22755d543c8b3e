"""Descent: gradient-based optimizers, each written once.

    surfaces ─┐
    rules ────┼─> trajectory (minimize) ─┐
    data ─────┼─> training (train) ──────┼─> plots ─> chapters
    theory ───┴──────────────────────────┘

Importing this package loads neither torch nor matplotlib: `descent.optim` and `descent.plots` do
that. What only the pages of the book need is `descent.book`.
"""

from descent import data, generators, models, rules, surfaces, theory, training, trajectory
from descent.data import *  # noqa: F403
from descent.generators import *  # noqa: F403
from descent.models import *  # noqa: F403
from descent.rules import *  # noqa: F403
from descent.surfaces import *  # noqa: F403
from descent.training import *  # noqa: F403
from descent.trajectory import *  # noqa: F403

__version__ = "0.1.0"
__all__ = [
    *data.__all__,
    *generators.__all__,
    *models.__all__,
    *rules.__all__,
    *surfaces.__all__,
    "theory",
    *training.__all__,
    *trajectory.__all__,
]
