"""`from descent.book import d2l` is d2l 0.17.0's own torch module, made usable.

Six things stand in its way, and each is mended as narrowly as it can be:

- It imports torchvision, which it does not declare and which fails beside a CPU build of torch, and
  a few others that the optimization chapters never use. Where one does not import, an empty module
  stands in for it while d2l is imported, and is taken out of `sys.modules` again.
- `use_svg_display` calls what IPython 9 no longer has. It does nothing here: the format of the
  figures is `descent.plots`' business.
- `meshgrid` draws a warning from torch because it does not name its order; it names the same order
  here.
- `evaluate_loss` draws another, because it turns a loss that tracks gradients into a number; here
  it does not track them, and the number is the same.
- `show_trace_2d` draws in an orange that is pale on white paper, and small; the picture is as d2l
  draws it, in the ink of this book.
- `download` has no time limit, and keeps an error page as if it were data. The airfoil file comes
  from `descent.data` instead, which checks it.

Two functions of `descent.book.d2l_runs` are added. `d2l.recorded` runs d2l's training functions
without their drawing and their seconds; `d2l.with_parts` gives any function of d2l's another part.
"""

import functools
import importlib
import os
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any, cast

import torch

from descent import plots
from descent.book import d2l_runs
from descent.data import airfoil_path

# What d2l imports and the optimization chapters do without, with the names it takes from each.
_DISPENSABLE = {"pandas": (), "PIL": ("Image",), "requests": (), "torchvision": ("transforms",)}
# Missing; broken beside this torch; a library that does not load; built for another NumPy.
_NOT_USABLE = (ImportError, RuntimeError, AttributeError, OSError, ValueError)


def _imported() -> ModuleType:
    """d2l.torch, with stand-ins for what does not import, present only meanwhile."""
    stand_ins = {}
    for name, members in _DISPENSABLE.items():
        before = set(sys.modules)
        try:
            importlib.import_module(name)
            for member in members:
                importlib.import_module(f"{name}.{member}")
        except _NOT_USABLE:
            for half_imported in set(sys.modules) - before:
                if half_imported.partition(".")[0] == name:
                    del sys.modules[half_imported]
            stand_ins[name] = ModuleType(name)
            for member in members:
                setattr(stand_ins[name], member, None)
    sys.modules.update(stand_ins)
    try:
        return importlib.import_module("d2l.torch")
    finally:
        for name in stand_ins:
            del sys.modules[name]


def _patched(module: Any) -> ModuleType:
    original = module.download

    def use_svg_display() -> None:
        """Do nothing: `descent.plots` sets the format of the figures."""

    @functools.wraps(original)
    def download(name: str, cache_dir: str = os.path.join("..", "data")) -> str:
        if name != "airfoil":
            return str(original(name, cache_dir))
        path = airfoil_path()
        if path is None:
            raise FileNotFoundError(
                "d2l needs NASA's airfoil file, and only its moment twin is here: "
                "put airfoil_self_noise.dat in the folder that DESCENT_DATA names"
            )
        return str(path)

    show_trace_2d = module.show_trace_2d

    @functools.wraps(show_trace_2d)
    def show_in_ink(f: Any, results: Any) -> None:
        show_trace_2d(f, results)
        ax = module.plt.gca()
        ax.figure.set_size_inches(5.3, 3.2)
        ax.lines[0].set_color(plots.INK)
        for levels in ax.collections:
            levels.set(edgecolor=plots.FAINT, linewidth=0.8)
        ax.set(xlabel="$x_1$", ylabel="$x_2$")

    module.show_trace_2d = show_in_ink
    module.use_svg_display = use_svg_display
    module.download = download
    module.evaluate_loss = torch.no_grad()(module.evaluate_loss)
    module.meshgrid = functools.partial(torch.meshgrid, indexing="ij")
    module.recorded = d2l_runs.recorded
    module.with_parts = d2l_runs.with_parts
    return cast(ModuleType, module)


if TYPE_CHECKING:

    def __getattr__(name: str) -> Any: ...

else:
    sys.modules[__name__] = _patched(_imported())
