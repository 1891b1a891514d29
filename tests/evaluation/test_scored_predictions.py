from dataclasses import replace

from assay.corpus.entity import Entity
from assay.evaluation.label_decisions import with_labels
from assay.evaluation.scored_predictions import scored_predictions
from assay.serving.engine import ScoredEntity
from tests.evaluation.predicted import predictions


def test_scored_predictions_take_the_probability_of_the_predicted_class() -> None:
    rows = predictions(50)
    scored = scored_predictions([*rows, replace(rows[0], gold=None)], "sentence")
    assert len(scored) == 50
    assert scored.confidence.tolist() == [max(row.probabilities) for row in rows]
    assert scored.right.tolist() == [row.predicted == row.gold for row in rows]


def test_scored_predictions_take_every_entity_with_the_cluster_of_its_row() -> None:
    two = (ScoredEntity(0, 4, "ORG", 0.9), ScoredEntity(5, 7, "ORG", 0.4))
    row = replace(predictions(1)[0], gold_entities=(Entity(0, 4, "ORG"),), predicted_entities=two, cluster="d")
    scored = scored_predictions([row, replace(row, gold_entities=None)], "tokens")
    assert (scored.labels, scored.confidence.tolist(), scored.right.tolist()) == (
        ["ORG"] * 2,
        [0.9, 0.4],
        [True, False],
    )
    assert scored.clusters is not None
    assert scored.clusters.tolist() == [0, 0]


def test_scored_predictions_take_the_labels_that_apply_with_the_cluster_of_their_row() -> None:
    rows = [
        replace(row, gold_labels=("money",), label_probabilities=(0.9, 0.6, 0.2), predicted_labels=())
        for row in predictions(2)
    ]
    scored = scored_predictions(with_labels(rows, ["money", "sport", "weather"], [0.5, 0.5, 0.5]), "labels")
    assert scored.labels == ["money", "sport"] * 2
    assert scored.confidence.tolist() == [0.9, 0.6] * 2
    assert scored.right.tolist() == [True, False] * 2
    assert scored.clusters is not None
    assert scored.clusters.tolist() == [0, 0, 1, 1]
