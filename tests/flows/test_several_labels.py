"""A labels head, from the rows of a file to the champion's predictions."""

import json
import shutil
from pathlib import Path

import pytest

from assay.corpus.overlay import overlay_path, read_overlay
from assay.corpus.snapshot import Snapshot
from assay.evaluation.bundle_evaluation import Evaluation
from assay.evaluation.labels.task_formats import TaskFormat
from assay.flows.corrections import apply_corrections
from assay.flows.labelling import suggest_labels
from assay.flows.training import TrainingOutcome, train
from assay.serving.address import open_bundle
from assay.serving.engine import Engine, Row
from assay.tasks.extract import read_rows
from tests.evaluation.labels.test_task_formats import annotated
from tests.flows.tiny import label_recipe, label_rows

pytestmark = pytest.mark.usefixtures("prefect_server")


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("topics") / "topics.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in label_rows(400, 1)), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory, mlflow_database: Path) -> Path:
    folder = tmp_path_factory.mktemp("store")
    shutil.copy(mlflow_database, folder / "mlflow.db")
    return folder


@pytest.fixture(scope="module")
def first(corpus: Path, store: Path, prefect_server: None) -> TrainingOutcome:
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        return train(label_recipe(corpus, decision={"labels": {"precision": 0.5}}), store)


def test_train_promotes_a_model_with_a_labels_head(first: TrainingOutcome) -> None:
    assert first.verdict.outcome == "passed", [(check.name, check.why) for check in first.verdict.failed]
    assert first.promotion.promoted
    names = {check.name for check in first.verdict.checks}
    assert {"score: labels", "baseline: labels", "champion: labels", "decision: labels"} <= names
    assert {"slice: labels=money (labels)", "slice: region=north (labels)"} <= names


def test_train_measures_labels_on_the_labelled_test_rows(first: TrainingOutcome, store: Path) -> None:
    [folder] = (store / "runs" / first.run).glob("evaluate-*")
    evaluation = Evaluation.load(folder)
    labelled = [row for row in evaluation.rows if row.gold_labels is not None]
    assert 0 < len(labelled) < len(evaluation.rows)  # a tenth of the rows is not labelled
    assert {line.name for line in evaluation.report["labels"]} == {"money", "sport", "weather"}
    assert sum(line.support for line in evaluation.report["labels"]) == sum(
        len(row.gold_labels or ()) for row in labelled
    )
    exact = sum(set(row.applied) == set(row.gold_labels or ()) for row in labelled) / len(labelled)
    assert evaluation.metrics["labels.subset_accuracy"] == pytest.approx(exact)


def test_train_leaves_a_champion_that_predicts_any_number_of_labels(first: TrainingOutcome) -> None:
    engine = Engine(open_bundle("models:/topics@champion", tracking_uri=first.tracking_uri))
    rows = label_rows(100, 5)
    predictions = engine.predict([Row(row["text"]) for row in rows])
    exact = [
        {one.label for one in prediction.labels} == set(row["topics"])
        for row, prediction in zip(rows, predictions, strict=True)
        if row["topics"] is not None
    ]
    assert sum(exact) > 0.7 * len(exact)
    assert {len(prediction.labels) for prediction in predictions} >= {0, 1, 2}
    for prediction in predictions:
        assert (prediction.label, prediction.probabilities, prediction.entities) == (None, (), ())
        scores = zip(engine.row_labels, prediction.label_probabilities, engine.label_thresholds, strict=True)
        assert [(one.label, one.score) for one in prediction.labels] == [
            (name, score) for name, score, threshold in scores if score >= threshold
        ]


@pytest.mark.slow
@pytest.mark.parametrize("task_format", ["label-studio", "prodigy"])
def test_sets_of_labels_that_people_decide_on_reach_the_next_snapshot(
    first: TrainingOutcome, corpus: Path, store: Path, tmp_path: Path, task_format: TaskFormat
) -> None:
    # Given rows to label next, with the proposals of the champion,
    new, tasks = tmp_path / "new.jsonl", tmp_path / "tasks.json"
    new.write_text("".join(json.dumps(row) + "\n" for row in label_rows(40, 10 + len(task_format))), encoding="utf-8")
    recipe, model = label_recipe(corpus), "models:/topics@champion"
    report = suggest_labels(model, str(new), rows=8, output=tasks, task_format=task_format, store=store)
    assert any(len(task.proposed_labels or ()) > 1 for task in report.tasks)
    # when a person accepts them, and takes the topics of a known row away,
    path = tmp_path / "done.json"
    path.write_text(annotated(task_format, tasks.read_text(encoding="utf-8")), encoding="utf-8")
    done = apply_corrections(recipe, store, str(path))
    assert (done.added, done.rejected) == (8, [])
    row = next(row for row in label_rows(400, 1) if row["topics"])
    table = tmp_path / "done.csv"
    table.write_text(f"row_id,text,new_labels,author\n{row['id']},{row['text']},[],anna\n", encoding="utf-8")
    apply_corrections(recipe, store, str(table))
    # then the next run reads both.
    folder = tmp_path / "rows"
    folder.mkdir()
    manifest = read_rows(recipe, folder, {}, read_overlay(overlay_path(store, recipe.name)))
    assert manifest.corrections is not None
    assert (manifest.corrections.corrected, manifest.corrections.stale) == (1, 0)
    read = {one.id: one.labels for one in Snapshot.load(folder).examples()}
    assert read[row["id"]] == ()
    assert all(read[task.id] == task.proposed_labels for task in report.tasks)


@pytest.mark.slow  # trains a second model
def test_train_compares_a_challenger_and_trains_labels_beside_other_heads(
    first: TrainingOutcome, corpus: Path, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    gate = {"min_f1": {"labels": 0.7, "tokens": 0.7}, "baseline": "off"}
    # So small a network would learn names alone if they counted as much.
    training = {"tokens_weight": 0.05}
    outcome = train(label_recipe(corpus, model={"heads": ["tokens", "labels"]}, gate=gate, training=training), store)
    [comparison] = [check for check in outcome.verdict.checks if check.name == "champion: labels"]
    assert "of version 1" in comparison.measured
    assert {"score: labels", "score: tokens"} <= {check.name for check in outcome.verdict.checks if check.passed}
