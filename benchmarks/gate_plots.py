"""Plots of `benchmarks.gate_power` for the documentation."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt
import numpy as np

from assay.evaluation.statistics import Floats

IMAGES = Path(__file__).parent.parent / "docs" / "images"
COLOURS = ("#2a6fdb", "#2e8b6f", "#d1622b", "#8a56c2")
STYLE: dict[Any, Any] = {"svg.fonttype": "none", "svg.hashsalt": "assay", "font.size": 9, "axes.spines.top": False}
TITLES = {0.0: "equal, margin of one point", 0.01: "+1 point", 0.02: "+2 points", 0.03: "+3 points"}


def draw_power(
    tasks: Mapping[str, Mapping[float, Floats]], rows: Sequence[int], disagreements: Sequence[float]
) -> None:
    """Draw a panel per task and gain, with a cell per number of rows and disagreement: the chance in percent."""
    with mpl.rc_context(STYLE):
        figure, axes = plt.subplots(len(tasks), len(TITLES), figsize=(11, 8), layout="constrained")
        for line, (name, panels) in zip(axes, tasks.items(), strict=True):
            for axis, gain in zip(line, TITLES, strict=True):
                _draw_cells(axis, panels[gain])
                axis.set_xticks(range(len(rows)), [f"{count / 1000:g}k" for count in rows])
                axis.set_yticks(range(len(disagreements)), [f"{share:.0%}" for share in disagreements])
            line[0].set_ylabel(f"{name}\ndisagreement")
        for axis, title in zip(axes[0], TITLES.values(), strict=True):
            axis.set_title(title)
        for axis in axes[-1]:
            axis.set_xlabel("test rows")
        _save(figure, IMAGES / "gate-power.svg")


def _draw_cells(axis: plt.Axes, values: Floats) -> None:
    """Draw the cells: green from 80 % on; empty if such a gain is impossible with so little disagreement."""
    shades = mpl.colors.ListedColormap(["#f6d5c8", "#fbe9c6", "#cfe8d5"])
    axis.imshow(values, cmap=shades, norm=mpl.colors.BoundaryNorm([0, 0.5, 0.8, 1.001], 3), aspect="auto")
    for (line, column), value in np.ndenumerate(values):
        text = "" if np.isnan(value) else f"{100 * value:.0f}"
        axis.text(column, line, text, ha="center", va="center", fontsize=8)
    axis.tick_params(length=0)
    axis.spines[:].set_visible(False)


def draw_challengers(chances: Mapping[str, Floats]) -> None:
    """Draw the chance that one of k equal challengers is promoted."""
    with mpl.rc_context(STYLE):
        figure, axis = plt.subplots(figsize=(5, 3), layout="constrained")
        for colour, (name, chance) in zip(COLOURS, chances.items(), strict=True):
            if name != "gain":
                axis.plot(np.arange(1, len(chance) + 1), chance, color=colour, label=name)
        axis.axhline(0.05, color="#888888", linewidth=0.8, linestyle="--")
        axis.set(xlabel="equal challengers in a row, same test rows", ylabel="one of them promoted", ylim=(0, None))
        axis.set_xticks([1, 5, 10, 15, 20])
        axis.legend(frameon=False)
        _save(figure, IMAGES / "gate-challengers.svg")


def _save(figure: plt.Figure, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)
