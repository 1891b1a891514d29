from dataclasses import replace

from assay.corpus.entity import Entity
from assay.evaluation.labelled_predictions import LabelledPrediction
from assay.evaluation.worst_errors import SHOWN, worst_errors
from assay.serving.predictions import ScoredEntity

TEXT = "Acme buys land in Ulm"
RIGHT = LabelledPrediction(
    id="r", gold="good", predicted="good", probabilities=(0.9, 0.1), gold_entities=(Entity(0, 4, "ORG"),),
    predicted_entities=(ScoredEntity(0, 4, "ORG", 0.9),), characters=len(TEXT), truncated=False, slices={},
)  # fmt: skip


def test_worst_errors_of_right_predictions_are_none() -> None:
    assert worst_errors([RIGHT], [TEXT]) == []
    unlabelled = replace(RIGHT, gold=None, gold_entities=None, predicted_entities=(ScoredEntity(0, 2, "ORG", 0.9),))
    assert worst_errors([unlabelled], [TEXT]) == []


def test_worst_errors_are_the_most_confident_of_each_head() -> None:
    wrong = [
        replace(RIGHT, id=str(number), predicted="bad", probabilities=(1 - number / 100, number / 100))
        for number in range(51, 51 + SHOWN + 5)
    ]
    errors = worst_errors(wrong, [TEXT] * len(wrong))
    assert [error.head for error in errors] == ["sentence"] * SHOWN
    assert [error.id for error in errors] == [row.id for row in wrong][::-1][:SHOWN]
    assert (errors[0].gold, errors[0].predicted) == ("good", "bad")


def test_worst_errors_name_the_gold_entities_that_a_wrong_one_overlaps() -> None:
    predicted = (ScoredEntity(0, 9, "ORG", 0.8), ScoredEntity(18, 21, "ORG", 0.95))
    errors = worst_errors([replace(RIGHT, predicted_entities=predicted)], [TEXT])
    assert [(error.predicted, error.gold, error.confidence) for error in errors] == [
        ("ORG 'Ulm'", "no entity", 0.95),
        ("ORG 'Acme buys'", "ORG 'Acme'", 0.8),
    ]
