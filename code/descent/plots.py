r"""Figures: functions that take results and an `ax`, draw, and return the `ax`. They run nothing.

`use_style()` at the top of a chapter sets the look and makes the notebook keep its figures as SVG
that is the same, byte for byte, on every run. Each rule has one colour and one marker in the whole
book, `STYLES`: apart for colour-blind readers, and by the marker alone without any colour. What is
no rule is drawn in `INK`, `QUIET`, `ACCENT`, `SECOND` or `THIRD`. `DARK` gives for each of these
colours the one that stands for it on a dark page.

Where a function takes them, `ax` is the matplotlib axes to draw on, `surface` the `Surface` that is
drawn, `rule` the one whose look a line has, given as in `style_of`, and `colour` any that
matplotlib knows. Arrays of other shapes than those named are refused (ValueError).
"""

import hashlib
import io
import itertools
import re
from collections.abc import Mapping, Sequence
from numbers import Integral
from pathlib import Path
from typing import Any, NamedTuple

import font_source_sans_pro
import numpy as np
import numpy.typing as npt
from cycler import cycler
from matplotlib import font_manager, patheffects
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, to_hex, to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from descent._checks import Floats, check_count, check_one_of
from descent.rules import Rule
from descent.surfaces import Surface
from descent.trajectory import Trajectory

__all__ = [
    "ACCENT",
    "DARK",
    "FAINT",
    "HALO",
    "INK",
    "PAPER",
    "PATCH",
    "QUIET",
    "SECOND",
    "STYLES",
    "THIRD",
    "Style",
    "band",
    "contours",
    "curve",
    "distribution",
    "figure",
    "heatmap",
    "label_ends",
    "mark",
    "roots",
    "style_of",
    "surface_3d",
    "to_svg",
    "trace",
    "use_style",
]


class Style(NamedTuple):
    """How a rule looks.

    colour: on white paper, and on a dark page `dark` of about the same hue. marker: matplotlib's.
    label: the rule's name in figures.
    """

    colour: str
    dark: str
    marker: str
    label: str

    @property
    def size(self) -> float:
        """The size of the marker in points. A star is mostly rays."""
        return 7.5 if self.marker == "*" else 4.5


STYLES = {
    "SGD": Style("#4d4d4d", "#c0c0c0", "o", "gradient descent"),
    "Momentum": Style("#0072b2", "#4fbaff", "s", "momentum"),
    "Nesterov": Style("#0097ef", "#b2deff", "D", "Nesterov"),
    "AdaGrad": Style("#dc7800", "#ffb220", "^", "AdaGrad"),
    "RMSprop": Style("#009961", "#3d9975", "v", "RMSprop"),
    "Adadelta": Style("#59471b", "#dabc8e", "P", "Adadelta"),
    "Adam": Style("#bf340a", "#e7553a", "*", "Adam"),
    "AMSGrad": Style("#b77399", "#ed86ca", "X", "AMSGrad"),
    "AdamW": Style("#660a2c", "#ff7394", "p", "AdamW"),
    "NAdam": Style("#8b2f8b", "#c06fc9", "h", "NAdam"),
    "AdaMax": Style("#758435", "#8e9e55", "d", "AdaMax"),
    "Lion": Style("#4126bf", "#9171e2", ">", "Lion"),
}
# FAINT is for lines that may be missed, such as level lines; PAPER is what figures are drawn on.
INK, QUIET, FAINT, PAPER = "#24292f", "#6e7781", "#c4ccd4", "#ffffff"
ACCENT, SECOND, THIRD = STYLES["Momentum"].colour, "#b8336a", "#6b6100"

# What crosses a map keeps a little of the paper around it, and so do words on lines or on a map.
PATCH = {"facecolor": PAPER, "edgecolor": "none", "pad": 1}
HALO = [patheffects.withStroke(linewidth=3, foreground=PAPER)]
WIDE = 5.6  # inches: a narrower figure is read whole even on a phone
SHADES = LinearSegmentedColormap.from_list("descent", ["#f7fafc", "#9ecae1", "#0072B2", "#08306b"])


def use_style() -> None:
    """Set the book's look, and let a notebook store figures as `to_svg` gives them."""
    for file in sorted(Path(font_source_sans_pro.font_directory).glob("*.ttf")):
        if file.stem.split("-")[1] in {"Regular", "It", "Semibold", "Bold"}:
            font_manager.fontManager.addfont(file)
    plt.style.use(Path(__file__).with_name("descent.mplstyle"))
    plt.rcParams["axes.prop_cycle"] = cycler(color=[s.colour for s in STYLES.values()])
    try:
        from IPython.core.getipython import get_ipython
    except ImportError:  # the package without a notebook
        return
    shell = get_ipython()
    if shell is None or shell.display_formatter is None:
        return
    from matplotlib_inline.backend_inline import set_matplotlib_formats

    set_matplotlib_formats("svg")
    shell.display_formatter.formatters["image/svg+xml"].for_type(Figure, to_svg)


def to_svg(fig: Figure) -> str:
    """The figure `fig` as SVG text, the same on every run.

    Numbers are rounded to a hundredth of a point, so that the last bits of another processor's
    arithmetic do not show, and identifiers are numbered in their order.
    """
    buffer = io.StringIO()
    fig.savefig(
        buffer,
        format="svg",
        bbox_inches="tight",
        pad_inches=0.04,
        metadata={"Date": None, "Creator": None},
    )
    text = re.sub(
        r"(?:scale|matrix)\([^)]*\)|-?\d+\.\d{3,}",
        lambda found: found[0] if found[0][-1] == ")" else f"{round(float(found[0]), 2) + 0.0:g}",
        buffer.getvalue(),
    )
    names = list(dict.fromkeys(re.findall(r'(?<=id=")[^"]+', text)))
    prefix = hashlib.sha256(re.sub("|".join(map(re.escape, names)), "", text).encode()).hexdigest()
    number = {name: f"d{prefix[:6]}-{i}" for i, name in enumerate(names)}
    text = re.sub(
        r'(id="|href="#|url\(#)([^")]+)',
        lambda found: found[1] + number.get(found[2], found[2]),
        text,
    )
    text = text.replace("\r", "")
    return text.replace("<svg ", f'<svg data-panels="{_panels(fig)}" ', 1)


def _panels(fig: Figure) -> str:
    """Where each panel of a figure stands that is too wide for a phone, in percent of its width.

    Panels are told apart by ";". Each is a range, or two ranges where it takes its numbers from an
    axis that another panel shows: those come first.
    """
    if fig.get_figwidth() < WIDE:
        return ""
    whole = fig.get_tightbbox()
    pad = 0.04  # as to_svg has it
    left, width = whole.x0 - pad, whole.width + 2 * pad

    def share(at: float) -> float:
        return float(np.clip(100 * (at / fig.dpi - left) / width, 0, 100))

    columns: list[list[Any]] = []  # each with its two ends and its first axes
    for ax in sorted(fig.axes, key=lambda ax: ax.get_position().x0):
        box = ax.get_tightbbox()
        if box is None:
            continue
        if columns and (hasattr(ax, "_colorbar") or box.x0 < columns[-1][1]):
            columns[-1][1] = max(columns[-1][1], box.x1)
        else:
            columns.append([box.x0, box.x1, ax])
    if len(columns) < 2:
        return ""

    def numbers_end(ax: Axes) -> float:
        """Where its numbers end at the latest, and its ticks begin."""
        tick = ax.yaxis.get_major_ticks()[0].tick1line.get_markersize() + 2
        return share(ax.get_window_extent().x0 - tick * fig.dpi / 72)

    first = columns[0][2]
    axis = f"{share(columns[0][0]):.2f}-{numbers_end(first):.2f},"
    found = []
    for low, high, ax in columns:
        borrows = ax is not first and not ax.yaxis.get_tick_params().get("labelleft", True)
        start = numbers_end(ax) if borrows else share(low)
        found.append(f"{axis if borrows else ''}{start:.2f}-{share(high):.2f}")
    return ";".join(found)


def figure(
    panels: int = 1, height: float = 3.4, width: float | None = None, **subplots: Any
) -> tuple[Figure, Any]:
    """A figure as wide as the page's text asks: one panel, or several side by side.

    panels: how many. height, width: in inches; by default the width follows from the panels.
    subplots: what else `matplotlib.pyplot.subplots` takes, such as sharey=True.
    Returns the figure, and its axes or an array of them.
    """
    panels = check_count("panels", panels, 1)
    if width is None:
        width = 5.3 if panels == 1 else 7.4
    return plt.subplots(1, panels, figsize=(width, height), **subplots)


def style_of(rule: Rule | type[Rule] | str) -> Style:
    """The look of a rule.

    rule: an instance, a class or a name of `descent.rules`. One's own looks like none of these,
    until `STYLES` has a look for the name of its class. Raises ValueError for what is no rule.
    """
    name = rule if isinstance(rule, str) else getattr(rule, "__name__", type(rule).__name__)
    own = isinstance(rule, Rule) or (isinstance(rule, type) and issubclass(rule, Rule))
    if name not in STYLES and not own:
        raise ValueError(f"rule must be one of {', '.join(STYLES)}; got {rule!r}")
    return STYLES.get(name, Style(INK, DARK[INK], "<", name))


def _ink(colour: Any) -> str:
    """The colour, darkened as far as text needs it: 4.5 to 1 on white (WCAG 2.1, 1.4.3)."""
    shade = np.array(to_rgb(colour))

    def luminance() -> float:
        linear = np.where(shade <= 0.04045, shade / 12.92, ((shade + 0.055) / 1.055) ** 2.4)
        return float(linear @ (0.2126, 0.7152, 0.0722))

    while 1.05 / (luminance() + 0.05) < 4.5:
        shade = 0.97 * shade
    return to_hex(tuple(shade.tolist()))


DARK = {
    INK: "#dce2e8",
    QUIET: "#a8b3bd",
    FAINT: "#3d4751",
    PAPER: "#14181c",
    SECOND: "#f287ae",
    THIRD: "#c9bd5a",
    **{look.colour: look.dark for look in STYLES.values()},
    **{_ink(look.colour): look.dark for look in STYLES.values()},
}


def contours(
    surface: Surface,
    ax: Axes,
    *,
    window: tuple[tuple[float, float], tuple[float, float]] | None = None,
    levels: int | Sequence[float] = 12,
) -> Axes:
    """Level lines of the surface over its window, and its minimum as a cross.

    window: ((x1 from, to), (x2 from, to)), by default the surface's own.
    levels: heights, or how many; by default they stand at equal distances of the root of the
    height, so that a quadratic's lines are equally far apart.
    """
    window = window or surface.window
    x1, x2 = (np.linspace(*side, 201) for side in window)
    height = surface.value(np.stack(np.meshgrid(x1, x2), axis=-1))
    if isinstance(levels, Integral):
        levels = check_count("levels", levels, 1)
        low, high = float(height.min()), float(np.quantile(height, 0.98))
        levels = (low + (high - low) * (np.arange(1, levels + 1) / levels) ** 2).tolist()
    ax.contour(x1, x2, height, levels=levels, colors=FAINT, linewidths=0.8, zorder=0)
    if surface.minimum is not None:
        ax.plot(*surface.minimum, marker="+", color=QUIET, markersize=9, mew=1.2, zorder=1)
    ax.set(xlim=window[0], ylim=window[1], xlabel="$x_1$", ylabel="$x_2$")
    return ax


def trace(
    run: Trajectory | npt.ArrayLike,
    ax: Axes,
    rule: Rule | type[Rule] | str,
    *,
    label: str | None = None,
    every: int = 1,
) -> Axes:
    """The path of one run in its rule's colour and with its markers; the start has a ring.

    run: a trajectory of one run, or its points (records, 2). rule: whose look it has.
    label: names the line for `label_ends` or a legend; by default the rule's name.
    every: a marker at every so many records.
    """
    path = run.points if isinstance(run, Trajectory) else np.asarray(run)
    if path.ndim != 2 or path.shape[1] != 2:
        raise ValueError(f"run must be one path with points (records, 2), got {path.shape}")
    look = style_of(rule)
    ax.plot(
        *path.T,
        color=look.colour,
        marker=look.marker,
        markersize=look.size,
        markevery=every,
        markeredgewidth=0,
        linewidth=1.3,
        label=look.label if label is None else label,
    )
    ax.plot(*path[0], marker="o", markersize=8.5, mfc="none", mec=look.colour, mew=1.4)
    return ax


def curve(
    x: npt.ArrayLike,
    y: npt.ArrayLike,
    ax: Axes,
    rule: Rule | type[Rule] | str | None = None,
    *,
    label: str | None = None,
    markers: int = 8,
    **line: Any,
) -> Axes:
    """One line; for a rule, in its colour and with some of its markers.

    x, y: of shape (n,). rule: whose look it has; without one, matplotlib's next.
    label: as in `trace`. markers: about how many. line: what else `Axes.plot` takes.
    """
    markers = check_count("markers", markers, 1)
    x, y = np.asarray(x), np.asarray(y)
    if x.ndim != 1 or y.shape != x.shape:
        raise ValueError(f"x and y must be as long as each other, got {x.shape} and {y.shape}")
    if rule is not None:
        look = style_of(rule)
        line = {
            "color": look.colour,
            "marker": look.marker,
            "markersize": look.size,
            "markevery": max(1, len(x) // markers),
            "markeredgewidth": 0,
            **line,
        }
        label = look.label if label is None else label
    ax.plot(x, y, label=label, **line)
    return ax


def band(
    x: npt.ArrayLike,
    runs: Floats,
    ax: Axes,
    rule: Rule | type[Rule] | str | None = None,
    *,
    label: str | None = None,
    **line: Any,
) -> Axes:
    """Median of many runs, and the band that holds the middle 90 % of them.

    x: (records,). runs: (records, seeds). rule, label, line: as in `curve`.
    """
    x, runs = np.asarray(x), np.asarray(runs)
    if runs.ndim != 2 or x.shape != runs.shape[:1] or 0 in runs.shape:
        raise ValueError(f"runs must be (records, seeds) for x {x.shape}, got {runs.shape}")
    low, middle, high = np.quantile(runs, [0.05, 0.5, 0.95], axis=-1)
    colour = line.setdefault("color", ACCENT if rule is None else style_of(rule).colour)
    ax.fill_between(x, low, high, color=colour, alpha=0.16, linewidth=0)
    for edge in (low, high):
        ax.plot(x, edge, color=colour, linewidth=0.6)
    return curve(x, middle, ax, rule, label=label, **line)


def label_ends(ax: Axes, *, gap: float = 0.075, pad: float = 0.015) -> Axes:
    """Write each labelled line's name beside its right end, moved apart where they would overlap.

    gap: least distance of two names, in shares of the axes' height. pad: distance from the axes, in
    shares of their width. Raises ValueError for a labelled line without a finite point.
    """
    ax.get_xlim(), ax.get_ylim()  # settle limits that are due to change: transData does not ask
    to_axes = ax.transAxes.inverted()
    ends: list[tuple[float, str, Any]] = []
    for line in ax.get_lines():
        label = str(line.get_label())
        if label.startswith("_") or not label:
            continue
        xy = np.column_stack(
            [np.asarray(line.get_xdata(), float), np.asarray(line.get_ydata(), float)]
        )
        xy = xy[np.isfinite(xy).all(axis=1)]
        if not len(xy):
            raise ValueError(f"ax has a line with no finite point to write its label {label!r} at")
        where = to_axes.transform(ax.transData.transform(xy[-1]))
        ends.append((float(np.clip(where[1], 0, 1)), label, line.get_color()))
    ends.sort(key=lambda end: end[0])
    heights = list(
        itertools.accumulate((end[0] for end in ends), lambda below, own: max(own, below + gap))
    )
    excess = max(0.0, heights[-1] - 1.0) if ends else 0.0
    for height, (_, label, colour) in zip(heights, ends, strict=True):
        ax.text(
            1 + pad, height - excess, label, color=_ink(colour), transform=ax.transAxes, va="center"
        )
    return ax


def mark(
    ax: Axes, at: float, text: str, *, along: str = "x", colour: str = QUIET, where: float = 0.98
) -> Axes:
    """A dashed line across the axes, with its meaning written beside it.

    at: where it stands, on the axis that `along` names, "x" or "y" (ValueError for another).
    text: its meaning. colour: of both. where: how far along the line the text stands, in shares of
    the axes.
    """
    check_one_of("along", along, "xy")
    line: dict[str, Any] = {"color": colour, "linewidth": 1, "linestyle": (0, (4, 3)), "zorder": 0}
    look: dict[str, Any] = {"color": colour, "bbox": PATCH, "textcoords": "offset points"}
    if along == "x":
        ax.axvline(at, **line)
        here = ax.get_xaxis_transform()
        ax.annotate(text, (at, where), (4, 0), xycoords=here, va="top", **look)
    else:
        ax.axhline(at, **line)
        here = ax.get_yaxis_transform()
        ax.annotate(text, (where, at), (0, 3), xycoords=here, ha="right", va="bottom", **look)
    return ax


def distribution(
    samples: Mapping[str, npt.ArrayLike],
    ax: Axes,
    marks: Mapping[str, float] | None = None,
    *,
    colours: Mapping[str, str] | None = None,
    marks_label: str = "",
) -> Axes:
    """One row for each sample: its values as dots, the middle 90 % as a bar, the median as a line.

    samples: by name, finite numbers (n,). marks: one ringed value in the row of the same name,
    explained by `marks_label`. colours: by name, where a row has one of its own.
    """
    for name in marks or {}:
        check_one_of("marks", name, samples)
    # Dots are spread by rank, not by chance, so the picture needs no seed.
    for row, name in enumerate(reversed(list(samples))):
        values = np.sort(np.asarray(samples[name], dtype=float))
        if values.ndim != 1 or not len(values) or not np.isfinite(values).all():
            raise ValueError(f"samples must hold finite numbers, got {values} for {name!r}")
        colour = (colours or {}).get(name, ACCENT)
        spread = ((np.arange(len(values)) * 0.618) % 1 - 0.5) * 0.5
        ax.plot(values, row + spread, ".", color=colour, markersize=3.8, markeredgewidth=0)
        low, middle, high = np.quantile(values, [0.05, 0.5, 0.95])
        ax.plot([low, high], [row - 0.36] * 2, color=colour, linewidth=3)
        ax.plot([middle] * 2, [row - 0.44, row - 0.28], color=INK, linewidth=2)
        if marks and name in marks:
            ax.plot(
                marks[name], row, marker="o", mfc="none", mec=INK, mew=1.6, markersize=10, zorder=5
            )
            ax.text(marks[name], row + 0.29, marks_label, ha="center", bbox=PATCH)
    ax.set_yticks(range(len(samples)), list(reversed(list(samples))))
    ax.tick_params(axis="y", length=0)
    ax.spines["left"].set_visible(False)
    ax.set_ylim(-0.6, len(samples) - 0.35)
    return ax


def heatmap(
    x: npt.ArrayLike,
    y: npt.ArrayLike,
    z: npt.ArrayLike,
    ax: Axes,
    *,
    label: str,
    **mesh: Any,
) -> Axes:
    """Values in shades over a grid, with a colour bar.

    x, y: the grid's columns and rows, (m,) and (n,). z: values (n, m); cells that are not finite
    stay hatched, since there was nothing to measure. label: what the colour bar shows, with its
    unit. mesh: what else `Axes.pcolormesh` takes.
    """
    x, y, values = np.asarray(x), np.asarray(y), np.ma.masked_invalid(np.asarray(z, dtype=float))
    if (len(y), len(x)) != values.shape:
        raise ValueError(f"z must have shape {(len(y), len(x))}, as y and x, got {values.shape}")
    ax.add_patch(
        Rectangle(
            (0, 0),
            1,
            1,
            transform=ax.transAxes,
            fill=False,
            hatch="////",
            edgecolor=QUIET,
            linewidth=0,
            zorder=0,
        )
    )
    image = ax.pcolormesh(x, y, values, **{"cmap": SHADES, "rasterized": True, **mesh})
    bar = ax.figure.colorbar(image, ax=ax, pad=0.02, aspect=28)
    bar.outline.set_visible(False)
    bar.set_label(label)
    return ax


def roots(
    values: npt.ArrayLike, ax: Axes, *, colour: str = ACCENT, label: str | None = None
) -> Axes:
    """Complex numbers in the unit circle: inside, they shrink.

    values: complex, of any shape. colour: of the dots. label: for a legend.
    """
    turn = np.linspace(0, 2 * np.pi, 181)
    ax.plot(np.cos(turn), np.sin(turn), color=QUIET, linewidth=1)
    ax.axhline(0, color=FAINT, linewidth=0.8, zorder=0)
    ax.axvline(0, color=FAINT, linewidth=0.8, zorder=0)
    points = np.ravel(values)
    ax.plot(points.real, points.imag, "o", color=colour, markeredgewidth=0, label=label)
    ax.set(aspect="equal", xlabel="real part", ylabel="imaginary part")
    return ax


def surface_3d(
    surface: Surface,
    ax: Axes,
    *,
    window: tuple[tuple[float, float], tuple[float, float]] | None = None,
) -> Axes:
    """The surface in relief, as a picture within the SVG.

    ax: made with `projection="3d"`; ValueError for others. window: ((x1 from, to), (x2 from, to)),
    by default the surface's own.
    """
    if ax.name != "3d":
        raise ValueError(f'ax must be made with projection="3d", got {ax.name!r}')
    x1, x2 = (np.linspace(*side, 61) for side in window or surface.window)
    grid = np.stack(np.meshgrid(x1, x2), axis=-1)
    relief = ax.plot_surface(  # type: ignore[attr-defined]
        *np.moveaxis(grid, -1, 0),
        surface.value(grid),
        cmap="viridis",
        rcount=61,
        ccount=61,
        linewidth=0,
        antialiased=False,
    )
    relief.set_rasterized(True)
    frame: Any = ax
    for axis in (frame.xaxis, frame.yaxis, frame.zaxis):
        axis.set_pane_color("none")
        axis.line.set_color(QUIET)
        axis._axinfo["grid"]["color"] = FAINT  # there is no other way
    ax.set(xlabel="$x_1$", ylabel="$x_2$")
    return ax
