from dataclasses import replace

import numpy as np

from assay.corpus.example import Entity, Example
from assay.evaluation.labelled_predictions import LabelledPrediction
from assay.evaluation.slice_checks import check_slices, find_slices
from assay.evaluation.slice_membership import OTHER, slice_members
from assay.evaluation.slices import slices_by_column
from assay.recipes.recipe import SliceRule
from assay.serving.engine import ScoredEntity

RULE = SliceRule(columns=["medium"])


def predictions_with(quality: dict[str, tuple[int, float]], seed: int = 1) -> list[LabelledPrediction]:
    """Return rows of each medium, given their number and the accuracy of class and entity."""
    random = np.random.default_rng(seed)
    rows = []
    for medium, (count, accuracy) in quality.items():
        for number in range(count):
            gold = "ab"[number % 2]
            right = bool(random.random() < accuracy)
            prediction = gold if right else "ba"[number % 2]
            rows.append(
                LabelledPrediction(
                    id=f"{medium}-{number}",
                    gold=gold,
                    predicted=prediction,
                    probabilities=(0.5, 0.5),
                    gold_entities=(Entity(0, 3, "X"),),
                    predicted_entities=(ScoredEntity(0, 3 if right else 2, "X", 0.9),),
                    characters=10,
                    truncated=False,
                    slices={"medium": medium},
                )
            )
    return rows


def test_check_slices_fails_a_bad_slice_of_both_heads_only() -> None:
    rows = predictions_with({"web": (500, 0.92), "print": (300, 0.92), "radio": (200, 0.6)})
    checks = {check.name: check for check in check_slices(rows, RULE, ["sentence", "tokens"])}
    assert len(checks) == 6
    for head in ("sentence", "tokens"):
        bad = checks[f"slice: medium=radio ({head})"]
        assert not bad.passed
        assert "more than chance" in bad.why
        assert "200 rows (20%)" in bad.measured
        assert checks[f"slice: medium=web ({head})"].passed
        assert checks[f"slice: medium=print ({head})"].passed


def test_check_slices_passes_equally_good_slices() -> None:
    for seed in range(10):
        rows = predictions_with({"web": (300, 0.8), "print": (200, 0.8), "radio": (100, 0.8)}, seed)
        assert all(check.passed for check in check_slices(rows, RULE, ["sentence", "tokens"])), seed


def test_check_slices_passes_a_gap_that_may_be_chance() -> None:
    # Given ten rows of which seven are right, beside 60 of which 90 % are,
    rows = predictions_with({"web": (60, 0.9)}) + predictions_with({"radio": (10, 0.7)}, seed=4)
    radio = check_slices(rows, RULE, ["tokens"])[1]
    assert radio.passed
    assert radio.tested
    assert "may be chance" in radio.why


def test_check_slices_reports_a_small_slice_without_a_test() -> None:
    rows = predictions_with({"web": (950, 0.95), "radio": (50, 0.1)})
    radio = check_slices(rows, RULE, ["sentence"])[1]
    assert radio.name == "slice: medium=radio (sentence)"
    assert radio.passed
    assert not radio.tested
    assert "less than 10% of the rows" in radio.why


def test_check_slices_does_not_test_a_slice_without_gold_labels() -> None:
    rows = predictions_with({"web": (100, 0.9)})
    empty = [LabelledPrediction(f"e{n}", None, None, (), (), (), 10, False, {"medium": "radio"}) for n in range(50)]
    radio = check_slices(rows + empty, RULE, ["tokens"])[1]
    assert not radio.tested
    assert "no gold labels" in radio.measured


def test_check_slices_without_columns_returns_no_checks() -> None:
    assert check_slices(predictions_with({"web": (10, 0.5)}), SliceRule(), ["sentence"]) == []


def test_find_slices_keys_match_training_rows() -> None:
    # Given bad predictions for texts of the radio, which are also the only long ones,
    rows = predictions_with({"web": (700, 0.92), "radio": (300, 0.6)})
    rows = [
        replace(row, characters=500 if row.slices["medium"] == "radio" else 20 + n % 90) for n, row in enumerate(rows)
    ]
    rule = SliceRule(columns=["medium"], text_length=True, expressions={"radio or long": "text_length >= 400"})
    # when they are tested, each definition of the slice fails for both heads,
    failed = [finding for finding in find_slices(rows, rule, ["sentence", "tokens"]) if finding.failed]
    names = [finding.key.name for finding in failed if finding.head == "tokens"]
    assert names == ["medium=radio", "text length=106-500 characters", "expression=radio or long"]
    assert len(failed) == 6
    assert all(finding.ratio is not None and finding.ratio < 0.9 for finding in failed)
    # and the same definition holds for rows without predictions.
    train = [Example("1", "x" * 900, slices={"medium": "radio"}), Example("2", "short", slices={"medium": "web"})]
    assert all(slice_members(train, finding.key).tolist() == [True, False] for finding in failed)


def test_check_slices_tests_a_class_by_its_own_f1() -> None:
    # Given three classes, of which the model takes half of `c` for `b`,
    rows = [a_prediction(str(n), "abc"[n % 3], "b" if n % 6 == 5 else "abc"[n % 3]) for n in range(600)]
    checks = {check.name: check for check in check_slices(rows, SliceRule(label=True), ["sentence", "tokens"])}
    # then c is below the threshold by its misses, and b by the rows that were wrongly predicted as it;
    assert not checks["slice: label=c (sentence)"].passed
    assert "F1 0.667" in checks["slice: label=c (sentence)"].measured
    assert "F1 0.800" in checks["slice: label=b (sentence)"].measured
    # the entities are found as well in its rows as elsewhere.
    assert checks["slice: label=c (tokens)"].passed


def test_check_slices_reports_an_expression_without_rows() -> None:
    rule = SliceRule(expressions={"long": "text_length > 1000"}, min_share=0)
    (check,) = check_slices(predictions_with({"web": (100, 0.9)}), rule, ["sentence"])
    assert (check.name, check.passed, check.tested) == ("slice: expression=long (sentence)", True, False)
    assert check.measured == "no gold labels, 0 rows (0%)"


def a_prediction(row_id: str, gold: str, predicted: str) -> LabelledPrediction:
    entity = ScoredEntity(0, 3, "X", 0.9)
    return LabelledPrediction(row_id, gold, predicted, (), (Entity(0, 3, "X"),), (entity,), 10, False, {})


def test_slices_of_many_values_join_the_small_ones() -> None:
    rows = predictions_with({f"m{n:02d}": (30 - n, 0.9) for n in range(25)})
    slices = slices_by_column(rows, "medium")
    assert len(slices) == 21
    assert slices[-1].value == OTHER
    assert sum(one.rows for one in slices) == len(rows)
    assert all(not check.tested for check in check_slices(rows, RULE, ["sentence"]) if OTHER in check.name)
