import re

import numpy as np

from assay.evaluation.drift.drift_plots import MOST_NAMES, effects_plot, numbers_plot, shares_plot
from assay.evaluation.drift.findings import SignalFinding


def finding(name: str, effect: float | None, limit: float | None = 0.1, drifted: bool = False) -> SignalFinding:
    return SignalFinding(signal="classes", name=name, effect=effect, limit=limit, drifted=drifted)


def test_effects_plot_shows_tested_signals_and_colours_those_that_drifted() -> None:
    svg = effects_plot(
        [
            finding("classes", 0.4, drifted=True),
            finding("lengths", 0.01),
            finding("texts", None),
            finding("score", 0.0, None),
        ]
    )
    assert svg.startswith("<svg")
    assert "classes" in svg
    assert "texts" not in svg
    assert "var(--series-1)" in svg
    assert "var(--series-2)" in svg
    assert "var(--series-2)" not in effects_plot([finding("lengths", 0.01)])


def test_effects_plot_escapes_names() -> None:
    svg = effects_plot([finding("<b>$x$", 0.2)])
    assert "<b>" not in svg
    assert "&lt;b&gt;$x$" in svg


def test_numbers_plot_has_a_panel_for_each_signal_and_one_legend() -> None:
    random = np.random.default_rng(1)
    samples = [(f"signal {number}", random.normal(size=50), random.normal(size=9)) for number in range(3)]
    svg = numbers_plot(samples)
    assert [f"signal {number}" in svg for number in range(3)] == [True] * 3
    assert len(re.findall(r">reference<", svg)) == 1
    assert len(re.findall(r">window<", svg)) == 1


def test_numbers_plot_takes_equal_values_and_a_very_long_text() -> None:
    svg = numbers_plot([("equal", np.zeros(5), np.zeros(3)), ("long", np.array([1.0] * 199 + [1e9]), np.ones(200))])
    assert "equal" in svg
    assert "e9" not in svg  # the axis ends where most texts do


def test_shares_plot_shows_the_most_frequent_names_of_both_samples() -> None:
    many = [f"class{number:02}" for number in range(MOST_NAMES + 5) for _ in range(number + 1)]
    svg = shares_plot([("classes", many, ["new"] * 500), ("types", ["ORG"], [])])
    assert "new" in svg
    assert f"class{MOST_NAMES + 4:02}" in svg
    assert "class00" not in svg
    assert "ORG" in svg
