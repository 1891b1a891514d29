"""Drift: an effect that is large enough and more than chance."""

from dataclasses import replace
from random import Random

import pytest

from assay.corpus.entity import Entity
from assay.evaluation.drift.findings import SignalFinding, find_drift
from assay.evaluation.drift.vocabulary import vocabulary_of
from assay.evaluation.drift.window_statistics import Reference, WindowStatistics
from assay.recipes.monitoring_section import Monitoring
from tests.evaluation.drift.samples import WORDS, statistics


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


def test_find_drift_finds_more_rows_left_to_people(reference: Reference) -> None:
    window = statistics(200, 2)
    left = [replace(row, label_abstained=number % 4 == 0) for number, row in enumerate(window.predictions)]
    found = find(find_drift(reference, WindowStatistics(left, window.texts), Monitoring()), "rows left to people")
    assert (found.signal, found.drifted) == ("abstained", True)
    assert found.effect == pytest.approx(0.25)
    assert (found.reference, found.window) == ("mean 0.0%", "mean 25.0%")


def test_find_drift_has_no_such_signal_without_a_decision(reference: Reference) -> None:
    assert "abstained" not in {one.signal for one in find_drift(reference, statistics(200, 2), Monitoring())}


@pytest.mark.parametrize(("right", "drifted"), [(0.8, False), (0.5, True)])
def test_find_drift_compares_the_calibration_of_late_labels(right: float, drifted: bool) -> None:
    # given confidences of 80 % on average, of which as many are right in the reference
    reference = Reference(_labelled(600, 1, 0.8), 600, frozenset())
    found = find(find_drift(reference, _labelled(300, 2, right), Monitoring()), "calibration of classes")
    assert (found.signal, found.drifted) == ("calibration", drifted)
    assert found.effect == pytest.approx(0.8 - right, abs=0.08)


def test_find_drift_compares_the_calibration_of_entities() -> None:
    reference = Reference(_labelled(600, 1, 0.8), 600, frozenset())
    window = _labelled(300, 2, 0.8)
    missed = WindowStatistics([replace(row, gold_entities=()) for row in window.predictions], window.texts)
    found = find(find_drift(reference, missed, Monitoring()), "calibration of entities")
    assert found.drifted
    assert found.window.startswith("confidence off by +")


def _labelled(count: int, seed: int, right: float) -> WindowStatistics:
    draw, window = Random(seed), statistics(count, seed)
    rows = []
    for row in window.predictions:
        (entity,) = row.predicted_entities
        gold = row.predicted if draw.random() < right else "other"
        found = (Entity(entity.start, entity.end, entity.label),) if draw.random() < entity.score else ()
        rows.append(replace(row, gold=gold, gold_entities=found))
    return WindowStatistics(rows, window.texts)
