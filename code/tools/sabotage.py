"""Break the package on purpose, and see which verdicts notice.

    python code/tools/sabotage.py                          every breakage, every chapter that judges
    python code/tools/sabotage.py --only adagrad-forgets   the named ones, merged into the report
    python code/tools/sabotage.py --chapters 08-adagrad    the named chapters anew, merged likewise

A verdict that no breakage changes could not have come out otherwise, and is no test. Each breakage
is a few small edits of a copy of the package (or of what it stands on), never of the thing itself.
The chapters' cells that the verdicts need run on that copy, and go on after a cell that raises.
A verdict that has changed is left alone from then on, so the order of the breakages counts.
The report, descent/book/sabotage.json, names for each claim a breakage that changes its outcome (or
some, where several runs were merged); it is stored like the benchmark's results, and the source map
shows it.
"""

from __future__ import annotations

import argparse
import ast
import asyncio
import json
import os
import re
import shutil
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from nbclient.exceptions import CellTimeoutError, DeadKernelError
from nbformat.v4 import new_code_cell

from descent.book.claims import MIME_TYPE, Verdict, collect, read_claims
from execute import ROOT, cores, load, set_environment, write_whole

CHAPTERS = ROOT / "chapters"
REPORT = ROOT / "code" / "descent" / "book" / "sabotage.json"
CELL_SECONDS = 240
JUDGES = re.compile(r"\b(judge|reproduce|reproduce_family)\(")


@dataclass(frozen=True)
class Breakage:
    """One way to break the book.

    what: to be read after "when". where: a pattern of what it touches in a chapter's code.
    edits: a file under code/descent or chapters, a text that it holds, and what replaces each.
    before: lines that a chapter runs first, for what is not ours to edit.
    """

    what: str
    where: str
    edits: tuple[tuple[str, str, str], ...] = ()
    before: str = ""


def rule(old: str, new: str) -> tuple[tuple[str, str, str], ...]:
    return (("rules.py", old, new),)


STEP_HOOK = "from torch.optim.optimizer import register_optimizer_step_post_hook as _hook\n_hook"
HEAVY_BALL = "\n        #: x_t = x_{t-1} - \\eta v_t\n"  # Nesterov's velocity goes on otherwise
# From Adam's first average to its corrected one; AMSGrad's goes on otherwise.
ADAM_AVERAGES = (
    "state.mean + (1 - self.beta1) * grad\n"
    "        #: s_t = \\beta_2 s_{t-1} + (1 - \\beta_2)\\, g_t^2\n"
    "        square = self.beta2 * state.square + (1 - self.beta2) * grad**2\n"
    "        #: \\hat m_t"
)
TUNED = "compare|contenders"
BREAKAGES = {
    "sgd-climbs": Breakage(
        "gradient descent goes uphill",
        "SGD",
        rule(
            "x - self.lr * grad\n        return x, state",
            "x + self.lr * grad\n        return x, state",
        ),
    ),
    "sgd-drifts": Breakage(
        "gradient descent moves every parameter by a hundredth more at every step",
        "SGD",
        rule(
            "x - self.lr * grad\n        return x, state",
            "x - self.lr * grad + 0.01\n        return x, state",
        ),
    ),
    "momentum-ignored": Breakage(
        "momentum is ignored",
        "Momentum",
        rule(
            f"velocity = self.momentum * state.velocity + grad{HEAVY_BALL}",
            f"velocity = grad{HEAVY_BALL}",
        ),
    ),
    "momentum-turned": Breakage(
        "the remembered velocity counts backwards",
        "Momentum",
        rule(
            f"velocity = self.momentum * state.velocity + grad{HEAVY_BALL}",
            f"velocity = grad - self.momentum * state.velocity{HEAVY_BALL}",
        ),
    ),
    "nesterov-blind": Breakage(
        "Nesterov's rule does not look ahead",
        "Nesterov",
        rule("(grad + self.momentum * velocity)", "velocity"),
    ),
    "adagrad-forgets": Breakage(
        "AdaGrad keeps the last squared gradient alone",
        "AdaGrad",
        rule("total = state.total + grad**2", "total = grad**2"),
    ),
    "adagrad-unscaled": Breakage(
        "AdaGrad does not divide by its root",
        "AdaGrad",
        rule(
            "x = x - self.lr * grad / root\n        return x, AdaGradState",
            "x = x - self.lr * grad\n        return x, AdaGradState",
        ),
    ),
    "rmsprop-remembers": Breakage(
        "RMSprop never forgets",
        "RMSprop",
        rule(
            "square = self.alpha * state.square + (1 - self.alpha) * grad**2",
            "square = state.square + (1 - self.alpha) * grad**2",
        ),
    ),
    "adam-uncorrected": Breakage(
        "Adam's averages are not corrected for their start",
        r"\bAdam\b",
        (
            *rule(
                "mean_hat = mean / (1 - self.beta1**t)\n        #: \\hat s_t",
                "mean_hat = mean\n        #: \\hat s_t",
            ),
            *rule("square_hat = square / (1 - self.beta2**t)", "square_hat = square"),
        ),
    ),
    "adam-forgetful": Breakage(
        "Adam's first average forgets twice as fast",
        r"\bAdam\b",
        rule(f"self.beta1 * {ADAM_AVERAGES}", f"self.beta1**2 * {ADAM_AVERAGES}"),
    ),
    "adam-unscaled": Breakage(
        "Adam does not divide by its root",
        r"\bAdam\b",
        rule("self.lr * mean_hat / root", "self.lr * mean_hat"),
    ),
    "eps-forgotten": Breakage(
        "ε is forgotten",
        r"\beps\b|AdaGrad|RMSprop|\bAdam\b",
        (
            *rule("**0.5 + self.eps\n", "**0.5\n"),
            *rule("+ self.eps) ** 0.5\n", ") ** 0.5\n"),
        ),
    ),
    "eps-outside": Breakage(
        "ε always stands outside the root",
        "eps_inside_root",
        rule("if self.eps_inside_root:", "if False:"),
    ),
    "gradient-of-another": Breakage(
        "a valley's gradient is that of the valley turned by a right angle",
        "ravine|rotated_quadratic",
        (
            (
                "surfaces.py",
                "scaled(as_points(points), (a, d))",
                "scaled(as_points(points), (d, a))",
            ),
        ),
    ),
    "round-valley": Breakage(
        "every valley is a round bowl",
        "ravine|rotated_quadratic",
        (
            (
                "surfaces.py",
                "    entries = {",
                "    matrix = matrix * 0 + np.eye(2)\n    entries = {",
            ),
        ),
    ),
    "no-ripple": Breakage(
        "the rippled bowl has no ripples",
        "basins",
        (
            ("surfaces.py", "0.5 * (1 - library(x1).cos(2 * x1))", "0 * x1"),
            ("surfaces.py", "0.1 * x1 + library(x1).sin(2 * x1)", "0.1 * x1"),
        ),
    ),
    "no-saddle": Breakage(
        "the saddle curves upwards both ways",
        "saddle",
        (
            (
                "surfaces.py",
                "stack([x1, x2**3 - x2])",
                "stack([x1, x2**3 + x2])",
            ),
        ),
    ),
    "steep-plateau": Breakage(
        "the plateau is a bowl",
        "plateau",
        (
            (
                "surfaces.py",
                "    slope = 2 / (1 + x1**2 + 4 * x2**2) ** 2",
                "    slope = 0 * x1 + 2",
            ),
        ),
    ),
    "no-noise": Breakage(
        "gradients on surfaces have no noise",
        "noise=",
        (("trajectory.py", "found + lanes(drawn[t]) if noise else found", ""),),
    ),
    "one-example": Breakage(
        "every mini-batch holds the first example alone",
        "train|problem|on_data",
        (
            (
                "models.py",
                "    def grad(self, params: Floats, rows: Rows) -> Floats:\n"
                "        inputs = self._inputs[rows]\n        residual",
                "    def grad(self, params: Floats, rows: Rows) -> Floats:\n"
                "        rows = 0 * rows\n"
                "        inputs = self._inputs[rows]\n        residual",
            ),
        ),
    ),
    "no-shuffle": Breakage(
        "the data are never shuffled",
        "train|on_data",
        (("training.py", "rng.permutation(problem.examples) if shuffle else ", ""),),
    ),
    "gradient-doubled": Breakage(
        "gradients of training are twice too large",
        "train|problem|on_data",
        (
            (
                "models.py",
                "(inputs @ params[..., None])[..., 0] - self._targets[rows]\n",
                "2 * (inputs @ params[..., None])[..., 0] - 2 * self._targets[rows]\n",
            ),
        ),
    ),
    "data-rescaled": Breakage(
        "one feature of the airfoil data is a hundred times too large",
        "load_airfoil",
        (
            (
                "models.py",
                "self._inputs, self._targets = _with_ones(features), targets.astype(float)\n"
                "        self.examples, self.size = self._inputs.shape\n        self.hessian",
                "features = features * np.where(np.arange(features.shape[1]) == 0, 100.0, 1.0)\n"
                "        self._inputs, self._targets = "
                "_with_ones(features), targets.astype(float)\n"
                "        self.examples, self.size = self._inputs.shape\n        self.hessian",
            ),
        ),
    ),
    "network-climbs": Breakage(
        "a network's training goes uphill",
        "MLP",
        (
            (
                "models.py",
                "d_score /= rows.shape[1]",
                "d_score /= -rows.shape[1]",
            ),
        ),
    ),
    "first-layer-frozen": Breakage(
        "a network's first layer does not learn",
        "MLP",
        (
            (
                "models.py",
                "d_hidden *= 1 - hidden**2",
                "d_hidden *= 0",
            ),
        ),
    ),
    "no-memory": Breakage(
        "a recurrent network's gradient does not go back in time",
        "RNN",
        (("models.py", "d_hidden = d_hidden @ back", "d_hidden = 0 * d_hidden"),),
    ),
    "schedule-ignored": Breakage(
        "schedules are ignored",
        "schedule",
        (
            (
                "stepping.py",
                "    if schedule is None:\n        return rule\n    return replace",
                "    if True:\n        return rule\n    return replace",
            ),
        ),
    ),
    "first-passing": Breakage(
        "a run counts as settled once it has passed through",
        "steps_to_stay|stays_within",
        (
            (
                "trajectory.py",
                "    after_last = len(outside) - outside[::-1].argmax(axis=0)",
                "    after_last = (~outside).argmax(axis=0)",
            ),
            (
                "trajectory.py",
                "np.where(outside[-1], inf, steps",
                "np.where(outside.all(axis=0), inf, steps",
            ),
        ),
    ),
    "tuned-badly": Breakage(
        "the tuner picks the worst setting",
        TUNED,
        (
            (
                "tuning.py",
                "        i = int(np.argmin(self.scores))",
                "        i = int(np.argmax(self.scores))",
            ),
        ),
    ),
    "tuned-on-report": Breakage(
        "the tuner sees the seeds and starts of the report",
        TUNED,
        (
            ("tuning.py", '"tune": points[1::2], "report"', '"tune": points[::2], "report"'),
            (
                "tuning.py",
                '{"tune": list(tune), "report": list(report)}',
                '{"tune": list(report)[:10], "report": list(report)}',
            ),
            ("tuning.py", '    if set(parts["tune"]) & set(parts["report"]):', "    if False:"),
            ("tuning.py", 'seed=1 if part == "tune" else 2', "seed=2"),
        ),
    ),
    "no-interval": Breakage(
        "every difference counts, however small",
        TUNED,
        (
            (
                "tuning.py",
                "low, high = stats.quantile_test(gap, q=0, p=0.5).confidence_interval(level)",
                "low = high = np.median(gap)",
            ),
        ),
    ),
    "differences-turned": Breakage(
        "differences between optimizers have the wrong sign",
        TUNED,
        (
            (
                "tuning.py",
                "a, b = self[name].report, self[other].report",
                "b, a = self[name].report, self[other].report",
            ),
        ),
    ),
    "limits-without-momentum": Breakage(
        "the closed forms leave momentum out",
        "theory",
        (
            (
                "theory.py",
                "trace = 1 + momentum - lr * curvature\n",
                "momentum = 0 * momentum\n    trace = 1 + momentum - lr * curvature\n",
            ),
            (
                "theory.py",
                "limit = 2 * (1 + momentum)\n",
                "momentum = 0 * momentum\n    limit = 2 * (1 + momentum)\n",
            ),
        ),
    ),
    "best-rate-off": Breakage(
        "the best learning rate of theory is half of what it is",
        "theory",
        (
            (
                "theory.py",
                "lr = 1 / (smallest / 2 + largest / 2)",
                "lr = 1 / (smallest + largest)",
            ),
            ("theory.py", "roots < 1e150, 4 / roots**2", "roots < 1e150, 2 / roots**2"),
        ),
    ),
    "weights-off": Breakage(
        "the weights of an average, its half-life and its bias are those of another memory",
        "theory",
        (
            (
                "theory.py",
                "(1 - beta) * beta**age",
                "(1 - beta) * (beta**2) ** age",
            ),
            ("theory.py", "np.log(0.5) / np.log(", "np.log(0.25) / np.log("),
            (
                "theory.py",
                "total: Number = 1 - np.asarray(decay) ** count",
                "total: Number = 1 - np.asarray(decay) ** (2 * count)",
            ),
        ),
    ),
    "d2l-stops-early": Breakage(
        "d2l's trace stops a step early",
        "train_2d",
        before="from descent.book import d2l\n_train_2d = d2l.train_2d\n"
        "d2l.train_2d = lambda trainer, steps=20: _train_2d(trainer, steps - 1)\n",
    ),
    "torch-no-momentum": Breakage(
        "torch.optim.SGD ignores momentum",
        r"torch\.optim\.SGD|RuleOptimizer",
        before="import torch\n_sgd = torch.optim.SGD.__init__\n"
        "def _plain(self, *a, momentum=0, nesterov=False, **k):\n    _sgd(self, *a, **k)\n"
        "torch.optim.SGD.__init__ = _plain\n",
    ),
    "torch-clears": Breakage(
        "torch clears the gradients after every step by itself",
        r"torch\.optim",
        before=f"import torch\n{STEP_HOOK}(lambda o, a, k: [setattr(p, 'grad', None) "
        "for g in o.param_groups for p in g['params']])\n",
    ),
    "torch-copies": Breakage(
        "torch's optimizers hold copies of the parameters",
        r"torch\.optim",
        before="import torch\n_add = torch.optim.Optimizer.add_param_group\n"
        "def _copying(self, group):\n    _add(self, group)\n"
        "    own = self.param_groups[-1]['params']\n"
        "    own[:] = [p.detach().clone().requires_grad_() for p in own]\n"
        "torch.optim.Optimizer.add_param_group = _copying\n",
    ),
    "torch-forgets-state": Breakage(
        "torch's load_state_dict loads nothing",
        r"load_state_dict",
        before="import torch\ntorch.optim.Optimizer.load_state_dict = lambda self, state: None\n",
    ),
    "torch-one-rate": Breakage(
        "torch's groups all have the first group's learning rate",
        r"torch\.optim",
        before="import torch\n_add1 = torch.optim.Optimizer.add_param_group\n"
        "def _one_rate(self, group):\n    _add1(self, group)\n"
        "    self.param_groups[-1]['lr'] = self.param_groups[0]['lr']\n"
        "torch.optim.Optimizer.add_param_group = _one_rate\n",
    ),
    "torch-counts": Breakage(
        "torch's optimizers count their steps, as they did until 2024",
        r"_step_count",
        before=f"import torch\ntorch.optim.Optimizer._step_count = 0\n{STEP_HOOK}(lambda o, a, k: "
        "setattr(o, '_step_count', o._step_count + 1))\n",
    ),
    "torch-fields": Breakage(
        "torch's optimizers keep their fields in other types, with one part more",
        r"torch\.optim",
        before="import torch\n_made = torch.optim.Optimizer.__init__\n"
        "def _other(self, params, defaults):\n    _made(self, params, defaults)\n"
        "    self.param_groups = tuple(self.param_groups)\n"
        "torch.optim.Optimizer.__init__ = _other\n"
        "_saved = torch.optim.Optimizer.state_dict\n"
        "torch.optim.Optimizer.state_dict = lambda self: _saved(self) | {'more': 1}\n",
    ),
    "torch-filled-state": Breakage(
        "torch's optimizers have a state before the first step",
        r"torch\.optim",
        before="import torch\n_begun = torch.optim.Optimizer.__init__\n"
        "def _filled(self, params, defaults):\n    _begun(self, params, defaults)\n"
        "    self.state[self.param_groups[0]['params'][0]] = {}\n"
        "torch.optim.Optimizer.__init__ = _filled\n",
    ),
    "torch-adam-for-all": Breakage(
        "torch gives Adam for RMSprop, Adagrad and SparseAdam",
        r"torch\.optim",
        before="import torch\n"
        "def _adam(params, lr=0.01, alpha=0.9, eps=1e-8, **k):\n"
        "    return torch.optim.Adam(params, lr=lr, betas=(0.9, alpha), eps=eps)\n"
        "torch.optim.RMSprop = torch.optim.Adagrad = torch.optim.SparseAdam = _adam\n",
    ),
    "torch-other-adam": Breakage(
        "torch's Adam has other decays than it says",
        r"torch\.optim\.Adam",
        before="import torch\n_adam_init = torch.optim.Adam.__init__\n"
        "def _other_decays(self, *a, betas=(0.9, 0.999), **k):\n"
        "    _adam_init(self, *a, betas=(0.5, 0.9), **k)\n"
        "torch.optim.Adam.__init__ = _other_decays\n",
    ),
    "benchmark-flat": Breakage(
        "the benchmark found one time for everything",
        r"\bbenchmark\(\)",
        (("book/bench.json", '"step_over_sgd": ', '"step_over_sgd": 1.0, "was": '),),
    ),
    "benchmark-gpu": Breakage(
        "the benchmark's batches were timed on a graphics processor",
        r"\bbenchmark\(\)",
        (("book/bench.json", '"linear regression, 5 features"', '"linear regression, CUDA"'),),
    ),
    "benchmark-batches": Breakage(
        "the benchmark found that an example costs the same in every batch",
        r"\bbenchmark\(\)",
        before="import json as _json\n_loads = _json.loads\n"
        "def _flat(text, *a, **k):\n    made = _loads(text, *a, **k)\n"
        "    if isinstance(made, dict) and 'batches' in made:\n"
        "        made['batches'] = {n: v if n == 'batch' else [1.0] * len(v)\n"
        "                           for n, v in made['batches'].items()}\n    return made\n"
        "_json.loads = _flat\n",
    ),
}

# Verdicts whose evidence comes from elsewhere than what can be broken here, and from where.
ELSEWHERE: dict[str, str] = {
    "A5-limit": "it is arithmetic alone, (1 - 1/n)^n for growing n",
    "C1-universal": "it is NumPy's least squares on functions of one variable",
    "E10-large": "it is the number of rows of the largest data set, which a breakage cannot raise",
}


def judging(chosen: list[str]) -> list[Path]:
    """The notebooks that call `judge` or `reproduce`, or the chosen ones among them."""
    return [
        path
        for path in sorted(CHAPTERS.glob("*.ipynb"))
        if JUDGES.search(path.read_text("utf-8")) and (not chosen or path.stem in chosen)
    ]


def sliced(text: str, claims: set[str], before: str = "") -> nbformat.NotebookNode:
    """The notebook's cells that verdicts on these claims need, and lines to run first.

    Kept are the cells that judge them, those that define or change what a kept cell uses, and those
    that import or set something for all. Exercises judge nothing.
    """
    notebook = load(text)
    cells: list[Any] = []
    for cell in notebook.cells:
        if cell.cell_type == "markdown" and re.search(r"^## Exercises", cell.source, re.MULTILINE):
            break
        if cell.cell_type == "code":
            cells.append(cell)
    kept: list[Any] = []
    wanted: set[str] = set()
    for cell in reversed(cells):
        tree = ast.parse(cell.source)
        named = {claim for claim in read_claims().claims if f'"{claim}"' in cell.source}
        judges = JUDGES.search(cell.source) and (not named or named & claims)
        if judges or sets_for_all(tree) or made(tree) & wanted:
            kept.insert(0, cell)
            wanted |= {n.id for n in ast.walk(tree) if isinstance(n, ast.Name)}
    notebook.cells = [*([new_code_cell(before, id="breakage")] if before else []), *kept]
    return notebook


def sets_for_all(tree: ast.Module) -> bool:
    """Whether a cell imports, or calls a library for its effect: a seed, a default, a style."""
    return any(
        isinstance(node, ast.Import | ast.ImportFrom)
        or (isinstance(node, ast.Expr) and root(node.value) in {"torch", "os", "keras", "plots"})
        for node in tree.body
    )


def made(tree: ast.Module) -> set[str]:
    """The names that a cell defines, or changes by an assignment into them or by a method."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.Name | ast.Attribute | ast.Subscript) and isinstance(
            node.ctx, ast.Store
        ):
            found.add(root(node))
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
            found.add(root(node.value))
    return found - {""}


def root(node: ast.AST) -> str:
    """The name that an expression of attributes, subscripts and calls starts from."""
    while isinstance(node, ast.Attribute | ast.Subscript | ast.Call):
        node = node.func if isinstance(node, ast.Call) else node.value
    return node.id if isinstance(node, ast.Name) else ""


def broken_copy(breakage: Breakage, folder: Path) -> None:
    """Copy the package and the chapters into the folder, and break them there."""
    shutil.copytree(
        ROOT / "code" / "descent", folder / "descent", ignore=shutil.ignore_patterns("__pycache__")
    )
    (folder / "chapters").mkdir()
    for path in CHAPTERS.glob("*.ipynb"):
        shutil.copy(path, folder / "chapters")
    for name, old, new in breakage.edits:
        path = folder / "descent" / name
        text = path.read_text("utf-8")
        if old not in text:
            raise SystemExit(f"{breakage.what}: {name} does not hold {old!r}")
        path.write_text(text.replace(old, new), "utf-8")


async def outcomes(notebook: nbformat.NotebookNode, folder: Path) -> dict[str, str]:
    """Outcomes by claim of a chapter's cells on the broken copy in `folder`, as far as they get."""
    kernel = AsyncKernelManager(kernel_name="python3")
    client = NotebookClient(
        notebook,
        km=kernel,
        timeout=CELL_SECONDS,
        allow_errors=True,
        record_timing=False,
        shutdown_kernel="immediate",
        interrupt_on_timeout=True,
    )
    try:
        await kernel.start_kernel(
            extra_arguments=["--log-level=ERROR"],
            cwd=str(folder / "chapters"),
            env=os.environ | {"PYTHONPATH": str(folder)},
        )
        await client.async_execute(cleanup_kc=True)
    except (CellTimeoutError, DeadKernelError):
        pass
    finally:
        if kernel.has_kernel:
            await kernel.shutdown_kernel(now=True)
    return {
        output.data[MIME_TYPE]["claim"]: output.data[MIME_TYPE]["outcome"]
        for cell in notebook.cells
        for output in cell.get("outputs", [])
        if MIME_TYPE in output.get("data", {})
    }


async def run_all(names: list[str], paths: list[Path], stored: list[Verdict]) -> None:
    """Try on every breakage the verdicts that none has changed yet, on as many cores as there are.

    What is found goes into the report at once, so that an interruption loses little.
    """
    free = asyncio.Semaphore(cores())
    began = time.perf_counter()

    async def one(name: str, path: Path, folder: Path) -> None:
        async with free:
            claims = {v.claim for v in stored if v.chapter == path.stem}
            left = claims - set(report({}, 0, stored)["changed"]) - set(ELSEWHERE)
            if not left:
                return
            text = (folder / "chapters" / path.name).read_text("utf-8")
            cells = sliced(text, left, BREAKAGES[name].before)
            code = "\n".join(cell.source for cell in cells.cells)
            if not re.search(BREAKAGES[name].where, code):
                return
            found = await outcomes(cells, folder)
            tried = {claim: found.get(claim) for claim in left}
            made = report({name: tried}, time.perf_counter() - began, stored)
            write_whole(REPORT, json.dumps(made, indent=1, ensure_ascii=False) + "\n")
            print(f"{time.perf_counter() - began:6.0f} s  {name} {path.stem}", flush=True)

    with tempfile.TemporaryDirectory() as place:
        jobs = []
        for name in names:
            folder = Path(place) / name
            folder.mkdir()
            broken_copy(BREAKAGES[name], folder)
            jobs += [one(name, path, folder) for path in paths]
        await asyncio.gather(*jobs)


def report(
    found: dict[str, dict[str, str | None]], seconds: float, stored: list[Verdict]
) -> dict[str, Any]:
    """The stored report with what was found, by breakage and claim, put in its place.

    `stored` are the book's verdicts as they are, which the breakages are to change.

    None, where a cell raised before the verdict, is no change of an outcome; it is told apart.
    """
    present = dict(sorted((v.claim, v.outcome) for v in stored))
    old = json.loads(REPORT.read_text("utf-8")) if REPORT.exists() else {}
    result: dict[str, Any] = {
        "seconds": max(round(seconds), old.get("seconds", 0)),
        "breakages": {name: b.what for name, b in BREAKAGES.items()},
        "outcomes": present,
        "changed": {},
        "stopped": {},
        "elsewhere": ELSEWHERE,
    }
    for claim, outcome in present.items():
        same = old and old["outcomes"].get(claim) == outcome
        for kind in ("changed", "stopped"):
            hits = set(old[kind].get(claim, []) if same else []) & set(BREAKAGES)
            for name, tried in found.items():
                if claim in tried:
                    now = tried[claim]
                    hit = now is None if kind == "stopped" else now not in (None, outcome)
                    hits = hits | {name} if hit else hits - {name}
            if hits:
                result[kind][claim] = [name for name in BREAKAGES if name in hits]
    return result


def main() -> int:
    parser = argparse.ArgumentParser(
        description="Break the package, and see which verdicts notice."
    )
    parser.add_argument("--only", nargs="*", default=[], choices=BREAKAGES)
    parser.add_argument("--chapters", nargs="*", default=[])
    options = parser.parse_args()
    set_environment()
    names, paths = options.only or list(BREAKAGES), judging(options.chapters)
    stored = collect(CHAPTERS)
    if not options.only and not options.chapters:
        REPORT.unlink(missing_ok=True)
    elif not options.only and REPORT.exists():
        anew = {v.claim for v in stored if v.chapter in options.chapters}
        old = json.loads(REPORT.read_text("utf-8"))
        for kind in ("changed", "stopped"):
            old[kind] = {claim: hits for claim, hits in old[kind].items() if claim not in anew}
        write_whole(REPORT, json.dumps(old, indent=1, ensure_ascii=False) + "\n")
    asyncio.run(run_all(names, paths, stored))
    made = json.loads(REPORT.read_text("utf-8"))
    tried = {c.id for c in read_claims().claims.values() if not c.untried}
    silent = sorted(tried - set(made["changed"]) - set(ELSEWHERE))
    print(f"{len(made['changed'])} of {len(tried)} verdicts change under some breakage")
    print("under none, and not listed as resting elsewhere:", ", ".join(silent) or "none")
    return 1 if silent else 0


if __name__ == "__main__":
    sys.exit(main())
