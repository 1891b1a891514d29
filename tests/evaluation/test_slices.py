import numpy as np
import pandas as pd
import pytest
from fairlearn.metrics import MetricFrame
from sklearn.metrics import f1_score

from assay.corpus.errors import AssayError
from assay.corpus.example import Entity, Example
from assay.evaluation.labelled_predictions import LabelledPrediction, outcomes_of
from assay.evaluation.slice_membership import OTHER, SliceKey, slice_members
from assay.evaluation.slices import (
    Slice,
    slice_outcomes,
    slices_by_column,
    slices_by_label,
    slices_by_length,
    slices_of,
)
from assay.evaluation.statistics import Floats, Ints, entity_outcomes
from assay.recipes.recipe import Head, SliceRule
from assay.serving.engine import ScoredEntity

CLASSES = ["negative", "neutral", "positive"]


def a_prediction(
    number: int, gold: str, predicted: str, characters: int = 10, **slices: str | None
) -> LabelledPrediction:
    right = gold == predicted
    return LabelledPrediction(
        id=str(number),
        gold=gold,
        predicted=predicted,
        probabilities=(),
        gold_entities=(Entity(0, 3, "X"),),
        predicted_entities=(ScoredEntity(0, 3 if right else 2, "X", 0.9),),
        characters=characters,
        truncated=False,
        slices=slices,
    )


def random_predictions(rows: int = 400) -> list[LabelledPrediction]:
    draw = np.random.default_rng(5)
    gold = draw.choice(CLASSES, rows, p=[0.2, 0.1, 0.7])
    predicted = np.where(draw.random(rows) < 0.7, gold, draw.choice(CLASSES, rows))
    medium = draw.choice(["web", "print", "radio"], rows)
    lengths = draw.integers(5, 500, rows)
    return [
        a_prediction(number, str(g), str(p), int(length), medium=str(m), year=str(2000 + number % 20))
        for number, (g, p, m, length) in enumerate(zip(gold, predicted, medium, lengths, strict=True))
    ]


def as_example(prediction: LabelledPrediction) -> Example:
    return Example(prediction.id, "x" * prediction.characters, label=prediction.gold, slices=prediction.slices)


RULE = SliceRule(
    columns=["medium"], text_length=True, label=True, expressions={"old": "year < 2010", "long": "text_length > 300"}
)


def test_slice_members_are_the_same_for_predictions_and_examples() -> None:
    rows = random_predictions()
    slices = slices_of(rows, RULE)
    kinds = [slice_.key.kind for slice_ in slices]
    assert kinds == ["column"] * 3 + ["length"] * 3 + ["label"] * 3 + ["expression"] * 2
    for slice_ in slices:
        key = SliceKey.model_validate_json(slice_.key.model_dump_json())
        assert slice_members([as_example(row) for row in rows], key).tolist() == slice_.member.tolist()
        assert 0 < slice_.rows < len(rows)


def test_slices_by_length_cover_every_text() -> None:
    # Given thirds of tested rows of 5 to 499 characters,
    slices = slices_by_length(random_predictions())
    # then shorter and longer texts elsewhere belong to the outer thirds.
    others = [Example(str(length), "x" * length) for length in (1, 250, 5000)]
    members = np.array([slice_members(others, slice_.key) for slice_ in slices])
    assert members.tolist() == np.eye(3, dtype=bool).tolist()


def test_slices_by_length_of_equal_lengths_are_one_slice() -> None:
    (slice_,) = slices_by_length([a_prediction(number, "a", "a") for number in range(5)])
    assert (slice_.value, slice_.rows) == ("10-10 characters", 5)


def test_slice_members_of_other_values_are_the_unlisted_ones() -> None:
    rows = [a_prediction(number, "a", "a", name=f"n{min(number, 25)}") for number in range(60)]
    rest = slices_by_column(rows, "name")[-1]
    assert rest.value == OTHER
    others = [Example("1", "", slices={"name": "unheard"}), Example("2", "", slices={"name": "n25"})]
    assert slice_members(others, rest.key).tolist() == [True, False]


def test_slice_members_of_an_unknown_column_is_an_error() -> None:
    key = SliceKey(kind="expression", column="expression", value="old", condition="year < 2010")
    with pytest.raises(AssayError, match="'year < 2010' names 'year', which the rows do not have"):
        slice_members([Example("1", "text")], key)


def test_slice_outcomes_of_a_class_depend_on_the_head() -> None:
    rows = random_predictions()
    gold, predicted = [row.gold for row in rows], [row.predicted for row in rows]
    f1_of_class = dict(zip(CLASSES, f1_score(gold, predicted, labels=CLASSES, average=None), strict=True))
    for slice_ in slices_by_label(rows):
        assert slice_outcomes(slice_, rows, "sentence").f1() == pytest.approx(f1_of_class[slice_.value])
        inside = entity_outcomes([row.entity_counts for row in rows if row.gold == slice_.value])
        assert slice_outcomes(slice_, rows, "tokens").f1() == pytest.approx(inside.f1())


def test_slice_metrics_of_a_column_equal_fairlearn() -> None:
    rows = random_predictions()
    media = [str(row.slices["medium"]) for row in rows]
    gold, predicted = np.array([row.gold for row in rows]), np.array([row.predicted for row in rows])
    counts = np.array([row.entity_counts for row in rows])

    def macro(truth: pd.Series, prediction: pd.Series) -> float:
        return float(f1_score(truth, prediction, average="macro"))

    # An entity F1 has no column of gold labels: the tallies of the rows are passed with empty ones.
    def strict(truth: Floats, prediction: Floats, right: Ints, wrong: Ints, missed: Ints) -> float:
        return float(2 * right.sum() / (2 * right.sum() + wrong.sum() + missed.sum()))

    tallies = dict(zip(("right", "wrong", "missed"), counts.T, strict=True))
    sentence = MetricFrame(metrics=macro, y_true=gold, y_pred=predicted, sensitive_features=media)
    tokens = MetricFrame(
        metrics={"f1": strict},
        y_true=np.zeros(len(rows)),
        y_pred=np.zeros(len(rows)),
        sensitive_features=media,
        sample_params={"f1": tallies},
    )
    for slice_ in slices_by_column(rows, "medium"):
        assert ratio(slice_, rows, "sentence") == pytest.approx(sentence.by_group[slice_.value] / sentence.overall)
        assert ratio(slice_, rows, "tokens") == pytest.approx(
            tokens.by_group["f1"][slice_.value] / tokens.overall["f1"]
        )


def ratio(slice_: Slice, rows: list[LabelledPrediction], head: Head) -> float:
    return slice_outcomes(slice_, rows, head).f1() / outcomes_of(rows, head).f1()
