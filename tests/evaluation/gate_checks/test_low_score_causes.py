"""Causes of a low score that the predictions show."""

from dataclasses import replace

from assay.corpus.example import Entity
from assay.evaluation.gate_checks.low_score_causes import low_score_causes
from assay.evaluation.labelled_predictions import LabelledPrediction
from assay.serving.predictions import ScoredEntity

ROW = LabelledPrediction(
    id="1",
    gold="good",
    predicted="bad",
    probabilities=(0.5, 0.5),
    gold_entities=(Entity(0, 2, "ORG"),),
    predicted_entities=(),
    characters=9,
    truncated=False,
    slices={},
)


def test_low_score_causes_name_the_only_class() -> None:
    rows = [ROW, replace(ROW, gold="bad")]
    assert low_score_causes(rows, "sentence") == [
        "the model predicts one class only, 'bad', for test rows of 2 classes"
    ]
    assert low_score_causes([*rows, replace(ROW, predicted="good")], "sentence") == []


def test_low_score_causes_need_rows_of_several_classes() -> None:
    assert low_score_causes([ROW], "sentence") == []


def test_low_score_causes_name_missing_entities() -> None:
    assert low_score_causes([ROW], "tokens") == ["the model finds none of the 1 entities of the test rows"]
    found = replace(ROW, predicted_entities=(ScoredEntity(0, 2, "ORG", 1.0),))
    assert low_score_causes([ROW, found], "tokens") == []


def test_low_score_causes_name_truncated_rows() -> None:
    rows = [replace(ROW, predicted=name, truncated=number < 1) for number, name in enumerate(["good", "bad"] * 10)]
    [cause] = low_score_causes(rows, "sentence")
    assert cause.startswith("5% of the test rows are longer than model.max_length")
    assert low_score_causes([replace(row, truncated=False) for row in rows], "sentence") == []


def test_low_score_causes_are_empty_without_labels() -> None:
    assert low_score_causes([replace(ROW, gold=None)], "sentence") == []
