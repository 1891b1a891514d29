from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from assay.corpus.example import Example
from assay.evaluation.batch_sensitivity import measure_sensitivity
from assay.serving.bundle import Bundle
from assay.serving.encoding import EncodedText
from assay.serving.engine import Engine, Prediction, Row, ScoredEntity
from tests.bundles import build_bundle

EXAMPLES = [
    Example(id=str(number), text=text) for number, text in enumerate(["good Apple", "bad Apple", "good", "bad"])
]


class _Crowded(Engine):
    """An engine that predicts another class and one more entity if the text "bad" shares its batch."""

    def predict_batch(self, batch: Sequence[EncodedText]) -> list[Prediction]:
        assert len(batch) * max(map(len, batch)) <= self.batch_tokens
        predictions = super().predict_batch(batch)
        if len(batch) == 1:
            return predictions
        more = ScoredEntity(0, 3, "ORG", 1.0)
        return [
            replace(found, label="up", probabilities=(0.5, 0.5), entities=(*found.entities, more))
            if found.label == "down"
            else found
            for found in predictions
        ]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    build_bundle(tmp_path, {"good": "up", "bad": "down"}, {"Apple": "ORG"})
    return tmp_path


def test_measure_sensitivity_counts_changes_with_the_batch(folder: Path) -> None:
    # given two rows of four whose class changes, and two entities more beside two that stay
    engine = _Crowded(Bundle.load(folder), threads=1)
    found = measure_sensitivity(engine, EXAMPLES, rounds=2)
    alone = [engine.predict([Row(text)])[0].probabilities for text in ("bad", "bad Apple")]
    assert (found.rows, found.labels, found.entities) == (4, 0.5, 0.5)
    assert found.probability == pytest.approx(max(map(max, alone)) - 0.5)


def test_measure_sensitivity_finds_none_in_a_float32_graph(folder: Path) -> None:
    found = measure_sensitivity(Engine(Bundle.load(folder), threads=1), EXAMPLES * 200)
    assert (found.rows, found.labels, found.entities) == (800, 0.0, 0.0)
    assert found.probability < 1e-6


def test_measure_sensitivity_takes_rows_evenly(folder: Path) -> None:
    assert measure_sensitivity(Engine(Bundle.load(folder), threads=1), EXAMPLES * 10, rows=7).rows == 7
