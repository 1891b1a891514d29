import traceback
from contextlib import suppress
from functools import partial
from pathlib import Path
from uuid import uuid4

import pytest
from mlflow import MlflowClient
from mlflow.entities import Param

from assay.corpus.errors import AssayError, DataError
from assay.recipes.recipe import Recipe
from assay.runs import lifecycle
from assay.runs.lifecycle import open_run
from assay.runs.run import Run, Step
from assay.runs.run_states import STATE, read_state
from assay.runs.tracking import is_flow_run, mlflow_reachable

VALUES = {
    "name": "tiny",
    "source": {"kind": "files", "paths": {"rows.jsonl": "all"}},
    "model": {"scratch": {}, "heads": ["sentence"]},
    "gate": {"min_f1": {"sentence": 0.5}},
    "registry": {"name": "tiny"},
}
RECIPE = Recipe.model_validate(VALUES)
OTHER = Recipe.model_validate({**VALUES, "training": {"epochs": 7}})


def run_to_the_end(
    store: Path,
    recipe: Recipe = RECIPE,
    *,
    key: str | None = None,
    fresh: bool = False,
    from_step: Step | None = None,
) -> Run:
    with open_run(recipe, store, key=key, fresh=fresh, from_step=from_step) as run:
        return run


def run_and_fail(store: Path, error: Exception) -> Run:
    opened: list[Run] = []
    with pytest.raises(type(error)), open_run(RECIPE, store) as run:
        opened.append(run)
        raise error
    return opened[0]


def status(run: Run) -> str:
    return str(MlflowClient(tracking_uri=run.tracking_uri).get_run(run.mlflow_run).info.status)


@pytest.fixture(autouse=True)
def no_tracking_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)


def test_open_run_closes_a_finished_run(store: Path) -> None:
    first, second = run_to_the_end(store), run_to_the_end(store)
    assert first.key != second.key
    assert first.mlflow_run != second.mlflow_run
    assert status(first) == "FINISHED"


def test_open_run_resumes_a_failed_run(store: Path) -> None:
    failed = run_and_fail(store, AssayError("MLflow is down"))
    assert status(failed) == "FAILED"
    again = run_to_the_end(store)
    assert (again.key, again.mlflow_run) == (failed.key, failed.mlflow_run)
    assert status(again) == "FINISHED"


def test_open_run_closes_a_run_with_invalid_data(store: Path) -> None:
    failed = run_and_fail(store, DataError("class 'x' has one row"))
    assert run_to_the_end(store).key != failed.key


def test_open_run_does_not_resume_for_fresh_or_another_recipe(store: Path) -> None:
    failed = run_and_fail(store, AssayError("disk full"))
    assert run_to_the_end(store, OTHER).key != failed.key
    assert run_to_the_end(store, fresh=True).key != failed.key


def test_open_run_resumes_a_fresh_run_by_its_key(store: Path) -> None:
    # as a deployment with `fresh` does, when Prefect starts it again after a crash or an approval decision
    with pytest.raises(AssayError), open_run(RECIPE, store, key="k", fresh=True) as first:
        raise AssayError("disk full")
    again = run_to_the_end(store, key="k", fresh=True)
    assert again.mlflow_run == first.mlflow_run
    assert status(again) == "FINISHED"


def test_open_run_ends_an_abandoned_run_in_mlflow(store: Path) -> None:
    # given a run that was killed in a trial, so that nothing could end it,
    with open_run(RECIPE, store) as killed:
        pass
    client = MlflowClient(tracking_uri=killed.tracking_uri)
    experiment = client.get_run(killed.mlflow_run).info.experiment_id
    trial = client.create_run(experiment, tags={"mlflow.parentRunId": killed.mlflow_run}).info.run_id
    client.update_run(killed.mlflow_run, status="RUNNING")
    state = killed.folder / STATE
    state.write_text(state.read_text().replace('"closed"', '"open"'))
    # and the run of a deployment, which Prefect starts again,
    deployed = store / "runs" / str(uuid4()) / STATE
    deployed.parent.mkdir()
    deployed.write_text(state.read_text().replace(killed.key, deployed.parent.name))
    # when a fresh run begins
    fresh = run_to_the_end(store, fresh=True)
    # then MLflow shows it as failed, and no command resumes it
    assert fresh.key != killed.key
    assert status(killed) == client.get_run(trial).info.status == "FAILED"
    assert '"closed"' in state.read_text()
    assert '"open"' in deployed.read_text()


def test_open_run_abandons_no_run_with_a_shared_store(
    store: Path, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # another machine may work on it
    monkeypatch.setenv("ASSAY_SHARED_STORE", f"{bucket}/team")
    monkeypatch.setattr(lifecycle, "_check_tracking", lambda recipe, states: None)  # which wants a server
    failed = run_and_fail(store, AssayError("disk full"))
    assert run_to_the_end(store, fresh=True).key != failed.key
    assert run_to_the_end(store).key == failed.key


def test_open_run_does_not_abandon_a_run_in_progress(store: Path) -> None:
    with open_run(RECIPE, store) as working:
        run_to_the_end(store, fresh=True)
        assert status(working) == "RUNNING"
    assert status(working) == "FINISHED"


def test_open_run_reopens_the_newest_run_for_from_step(store: Path) -> None:
    first = run_to_the_end(store)
    again = run_to_the_end(store, OTHER, from_step="train")
    assert again.key == first.key
    assert again.mlflow_run != first.mlflow_run
    assert again.fresh_steps[0] == "train"
    assert "split" not in again.fresh_steps


def test_open_run_refuses_a_recipe_that_changes_an_earlier_step(store: Path) -> None:
    first = run_to_the_end(store)
    state = (first.folder / STATE).read_text()
    with pytest.raises(AssayError, match=r"--from gate: .*training.epochs \(read by train\).*--from train"):
        run_to_the_end(store, OTHER, from_step="gate")
    assert (first.folder / STATE).read_text() == state


STEPS: tuple[Step, ...] = ("train", "export")


class Steps:
    """Two steps of a run; the names of those that were really done are kept."""

    def __init__(self) -> None:
        self.done: list[str] = []

    def __call__(self, run: Run, stop_at: str | None = None) -> None:
        for step in STEPS:
            if step == stop_at:
                raise KeyboardInterrupt
            inputs = {"epochs": run.recipe.training.epochs}
            run.once(step, inputs, partial(self._do, step), content=inputs)

    def _do(self, step: Step, _: Path) -> None:
        self.done.append(step)


def steps_in_a_run(
    store: Path,
    steps: Steps,
    stop_at: str | None = None,
    *,
    recipe: Recipe = RECIPE,
    fresh: bool = False,
    from_step: Step | None = None,
    keep_open: bool = False,
) -> Run:
    with (
        suppress(KeyboardInterrupt),
        open_run(recipe, store, fresh=fresh, from_step=from_step, keep_open=keep_open) as run,
    ):
        steps(run, stop_at)
    return run


@pytest.mark.parametrize("flag", [True, False], ids=["same command", "without the flag"])
def test_open_run_resumes_an_interrupted_fresh_run_and_still_reuses_nothing(store: Path, flag: bool) -> None:
    steps = Steps()
    earlier = steps_in_a_run(store, steps)
    interrupted = steps_in_a_run(store, steps, "export", fresh=True)
    resumed = steps_in_a_run(store, steps, fresh=flag)
    # every step once in each of the two runs, the export after the interruption, too
    assert resumed.key == interrupted.key != earlier.key
    assert resumed.mlflow_run == interrupted.mlflow_run
    assert steps.done == ["train", "export"] * 2
    # after its end, the same command begins a new run
    assert steps_in_a_run(store, steps, fresh=True).key != interrupted.key
    assert steps.done == ["train", "export"] * 3


def test_open_run_begins_a_new_run_after_a_fresh_command_that_left_the_run_open(store: Path) -> None:
    first = steps_in_a_run(store, Steps(), fresh=True, keep_open=True)
    assert steps_in_a_run(store, Steps(), "export").key == first.key
    assert steps_in_a_run(store, Steps(), fresh=True).key != first.key


def test_open_run_does_not_join_a_fresh_run_in_progress_or_of_a_deployment_or_recipe(store: Path) -> None:
    with open_run(RECIPE, store, fresh=True) as working:
        assert steps_in_a_run(store, Steps(), fresh=True).key != working.key
    with suppress(KeyboardInterrupt), open_run(RECIPE, store, key=str(uuid4()), fresh=True):
        raise KeyboardInterrupt
    with suppress(KeyboardInterrupt), open_run(OTHER, store, fresh=True) as other:
        raise KeyboardInterrupt
    new = steps_in_a_run(store, Steps(), fresh=True).key
    assert new != other.key
    assert not is_flow_run(new)


@pytest.mark.parametrize("recipe", [RECIPE, OTHER], ids=["same recipe", "another recipe"])
@pytest.mark.parametrize("flag", [True, False], ids=["same command", "without the flag"])
def test_open_run_resumes_interrupted_steps_that_are_done_again(store: Path, recipe: Recipe, flag: bool) -> None:
    # given a run of which steps are done again, up to an interruption after the training
    steps = Steps()
    first = steps_in_a_run(store, steps)
    steps_in_a_run(store, steps, "export", recipe=recipe, from_step="train")
    assert steps.done == ["train", "export", "train"]
    # when the run is resumed, the training stays, and the export is done again
    steps_in_a_run(store, steps, recipe=recipe, from_step="train" if flag else None)
    assert steps.done == ["train", "export"] * 2
    # then the same command does all of it again
    assert steps_in_a_run(store, steps, recipe=recipe, from_step="train").key == first.key
    assert steps.done == ["train", "export"] * 3


def test_open_run_does_steps_again_for_another_step_or_recipe_than_the_interrupted_one(store: Path) -> None:
    steps = Steps()
    steps_in_a_run(store, steps)
    steps_in_a_run(store, steps, "export", from_step="train")
    steps_in_a_run(store, steps, "export", from_step="split")
    steps_in_a_run(store, steps, "export", recipe=OTHER, from_step="split")
    assert steps.done == ["train", "export", "train", "train", "train"]


def test_open_run_compares_with_the_recipe_of_the_finished_steps(store: Path) -> None:
    # given a run whose training was to be done again with other settings, and was killed in it
    steps = Steps()
    steps_in_a_run(store, steps)
    steps_in_a_run(store, steps, "train", recipe=OTHER, from_step="train")
    with pytest.raises(AssayError, match=r"--from gate: .*training.epochs \(read by train\)"):
        steps_in_a_run(store, steps, recipe=OTHER, from_step="gate")
    # then its finished steps are those of the first recipe
    assert steps_in_a_run(store, steps, "train", from_step="export").key
    # and once the training is done, those of the other one
    steps_in_a_run(store, steps, "export", recipe=OTHER, from_step="train")
    with pytest.raises(AssayError, match=r"--from gate: .*training.epochs \(read by train\)"):
        steps_in_a_run(store, steps, from_step="gate")
    assert steps_in_a_run(store, steps, recipe=OTHER, from_step="gate").fresh_steps == ("gate", "promote")


def test_open_run_refuses_from_step_without_an_earlier_run(store: Path) -> None:
    with pytest.raises(AssayError, match="--from train: tiny has no earlier run"):
        run_to_the_end(store, from_step="train")


def test_open_run_resumes_a_run_by_its_key_until_it_is_closed(store: Path) -> None:
    failed = run_and_fail(store, AssayError("disk full"))
    assert run_to_the_end(store, key=failed.key).mlflow_run == failed.mlflow_run
    with pytest.raises(AssayError, match=f"run {failed.key} is closed"):
        run_to_the_end(store, key=failed.key)
    assert status(failed) == "FINISHED"
    assert run_to_the_end(store, key=failed.key, from_step="gate").key == failed.key


def test_open_run_refuses_a_run_of_another_process(store: Path) -> None:
    with open_run(RECIPE, store), pytest.raises(AssayError, match="another process"), open_run(RECIPE, store):
        pass


def test_open_run_logs_parameters_recipe_and_environment(store: Path) -> None:
    run = run_to_the_end(store)
    client = MlflowClient(tracking_uri=run.tracking_uri)
    data = client.get_run(run.mlflow_run).data
    assert data.params["training.batch_size"] == "32"
    assert data.tags["assay.recipe"] == RECIPE.name
    assert data.tags["assay.recipe_digest"] == RECIPE.digest
    assert {file.path for file in client.list_artifacts(run.mlflow_run)} == {"environment.txt", "recipe.json"}


def test_open_run_reports_an_unreachable_mlflow_without_the_password(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://user:secret@127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(AssayError, match=r"MLflow at http://\*\*\*@127.0.0.1:9") as error:
        run_to_the_end(tmp_path)
    assert "secret" not in str(error.value)
    assert "secret" not in "".join(traceback.format_exception(error.value))
    assert "\n" not in str(error.value)


HOSTILE_EXPERIMENTS = [
    "../../out",
    "/Users/me@example.com/news",
    "O'Brien's",
    "both \" and '",
    "a#b?c%20d",
    "ü 😀",
    "..",
    "x" * 500,
]


@pytest.mark.parametrize("name", HOSTILE_EXPERIMENTS)
def test_open_run_keeps_artifacts_of_any_experiment_below_the_store(store: Path, name: str) -> None:
    run = run_to_the_end(store, with_values(registry={"name": "tiny", "experiment": name}))
    client = MlflowClient(tracking_uri=run.tracking_uri)
    assert {file.path for file in client.list_artifacts(run.mlflow_run)} == {"environment.txt", "recipe.json"}
    folders = list((store / "mlartifacts").iterdir())
    assert [len(list(folder.rglob("recipe.json"))) for folder in folders] == [1]
    assert run_to_the_end(store, with_values(registry={"name": "tiny", "experiment": name})).key != run.key


def with_values(**changes: object) -> Recipe:
    return Recipe.model_validate({**VALUES, **changes})


def test_open_run_ends_its_mlflow_run_when_mlflow_refuses_a_value(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # given an MLflow that is up and does not take a parameter
    monkeypatch.setattr("assay.runs.tracking.recipe_parameters", lambda recipe: [Param(":(", "x")])
    with pytest.raises(AssayError, match="refuses a value: Invalid value") as error:
        run_to_the_end(store)
    # then the error does not suggest a server that is down, and no run looks alive
    assert "server is up" not in str(error.value)
    assert "\n" not in str(error.value)
    assert statuses(store) == ["FAILED"]


@pytest.mark.parametrize("function", ["RunStates.save", "show_link"])
def test_open_run_ends_its_mlflow_run_when_the_start_fails(
    store: Path, monkeypatch: pytest.MonkeyPatch, function: str
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(f"assay.runs.lifecycle.{function}", full)
    with pytest.raises(OSError, match="No space left"):
        run_to_the_end(store)
    assert statuses(store) == ["FAILED"]


def statuses(store: Path) -> list[str]:
    client = MlflowClient(tracking_uri=f"sqlite:///{store}/mlflow.db")
    return [run.info.status for run in client.search_runs([one.experiment_id for one in client.search_experiments()])]


def test_open_run_replaces_a_deleted_mlflow_run(store: Path) -> None:
    failed = run_and_fail(store, AssayError("disk full"))
    MlflowClient(tracking_uri=failed.tracking_uri).delete_run(failed.mlflow_run)
    again = run_to_the_end(store)
    assert again.key == failed.key
    assert again.mlflow_run != failed.mlflow_run
    assert status(again) == "FINISHED"
    # and so does one that is left, or done again from a step
    MlflowClient(tracking_uri=again.tracking_uri).delete_run(again.mlflow_run)
    assert run_to_the_end(store, from_step="gate").mlflow_run != again.mlflow_run


def test_open_run_abandons_a_run_deleted_in_mlflow(store: Path) -> None:
    failed = run_and_fail(store, AssayError("disk full"))
    MlflowClient(tracking_uri=failed.tracking_uri).delete_run(failed.mlflow_run)
    assert run_to_the_end(store, fresh=True).key != failed.key


def test_open_run_reports_an_mlflow_run_deleted_meanwhile(store: Path) -> None:
    with (
        pytest.raises(AssayError, match=r"deleted; run the same command again") as error,
        open_run(RECIPE, store) as run,
    ):
        client = MlflowClient(tracking_uri=run.tracking_uri)
        client.delete_run(run.mlflow_run)
        with mlflow_reachable(run.tracking_uri):
            client.log_metric(run.mlflow_run, "loss", 1.0)
    assert "server is up" not in str(error.value)


def test_open_run_reports_a_deleted_experiment_with_remedies(store: Path) -> None:
    # given an experiment that was deleted, and with it the run that is to go on
    failed = run_and_fail(store, AssayError("disk full"))
    client = MlflowClient(tracking_uri=failed.tracking_uri)
    experiment = client.get_run(failed.mlflow_run).info.experiment_id
    client.delete_experiment(experiment)
    with pytest.raises(AssayError, match=r"experiment 'tiny' is deleted; restore it .*registry.experiment") as error:
        run_to_the_end(store)
    assert f"mlflow experiments restore --experiment-id {experiment}" in str(error.value)
    assert f"mlflow gc --experiment-ids {experiment}" in str(error.value)
    assert "\n" not in str(error.value)
    # when it is restored, or another one is named, then it works
    assert run_to_the_end(store, with_values(registry={"name": "tiny", "experiment": "other"})).mlflow_run
    client.restore_experiment(experiment)
    assert run_to_the_end(store).key == failed.key


def test_read_state_names_a_damaged_file(tmp_path: Path) -> None:
    (tmp_path / STATE).write_text('{"key": 1}')
    with pytest.raises(AssayError, match=r"run\.json: is damaged; restore it from a backup"):
        read_state(tmp_path)


def test_open_run_creates_an_experiment_that_mlflow_shows_as_training(store: Path) -> None:
    run = run_to_the_end(store, with_values(registry={"name": "tiny", "experiment": "trainings"}))
    client = MlflowClient(tracking_uri=run.tracking_uri)
    experiment = client.get_experiment(client.get_run(run.mlflow_run).info.experiment_id)
    assert experiment.tags["mlflow.experimentKind"] == "custom_model_development"
