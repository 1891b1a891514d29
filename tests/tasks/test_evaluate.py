import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from seqeval.metrics import f1_score as seqeval_f1
from sklearn.metrics import f1_score

from assay.corpus.errors import AssayError
from assay.corpus.example import Entity, Example
from assay.corpus.snapshot import Snapshot
from assay.corpus.splits import SplitName, Splits
from assay.corpus.storage.artifact_ref import ArtifactRef
from assay.evaluation.bundle_evaluation import Evaluation, score_bundle
from assay.evaluation.export_report import ExportReport
from assay.evaluation.labelled_predictions import LabelledPrediction, outcomes_of
from assay.evaluation.metrics import calibration_bins, compute_metrics, expected_calibration_error
from assay.runs.run import Run
from assay.serving.decoding import spans
from assay.serving.encoding import Word
from assay.serving.engine import ScoredEntity
from assay.tasks.evaluate import evaluate
from tests.snapshots import make_run, write_snapshot

CLASSES = {"good": "positive", "bad": "negative"}
ENTITIES = {"apple": "COMPANY", "berlin": "PLACE"}


def an_answer(**changes: Any) -> LabelledPrediction:
    values: dict[str, Any] = {
        "id": "1",
        "gold": "a",
        "predicted": "a",
        "probabilities": (0.9, 0.1),
        "gold_entities": None,
        "predicted_entities": (),
        "characters": 10,
        "truncated": False,
        "slices": {},
    }
    return LabelledPrediction(**{**values, **changes})


def joint_examples() -> list[Example]:
    """Return eight rows: the model of `CLASSES` and `ENTITIES` is wrong about one class and one entity."""
    rows = [
        ("good apple", "positive", [(5, 10, "COMPANY")], "web"),
        ("bad apple here", "negative", [(4, 9, "COMPANY")], "web"),
        ("good berlin", "positive", [(5, 11, "PLACE")], "web"),
        ("bad berlin", "negative", [(4, 10, "PLACE")], "print"),
        ("good day", "positive", [], "print"),
        ("bad day for all of us", "negative", [], "print"),
        ("good good good", "negative", [], None),
        ("bad apple", "negative", [(0, 9, "COMPANY")], None),
    ]
    return [
        Example(f"row-{n}", text, label=label, entities=tuple(Entity(*e) for e in found), slices={"medium": medium})
        for n, (text, label, found, medium) in enumerate(rows)
    ]


def test_evaluation_metrics_equal_hand_counts(make_bundle: Any) -> None:
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


def test_evaluation_reports_confusion_and_intervals(make_bundle: Any) -> None:
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


def test_evaluation_lists_the_worst_errors_with_their_labels(make_bundle: Any) -> None:
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


def test_evaluation_slices_by_columns_and_length(make_bundle: Any) -> None:
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


def test_evaluation_omits_undefined_metrics_with_the_reason(make_bundle: Any) -> None:
    examples = [Example(str(n), "good day", label="positive", entities=()) for n in range(3)]
    evaluation = score_bundle(make_bundle(classes=CLASSES, entities=ENTITIES), examples, threads=1)
    assert "sentence.roc_auc" not in evaluation.metrics
    assert "'negative'" in evaluation.left_out["sentence.roc_auc"]
    assert evaluation.left_out["tokens"] == "no row holds an entity"
    assert "tokens" not in evaluation.intervals
    assert all(np.isfinite(value) for value in evaluation.metrics.values())
    json.loads(evaluation.model_dump_json())


def test_evaluation_counts_an_unknown_class_as_wrong(make_bundle: Any) -> None:
    examples = [Example("1", "good", label="positive"), Example("2", "bad", label="strange")]
    evaluation = score_bundle(make_bundle(classes=CLASSES), examples, threads=1)
    assert evaluation.metrics["sentence.accuracy"] == 0.5
    assert evaluation.confusion is not None
    assert evaluation.confusion.labels == ["negative", "positive", "strange"]


def test_evaluation_agrees_with_sklearn() -> None:
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


def test_evaluation_entity_f1_equals_seqeval() -> None:
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


def test_evaluation_calibration_error_of_known_bins() -> None:
    confidence = np.array([0.95, 0.95, 0.95, 0.95, 0.55, 0.55])
    right = np.array([True, True, True, False, True, False])
    bins = calibration_bins(confidence, right)
    assert [one.rows for one in bins] == [2, 4]
    assert expected_calibration_error(bins) == pytest.approx((4 * 0.20 + 2 * 0.05) / 6)
    assert len(calibration_bins(np.array([0.0, 1.0]), np.array([True, True]))) == 2


def test_evaluate_scores_only_test_rows_and_once(make_bundle: Any, tmp_path: Path) -> None:
    # Given eight rows, of which five are test,
    examples = joint_examples()
    split_of: dict[str, SplitName] = {example.id: "test" if n < 5 else "train" for n, example in enumerate(examples)}
    run, snapshot, splits = _a_run(tmp_path, examples, split_of)
    bundle = make_bundle("export/bundle", classes=CLASSES, entities=ENTITIES)
    export = ArtifactRef[ExportReport](path=bundle.folder.parent, digest=bundle.digest)
    # when the step is done twice,
    first, second = evaluate.fn(run, export, snapshot, splits), evaluate.fn(run, export, snapshot, splits)
    # then it is one result, of these rows and this bundle.
    assert first == second
    evaluation = Evaluation.load(first.path)
    assert [prediction.id for prediction in evaluation.rows] == [f"row-{n}" for n in range(5)]
    assert evaluation.bundle == bundle.digest


def test_evaluate_refuses_an_empty_test_split(make_bundle: Any, tmp_path: Path) -> None:
    examples = joint_examples()
    run, snapshot, splits = _a_run(tmp_path, examples, {example.id: "train" for example in examples})
    bundle = make_bundle("export/bundle", classes=CLASSES)
    with pytest.raises(AssayError, match="test split has no rows"):
        evaluate.fn(run, ArtifactRef[ExportReport](path=bundle.folder.parent, digest=bundle.digest), snapshot, splits)


def _a_run(
    folder: Path, examples: Sequence[Example], split_of: dict[str, SplitName]
) -> tuple[Run, ArtifactRef[Snapshot], ArtifactRef[Splits]]:
    snapshot = write_snapshot(folder / "snapshot", examples, ["medium"])
    splits = Splits.create(split_of, snapshot=snapshot.digest, method="stratified")
    (folder / "splits").mkdir()
    splits.save(folder / "splits")
    return make_run(folder / "store"), snapshot, ArtifactRef[Splits](path=folder / "splits", digest=splits.digest)


def test_evaluate_stores_the_cluster_of_each_prediction(make_bundle: Any, tmp_path: Path) -> None:
    examples = [replace(row, group="g" if n < 2 else None) for n, row in enumerate(joint_examples())]
    bundle = make_bundle(classes=CLASSES, entities=ENTITIES)
    clusters = {row.id: examples[n // 4 * 4].id for n, row in enumerate(examples)}
    score_bundle(bundle, examples, threads=1, clusters=clusters).save(tmp_path)
    stored = Evaluation.load(tmp_path).rows
    assert [row.cluster for row in stored] == ["row-0"] * 4 + ["row-4"] * 4
    assert (outcomes_of(stored, "sentence").size, outcomes_of(stored, "tokens").size) == (2, 2)
    # Without the split's clusters, the group of a row is its cluster.
    assert outcomes_of(score_bundle(bundle, examples, threads=1).rows, "sentence").size == 7
