"""The five sources, item by item, and the verdicts of the chapters on them.

`ITEMS` lists what the book answers for. A chapter calls `verdict` beside the measurement; the line
shown carries its content as data, so that `collect` can read all verdicts back from the stored
notebooks, and `check` can say what is missing or does not match.
"""

import html
import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from descent._checks import check_one_of

__all__ = [
    "ITEMS",
    "OUTCOMES",
    "SOURCES",
    "Item",
    "Source",
    "Verdict",
    "check",
    "collect",
    "verdict",
]

OUTCOMES = ("reproduced", "holds", "holds only if", "fails", "undecided", "covered")
MIME_TYPE = "application/vnd.descent.verdict+json"
_NEED_NO_MEASUREMENT = ("undecided", "covered")


@dataclass(frozen=True)
class Source:
    """One source; `title` as the file gives it, `author` empty where the file names none."""

    id: str
    title: str
    english: str
    author: str = ""


@dataclass(frozen=True)
class Item:
    """One thing that a source shows or claims.

    numbers: what the source prints, or for C what its program computes (`printed` tells which).
    spread: for a number that depends on chance, its 5 % and 95 % quantiles over random seeds.
    """

    id: str
    title: str
    numbers: tuple[float, ...] = ()
    spread: tuple[float, float] | None = None
    printed: bool = True

    @property
    def source(self) -> Source:
        return SOURCES[self.id[0]]

    def display_numbers(self) -> str:
        return ", ".join(f"{number:.6f}" for number in self.numbers)


@dataclass(frozen=True)
class Verdict:
    """What a chapter found about an item; `chapter` and `cell` say where, once it is collected."""

    item: str
    outcome: str
    ours: str = ""
    part: str = ""
    numbers: tuple[float, ...] = ()
    chapter: str = ""
    cell: str = ""

    @property
    def anchor(self) -> str:
        """The id of this verdict's line on its page."""
        return re.sub(r"[^a-z0-9]+", "-", f"verdict {self.item} {self.part}".lower()).strip("-")

    def __str__(self) -> str:
        return " · ".join([self.item, *filter(None, [self.part]), self.outcome, *self._evidence()])

    def _evidence(self) -> list[str]:
        ours = [f"ours: {self.ours}"] if self.ours else []
        theirs = ITEMS[self.item].display_numbers()
        return ours + ([f"source: {theirs}"] if theirs and self.numbers else [])

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        part = f' <span class="verdict-part">{html.escape(self.part)}</span>' if self.part else ""
        evidence = "".join(
            f' <span class="verdict-number">{html.escape(text)}</span>' for text in self._evidence()
        )
        record = asdict(self)
        del record["chapter"], record["cell"]
        return {
            "text/plain": str(self),
            "text/html": (
                f'<p id="{html.escape(self.anchor)}" '
                f'class="verdict verdict-{self.outcome.replace(" ", "-")}">'
                f'<a href="#src-{self.item.lower()}">{self.item}</a>{part} '
                f"<strong>{self.outcome}</strong>{evidence}</p>"
            ),
            MIME_TYPE: record | {"source": list(ITEMS[self.item].numbers)},
        }


def verdict(
    item: str, outcome: str, ours: str = "", part: str = "", *, numbers: Sequence[float] = ()
) -> None:
    """Show one verdict, as a line that can also be read by a program.

    item: "A1" to "E10".
    outcome: one of `OUTCOMES`; "covered" is for an item that makes no claim to test.
    ours: what was measured, in short; "undecided" and "covered" may do without.
    part: which of an item's claims, in two or three words.
    numbers: in place of `ours`, for an item with numbers of its source: ours in the same order, or
    for one that depends on chance the 5 %, 50 % and 95 % quantiles over seeds.

    Numbers that do not match are not an error here, because the moment twin may bring them: `check`
    finds them.
    Raises ValueError for an unknown item or outcome, and for a verdict without its measurement.
    """
    from IPython.display import display

    display(_verdict(item, outcome, ours, part, numbers))  # type: ignore[no-untyped-call]


def _verdict(item: str, outcome: str, ours: str, part: str, numbers: Sequence[float]) -> Verdict:
    check_one_of("item", item, ITEMS)
    check_one_of("outcome", outcome, OUTCOMES)
    # Rounded, so that another processor's last bits do not show in a stored output.
    values = tuple(round(float(number), 6) for number in numbers)
    if values:
        if ours:
            raise ValueError(
                f"give ours or numbers, not both: got ours={ours!r} and numbers={values}"
            )
        ours = _formatted(ITEMS[item], values)
    elif not ours and outcome not in _NEED_NO_MEASUREMENT:
        raise ValueError(
            f"ours must say what was measured for the outcome {outcome!r}, got {ours!r}"
        )
    return Verdict(item, outcome, ours, part, values)


def _formatted(item: Item, values: tuple[float, ...]) -> str:
    expected = 3 if item.spread else len(item.numbers)
    if len(values) != expected or not all(map(math.isfinite, values)):
        raise ValueError(
            f"numbers must be {expected} finite numbers for item {item.id}, got {values}"
        )
    if item.spread:
        return " / ".join(f"{value:.4f}" for value in values) + " (5 / 50 / 95 %)"
    return ", ".join(f"{value:.6f}" for value in values)


def collect(folder: str | Path) -> list[Verdict]:
    """All verdicts in the stored outputs of the notebooks in `folder`, in the order of the book."""
    folder = Path(folder)
    if not folder.is_dir():
        raise ValueError(f"folder must be a folder of notebooks, got {str(folder)!r}")
    return [
        found
        for path in sorted(folder.glob("*.ipynb"))
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]
        for output in cell.get("outputs", [])
        if MIME_TYPE in output.get("data", {})
        for found in [_from_record(output["data"][MIME_TYPE], path.stem, cell.get("id", ""))]
    ]


def _from_record(record: Mapping[str, Any], chapter: str, cell: str) -> Verdict:
    # Built by the same rules as in the chapter: an edited output is no way around them.
    ours = "" if record["numbers"] else record["ours"]
    made = _verdict(record["item"], record["outcome"], ours, record["part"], record["numbers"])
    return replace(made, chapter=chapter, cell=cell)


def check(verdicts: Iterable[Verdict]) -> list[str]:
    """What is wrong with the verdicts, as a list of sentences; an empty list is a complete book.

    Every item needs a verdict, and every item with numbers of its source one with numbers of ours:
    equal to the printed digits, or for those that depend on chance with our median inside the known
    spread, and "reproduced" said exactly when the source's number lies between our 5 % and 95 %
    quantiles.
    """
    verdicts = list(verdicts)
    problems = []
    for item in ITEMS.values():
        own = [v for v in verdicts if v.item == item.id]
        if not own:
            problems.append(f"{item.id} ({item.title}) has no verdict")
        elif item.numbers and not any(v.numbers for v in own):
            problems.append(f"{item.id} ({item.title}) has no verdict with numbers")
        problems += [
            f"{item.id} in {v.chapter or 'no chapter'}, cell {v.cell or '?'}: {problem}"
            for v in own
            if v.numbers
            for problem in _mismatch(item, v)
        ]
    return problems


def _mismatch(item: Item, found: Verdict) -> list[str]:
    if item.spread is None:
        same = found.ours == item.display_numbers()
        if same == (found.outcome == "reproduced"):
            return []
        return [
            f"{found.outcome!r} with {found.ours} against the source's {item.display_numbers()}"
        ]
    low, median, high = found.numbers
    problems = []
    if not item.spread[0] <= median <= item.spread[1]:
        problems.append(f"the median {median:.4f} lies outside the known spread {item.spread}")
    inside = low <= item.numbers[0] <= high
    if inside != (found.outcome == "reproduced"):
        problems.append(
            f"{found.outcome!r}, while the source's {item.display_numbers()} lies "
            f"{'inside' if inside else 'outside'} {found.ours}"
        )
    return problems


SOURCES = {
    source.id: source
    for source in [
        Source(
            "A",
            "【从零开始学习深度学习】39. 梯度下降优化之动量法介绍及其Pytorch实现",
            "Learning deep learning from zero, 39: momentum for gradient descent, with PyTorch",
        ),
        Source("B", "深度学习之参数更新方法", "Deep learning: methods of updating parameters"),
        Source(
            "C",
            "使用Numpy进行深度学习中5大反向传播优化算法的性能比较",
            "Comparing five optimization algorithms of deep learning, with NumPy",
            "Saket Thavanani",
        ),
        Source(
            "D",
            "深度学习中优化器的SGD with Momentum(带动量的随机梯度下降)原理与实现细节",
            "Optimizers in deep learning: SGD with momentum, its principle and details",
        ),
        Source(
            "E",
            "3.3 RMSprop(Root Mean Square Propagation)",
            "Optimizers in PyTorch (the file's own title names only RMSprop)",
            "ptknx",
        ),
    ]
}

ITEMS = {
    item.id: item
    for item in [
        Item("A1", "gradient descent, learning rate 0.4: zigzag", (-0.943467, -0.000073)),
        Item("A2", "gradient descent, learning rate 0.6: divergence", (-0.387814, -1673.365109)),
        Item("A3", "momentum 0.5, learning rate 0.4", (-0.062843, 0.001202)),
        Item("A4", "momentum 0.5, learning rate 0.6: no divergence", (0.007188, 0.002553)),
        Item("A5", "the exponentially weighted moving average and its window"),
        Item("A6", "the velocity as a moving average"),
        Item(
            "A7",
            "momentum 0.5 from scratch on airfoil data, learning rate 0.02",
            (0.245518,),
            (0.2424, 0.2486),
        ),
        Item("A8", "the same, momentum 0.9: not smooth", (0.252046,), (0.2451, 0.2768)),
        Item(
            "A9",
            "the same, momentum 0.9 and learning rate 0.004: smoother",
            (0.242905,),
            (0.2425, 0.2483),
        ),
        Item("A10", "the same with torch.optim.SGD", (0.253280,), (0.2422, 0.2468)),
        Item("A11", "summary: momentum makes successive updates agree"),
        Item(
            "B1", "a small loss as the aim; the cost of the full gradient; single examples; streams"
        ),
        Item("B2", "an SGD class over dictionaries of parameters"),
        Item("B3", "SGD's weakness on an anisotropic function"),
        Item("B4", "mini-batches, powers of two, reshuffling, learning-rate decay"),
        Item("B5", "valleys and saddle points: the paper ball and the iron ball"),
        Item("B6", "momentum with the sign turned, and a class for it"),
        Item("B7", "AdaGrad: larger steps for rarely updated parameters"),
        Item("B8", "AdaGrad's step decays for ever; RMSprop forgets"),
        Item("B9", "Adam: two moments and their four cases"),
        Item("B10", "Adam: bias correction and the final update"),
        Item("C1", "3-D surface beside the level sets"),
        Item("C2", "gradient descent from (-4, -6)", (-0.754773, -0.000219), printed=False),
        Item("C3", "momentum 0.5, overlaid", (-0.050275, 0.003607), printed=False),
        Item("C4", "AdaGrad, overlaid", (-1.506305, -3.303756), printed=False),
        Item("C5", "RMSprop, overlaid", (-0.000275, -0.074801), printed=False),
        Item(
            "C6",
            "Adam from (-6, -6), stopped after 17 steps",
            (-0.055825, -0.055822),
            printed=False,
        ),
        Item("C7", "the claimed ranking of the five"),
        Item("D1", "the trouble with plain SGD"),
        Item("D2", "the ball on the surface; momentum as memory"),
        Item("D3", "the formula of momentum, and its usual coefficient"),
        Item("D4", "what the coefficient does, and a schedule for it"),
        Item("D5", "the algorithm, step by step"),
        Item("D6", "Nesterov's accelerated gradient"),
        Item("D7", "initial velocity, learning rate and bias correction"),
        Item("D8", "the same in PyTorch and in Keras"),
        Item("D9", "claims: faster, steadier, through flat regions and out of local minima"),
        Item("D10", "cautions: where it suits, overshooting, tuning two numbers together"),
        Item("E1", "what an optimizer is; derivative, directional derivative, gradient"),
        Item("E2", "inside an optimizer: defaults, state, param_groups, step count"),
        Item("E3", "zero_grad, step, and tensors shared with the model"),
        Item("E4", "add_param_group for fine-tuning"),
        Item("E5", "state_dict and load_state_dict: save and resume"),
        Item("E6", "SGD: idea, formula, use"),
        Item("E7", "Adam: idea, formula, use"),
        Item("E8", "RMSprop: idea, formula, use"),
        Item("E9", "Adadelta, Adagrad, AdamW, SparseAdam, Nadam, AMSGrad"),
        Item("E10", "choosing an optimizer"),
    ]
}
