"""Predictions of a labels head: thresholds, windows, calibration, and every form in which they are returned."""

import csv
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from assay.corpus.errors import AssayError
from assay.serving.batch.chunks import RowChunk
from assay.serving.batch.output import label_separator, open_writer
from assay.serving.batch.scan import Column
from assay.serving.bundle import Bundle
from assay.serving.calibration import Calibration, LabelCalibration
from assay.serving.decoding import sigmoid
from assay.serving.encoding import EncodedText
from assay.serving.engine import Engine, Row, ScoredLabel
from assay.serving.json_objects import as_object
from assay.serving.model import Model
from assay.serving.prediction_options import PredictionOptions
from assay.serving.predictions import LogitsReader
from assay.serving.smoke import smoke_test
from tests.bundles import build_bundle

ROW_LABELS = {"bank": "money", "match": "sport", "storm": "weather"}
SURE, UNSURE = sigmoid(np.array([2, -2], dtype=np.float32)).tolist()


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    folder = tmp_path / "bundle"
    folder.mkdir()
    return build_bundle(folder, {}, {}, row_labels=ROW_LABELS)


@pytest.fixture
def engine(bundle: Bundle) -> Engine:
    return Engine(bundle, threads=1)


def test_engine_returns_the_labels_that_apply_and_all_probabilities(engine: Engine) -> None:
    both, none = engine.predict([Row("the bank and the storm"), Row("nothing")])
    assert [one.label for one in both.labels] == ["money", "weather"]
    assert both.label_probabilities == pytest.approx((SURE, UNSURE, SURE))
    assert [one.score for one in both.labels] == pytest.approx([SURE, SURE])
    assert (none.labels, none.label) == ((), None)
    assert none.label_probabilities == pytest.approx((UNSURE,) * 3)


def test_engine_reads_labels_beside_classes_and_entities(tmp_path: Path) -> None:
    engine = Engine(build_bundle(tmp_path, {"good": "up", "bad": "down"}, {"Apple": "ORG"}, row_labels=ROW_LABELS))
    [prediction] = engine.predict([Row("good bank Apple")])
    assert (prediction.label, [one.label for one in prediction.labels]) == ("up", ["money"])
    assert [entity.label for entity in prediction.entities] == ["ORG"]


def test_engine_applies_thresholds_and_calibration_of_its_precision(tmp_path: Path) -> None:
    # Slopes of 2 turn the log-odds of 2 and -2 into 4 and -4, so that 0.99 is above 0.97.
    calibration = Calibration(labels=LabelCalibration(slopes=[2.0] * 3, offsets=[0.0] * 3))
    changes = {"label_thresholds": {"fp32": [0.99, 0.97, 0.0]}, "calibration": {"fp32": calibration}}
    engine = Engine(build_bundle(tmp_path, {}, {}, row_labels=ROW_LABELS, changes=changes))
    [prediction] = engine.predict([Row("the bank and the match")])
    calibrated = 1 / (1 + np.exp(-4))
    assert prediction.label_probabilities == pytest.approx((calibrated, calibrated, 1 - calibrated))
    assert [one.label for one in prediction.labels] == ["sport", "weather"]


def test_label_calibration_keeps_the_order_and_can_be_undone() -> None:
    calibration = LabelCalibration(slopes=[0.5, 3.0], offsets=[1.0, -1.0], doubt=0.01)
    scores = np.array([[0.1, 0.1], [0.5, 0.5], [0.9, 0.9]])
    calibrated = calibration.probabilities(scores)
    assert (np.diff(calibrated, axis=0) > 0).all()
    assert calibration.uncalibrated_probabilities(calibrated) == pytest.approx(scores)


def test_sigmoid_of_large_logits_is_finite() -> None:
    assert sigmoid(np.array([-1e4, 0.0, 1e4], dtype=np.float32)).tolist() == [0.0, 0.5, 1.0]


def test_prediction_weighs_the_windows_of_a_long_text() -> None:
    reader = LogitsReader([], [], None, row_labels=["a", "b"], thresholds=[0.5, 0.5])
    later = EncodedText([1, 2], [0, 0], [], False, 3)
    text = EncodedText([1, 2], [0, 0], [], False, 1, (later,))
    windows = [{"labels": np.array([4.0, -4.0])}, {"labels": np.array([-4.0, 4.0])}]
    prediction = reader.prediction(text, windows)
    sure = float(sigmoid(np.array([4], dtype=np.float32))[0])
    assert prediction.label_probabilities == pytest.approx(
        (0.25 * sure + 0.75 * (1 - sure), 0.75 * sure + 0.25 * (1 - sure))
    )
    assert prediction.labels == (ScoredLabel("b", prediction.label_probabilities[1]),)


def test_window_logits_that_are_not_finite_are_refused() -> None:
    reader = LogitsReader([], [], None, row_labels=["a"], thresholds=[0.5])
    with pytest.raises(AssayError, match="row 3: the labels logits are not finite"):
        reader.window_logits(EncodedText([1], [0], [], False), {"labels": np.array([np.nan], dtype=np.float32)}, 3)


def test_as_object_holds_labels_and_probabilities(engine: Engine) -> None:
    [prediction] = engine.predict([Row("the match")])
    values = as_object("the match", prediction, engine)
    assert values["labels"] == [{"label": "sport", "score": pytest.approx(SURE)}]
    assert list(values["label_probabilities"]) == ["money", "sport", "weather"]
    assert "label" not in values
    strict = as_object("the match", prediction, engine, PredictionOptions(threshold=0.9, labels_only=True))
    assert strict == {"labels": [], "truncated": False}


def test_model_names_its_row_labels(engine: Engine) -> None:
    model = Model(engine)
    assert model.row_labels == ("money", "sport", "weather")
    assert [one.label for one in model.predict("the storm").labels] == ["weather"]


def test_smoke_compares_labels_and_their_probabilities(tmp_path: Path, bundle: Bundle) -> None:
    assert smoke_test(Engine(bundle)) == 2
    golden = bundle.manifest.golden
    changed = [row.model_copy(update={"labels": ["money"]}) for row in golden]
    wrong = Engine(bundle)
    wrong.manifest = wrong.manifest.model_copy(update={"golden": changed})
    with pytest.raises(AssayError, match=r"golden row 0: the labels are \[\], at export they were \['money'\]"):
        smoke_test(wrong)


@pytest.mark.parametrize(("distance", "allowed"), [(0.0005, True), (0.004, False)])
def test_smoke_lets_a_label_differ_next_to_its_threshold(tmp_path: Path, distance: float, allowed: bool) -> None:
    # At export, the probability was above the threshold of the first label; here it is as far below.
    thresholds = {"label_thresholds": {"fp32": [UNSURE + distance / 2, 0.5, 0.5]}}
    engine = Engine(build_bundle(tmp_path, {}, {}, row_labels=ROW_LABELS, changes=thresholds))
    first, *rest = engine.manifest.golden
    probabilities = [UNSURE + distance, *first.label_probabilities[1:]]
    golden = first.model_copy(update={"labels": ["money"], "label_probabilities": probabilities})
    engine.manifest = engine.manifest.model_copy(update={"golden": [golden, *rest]})
    if allowed:
        assert smoke_test(engine) == 2
        return
    with pytest.raises(AssayError, match=r"golden row 0: the labels are \[\]"):
        smoke_test(engine)


def _written(engine: Engine, path: Path, kind: str) -> Path:
    rows = [{"text": "the bank and the storm"}, {"text": "nothing"}]
    texts = [row["text"] for row in rows]
    with open_writer(kind, path, engine, [Column("text", pa.string())]) as writer:
        writer.write(RowChunk(list(enumerate(rows, 1))), [0, 1], texts, engine.predict([*map(Row, texts)]))
    return path


def test_batch_output_joins_labels_in_a_table_of_text(engine: Engine, tmp_path: Path) -> None:
    with _written(engine, tmp_path / "out.csv", ".csv").open(newline="") as file:
        first, second = csv.DictReader(file)
    assert (first["labels"], second["labels"]) == ("money;weather", "")
    assert float(first["label_probability.money"]) == pytest.approx(SURE)


def test_batch_output_keeps_lists_in_parquet_and_objects_in_json_lines(engine: Engine, tmp_path: Path) -> None:
    table = pq.read_table(_written(engine, tmp_path / "out.parquet", ".parquet")).to_pydict()
    assert table["labels"] == [["money", "weather"], []]
    assert table["label_probability.weather"] == pytest.approx([SURE, UNSURE])
    lines = _written(engine, tmp_path / "out.jsonl", ".jsonl").read_text().splitlines()
    assert [[one["label"] for one in json.loads(line)["labels"]] for line in lines] == [["money", "weather"], []]


def test_label_separator_is_one_that_no_label_holds() -> None:
    assert label_separator(["a", "b"]) == ";"
    assert label_separator(["a;b", "c"]) == "|"
