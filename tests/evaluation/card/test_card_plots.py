"""Plots of difficult data; their looks are for people to assess."""

import re
from xml.etree import ElementTree

import pytest

from assay.evaluation.card.card_plots import (
    INK,
    LINE,
    MOST_CLASSES,
    MOST_SLICES,
    PAPER,
    confusion_plot,
    coverage_plot,
    curves_plot,
    reliability_plot,
    slices_plot,
)
from assay.evaluation.coverage import coverage_of
from assay.evaluation.metrics import Confusion
from assay.evaluation.reliability import reliability_of
from assay.evaluation.slices import SliceMetric
from assay.serving.calibration import Calibration
from tests.decisions import a_decision
from tests.evaluation.predicted import LABELS, predictions

HARD_NAMES = [
    "a<b>&c",
    "$x^2$",
    "東京 🎉",
    "bell\x07 and \ud800",
    "a very long name of a class that has no end at all",
    "",
]


def texts(svg: str) -> list[str]:
    """Return the texts of a plot, which must be well-formed XML."""
    return [
        "".join(element.itertext()).strip()
        for element in ElementTree.fromstring(svg).iter()  # noqa: S314  # our own SVG
        if element.tag.endswith("}text")
    ]


def a_slice(value: str, f1: float | None = 0.8) -> SliceMetric:
    low, high = (None, None) if f1 is None else (f1 - 0.1, f1 + 0.1)
    return SliceMetric(head="tokens", column="medium", value=value, rows=9, share=0.1, f1=f1, low=low, high=high)


def test_plots_draw_any_name() -> None:
    size = len(HARD_NAMES)
    svg = confusion_plot(Confusion(labels=HARD_NAMES, counts=[[1] * size for _ in range(size)]))
    drawn_texts = texts(svg)
    assert {"a<b>&c", "$x^2$", "東京 🎉"} <= set(drawn_texts)
    assert "a very long name of a class…" in drawn_texts


def test_plots_use_page_colours_and_no_size_in_points() -> None:
    svg = confusion_plot(Confusion(labels=["a", "b"], counts=[[3, 1], [0, 4]]))
    assert not [colour for colour in (INK, LINE, PAPER) if colour in svg]
    assert "currentColor" in svg
    assert re.match(r"<svg [^>]*style=\"width: 100%; max-width: \d+px\">", svg)
    assert 'pt"' not in svg.split(">", 1)[0]


def test_confusion_plot_of_classes_without_rows_or_predictions() -> None:
    assert "7" in texts(confusion_plot(Confusion(labels=["a", "b"], counts=[[0, 0], [7, 0]])))


def test_confusion_plot_draws_the_largest_of_many_classes() -> None:
    count = MOST_CLASSES + 20
    counts = [[row if row == column else 0 for column in range(count)] for row in range(count)]
    drawn_texts = texts(confusion_plot(Confusion(labels=[f"c{number}" for number in range(count)], counts=counts)))
    assert f"c{count - 1}" in drawn_texts
    assert "c1" not in drawn_texts


def test_slices_plot_draws_the_first_slices_with_gold_labels() -> None:
    slices = [a_slice("none", None), *(a_slice(f"s{number}") for number in range(MOST_SLICES + 5))]
    drawn_texts = " ".join(texts(slices_plot(slices, {"tokens": 0.8})))
    assert "medium = s0 " in drawn_texts
    assert f"s{MOST_SLICES + 1}" not in drawn_texts
    assert "none" not in drawn_texts


@pytest.mark.parametrize("loss", [[], [(1.0, 0.5)]])
def test_curves_plot_of_a_very_short_training(loss: list[tuple[float, float]]) -> None:
    assert "training loss" in texts(curves_plot(loss, []))


def test_curves_plot_shows_each_score_by_its_name() -> None:
    epochs = [
        {"epoch": 1.0, "step": 3.0, "sentence.macro_f1": 0.5},
        {"epoch": 2.0, "step": 6.0, "sentence.macro_f1": 0.6},
    ]
    assert "sentence.macro_f1" in texts(curves_plot([(1, 2), (2, 1)], epochs))


def test_curves_plot_shows_the_scores_of_three_heads() -> None:
    names = {"sentence.macro_f1", "sentence.accuracy", "labels.macro_f1", "labels.micro_f1", "labels.subset_accuracy"}
    names |= {"tokens.f1", "frame_accuracy"}
    plot = curves_plot([(1, 2), (2, 1)], [{"epoch": 1.0, **dict.fromkeys(names, 0.5)}])
    assert names <= set(texts(plot))
    assert "var(--series-7)" in plot


def test_reliability_plot_shows_the_error_before_and_after() -> None:
    heads = reliability_of(predictions(30), ["sentence", "tokens"], LABELS, Calibration())
    shown = texts(reliability_plot(heads))
    assert {"classes", "entities", "confidence"} <= set(shown)
    assert sum(text.startswith(("before, error", "calibrated, error")) for text in shown) == 4


def test_coverage_plot_shows_what_is_promised_and_what_is_decided() -> None:
    heads = coverage_of(predictions(60), ["sentence", "tokens"], {"sentence": a_decision(0.6)})
    shown = texts(coverage_plot(heads, {"sentence": 0.95}))
    assert {"classes", "entities", "share that is decided", "share of these that is wrong"} <= set(shown)
    assert (shown.count("promised at most"), shown.count("decided")) == (1, 1)


def test_plots_have_different_ids() -> None:
    first = reliability_plot(reliability_of(predictions(30), ["tokens"], LABELS, Calibration()))
    second = curves_plot([(1, 2), (2, 1)], [])
    clips = [set(re.findall(r'clipPath id="([^"]+)"', svg)) for svg in (first, second)]
    assert clips[0]
    assert not clips[0] & clips[1]
