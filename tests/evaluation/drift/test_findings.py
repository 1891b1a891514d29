"""Drift: an effect that is large enough and more than chance."""

import json
from pathlib import Path
from random import Random

import pytest

from assay.evaluation.drift.drift_report import DriftReport, write_report
from assay.evaluation.drift.findings import SignalFinding, find_drift
from assay.evaluation.drift.vocabulary import vocabulary_of
from assay.evaluation.drift.window_statistics import Reference, WindowStatistics
from assay.evaluation.labelled_predictions import LabelledPrediction
from assay.recipes.monitoring_section import Monitoring
from assay.serving.engine import ScoredEntity

TEXT = "the battery of this card lasts long and works well in any phone or camera that I own"
WORDS = TEXT.split()


def statistics(
    count: int, seed: int, up: float = 0.5, words: list[str] | None = None, texts: bool = True
) -> WindowStatistics:
    """Return texts of eight words, predicted with a share of `up`; each holds an entity."""
    draw = Random(seed)
    made = [" ".join(draw.choices(words or WORDS, k=8)) for _ in range(count)]
    predictions = []
    for number, text in enumerate(made):
        sure = draw.uniform(0.6, 1)
        label = "up" if draw.random() < up else "down"
        kind = draw.choice(["ORG", "PLACE"])
        entity = ScoredEntity(0, 3, kind, draw.random())
        predictions.append(
            LabelledPrediction(str(number), None, label, (sure, 1 - sure), None, (entity,), len(text), False, {})
        )
    return WindowStatistics(predictions, made if texts else None)


@pytest.fixture
def reference() -> Reference:
    return Reference(statistics(400, 1), 400, frozenset(vocabulary_of(WORDS)))


def find(findings: list[SignalFinding], name: str) -> SignalFinding:
    return next(one for one in findings if one.name == name)


def test_find_drift_of_equal_rows_is_stable(reference: Reference) -> None:
    findings = find_drift(reference, statistics(200, 2), Monitoring())
    assert [one.name for one in findings if one.drifted] == []
    assert all(one.effect is not None for one in findings)


def test_find_drift_finds_other_classes_only(reference: Reference) -> None:
    findings = find_drift(reference, statistics(200, 2, up=0.8), Monitoring())
    assert [one.name for one in findings if one.drifted] == ["predicted classes"]
    assert find(findings, "predicted classes").window == "up 84%, down 16%"


def test_find_drift_ignores_a_small_effect_in_many_rows(reference: Reference) -> None:
    large = Reference(statistics(6000, 1), 6000, reference.vocabulary)
    found = find(find_drift(large, statistics(6000, 2, up=0.56), Monitoring()), "predicted classes")
    assert found.p_value is not None
    assert found.p_value < 0.01
    assert not found.drifted
    assert found.why == "the effect is below 0.1"


def test_find_drift_finds_a_large_effect_in_few_rows(reference: Reference) -> None:
    few = find_drift(reference, statistics(40, 2, words=["oil", "paint", "of"]), Monitoring())
    assert {"words unknown to the training rows", "words of the text"} <= {one.name for one in few if one.drifted}
    chance = find(few, "predicted classes")
    assert not chance.drifted


def test_find_drift_does_not_test_too_few_rows(reference: Reference) -> None:
    findings = find_drift(reference, statistics(12, 2, up=1), Monitoring())
    assert all(one.effect is None for one in findings)
    assert findings[0].why == "not tested: 400 and 12 rows to compare, monitoring.min_rows is 30"


def test_find_drift_only_reports_a_signal_without_limit(reference: Reference) -> None:
    rule = Monitoring.model_validate({"limits": {"classes": None}})
    found = find(find_drift(reference, statistics(200, 2, up=1), rule), "predicted classes")
    assert (found.drifted, found.why) == (False, "no limit is set")


def test_find_drift_tests_predictions_alone_without_texts(reference: Reference) -> None:
    names = {one.name for one in find_drift(reference, statistics(200, 2, texts=False), Monitoring())}
    assert "words of the text" not in names
    assert {"length of the text", "predicted classes", "types of entities"} <= names


def test_write_report_escapes_names_and_shows_every_plot(reference: Reference, tmp_path: Path) -> None:
    window = statistics(100, 2, words=["<b>oil", "paint"])
    report = DriftReport(
        model="models:/reviews/3",
        recipe="reviews",
        snapshot="0" * 64,
        window="in|<i>.jsonl",
        seen=100,
        rows=100,
        reference_rows=400,
        alpha=0.01,
        findings=find_drift(reference, window, Monitoring()),
    )
    report = write_report(report, reference, window, tmp_path)

    page = report.page.read_text()
    assert page.count("<svg") == 3
    assert "in|&lt;i&gt;.jsonl" in page
    assert "<i>" not in page
    assert "in\\|&lt;i&gt;" in report.markdown()
    assert json.loads((report.folder / "drift.json").read_text())["rows"] == 100
    assert report.outcome == "drift"


def test_reference_is_loaded_as_it_was_saved(reference: Reference, tmp_path: Path) -> None:
    reference.save(tmp_path)
    again = Reference.load(tmp_path)
    assert again.observed.texts == reference.observed.texts
    assert (again.test_rows, again.vocabulary) == (reference.test_rows, reference.vocabulary)
    assert [one.predicted for one in again.observed.predictions] == [
        one.predicted for one in reference.observed.predictions
    ]
