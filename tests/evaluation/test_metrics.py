from collections.abc import Sequence

import numpy as np
import pytest
from seqeval.metrics import f1_score as seqeval_f1
from sklearn.metrics import f1_score

from assay.corpus.example import Entity
from assay.evaluation.labelled_predictions import LabelledPrediction, outcomes_of
from assay.evaluation.metrics import compute_metrics, gold_and_predicted
from assay.serving.decoding import spans
from assay.serving.encoding import Word
from assay.serving.engine import ScoredEntity
from tests.evaluation.joint_rows import an_answer


def test_compute_metrics_agree_with_sklearn() -> None:
    from sklearn.metrics import roc_auc_score

    random = np.random.default_rng(1)
    probabilities = random.dirichlet([1, 1, 1], 200)
    labels = ["a", "b", "c"]
    gold = [labels[code] for code in random.integers(0, 3, 200)]
    predicted = [labels[code] for code in probabilities.argmax(axis=1)]
    predictions = [
        an_answer(id=str(n), gold=truth, predicted=prediction, probabilities=tuple(row))
        for n, (truth, prediction, row) in enumerate(zip(gold, predicted, probabilities.tolist(), strict=True))
    ]
    metrics = compute_metrics(predictions, ["sentence"], labels).metrics
    assert metrics["sentence.macro_f1"] == pytest.approx(f1_score(gold, predicted, average="macro"))
    assert metrics["sentence.roc_auc"] == pytest.approx(roc_auc_score(gold, probabilities, multi_class="ovr"))


def test_compute_metrics_entity_f1_equals_seqeval() -> None:
    # Given random BIO tags over words, among them I- tags that continue nothing,
    random = np.random.default_rng(5)
    tag_set = ["O", "O", "B-X", "I-X", "B-Y", "I-Y"]
    gold, predicted = ([random.choice(tag_set, 12).tolist() for _ in range(300)] for _ in range(2))
    units = [Word(n, 3 * n, 3 * n + 2) for n in range(12)]
    predictions = [_tagged(truth, prediction, units) for truth, prediction in zip(gold, predicted, strict=True)]
    # then F1 over character spans is seqeval's.
    assert outcomes_of(predictions, "tokens").f1() == pytest.approx(seqeval_f1(gold, predicted))
    assert compute_metrics(predictions, ["tokens"], []).metrics["tokens.f1"] == pytest.approx(
        seqeval_f1(gold, predicted)
    )


def _tagged(gold: Sequence[str], predicted: Sequence[str], units: Sequence[Word]) -> LabelledPrediction:
    found = tuple(ScoredEntity(e.start, e.end, e.label, 1.0) for e in spans(predicted, units))
    return an_answer(gold=None, predicted=None, gold_entities=tuple(spans(gold, units)), predicted_entities=found)


def test_compute_metrics_counts_rows_and_leaves_out_what_no_row_has() -> None:
    rows = [an_answer(gold=None, predicted=None, probabilities=(), truncated=True)]
    metrics = compute_metrics(rows, ["sentence", "tokens"], ["a", "b"])
    assert metrics.metrics == {"rows": 1, "truncated": 1}
    assert metrics.left_out == {
        "sentence": "no row has a class",
        "tokens": "no row holds an entity",
        "frame_accuracy": "no row has both a class and entities",
    }
    assert (metrics.report, metrics.confusion) == ({"tokens": []}, None)


def test_compute_metrics_leaves_out_the_ranking_of_a_class_that_no_row_has() -> None:
    rows = [an_answer(id=str(number), gold="a") for number in range(3)]
    metrics = compute_metrics(rows, ["sentence"], ["a", "b"])
    assert metrics.left_out == {"sentence.roc_auc": "all rows or no rows have the class 'a'"}
    assert metrics.metrics["sentence.macro_f1"] == 1.0
    assert [(line.name, line.support) for line in metrics.report["sentence"]] == [("a", 3), ("b", 0)]


def test_compute_metrics_appends_classes_that_the_model_lacks() -> None:
    rows = [an_answer(id="1", gold="new"), an_answer(id="2", gold="b", predicted="b", probabilities=(0.2, 0.8))]
    metrics = compute_metrics(rows, ["sentence"], ["b", "a"])
    assert metrics.confusion is not None
    assert metrics.confusion.labels == ["b", "a", "new"]
    assert metrics.confusion.counts == [[1, 0, 0], [0, 0, 0], [0, 1, 0]]


def test_compute_metrics_count_whole_rows_with_class_and_entities() -> None:
    entity, found = Entity(0, 3, "X"), ScoredEntity(0, 3, "X", 0.9)
    rows = [
        an_answer(id="1", gold_entities=(entity,), predicted_entities=(found,)),
        an_answer(id="2", gold_entities=(entity,)),  # an entity is missed
        an_answer(id="3", gold="b", gold_entities=()),  # the class is wrong
        an_answer(id="4", gold=None, gold_entities=(entity,), predicted_entities=(found,)),  # has no class
        an_answer(id="5", gold_entities=None),  # its entities are unknown
    ]
    assert compute_metrics(rows, ["sentence", "tokens"], ["a", "b"]).metrics["frame_accuracy"] == pytest.approx(1 / 3)


def test_gold_and_predicted_are_the_classes_of_the_rows() -> None:
    assert gold_and_predicted([an_answer(gold="b"), an_answer()]) == (["b", "a"], ["a", "a"])
