import random

import pytest
from seqeval.metrics import classification_report, f1_score

from assay.corpus.example import Entity
from assay.models.scores import entity_scores, frame_accuracy, sentence_scores
from assay.serving.decoding import spans
from assay.serving.encoding import Word

TAGS = ["O", "B-ORG", "I-ORG", "B-PER", "I-PER"]


def _tag_rows(seed: int) -> list[list[str]]:
    rng = random.Random(seed)
    return [rng.choices(TAGS, weights=[4, 2, 2, 2, 2], k=rng.randint(1, 12)) for _ in range(300)]


def _entities(tags: list[str]) -> list[Entity]:
    return spans(tags, [Word(place, 2 * place, 2 * place + 1) for place in range(len(tags))])


# seqeval speaks of types that have no true or no predicted entity; these rows have both
@pytest.mark.parametrize("noise", [0.0, 0.2, 0.6])
def test_entity_scores_equal_seqeval(noise: float) -> None:
    # given gold tags, broken sequences among them, and predictions that differ in some places
    rng = random.Random(7)
    gold = _tag_rows(1)
    predicted = [[rng.choice(TAGS) if rng.random() < noise else tag for tag in row] for row in gold]

    # when both are scored
    ours = entity_scores([_entities(row) for row in gold], [_entities(row) for row in predicted])

    # then all metrics agree
    assert ours.overall.f1 == pytest.approx(f1_score(gold, predicted))
    theirs = classification_report(gold, predicted, output_dict=True)
    for label, score in ours.by_type.items():
        assert score.f1 == pytest.approx(theirs[label]["f1-score"])
        assert score.precision == pytest.approx(theirs[label]["precision"])
        assert score.recall == pytest.approx(theirs[label]["recall"])
        assert score.support == theirs[label]["support"]


def test_entity_scores_require_span_and_type() -> None:
    gold = [[Entity(0, 5, "ORG"), Entity(9, 12, "PER")]]
    predicted = [[Entity(0, 5, "PER"), Entity(9, 12, "PER"), Entity(20, 22, "PER")]]
    scores = entity_scores(gold, predicted)
    assert (scores.overall.precision, scores.overall.recall) == (1 / 3, 1 / 2)
    assert scores.by_type["ORG"].f1 == 0
    assert scores.by_type["PER"].f1 == pytest.approx(0.5)


def test_entity_scores_without_entities_are_zero() -> None:
    assert entity_scores([[]], [[]]).overall.f1 == 0


def test_sentence_scores_weigh_classes_equally() -> None:
    scores = sentence_scores(["a", "a", "a", "b"], ["a", "a", "a", "a"], ["a", "b", "never"])
    assert scores.accuracy == 0.75
    assert scores.by_label["a"].f1 == pytest.approx(6 / 7)
    assert scores.by_label["b"].f1 == 0
    # a class that occurs nowhere is listed, but is not part of the mean
    assert scores.by_label["never"].support == 0
    assert scores.macro_f1 == pytest.approx(3 / 7)


def test_frame_accuracy_requires_class_and_all_entities() -> None:
    one, other = Entity(0, 1, "X"), Entity(2, 3, "X")
    gold = [[one], [one, other], [], [one]]
    predicted = [[one], [one], [], [one]]
    assert frame_accuracy(["a", "a", "b", "a"], ["a", "a", "b", "b"], gold, predicted) == 0.5
