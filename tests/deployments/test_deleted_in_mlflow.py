from pathlib import Path

import pytest
from mlflow import MlflowClient

from assay.deployments import deleted_in_mlflow as deleted
from assay.deployments.doctor import examine
from assay.runs.lifecycle import open_run
from assay.runs.run_states import STATE, read_state
from tests.cli.calls import call
from tests.snapshots import make_run


def deleted_in_mlflow(store: Path) -> list[tuple[bool, str]]:
    return list(deleted.deleted_in_mlflow(store, None, lambda uri: "nowhere" not in uri))


@pytest.fixture
def client(store: Path, monkeypatch: pytest.MonkeyPatch) -> MlflowClient:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return MlflowClient(tracking_uri=f"sqlite:///{store}/mlflow.db")


def test_deleted_in_mlflow_names_experiments_and_open_runs(store: Path, client: MlflowClient) -> None:
    # Given an open and a closed run, both deleted in MLflow,
    recipe = make_run(store).recipe
    assert deleted_in_mlflow(store) == []
    for key in ("open", "closed"):
        with open_run(recipe, store, key=key, keep_open=key == "open") as run:
            pass
        client.delete_run(run.mlflow_run)
    # then the open one is reported: it can resume.
    [(resumes, line)] = deleted_in_mlflow(store)
    assert resumes
    assert "open run open is deleted" in line
    assert f"mlflow runs restore --run-id {read_state(store / 'runs' / 'open').mlflow_run}" in line
    # A deleted experiment stops the next run, and the line has the remedy.
    experiment = client.get_experiment_by_name("tiny")
    assert experiment is not None
    client.delete_experiment(experiment.experiment_id)
    [(resumes, line)] = deleted_in_mlflow(store)
    assert not resumes
    assert "experiment 'tiny' is deleted; restore it" in line
    assert "\n" not in line
    findings = [finding for finding in examine(store) if finding.what == "deleted in MLflow"]
    assert [(finding.ok, finding.details) for finding in findings] == [(False, line)]


def test_deleted_in_mlflow_skips_servers_that_are_not_responding(store: Path, client: MlflowClient) -> None:
    with open_run(make_run(store).recipe, store) as run:
        pass
    client.delete_experiment(client.get_run(run.mlflow_run).info.experiment_id)
    file = run.folder / STATE
    file.write_text(file.read_text().replace('"mlflow.db"', '"sqlite:////nowhere/mlflow.db"'))
    assert len(deleted_in_mlflow(store)) == 1
    (store / "mlflow.db").write_bytes(b"no database")
    assert deleted_in_mlflow(store) == []


@pytest.mark.parametrize("named", ["tiny", "of-the-recipe"])
def test_doctor_finds_the_deleted_experiment_of_a_recipe_that_never_ran(
    store: Path, client: MlflowClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, named: str
) -> None:
    # Given a deleted experiment in an MLflow that only the recipe names, and no run,
    elsewhere = (store / "mlflow.db").rename(tmp_path / "elsewhere.db")
    client = MlflowClient(tracking_uri=f"sqlite:///{elsewhere}")
    client.delete_experiment(client.create_experiment(named))
    recipe = make_run(store).recipe
    changes = {"tracking_uri": f"sqlite:///{elsewhere}", "experiment": None if named == "tiny" else named}
    recipe = recipe.model_copy(update={"registry": recipe.registry.model_copy(update=changes)})
    # then the doctor names it for this recipe only, and creates no database in the store.
    [finding] = [finding for finding in examine(store, recipe) if finding.what == "deleted in MLflow"]
    assert (finding.ok, finding.needed) == (False, True)
    assert f"experiment '{named}' is deleted; restore it" in finding.details
    assert "deleted in MLflow" not in {finding.what for finding in examine(store)}
    assert not (store / "mlflow.db").exists()


@pytest.mark.parametrize("content", ["", "{", "[]", '{"key": "k"}', "\udcff"])
def test_doctor_names_a_damaged_run_and_checks_the_others(
    store: Path, client: MlflowClient, monkeypatch: pytest.MonkeyPatch, content: str
) -> None:
    with open_run(make_run(store).recipe, store) as run:
        pass
    client.delete_experiment(client.get_run(run.mlflow_run).info.experiment_id)
    damaged = store / "runs" / "damaged" / STATE
    damaged.parent.mkdir()
    damaged.write_text(content, errors="surrogateescape")
    diagnoses = {finding.what: finding for finding in examine(store)}
    assert diagnoses["runs"].details.startswith(f"{damaged}: is damaged; ")
    assert not diagnoses["deleted in MLflow"].ok
    assert call(monkeypatch, "doctor", "--store", store) == 1


def test_doctor_needs_no_mlflow_for_a_run_without_tracking(
    store: Path, client: MlflowClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_run(make_run(store).recipe, store) as run:
        pass
    state = read_state(run.folder).model_copy(update={"tracking": []})
    (run.folder / STATE).write_text(state.model_dump_json())
    (store / "mlflow.db").unlink()
    assert call(monkeypatch, "doctor", "--store", store) == 0
