"""What a run has recorded in MLflow, in a registry with toy bundles and without Prefect."""

import io
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from mlflow import MlflowClient

from assay.corpus.errors import AssayError
from assay.evaluation.verdict import Verdict
from assay.flows.run_outcome import find_outcome, read_predictions
from assay.recipes.recipe import Recipe
from assay.registry.approval_records import VERDICT
from assay.runs.tags import APPROVAL_TAG
from tests.approvals import World
from tests.snapshots import recipe_values
from tests.versions import Made, new_store, register_version

FLOW_RUN = "0000-flow-run"


@pytest.fixture(autouse=True)
def no_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory, mlflow_database: Path) -> Made:
    """A run that has ended, and a later run of the same recipe."""
    folder = tmp_path_factory.mktemp("ended")
    made = register_version(new_store(folder, mlflow_database), folder, "first")
    verdict = Verdict.model_validate_json(
        Path(made.client.download_artifacts(made.run.mlflow_run, "verdicts"))
        .joinpath(f"{made.version.tags['assay.verdict']}.json")
        .read_bytes()
    )
    made.client.log_text(made.run.mlflow_run, verdict.model_dump_json(), VERDICT)
    made.client.set_tag(made.run.mlflow_run, "prefect.flow_run", FLOW_RUN)
    return made


def test_find_outcome_reads_metrics_verdict_and_version_of_an_ended_run(ended: Made) -> None:
    outcome = find_outcome(FLOW_RUN, ended.run.recipe, ended.run.store)
    assert outcome is not None
    assert (outcome.mlflow_run, outcome.outcome, outcome.reported) == (ended.run.mlflow_run, "passed", True)
    assert outcome.version == "models:/tiny/1"
    assert outcome.metrics["sentence.macro_f1"] == ended.evaluation.metrics["sentence.macro_f1"]
    assert list(outcome.metrics) == sorted(outcome.metrics)


def test_find_outcome_takes_the_newest_mlflow_run_of_a_restarted_flow_run(ended: Made) -> None:
    experiment = ended.client.get_run(ended.run.mlflow_run).info.experiment_id
    runs = [ended.client.create_run(experiment, tags={"prefect.flow_run": "restarted"}) for _ in range(2)]
    outcome = find_outcome("restarted", ended.run.recipe, ended.run.store)
    assert outcome is not None
    assert outcome.mlflow_run == runs[1].info.run_id
    assert (outcome.verdict, outcome.version, outcome.reported) == (None, None, False)
    assert read_predictions(outcome, ended.run.recipe, ended.run.store) is None


def test_find_outcome_is_none_for_a_flow_run_that_has_not_started(ended: Made, store: Path) -> None:
    assert find_outcome("other", ended.run.recipe, ended.run.store) is None
    assert find_outcome(FLOW_RUN, ended.run.recipe, store) is None


def test_find_outcome_reports_an_mlflow_that_is_not_responding(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(AssayError, match=r"http://127\.0\.0\.1:9"):
        find_outcome(FLOW_RUN, Recipe.model_validate(recipe_values()), store)


def test_read_predictions_returns_a_row_per_test_row(ended: Made) -> None:
    outcome = find_outcome(FLOW_RUN, ended.run.recipe, ended.run.store)
    assert outcome is not None
    predictions = read_predictions(outcome, ended.run.recipe, ended.run.store)
    assert predictions is not None
    ids = pq.read_table(io.BytesIO(predictions))["id"].to_pylist()
    assert sorted(ids) == sorted(row for row, split in ended.splits.split_of.items() if split == "test")


def test_find_outcome_of_a_version_that_waits_is_pending_until_it_expires(store: Path, tmp_path: Path) -> None:
    # given a run whose model waits for approval
    world = World(store, tmp_path)
    recipe = world.run().recipe
    client = MlflowClient(tracking_uri=world.uri)
    client.set_tag(world.mlflow_run, "prefect.flow_run", FLOW_RUN)
    assert world.go("second", key=FLOW_RUN).pending
    outcome = find_outcome(FLOW_RUN, recipe, store)
    assert outcome is not None
    assert (outcome.outcome, outcome.version, outcome.reported) == ("pending", "models:/toy/2", False)
    assert outcome.verdict is not None
    assert read_predictions(outcome, recipe, store) is None
    # when nobody has decided in time, then it is refused
    asked = world.registry.version("2").approval
    assert asked is not None
    late = asked.model_copy(update={"expires": asked.asked}).model_dump_json()
    client.set_model_version_tag("toy", "2", APPROVAL_TAG, late)
    outcome = find_outcome(FLOW_RUN, recipe, store)
    assert outcome is not None
    assert outcome.outcome == "refused"
