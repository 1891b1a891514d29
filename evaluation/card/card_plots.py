"""Plots of the model card as SVG in the colours of the page, readable in light and dark mode."""

import io
import logging
import re
import textwrap
import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from itertools import cycle
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure

from assay.evaluation.coverage import HeadCoverage
from assay.evaluation.metrics import HEAD_NOUNS, Confusion
from assay.evaluation.reliability import HeadReliability
from assay.evaluation.slices import SliceMetric
from assay.evaluation.statistics import Floats, Ints
from assay.recipes.recipe import Head

# Placeholders for matplotlib, unlike any colour it uses; the colours of the page replace them.
INK, LINE, PAPER = "#010203", "#040506", "#070809"
SERIES = ("#0a0b01", "#0a0b02", "#0a0b03", "#0a0b04", "#0a0b05", "#0a0b06", "#0a0b07")
PAGE_COLOURS = {INK: "currentColor", LINE: "var(--line)", PAPER: "var(--paper)"} | {
    colour: f"var(--series-{number})" for number, colour in enumerate(SERIES, 1)
}
STYLE: dict[Any, Any] = {
    # Text stays text: it is searchable and accessible, and uses the font of the page.
    "svg.fonttype": "none",
    # A class named "$x$" is a name, not a formula.
    "text.parse_math": False,
    "font.family": "sans-serif",
    "font.size": 10,
    "text.color": INK,
    "axes.edgecolor": LINE,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": INK,
    "ytick.color": INK,
    "grid.color": LINE,
    "legend.frameon": False,
}
WIDTH = 7.0
MOST_SLICES = 40
MOST_CLASSES = 30
MOST_NUMBERED = 15
NAME_LENGTH = 28
CHARACTERS_AN_INCH = 11
# Cells with less than this share of their row are too pale for a number in the paper's colour.
PALE = 0.55
FAINTEST = 0.1

Draw = Callable[..., Figure]


def as_svg(draw: Draw) -> Callable[..., str]:
    """Decorate a function that returns a figure to return its SVG, ready for a page."""

    @wraps(draw)
    def plot(*args: Any) -> str:
        # The ids differ between plots, since all plots lie in one page.
        with mpl.rc_context({**STYLE, "svg.hashsalt": draw.__name__}), warnings.catch_warnings():
            # Only the font for measuring lacks these letters; the browser has its own fonts.
            warnings.filterwarnings("ignore", message="Glyph .* missing from font", category=UserWarning)
            logging.getLogger("matplotlib.font_manager").setLevel(logging.ERROR)
            buffer = io.StringIO()
            figure = draw(*args)
            no_metadata = dict.fromkeys(("Date", "Creator", "Format", "Type"))
            figure.savefig(buffer, format="svg", transparent=True, metadata=no_metadata)
        return _for_page(buffer.getvalue(), figure.get_figwidth())

    return plot


@as_svg
def confusion_plot(confusion: Confusion) -> Figure:
    """Plot the share of each class's rows by predicted class; the numbers are rows."""
    counts, labels = _largest(confusion)
    totals = counts.sum(axis=1, keepdims=True)
    shares = np.divide(counts, totals, out=np.zeros(counts.shape), where=totals > 0)
    size = min(WIDTH, 2.4 + 0.55 * len(labels))
    figure, axes = _figure(size, size * 0.92)
    _draw_cells(axes, shares)
    if len(labels) <= MOST_NUMBERED:
        _write_counts(axes, counts, shares)
    names = [short_name(label) for label in labels]
    axes.set(xlim=(-0.5, len(labels) - 0.5), ylim=(len(labels) - 0.5, -0.5), xlabel="predicted", ylabel="labelled")
    crowded = sum(map(len, names)) > CHARACTERS_AN_INCH * size * 0.6
    axes.set_xticks(range(len(labels)), names, rotation=90 if crowded else 0)
    axes.set_yticks(range(len(labels)), names)
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)
    return figure


@as_svg
def slices_plot(slices: Sequence[SliceMetric], overall: Mapping[Head, float]) -> Figure:
    """Plot the F1 of each slice with its interval; a line shows the F1 of all rows."""
    heads = list(dict.fromkeys(slice_.head for slice_ in slices))
    shown = {head: _plotted(slices, head) for head in heads}
    figure = Figure(figsize=(WIDTH, 0.9 * len(heads) + 0.27 * sum(map(len, shown.values()))), layout="constrained")
    heights = [len(rows) + 2 for rows in shown.values()]
    panels = figure.subplots(len(heads), 1, squeeze=False, height_ratios=heights, sharex=True)[:, 0]
    for axes, head in zip(panels, heads, strict=True):
        _slice_panel(axes, shown[head], head, overall.get(head))
    lowest = min((slice_.low for rows in shown.values() for slice_ in rows if slice_.low is not None), default=0.0)
    panels[-1].set(xlabel="F1 with 95 % interval", xlim=(max(0.0, min(0.5, lowest - 0.03)), 1.02))
    return figure


@as_svg
def curves_plot(loss: Sequence[tuple[float, float]], epochs: Sequence[Mapping[str, float]]) -> Figure:
    """Plot the loss of every logged step, and the metrics on validation rows of every epoch."""
    figure = Figure(figsize=(WIDTH, 2.9), layout="constrained")
    left, right = figure.subplots(1, 2)
    if loss:
        left.plot(*zip(*loss, strict=True), color=SERIES[0], linewidth=1.2)
    left.set(xlabel="step", ylabel="training loss", ylim=(0, None))
    names = sorted({name for epoch in epochs for name in epoch if _is_score(name)})
    for colour, name in zip(cycle(SERIES), names, strict=False):
        points = [(epoch["epoch"], epoch[name]) for epoch in epochs if name in epoch]
        right.plot(*zip(*points, strict=True), color=colour, marker="o", markersize=3.5, linewidth=1.2, label=name)
    right.set(xlabel="epoch", ylabel="on validation rows", ylim=(0, 1.02))
    if names:
        right.legend(loc="lower right", fontsize=8)
    for axes in (left, right):
        axes.grid(axis="y", linewidth=0.6)
    return figure


@as_svg
def reliability_plot(heads: Sequence[HeadReliability]) -> Figure:
    """Plot the share of right predictions by confidence, before and after calibration, a diagram for each head."""
    figure = Figure(figsize=(3.5 * len(heads), 3.5), layout="constrained")
    for axes, head in zip(figure.subplots(1, len(heads), squeeze=False)[0], heads, strict=True):
        axes.plot([0, 1], [0, 1], color=LINE, linewidth=1, linestyle="--")
        for name, colour, marker, measured in (
            ("before", SERIES[1], "x", head.uncalibrated),
            ("calibrated", SERIES[0], "o", head.calibrated),
        ):
            confidence = [group.confidence for group in measured.bins]
            accuracy = [group.accuracy for group in measured.bins]
            label = f"{name}, error {measured.error.value:.3f}"
            axes.plot(confidence, accuracy, color=colour, marker=marker, markersize=4, linewidth=1, label=label)
        axes.set(title=HEAD_NOUNS[head.head])
        axes.set(xlabel="confidence", ylabel="share that is right", xlim=(0, 1.03), ylim=(0, 1.05))
        axes.grid(linewidth=0.6)
        axes.legend(loc="lower right", fontsize=8)
    return figure


@as_svg
def coverage_plot(heads: Sequence[HeadCoverage], promised: Mapping[Head, float]) -> Figure:
    """Plot the share of errors among the decided predictions by their share of all, a panel for each head.

    Args:
        heads: coverage of each head on test rows.
        promised: promised precision of each head that has one.
    """
    figure = Figure(figsize=(3.5 * len(heads), 3.2), layout="constrained")
    for axes, head in zip(figure.subplots(1, len(heads), squeeze=False)[0], heads, strict=True):
        coverage, risk = [point.coverage for point in head.curve], [1 - point.precision for point in head.curve]
        axes.plot(coverage, risk, color=SERIES[0], linewidth=1.5)
        if head.head in promised:
            axes.axhline(1 - promised[head.head], color=LINE, linewidth=1, linestyle="--", label="promised at most")
        if head.coverage is not None and head.precision is not None:
            errors = [[head.precision.high - head.precision.value], [head.precision.value - head.precision.low]]
            place = [head.coverage.value], [1 - head.precision.value]
            axes.errorbar(*place, yerr=errors, color=SERIES[1], marker="o", markersize=5, label="decided")
        if axes.get_legend_handles_labels()[0]:
            axes.legend(loc="best", fontsize=8)
        axes.set(title=HEAD_NOUNS[head.head])
        axes.set(xlabel="share that is decided", ylabel="share of these that is wrong", xlim=(0, 1.03), ylim=(0, None))
        axes.grid(linewidth=0.6)
    return figure


def _figure(width: float, height: float) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots()


def _draw_cells(axes: Axes, shares: Floats) -> None:
    """Draw a square per cell, with another colour on the diagonal and an opacity by its share."""
    cells = [(row, column, float(share)) for (row, column), share in np.ndenumerate(shares) if share]
    corners = np.array([(-0.48, -0.48), (0.48, -0.48), (0.48, 0.48), (-0.48, 0.48)])
    squares = [corners + np.array([column, row]) for row, column, _ in cells]
    colours = [
        # Even a single row among thousands is visible.
        to_rgba(SERIES[0] if row == column else SERIES[1], FAINTEST + (1 - FAINTEST) * share)
        for row, column, share in cells
    ]
    axes.add_collection(PolyCollection(squares, facecolors=colours, edgecolors="none"))


def _write_counts(axes: Axes, counts: Ints, shares: Floats) -> None:
    for (row, column), count in np.ndenumerate(counts):
        if count:
            colour = PAPER if shares[row, column] > PALE else INK
            axes.text(column, row, f"{count:,}", ha="center", va="center", color=colour, fontsize=8)


def _slice_panel(axes: Axes, rows: Sequence[SliceMetric], head: Head, overall: float | None) -> None:
    positions = np.arange(len(rows))
    metrics = np.array([[slice_.f1, slice_.low, slice_.high] for slice_ in rows], dtype=float).reshape(-1, 3).T
    axes.hlines(positions, metrics[1], metrics[2], color=SERIES[0], linewidth=2, alpha=0.55)
    axes.plot(metrics[0], positions, "o", color=SERIES[0], markersize=5)
    if overall is not None:
        axes.axvline(overall, color=SERIES[1], linewidth=1, linestyle="--")
    axes.set_yticks(
        positions, [f"{short_name(slice_.column)} = {short_name(slice_.value)}  ({slice_.rows:,})" for slice_ in rows]
    )
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.set_title("classes of sentences" if head == "sentence" else HEAD_NOUNS[head], loc="left", fontsize=10)
    axes.grid(axis="x", linewidth=0.6)
    axes.tick_params(axis="y", length=0)


def _plotted(slices: Sequence[SliceMetric], head: Head) -> list[SliceMetric]:
    return [slice_ for slice_ in slices if slice_.head == head and slice_.f1 is not None][:MOST_SLICES]


def _largest(confusion: Confusion) -> tuple[Ints, list[str]]:
    """Return the classes with the most rows, in their order; a matrix of 150 classes would be illegible."""
    counts = np.array(confusion.counts, dtype=np.int64)
    chosen = np.sort(np.argsort(-counts.sum(axis=1), kind="stable")[:MOST_CLASSES])
    return counts[np.ix_(chosen, chosen)], [confusion.labels[number] for number in chosen]


def _is_score(name: str) -> bool:
    return name.endswith(("f1", "accuracy"))


def short_name(name: str) -> str:
    """Shorten a name to one line and remove characters that XML does not allow."""
    printable = re.sub(r"[^\S ]|[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]", " ", name)
    return textwrap.shorten(printable, NAME_LENGTH, placeholder="…") or printable[:NAME_LENGTH]


def _for_page(svg: str, inches: float) -> str:
    """Return the `svg` element in the colours of the page; it shrinks on a narrow page and is never enlarged."""
    svg = svg[svg.index("<svg") :]
    for drawn, colour in PAGE_COLOURS.items():
        svg = svg.replace(drawn, colour)
    head, rest = svg.split(">", 1)
    head = re.sub(r' (width|height)="[^"]*"', "", head)
    return f'{head} style="width: 100%; max-width: {inches * 96:.0f}px">{rest}'
