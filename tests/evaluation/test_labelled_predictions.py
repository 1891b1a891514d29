from pathlib import Path

import pytest

from assay.corpus.example import Entity, Example
from assay.evaluation.labelled_predictions import predict_rows
from assay.serving.engine import Engine
from tests.bundles import build_bundle


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    """Return an engine that finds "Hooli" in any text."""
    return Engine(build_bundle(tmp_path, {"good": "up", "bad": "down"}, {"Hooli": "ORG"}), threads=1)


@pytest.mark.parametrize(("start", "end"), [(5, 10), (5, 9), (6, 10), (6, 8)])
def test_predict_rows_scores_half_words_as_whole_words(engine: Engine, start: int, end: int) -> None:
    rows = [Example("a", "good Hooli", label="up", entities=(Entity(start, end, "ORG"),))]
    [prediction] = predict_rows(engine, [*rows])
    assert prediction.gold_entities == (Entity(5, 10, "ORG"),)
    assert prediction.entity_counts == (1, 0, 0)


def test_predict_rows_keeps_entities_without_a_word(engine: Engine) -> None:
    rows = [
        Example("a", "good Hooli", label="up", entities=(Entity(0, 10, "ORG"),)),
        Example("b", "good Hooli", label="up", entities=()),
        Example("c", "good Hooli", label="up"),
        Example("d", "word " * 80 + "Hooli", label="up", entities=(Entity(400, 404, "ORG"),)),
    ]
    predictions = predict_rows(engine, rows)
    assert [prediction.gold_entities for prediction in predictions] == [row.entities for row in rows]
