"""Plots of a window next to its reference, in the colours of the page."""

from collections import Counter
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from assay.evaluation.card.card_plots import INK, LINE, SERIES, WIDTH, as_svg, short_name
from assay.evaluation.drift.findings import SignalFinding
from assay.evaluation.statistics import Floats

BINS = 30
MOST_NAMES = 12
NAMES = ("reference", "window")


@as_svg
def effects_plot(findings: Sequence[SignalFinding]) -> Figure:
    """Plot the effect of each signal; a stroke marks its limit."""
    shown = [finding for finding in findings if finding.effect is not None]
    figure = Figure(figsize=(WIDTH, 0.7 + 0.34 * len(shown)), layout="constrained")
    axes = figure.subplots()
    effects = np.array([finding.effect or 0.0 for finding in shown])
    colours = [SERIES[1] if finding.drifted else SERIES[0] for finding in shown]
    axes.barh(range(len(shown)), effects, height=0.55, color=colours)
    for position, finding in enumerate(shown):
        if finding.limit is not None:
            axes.plot([finding.limit, finding.limit], [position - 0.42, position + 0.42], color=INK, linewidth=1.4)
    axes.set_yticks(range(len(shown)), [finding.name for finding in shown])
    axes.set(xlabel="effect (0: identical, 1: nothing in common)", ylim=(len(shown) - 0.4, -0.6))
    axes.set_xlim(0, min(1.0, max([0.3, *effects, *(finding.limit or 0 for finding in shown)]) * 1.1))
    axes.grid(axis="x", linewidth=0.6)
    axes.tick_params(axis="y", length=0)
    return figure


@as_svg
def numbers_plot(samples: Sequence[tuple[str, Floats, Floats]]) -> Figure:
    """Plot histograms of numeric signals, given as (name, values of the reference, values of the window)."""
    rows = -(-len(samples) // 2)
    figure = Figure(figsize=(WIDTH, 2.2 * rows), layout="constrained")
    panels = figure.subplots(rows, 2, squeeze=False).ravel()
    for axes, (name, reference, window) in zip(panels, samples, strict=False):
        _histogram(axes, name, (reference, window))
    for axes in panels[len(samples) :]:
        axes.set_axis_off()
    panels[0].legend(fontsize=8)
    return figure


@as_svg
def shares_plot(samples: Sequence[tuple[str, Sequence[str], Sequence[str]]]) -> Figure:
    """Plot shares of classes and types, given as (name, labels of the reference, labels of the window)."""
    figure = Figure(figsize=(WIDTH, 2.6 * len(samples)), layout="constrained")
    panels = figure.subplots(len(samples), 1, squeeze=False)[:, 0]
    for axes, (name, reference, window) in zip(panels, samples, strict=True):
        _bars(axes, name, (reference, window))
    panels[0].legend(fontsize=8)
    return figure


def _histogram(axes: Axes, name: str, values: Sequence[Floats]) -> None:
    all_values = np.concatenate(values)
    # A few very long texts would squeeze all others into one bin.
    edges = np.linspace(all_values.min(), max(np.quantile(all_values, 0.99), all_values.min() + 1e-9), BINS + 1)
    for colour, sample, sample_name in zip(SERIES, values, NAMES, strict=False):
        shares = np.full(len(sample), 1 / max(1, len(sample)))
        shown = np.minimum(sample, edges[-1])
        axes.hist(shown, edges.tolist(), weights=shares, color=colour, alpha=0.45, label=sample_name, linewidth=0)
    axes.set_title(name, loc="left", fontsize=10)
    axes.set(ylabel="share of rows")
    axes.spines["left"].set_color(LINE)


def _bars(axes: Axes, name: str, values: Sequence[Sequence[str]]) -> None:
    counts = [Counter(sample) for sample in values]
    names = [label for label, _ in (counts[0] + counts[1]).most_common(MOST_NAMES)]
    for number, (count, sample_name) in enumerate(zip(counts, NAMES, strict=True)):
        shares = [count[label] / max(1, count.total()) for label in names]
        axes.bar(
            np.arange(len(names)) + 0.4 * number - 0.2, shares, width=0.38, color=SERIES[number], label=sample_name
        )
    axes.set_xticks(range(len(names)), [short_name(label) for label in names])
    axes.set_title(name, loc="left", fontsize=10)
    axes.set(ylabel="share")
