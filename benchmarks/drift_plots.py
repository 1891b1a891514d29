"""The plot of `benchmarks.drift` for the documentation."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt
import numpy as np

from assay.evaluation.drift.findings import SignalFinding

STYLE: dict[Any, Any] = {"svg.fonttype": "none", "svg.hashsalt": "assay", "font.size": 9, "axes.spines.top": False}
ALARM = "#b3261e"


def draw_years(years: Mapping[int, Sequence[SignalFinding]], last: int, path: Path) -> None:
    """Draw the effect of each signal in each year; a frame marks an alarm.

    Args:
        years: the findings on a window of each year.
        last: the last year that the model was trained on.
        path: file of the plot.
    """
    names = [signal.name for signal in next(iter(years.values()))]
    effects = np.array([[signal.effect or 0.0 for signal in findings] for findings in years.values()]).T
    with mpl.rc_context(STYLE):
        figure, axis = plt.subplots(figsize=(8, 3.6), layout="constrained")
        image = axis.imshow(effects, cmap="Blues", vmin=0, vmax=0.8, aspect="auto")
        for (line, column), value in np.ndenumerate(effects):
            colour = "white" if value > 0.5 else "black"
            axis.text(column, line, f"{value:.2f}", ha="center", va="center", fontsize=8, color=colour)
        for column, findings in enumerate(years.values()):
            for line, signal in enumerate(findings):
                if signal.drifted:
                    corner = (column - 0.45, line - 0.42)
                    axis.add_patch(plt.Rectangle(corner, 0.9, 0.84, fill=False, edgecolor=ALARM, linewidth=1.8))
        known = sum(year <= last for year in years)
        axis.axvline(known - 0.5, color="black", linewidth=1.2, linestyle="--")
        axis.set_xticks(range(len(years)), list(map(str, years)))
        axis.set_yticks(range(len(names)), names)
        axis.set_title(f"trained on reviews up to {last}   |   framed: an alarm", loc="left")
        axis.tick_params(length=0)
        axis.spines[:].set_visible(False)
        figure.colorbar(image, label="effect", shrink=0.9)
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, dpi=120, metadata={"Date": None} if path.suffix == ".svg" else None)
        plt.close(figure)
