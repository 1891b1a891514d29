from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from assay.corpus.example import Entity, Example
from assay.evaluation.labelled_predictions import predict_rows
from assay.evaluation.precision_measurement import f1_scores, measure_precisions
from assay.serving.bundle import Bundle, Precision
from assay.serving.engine import Engine, Prediction, Row
from tests.bundles import build_bundle

EXAMPLES = [
    Example(id="0", text="good Apple", label="up", entities=(Entity(5, 10, "ORG"),)),
    Example(id="1", text="bad", label="down", entities=()),
    Example(id="2", text="good", label="up", entities=()),
    Example(id="3", text="bad bad", label="down", entities=()),
]


class _Coarse(Engine):
    """An engine that predicts one class only."""

    def predict(self, rows: Sequence[Row]) -> list[Prediction]:
        return [replace(prediction, label="up") for prediction in super().predict(rows)]


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    return build_bundle(tmp_path, {"good": "up", "bad": "down"}, {"Apple": "ORG"})


def test_measure_precisions_states_f1_drop_changes_and_speed(bundle: Bundle) -> None:
    engines: dict[Precision, Engine] = {
        "fp32": Engine(bundle, threads=1, batch_tokens=16),
        "int8": _Coarse(bundle, threads=1, batch_tokens=16),
    }
    predicted = {precision: predict_rows(engine, EXAMPLES) for precision, engine in engines.items()}
    fp32, int8 = measure_precisions(engines, EXAMPLES, predicted)
    assert (fp32.precision, fp32.f1, fp32.changed, fp32.rows) == ("fp32", {"sentence": 1.0, "tokens": 1.0}, 0.0, 4)
    # the macro-F1 of always "up" on two classes of equal size
    assert int8.f1 == {"sentence": pytest.approx(1 / 3), "tokens": 1.0}
    assert int8.drop == {"sentence": pytest.approx(2 / 3, abs=1e-6), "tokens": 0.0}
    assert int8.changed == 0.5
    assert min(fp32.rows_per_second, int8.rows_per_second, fp32.row_ms, int8.row_ms) > 0


def test_f1_scores_skips_heads_without_gold_labels(bundle: Bundle) -> None:
    engine = Engine(bundle, threads=1)
    unlabelled = [replace(example, entities=None) for example in EXAMPLES]
    assert f1_scores(predict_rows(engine, unlabelled), engine.labels, []).keys() == {"sentence"}
