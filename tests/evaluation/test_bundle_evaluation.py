import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from assay.corpus.errors import AssayError
from assay.corpus.example import Example
from assay.corpus.snapshot import Snapshot
from assay.corpus.splits import Splits
from assay.evaluation.bundle_evaluation import Evaluation, heads_of, read_test_rows, score_bundle
from assay.evaluation.labelled_predictions import outcomes_of
from tests.evaluation.joint_rows import CLASSES, ENTITIES, joint_examples
from tests.snapshots import write_snapshot


def test_score_bundle_metrics_equal_hand_counts(make_bundle: Any) -> None:
    evaluation = score_bundle(make_bundle(classes=CLASSES, entities=ENTITIES), joint_examples(), threads=1)
    metrics = evaluation.metrics
    assert metrics["sentence.accuracy"] == 7 / 8
    # positive: 3 right, 1 false; negative: 4 right, 1 missed
    assert metrics["sentence.macro_f1"] == pytest.approx((6 / 7 + 8 / 9) / 2)
    assert metrics["sentence.precision"] == pytest.approx((3 / 4 + 1) / 2)
    assert metrics["sentence.recall"] == pytest.approx((1 + 4 / 5) / 2)
    # entities: 4 right, 1 false, 1 missed
    assert metrics["tokens.f1"] == metrics["tokens.precision"] == metrics["tokens.recall"] == pytest.approx(4 / 5)
    assert metrics["frame_accuracy"] == 6 / 8
    assert metrics["rows"] == 8
    assert 0 < metrics["latency.p50_ms"] <= metrics["latency.p95_ms"]
    assert evaluation.left_out == {}


def test_score_bundle_states_the_precision_that_predicted(make_bundle: Any) -> None:
    bundle = make_bundle(classes=CLASSES, entities=ENTITIES, precision="int8")
    assert score_bundle(bundle, joint_examples(), threads=1).precision == "int8"


def test_score_bundle_reports_confusion_and_intervals(make_bundle: Any) -> None:
    evaluation = score_bundle(make_bundle(classes=CLASSES, entities=ENTITIES), joint_examples(), threads=1)
    assert [(line.name, line.support) for line in evaluation.report["sentence"]] == [("negative", 5), ("positive", 3)]
    assert [(line.name, line.f1) for line in evaluation.report["tokens"]] == [
        ("COMPANY", pytest.approx(2 / 3)),
        ("PLACE", 1.0),
    ]
    assert evaluation.confusion is not None
    assert evaluation.confusion.labels == ["negative", "positive"]
    assert evaluation.confusion.counts == [[4, 1], [0, 3]]
    for head, interval in evaluation.intervals.items():
        assert interval.low <= interval.value <= interval.high, head


def test_score_bundle_lists_the_worst_errors_with_their_labels(make_bundle: Any) -> None:
    evaluation = score_bundle(make_bundle(classes=CLASSES, entities=ENTITIES), joint_examples(), threads=1)
    sentence, tokens = evaluation.worst
    assert (sentence.head, sentence.id, sentence.gold, sentence.predicted) == (
        "sentence",
        "row-6",
        "negative",
        "positive",
    )
    assert sentence.confidence > 0.9
    assert (tokens.id, tokens.gold, tokens.predicted) == ("row-7", "COMPANY 'bad apple'", "COMPANY 'apple'")


def test_score_bundle_slices_by_columns_and_length(make_bundle: Any) -> None:
    evaluation = score_bundle(make_bundle(classes=CLASSES, entities=ENTITIES), joint_examples(), threads=1)
    slices = {(one.head, one.value): one for one in evaluation.slices}
    assert slices["sentence", "web"].f1 == 1
    assert slices["sentence", "(missing)"].rows == 2
    # The rows from print hold one place, which is found; those without a medium one company, which is not.
    assert slices["tokens", "print"].f1 == 1
    assert slices["tokens", "(missing)"].f1 == 0
    lengths = [one for one in evaluation.slices if one.column == "text length" and one.head == "sentence"]
    assert sum(one.rows for one in lengths) == 8
    assert [one.value for one in lengths] == ["8-10 characters", "11-14 characters", "15-21 characters"]


def test_evaluation_round_trips_through_files(make_bundle: Any, tmp_path: Path) -> None:
    evaluation = score_bundle(make_bundle(classes=CLASSES, entities=ENTITIES), joint_examples(), threads=1)
    evaluation.save(tmp_path)
    again = Evaluation.load(tmp_path)
    assert again == evaluation
    assert again.rows == evaluation.rows
    assert "good apple" not in (tmp_path / "rows.parquet").read_bytes().decode("latin-1")


def test_evaluation_load_refuses_an_empty_folder(tmp_path: Path) -> None:
    with pytest.raises(AssayError, match="--from evaluate"):
        Evaluation.load(tmp_path)


def test_score_bundle_omits_undefined_metrics_with_the_reason(make_bundle: Any) -> None:
    examples = [Example(str(n), "good day", label="positive", entities=()) for n in range(3)]
    evaluation = score_bundle(make_bundle(classes=CLASSES, entities=ENTITIES), examples, threads=1)
    assert "sentence.roc_auc" not in evaluation.metrics
    assert "'negative'" in evaluation.left_out["sentence.roc_auc"]
    assert evaluation.left_out["tokens"] == "no row holds an entity"
    assert "tokens" not in evaluation.intervals
    assert all(np.isfinite(value) for value in evaluation.metrics.values())
    json.loads(evaluation.model_dump_json())


def test_score_bundle_counts_an_unknown_class_as_wrong(make_bundle: Any) -> None:
    examples = [Example("1", "good", label="positive"), Example("2", "bad", label="strange")]
    evaluation = score_bundle(make_bundle(classes=CLASSES), examples, threads=1)
    assert evaluation.metrics["sentence.accuracy"] == 0.5
    assert evaluation.confusion is not None
    assert evaluation.confusion.labels == ["negative", "positive", "strange"]


def test_score_bundle_stores_the_cluster_of_each_prediction(make_bundle: Any, tmp_path: Path) -> None:
    examples = [replace(row, group="g" if n < 2 else None) for n, row in enumerate(joint_examples())]
    bundle = make_bundle(classes=CLASSES, entities=ENTITIES)
    clusters = {row.id: examples[n // 4 * 4].id for n, row in enumerate(examples)}
    score_bundle(bundle, examples, threads=1, clusters=clusters).save(tmp_path)
    stored = Evaluation.load(tmp_path).rows
    assert [row.cluster for row in stored] == ["row-0"] * 4 + ["row-4"] * 4
    assert (outcomes_of(stored, "sentence").size, outcomes_of(stored, "tokens").size) == (2, 2)
    # Without the split's clusters, the group of a row is its cluster.
    assert outcomes_of(score_bundle(bundle, examples, threads=1).rows, "sentence").size == 7


def test_heads_of_are_those_with_labels_or_tags(make_bundle: Any) -> None:
    assert heads_of(make_bundle("a", classes=CLASSES, entities=ENTITIES).manifest) == ["sentence", "tokens"]
    assert heads_of(make_bundle("b", classes=CLASSES).manifest) == ["sentence"]
    assert heads_of(make_bundle("c", entities=ENTITIES).manifest) == ["tokens"]


def test_read_test_rows_are_those_of_the_split(tmp_path: Path) -> None:
    snapshot = Snapshot.load(write_snapshot(tmp_path / "s", joint_examples(), ["medium"]).path)
    splits = Splits.create({"row-1": "test", "row-2": "train", "row-5": "test"}, snapshot="s", method="test")
    assert [row.id for row in read_test_rows(snapshot, splits)] == ["row-1", "row-5"]
    with pytest.raises(AssayError, match=r"the test split has no rows; raise split\.test or add data"):
        read_test_rows(snapshot, Splits.create({"row-1": "train"}, snapshot="s", method="test"))
