"""A labels head, from the rows of a file to the champion's predictions."""

import json
import shutil
from pathlib import Path

import pytest

from assay.evaluation.bundle_evaluation import Evaluation
from assay.flows.training import TrainingOutcome, train
from assay.serving.address import open_bundle
from assay.serving.engine import Engine, Row
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
