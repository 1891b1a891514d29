"""Runs with several trainings: after a low score, and for slices below the threshold."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId, FlowRunFilterName

from assay.flows.training import TrainingOutcome, train
from assay.tasks.tuning.result import TuningResult
from tests.flows.tiny import RunCommand, make_recipe, rows

pytestmark = pytest.mark.usefixtures("prefect_server", "no_tracking_server")

SENTENCES: dict[str, Any] = {
    "model": {"heads": ["sentence"]},
    "gate": {"min_f1": {"sentence": 0.7}, "slices": {"columns": []}},
}


@pytest.fixture(scope="module")
def no_tracking_server() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        yield


def nested_runs(outcome: TrainingOutcome) -> dict[str, Any]:
    """Return the nested MLflow runs of the pipeline's run by name."""
    client = MlflowClient(tracking_uri=outcome.tracking_uri)
    experiment = client.get_run(outcome.mlflow_run).info.experiment_id
    runs = client.search_runs([experiment], f"tags.`mlflow.parentRunId` = '{outcome.mlflow_run}'")
    return {run.info.run_name: run for run in runs}


def task_runs(name: str) -> set[str]:
    """Return the names of the Prefect task runs of a recipe's only flow run."""
    with get_client(sync_client=True) as client:
        [flow_run] = client.read_flow_runs(
            flow_run_filter=FlowRunFilter(name=FlowRunFilterName(any_=[f"train-{name}"]))
        )
        of_it = FlowRunFilter(id=FlowRunFilterId(any_=[flow_run.id]))
        return {run.name for run in client.read_task_runs(flow_run_filter=of_it)}


def test_best_candidate_tunes_after_a_low_score(corpus: Path, store: Path) -> None:
    # given a learning rate that learns nothing, and a search among better ones, two trials at a time
    recipe = make_recipe(
        corpus,
        **SENTENCES,
        name="low",
        training={"learning_rate": 1e-6, "epochs": 4},
        tuning={"when": "retry", "trials": 2, "parallel": 2, "space": {"training.learning_rate": [0.001, 0.002]}},
    )
    outcome = train(recipe, store)

    # then the verdict is about the second training, and tells of both
    first, tuned = outcome.verdict.attempts
    assert outcome.verdict.outcome == "passed", outcome.verdict.failed
    assert (first.name, first.settings) == ("first", {})
    assert (tuned.name, tuned.accepted) == ("tuned 1", True)
    assert tuned.f1["sentence"] > 0.7 > first.f1["sentence"]
    assert tuned.settings["training.learning_rate"] in (0.001, 0.002)
    # it is seen in MLflow, in Prefect and on the card,
    runs = nested_runs(outcome)
    assert set(runs) == {"trial 0", "trial 1", "tuned 1"}
    assert runs["tuned 1"].data.metrics["validation.score"] > 0.7
    tags = MlflowClient(tracking_uri=outcome.tracking_uri).get_run(outcome.mlflow_run).data.tags
    assert tags["assay.attempt.1"] == str(tuned)
    assert {"tune (tuned 1)", "trial 0", "trial 1", "train (tuned 1)", "export (tuned 1)"} <= task_runs("low")
    for page in ("card.html", "card.md"):
        assert "F1 of sentence was 0." in outcome.card.with_name(page).read_text(encoding="utf-8")
    # and the test rows were opened once.
    steps = [path.parent.name.rpartition("-")[0] for path in (store / "runs" / outcome.run).glob("*/step.json")]
    assert (steps.count("train"), steps.count("score"), steps.count("evaluate")) == (2, 2, 1)


def test_best_candidate_mitigates_as_often_as_allowed(tmp_path: Path, store: Path) -> None:
    # given rows of which one in five, in the south, is labelled the other way round, and nothing in them says so
    corpus = tmp_path / "rows.jsonl"
    other = {"good": "bad", "bad": "good"}
    unfair = [
        {**row, "region": "north"} if number % 5 else {**row, "region": "south", "label": other[row["label"]]}
        for number, row in enumerate(rows(500, seed=3))
    ]
    corpus.write_text("".join(json.dumps(row) + "\n" for row in unfair), encoding="utf-8")
    # when weighing may cost whatever it takes
    recipe = make_recipe(
        corpus,
        name="unfair",
        model={"heads": ["sentence"]},
        training={"epochs": 4, "precision": "fp32"},  # the bounds below are of what one number format learns
        gate={"min_f1": {"sentence": 0.01}},
        retrigger={"max_attempts": 2, "mitigation": {"method": "oversample", "factor": 10, "max_drop": 0.99}},
    )
    outcome = train(recipe, store)

    # then the south is served instead of the north, then the north again, and then it ends
    first, south, north = outcome.verdict.attempts
    assert [attempt.name for attempt in (first, south, north)] == ["first", "mitigated 1", "mitigated 2"]
    assert first.below_threshold == north.below_threshold == ["region=south (sentence)"]
    assert south.below_threshold == ["region=north (sentence)"]
    [change] = south.slices
    assert change.name == "region=south"
    assert change.after > 0.8 > 0.3 > change.before
    assert all(attempt.accepted for attempt in outcome.verdict.attempts)
    # the gate sees what is left, on test rows
    assert "slice: region=south (sentence)" in {check.name for check in outcome.verdict.failed}
    # and before and after stand on the card and in MLflow
    markdown = outcome.card.with_name("card.md").read_text(encoding="utf-8")
    assert f"| mitigated 1 | region=south (sentence) | {change.training_rows} | {change.before:.3f} |" in markdown
    weights = nested_runs(outcome)["mitigated 1"].data.params["weights"]
    assert weights == f"oversample: region=south ({change.training_rows} rows)"
    assert {"mitigate (mitigated 1)", "train (mitigated 2)"} <= task_runs("unfair")


@pytest.mark.slow  # starts the command twice, each of which imports torch, prefect and mlflow
def test_best_candidate_resumes_after_a_kill_in_the_search(
    corpus: Path, store: Path, tmp_path: Path, mlflow_database: Path
) -> None:
    # given a search of three trials, killed in the second once that has left a checkpoint
    recipe = make_recipe(
        corpus,
        **SENTENCES,
        training={"epochs": 12},
        tuning={"trials": 3, "space": {"training.learning_rate": {"low": 1e-4, "high": 2e-3, "log": True}}},
    )
    command = RunCommand(recipe, store, tmp_path)
    in_the_second = "runs/*/trial-*.partial/**/checkpoint-*/complete.json"
    command.kill_when(lambda: finished_trials(store) and list(store.glob(in_the_second)), seconds=600)
    [first] = finished_trials(store)
    done_at = first.stat().st_mtime_ns

    # when it is started again
    done = command.run()

    # then it ends with the trials, the settings and the figures of a run that nobody killed
    assert done.returncode == 0, done.stderr
    assert first.stat().st_mtime_ns == done_at
    other = tmp_path / "other"
    other.mkdir()
    shutil.copy(mlflow_database, other / "mlflow.db")
    unbroken = train(recipe, other)
    assert search_of(store) == search_of(other)
    [run] = [json.loads(path.read_text()) for path in store.glob("runs/*/run.json")]
    killed = MlflowClient(tracking_uri=f"sqlite:///{store}/mlflow.db").get_run(run["mlflow_run"]).data.metrics
    straight = MlflowClient(tracking_uri=unbroken.tracking_uri).get_run(unbroken.mlflow_run).data.metrics
    for name in ("test.sentence.macro_f1", "test.sentence.ece", "tuning.score", "attempt.sentence.f1"):
        assert killed[name] == straight[name]


def finished_trials(store: Path) -> list[Path]:
    return [path for path in store.glob("runs/*/trial-*/step.json") if not path.parent.name.endswith(".partial")]


def search_of(store: Path) -> TuningResult:
    [marker] = store.glob("runs/*/tune-*/step.json")
    return TuningResult.load(marker.parent)
