"""plots: figures show what they were given, in the book's look; their SVG is always the same."""

import itertools
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from textwrap import dedent

import numpy as np
import pytest

plt = pytest.importorskip("matplotlib.pyplot")

from matplotlib.colors import rgb_to_hsv, to_hex, to_rgb  # noqa: E402
from matplotlib.markers import MarkerStyle  # noqa: E402

from descent import Adam, Momentum, minimize, plots, ravine, rules, saddle  # noqa: E402
from descent.plots import STYLES  # noqa: E402

RUN = minimize(Momentum(lr=0.1, momentum=0.5), ravine, (-5, -2), 8)


@pytest.fixture(autouse=True)
def book_style() -> Iterator[None]:
    plt.switch_backend("agg")
    with plt.rc_context():
        plots.use_style()
        yield
        plt.close("all")


@pytest.fixture
def ax():
    return plots.figure()[1]


# The look of the rules.


def test_every_rule_has_a_style_of_its_own() -> None:
    assert set(STYLES) == set(rules.__all__) - {"Rule", "hyper"}
    for seen in zip(*STYLES.values(), strict=True):
        assert len(set(seen)) == len(STYLES)
    markers = [MarkerStyle(style.marker) for style in STYLES.values()]
    outlines = {m.get_path().transformed(m.get_transform()).vertices.tobytes() for m in markers}
    assert len(outlines) == len(STYLES)
    assert all(marker.is_filled() for marker in markers)


@pytest.mark.parametrize("rule", [Adam(lr=0.1), Adam, "Adam"])
def test_style_of_an_instance_a_class_or_a_name(rule: object) -> None:
    assert plots.style_of(rule) == STYLES["Adam"]  # type: ignore[arg-type]


# How those without one kind of cone see a linear RGB colour: Machado, Oliveira and Fernandes,
# "A physiologically-based model for simulation of color vision deficiency", IEEE Transactions on
# Visualization and Computer Graphics 15 (2009), table 1 at severity 1.
VISION = {
    "all cones": [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
    "protanopia": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "tritanopia": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}
# sRGB, D65: linear RGB to CIE XYZ (IEC 61966-2-1).
XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])


def linear(colour: str) -> np.ndarray:
    rgb = np.array(to_rgb(colour))
    return np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)


def lab(rgb: np.ndarray) -> np.ndarray:
    """CIELAB of a linear RGB colour; distances of about 2 are the least that an eye can see."""
    share = XYZ @ np.clip(rgb, 0, 1) / XYZ.sum(axis=1)
    f = np.where(share > (6 / 29) ** 3, np.cbrt(share), share / (3 * (6 / 29) ** 2) + 4 / 29)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


DARK_PAPER = "#14181c"  # as _assets/book.css has it


def luminance(colour: str) -> float:
    return float(XYZ[1] @ linear(colour))


def contrast(colour: str, paper: str = "white") -> float:
    """As WCAG defines it."""
    low, high = sorted([luminance(colour), luminance(paper)])
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("page", ["colour", "dark"])
@pytest.mark.parametrize("vision", VISION)
def test_colours_stay_apart_for_colour_blind_readers(vision: str, page: str) -> None:
    seen = {
        name: lab(np.array(VISION[vision]) @ linear(getattr(style, page)))
        for name, style in STYLES.items()
    }
    apart = {
        frozenset(pair): float(np.linalg.norm(seen[pair[0]] - seen[pair[1]]))
        for pair in itertools.combinations(STYLES, 2)
    }
    assert min(apart.values()) > 13
    # The six rules that most of the book is about.
    six = {"SGD", "Momentum", "Nesterov", "AdaGrad", "RMSprop", "Adam"}
    assert min(distance for pair, distance in apart.items() if pair <= six) > 16


def test_contrast_with_the_page() -> None:
    # WCAG 2.1 asks 3:1 of graphics and 4.5:1 of text, which has the same colours on a dark page.
    assert min(contrast(style.colour) for style in STYLES.values()) > 3
    assert min(contrast(style.dark, DARK_PAPER) for style in STYLES.values()) > 4.5
    assert contrast(plots.INK) > 7
    assert min(map(contrast, (plots.QUIET, plots.ACCENT))) > 4.5


def test_a_dark_page_keeps_the_hues() -> None:
    """So that what a caption calls red is red on both pages."""
    for style in STYLES.values():
        light, dark = (rgb_to_hsv(to_rgb(colour)) for colour in (style.colour, style.dark))
        assert abs(light[0] - dark[0]) * 360 < 9
        assert bool(light[1]) == bool(dark[1])


# What each function draws.


def test_figure_is_as_wide_as_the_page() -> None:
    one, ax = plots.figure()
    two, axes = plots.figure(2, height=3, sharey=True)
    assert one.get_size_inches().tolist() == [5.3, 3.4]
    assert two.get_size_inches().tolist() == [7.4, 3.0]
    assert plots.figure(width=6)[0].get_size_inches().tolist() == [6.0, 3.4]
    assert (len(one.axes), one.axes[0], len(axes)) == (1, ax, 2)
    assert axes[0].get_shared_y_axes().joined(*axes)


@pytest.mark.parametrize("run", [RUN, RUN.points, RUN.points.tolist()])
def test_trace_is_the_path_with_a_ring_at_its_start(run, ax) -> None:
    assert plots.trace(run, ax, Momentum, every=3) is ax
    path, ring = ax.lines
    assert np.array_equal(path.get_xydata(), RUN.points)
    look = STYLES["Momentum"]
    assert (path.get_color(), path.get_marker(), path.get_label()) == (
        look.colour,
        look.marker,
        look.label,
    )
    assert path.get_markevery() == 3
    assert ring.get_xydata().tolist() == [[-5, -2]]
    assert (ring.get_marker(), ring.get_mfc(), ring.get_mec()) == ("o", "none", look.colour)
    assert ring.get_label().startswith("_")
    plots.trace(run, ax, "Adam", label="another")
    assert ax.lines[2].get_label() == "another"


def test_curve_with_a_rule_and_without(ax) -> None:
    x = np.arange(24)
    assert plots.curve(x, x**2, ax, Adam) is ax
    plots.curve(x, -x, ax, Adam(), label="named", color="red", linestyle="none")
    plots.curve(range(3), [2, 1, 0], ax, color=plots.INK)
    plots.curve(range(3), [2, 1, 0], ax, "Adam", markers=2)
    ruled, changed, plain, short = ax.lines
    assert np.array_equal(ruled.get_xydata(), np.column_stack([x, x**2]))
    assert ruled.get_color() == STYLES["Adam"].colour
    assert (ruled.get_marker(), ruled.get_label()) == ("*", "Adam")
    assert ruled.get_markevery() == 3  # 24 points, 8 markers
    assert (changed.get_label(), changed.get_color()) == ("named", "red")
    assert (changed.get_linestyle(), changed.get_marker()) == ("None", "*")
    assert (plain.get_color(), plain.get_marker()) == (plots.INK, "None")
    assert plain.get_label().startswith("_")
    assert short.get_markevery() == 1


def test_band_holds_the_middle_of_the_runs(ax) -> None:
    x = np.array([1.0, 2.0, 5.0])
    runs = np.random.default_rng(0).normal(size=(3, 40)) + x[:, None]
    assert plots.band(x, runs, ax, "Adam") is ax
    (*edges, line), (area,) = ax.lines, ax.collections
    assert np.allclose(line.get_ydata(), np.median(runs, axis=1), rtol=1e-15)
    assert (line.get_color(), line.get_label()) == (STYLES["Adam"].colour, "Adam")
    edge = area.get_paths()[0].vertices
    for at, row in zip(x, runs, strict=True):
        low, high = np.quantile(row, [0.05, 0.95])
        own = edge[edge[:, 0] == at, 1]
        assert (own.min(), own.max()) == pytest.approx((low, high), rel=1e-14)
        assert np.mean((row >= low) & (row <= high)) == 0.9
        ends = [float(edge.get_ydata()[x == at][0]) for edge in edges]
        assert ends == pytest.approx([low, high], rel=1e-14)
    assert {edge.get_color() for edge in edges} == {STYLES["Adam"].colour}


@pytest.mark.parametrize(
    ("arguments", "colour"),
    [
        ({}, plots.ACCENT),
        ({"color": "#D55E00"}, "#D55E00"),
        ({"rule": "Lion"}, STYLES["Lion"].colour),
    ],
)
def test_band_and_its_line_are_of_one_colour(arguments, colour: str, ax) -> None:
    plots.band([1, 2], np.ones((2, 3)), ax, **arguments)
    assert to_hex(ax.lines[0].get_color()) == to_hex(colour)
    assert to_hex(ax.collections[0].get_facecolor()[0]) == to_hex(colour)


def test_contours_mark_the_minimum_and_keep_the_window(ax) -> None:
    assert plots.contours(ravine, ax) is ax
    (cross,) = ax.lines
    assert (cross.get_xydata().tolist(), cross.get_marker()) == ([[0, 0]], "+")
    assert (ax.get_xlim(), ax.get_ylim()) == ravine.window
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("$x_1$", "$x_2$")


def test_contours_are_level_lines_equally_spaced_in_the_root(ax) -> None:
    plots.contours(ravine, ax, levels=5)
    (levels,) = ax.collections
    heights = np.array(levels.levels)
    assert len(heights) == 5
    assert np.diff(np.sqrt(heights), prepend=0) == pytest.approx(np.sqrt(heights[0]))
    for path, height in zip(levels.get_paths(), heights, strict=True):
        # Straight pieces between the points of a grid: near the level, not on it.
        assert np.allclose(ravine.value(path.vertices), height, rtol=0.01, atol=0.01)


def test_contours_without_a_minimum_in_a_window_at_given_levels(ax) -> None:
    bottomless = replace(saddle, minimum=None)
    plots.contours(bottomless, ax, window=((-1, 2), (-3, 4)), levels=[-0.2, 0.5])
    assert not ax.lines
    assert (ax.get_xlim(), ax.get_ylim()) == ((-1, 2), (-3, 4))
    assert list(ax.collections[0].levels) == [-0.2, 0.5]


@pytest.mark.parametrize("scale", ["linear", "log"])
def test_labels_stand_at_the_ends_of_their_lines(scale: str, ax) -> None:
    # Nothing has asked for the limits yet: matplotlib has not adapted them to the data.
    ends = {"low": 1.0, "middle": 30.0, "high": 1000.0}
    for name, end in ends.items():
        ax.plot(
            [0, 1, 2], [500.0, end, np.nan], color=plots.INK, label=name
        )  # the end is the last finite point
    ax.plot([0, 1], [3.0, 3.0])  # without a label
    ax.set_yscale(scale)
    assert plots.label_ends(ax, gap=0.0, pad=0.02) is ax
    ax.figure.canvas.draw()
    to_axes = ax.transAxes.inverted()
    assert [text.get_text() for text in ax.texts] == list(ends)
    for text, line in zip(ax.texts, ax.lines, strict=False):
        x, y = text.get_position()
        assert x == 1.02
        where = to_axes.transform(ax.transData.transform((1, ends[text.get_text()])))
        assert y == pytest.approx(where[1], abs=1e-12)
        assert text.get_color() == to_hex(line.get_color())


def test_labels_are_moved_apart_and_stay_within_the_axes(ax) -> None:
    for i, end in enumerate([1.0, 0.999, 0.998, 0.0]):
        ax.plot([0, 1], [0, end], label=f"line {i}")
    plots.label_ends(ax, gap=0.1)
    heights = [text.get_position()[1] for text in ax.texts]
    assert [text.get_text() for text in ax.texts] == ["line 3", "line 2", "line 1", "line 0"]
    assert np.diff(heights).min() > 0.1 - 1e-12
    assert max(heights) == pytest.approx(1.0)


def test_labels_of_no_line_are_none_and_an_end_outside_stays_at_the_edge(ax) -> None:
    plots.label_ends(ax)
    assert not ax.texts
    ax.plot([0, 1], [0, 5], label="off the page")
    ax.set_ylim(0, 1)
    plots.label_ends(ax)
    assert ax.texts[0].get_position()[1] == 1.0


@pytest.mark.parametrize("along", ["x", "y"])
def test_mark_crosses_the_axes_where_it_says(along: str, ax) -> None:
    assert plots.mark(ax, 0.5, "2/L", along=along, where=0.3, colour=plots.INK) is ax
    (line,), (text,) = ax.lines, ax.texts
    across = line.get_xydata()[:, 0 if along == "x" else 1]
    assert across.tolist() == [0.5, 0.5]
    assert text.xy == ((0.5, 0.3) if along == "x" else (0.3, 0.5))
    assert text.get_position() == ((4, 0) if along == "x" else (0, 3))  # points beside the line
    assert text.get_text() == "2/L"
    assert line.get_color() == text.get_color() == plots.INK
    in_axes = ax.get_xaxis_transform() if along == "x" else ax.get_yaxis_transform()
    assert text.xycoords == in_axes == line.get_transform()


def test_distribution_shows_each_sample_in_its_row(ax) -> None:
    rng = np.random.default_rng(1)
    samples = {"first": rng.normal(size=50), "second": rng.normal(3, 1, 30)}
    marked = plots.distribution(
        samples, ax, {"second": 2.5}, colours={"first": "#D55E00"}, marks_label="source"
    )
    assert marked is ax
    assert [label.get_text() for label in ax.get_yticklabels()] == ["second", "first"]
    assert ax.get_yticks().tolist() == [0, 1]
    second, ring, first = ax.lines[:3], ax.lines[3], ax.lines[4:]
    for row, name, (dots, bar, median) in [(0, "second", second), (1, "first", first)]:
        values = samples[name]
        assert np.array_equal(dots.get_xdata(), np.sort(values))
        assert np.abs(dots.get_ydata() - row).max() <= 0.25
        assert len(set(dots.get_ydata())) == len(values)
        assert bar.get_xdata() == pytest.approx(np.quantile(values, [0.05, 0.95]))
        assert median.get_xdata() == pytest.approx(np.median(values))
        assert {round(y) for y in [*bar.get_ydata(), *median.get_ydata()]} == {row}
    assert (first[0].get_color(), second[0].get_color()) == ("#D55E00", plots.ACCENT)
    assert ring.get_xydata().tolist() == [[2.5, 0]]
    (text,) = ax.texts
    assert (text.get_text(), text.get_position()) == ("source", (2.5, 0.29))  # above the dots


def test_heatmap_leaves_cells_without_a_number_hatched(ax) -> None:
    z = np.array([[1.0, np.nan, 3.0], [np.inf, 5.0, -np.inf]])
    assert plots.heatmap([1, 2, 3], [0, 1], z, ax, label="loss", vmin=0, vmax=9) is ax
    (mesh,), (hatched,) = ax.collections, ax.patches
    shown = mesh.get_array().reshape(z.shape)
    assert np.array_equal(np.ma.getmaskarray(shown), ~np.isfinite(z))
    assert shown.compressed().tolist() == [1, 3, 5]
    assert (mesh.get_clim(), mesh.get_cmap().name, mesh.get_rasterized()) == ((0, 9), "descent", 1)
    assert mesh.get_cmap().get_bad()[3] == 0  # clear: the hatching shows through
    assert hatched.get_hatch() == "////"
    bar = mesh.colorbar
    assert bar.ax.get_ylabel() == "loss"


def test_roots_stand_in_the_unit_circle(ax) -> None:
    z = np.array([[0.5 + 0.5j, 0.5 - 0.5j], [-0.9, 0.1]])
    assert plots.roots(z, ax, colour=plots.INK, label="roots") is ax
    circle, points = ax.lines[0], ax.lines[-1]
    assert np.hypot(*circle.get_xydata().T) == pytest.approx(np.ones(181))
    assert circle.get_xydata()[0] == pytest.approx(circle.get_xydata()[-1], abs=1e-12)
    assert points.get_xydata().tolist() == [[0.5, 0.5], [0.5, -0.5], [-0.9, 0], [0.1, 0]]
    assert (points.get_color(), points.get_label()) == (plots.INK, "roots")
    assert ax.get_aspect() == 1


def test_surface_3d_is_the_surface(monkeypatch: pytest.MonkeyPatch) -> None:
    ax = plt.figure().add_subplot(projection="3d")
    drawn = []
    plot_surface = ax.plot_surface
    monkeypatch.setattr(
        ax, "plot_surface", lambda *xyz, **kw: drawn.append(xyz) or plot_surface(*xyz, **kw)
    )
    assert plots.surface_3d(ravine, ax, window=((-6, 2), (-3, 1))) is ax
    ((x1, x2, height),) = drawn
    assert (x1.min(), x1.max(), x2.min(), x2.max()) == (-6, 2, -3, 1)
    assert np.array_equal(height, 0.1 * x1**2 + 2 * x2**2)
    assert ax.collections[0].get_rasterized()
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("$x_1$", "$x_2$")


BAD = {
    "a rule that is not there": (lambda ax: plots.style_of("SDG"), "rule .*SGD.*'SDG'"),
    "a rule that is no rule": (lambda ax: plots.curve([1], [1], ax, 3), "rule .*got 3"),
    "no panels": (lambda ax: plots.figure(0), "panels .*at least 1, got 0"),
    "no levels": (lambda ax: plots.contours(ravine, ax, levels=0), "levels .*at least 1"),
    "two runs in one": (lambda ax: plots.trace(np.ones((3, 2, 2)), ax, "SGD"), "run .*3, 2, 2"),
    "three coordinates": (lambda ax: plots.trace(np.ones((3, 3)), ax, "SGD"), r"run .*\(3, 3\)"),
    "x and y": (lambda ax: plots.curve([1, 2], [1, 2, 3], ax), r"x and y .*\(2,\) and \(3,\)"),
    "no markers": (lambda ax: plots.curve([1], [1], ax, "SGD", markers=0), "markers .*at least 1"),
    "one run": (lambda ax: plots.band([1, 2], np.ones(2), ax), r"runs .*\(2,\)"),
    "runs turned": (lambda ax: plots.band([1, 2], np.ones((3, 2)), ax), r"runs .*\(3, 2\)"),
    "no runs": (lambda ax: plots.band([1, 2], np.ones((2, 0)), ax), r"runs .*\(2, 0\)"),
    "along z": (lambda ax: plots.mark(ax, 0, "here", along="z"), "along .*x, y; got 'z'"),
    "no sample": (lambda ax: plots.distribution({"a": []}, ax), "samples .*'a'"),
    "not finite": (lambda ax: plots.distribution({"a": [1, np.nan]}, ax), "samples .*nan"),
    "a mark without a row": (
        lambda ax: plots.distribution({"a": [1]}, ax, {"b": 1}),
        "marks .*'b'",
    ),
    "z turned": (
        lambda ax: plots.heatmap([1, 2, 3], [1, 2], np.ones((3, 2)), ax, label=""),
        r"z .*\(2, 3\).*\(3, 2\)",
    ),
    "flat axes": (lambda ax: plots.surface_3d(ravine, ax), 'ax .*3d.*"rectilinear|rectilinear'),
    "a line of nothing": (
        lambda ax: plots.label_ends(plots.curve([1], [np.nan], ax, label="lost")),
        "ax .*'lost'",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_named(case: str, ax) -> None:
    call, message = BAD[case]
    with pytest.raises(ValueError, match=f"^{message}"):
        call(ax)


# SVG.


def drawing(noise: float = 0.0):
    fig, (left, middle, right) = plots.figure(3)
    plots.contours(ravine, left, levels=3)
    plots.trace(RUN, left, Momentum, label="η = 0.1")
    plots.heatmap([1, 2, 3], [1, 2], [[1, 2, np.nan], [3, 4, 5]], middle, label="$x_1$")
    plots.band([1, 2, 4], np.array([[1, 2, 3], [3, 4, 7], [2, 2, 9]]) / 3 + noise, right, "Adam")
    plots.label_ends(right)
    return fig


@cache
def svg() -> str:
    return plots.to_svg(drawing())


def test_svg_is_the_same_twice_and_on_another_processor() -> None:
    # Where the last bits of a result may differ.
    assert plots.to_svg(drawing(noise=1e-12)) == plots.to_svg(drawing()) == svg()


def test_svg_is_the_same_in_another_process_and_in_ipython(tmp_path: Path) -> None:
    code = """
        from IPython.core.interactiveshell import InteractiveShell
        from test_plots import drawing, plots, plt
        from traitlets.config import Config
        shell = InteractiveShell.instance(config=Config(HistoryManager={"enabled": False}))
        plt.switch_backend("agg")
        plots.use_style()
        data, _ = shell.display_formatter.format(drawing())
        print(*sorted(data), data["image/svg+xml"])
    """
    run = subprocess.run(
        [sys.executable, "-W", "error", "-B", "-c", dedent(code)],
        capture_output=True,
        encoding="utf-8",
        cwd=Path(__file__).parent,
        env=os.environ | {"IPYTHONDIR": str(tmp_path), "PYTHONUTF8": "1", "PYTHONHASHSEED": "7"},
        timeout=60,
        check=False,
    )
    assert (run.returncode, run.stderr) == (0, "")
    assert run.stdout == f"image/svg+xml text/plain {svg()}\n"  # and no PNG beside it


def test_svg_has_no_date_no_maker_and_no_digit_that_nobody_sees() -> None:
    text = svg()
    assert "dc:date" not in text and "dc:creator" not in text and "\r" not in text
    text = re.sub(r'(?<=base64,)[^"]+', "", text)
    transforms = re.findall(r"(?:scale|matrix)\([^)]*\)", text)
    assert any(re.search(r"\.\d{3}", transform) for transform in transforms)
    for transform in transforms:
        text = text.replace(transform, "")
    numbers = re.findall(r"\d+\.\d+", text)
    assert len(numbers) > 500
    assert {len(number.partition(".")[2]) for number in numbers} == {1, 2}


def test_svg_keeps_each_number_to_a_hundredth_of_a_point(ax) -> None:
    ax.plot([0, 1, 2], [0, 1 / 3, 1], gid="line", color="#123456")
    (path,) = re.findall(r'<path d="([^"]+)"[^>]*stroke: #123456', plots.to_svg(ax.figure))
    drawn = np.array(re.findall(r"[\d.]+", path), dtype=float).reshape(3, 2)
    exact = ax.transData.transform(ax.lines[0].get_xydata()) * 72 / ax.figure.dpi
    assert np.diff(drawn[:, 0]) == pytest.approx(np.diff(exact[:, 0]), abs=0.011)
    assert -np.diff(drawn[:, 1]) == pytest.approx(np.diff(exact[:, 1]), abs=0.011)


def test_svg_identifiers_are_the_figures_own() -> None:
    text = svg()
    names = re.findall(r'\bid="([^"]+)"', text)
    prefix = re.fullmatch(r"(d[0-9a-f]{6})-0", names[0])[1]  # type: ignore[index]
    assert names == [f"{prefix}-{i}" for i in range(len(names))]
    used = set(re.findall(r'href="#([^"]+)"|url\(#([^)]+)\)', text))
    used = {name for pair in used for name in pair if name}
    assert len(used) > 10
    assert used <= set(names)
    assert prefix not in plots.to_svg(plots.figure()[0])  # two figures may share a page


def panels(fig) -> list[list[tuple[float, float]]]:
    (found,) = re.findall('<svg data-panels="([^"]*)"', plots.to_svg(fig))
    return [
        [tuple(map(float, part.split("-"))) for part in panel.split(",")]
        for panel in found.split(";")
        if panel
    ]


def test_svg_of_one_panel_and_of_a_narrow_figure_is_whole() -> None:
    for fig in (plots.figure()[0], plots.figure(2, width=5)[0], plots.figure(width=7)[0]):
        assert panels(fig) == []


def test_svg_tells_its_panels() -> None:
    fig, (left, middle, right) = plots.figure(3)
    plots.heatmap([1, 2], [1, 2], [[1, 2], [3, 4]], middle, label="its bar belongs to it")
    right.plot([0, 1], label="and a name to its line")
    plots.label_ends(right)
    left.set_ylabel("left")
    (a,), (b,), (c,) = panels(fig)
    assert 0 <= a[0] < a[1] <= b[0] < b[1] <= c[0] < c[1] <= 100
    assert a[0] < 2 and c[1] > 98


def test_svg_panels_borrow_the_axis_that_they_share() -> None:
    fig, axes = plots.figure(2, sharey=True)
    axes[0].set_ylabel("height")
    (whole,), (axis, rest) = panels(fig)
    assert axis[0] == whole[0] and whole[0] + 3 < axis[1] < 12  # the label and the numbers
    assert whole[1] < rest[0] < rest[1]


# The style itself.


def test_use_style_sets_the_typeface_and_the_cycle() -> None:
    assert plt.rcParams["font.family"] == ["Source Sans Pro"]
    assert [c["color"] for c in plt.rcParams["axes.prop_cycle"]] == [
        style.colour for style in STYLES.values()
    ]
    assert plt.rcParams["svg.hashsalt"] == "descent"
    assert plt.rcParams["axes.spines.top"] is False
    from matplotlib import font_manager

    file = font_manager.findfont("Source Sans Pro", fallback_to_default=False)
    assert "SourceSansPro-Regular" in file


def test_use_style_does_without_ipython(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "IPython.core.getipython", None)
    plt.rcParams["svg.hashsalt"] = "another"
    plots.use_style()
    assert plt.rcParams["svg.hashsalt"] == "descent"


@pytest.fixture
def shell(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    from IPython.core.interactiveshell import InteractiveShell
    from traitlets.config import Config

    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    monkeypatch.setitem(sys.modules, "__main__", sys.modules["__main__"])  # a shell replaces it
    yield InteractiveShell.instance(config=Config(HistoryManager={"enabled": False}))
    InteractiveShell.clear_instance()


def test_use_style_makes_a_shell_keep_the_svg(shell) -> None:
    plots.use_style()
    data, _ = shell.display_formatter.format(drawing())
    assert data["image/svg+xml"] == svg()
    assert "image/png" not in data


def test_use_style_does_without_a_display(shell) -> None:
    shell.display_formatter = None
    plots.use_style()


@pytest.mark.parametrize("name", STYLES)
def test_labels_at_line_ends_have_the_contrast_of_text(name: str, ax) -> None:
    plots.curve([0, 1], [0, 1], ax, name)
    plots.label_ends(ax)
    written = contrast(ax.texts[0].get_color())
    assert written >= 4.5
    # And no darker than that needs: a colour that has it stays as it is.
    if contrast(STYLES[name].colour) >= 4.5:
        assert to_hex(ax.texts[0].get_color()) == STYLES[name].colour.lower()


def test_counts_may_be_any_integers(ax) -> None:
    # NumPy's small ones overflow where Python's do not.
    plots.curve(np.arange(300), np.arange(300.0), ax, "Adam", markers=np.uint8(8))
    assert ax.lines[0].get_markevery() == 300 // 8
    plots.contours(ravine, ax, levels=np.uint8(20))
    assert len(ax.collections[0].get_paths()) == 20
    figure, axes = plots.figure(panels=np.uint8(2))
    assert len(axes) == 2
    plt.close(figure)
