"""Experiments and runs that are deleted in MLflow, although a recipe or the runs of a store need them."""

from collections.abc import Callable, Iterator
from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities import Experiment, LifecycleStage

from assay.corpus.errors import AssayError, first_line
from assay.recipes.recipe import Recipe
from assay.registry.retention.tracking_addresses import in_one_line, used_addresses
from assay.runs.experiments import deleted_experiment
from assay.runs.mlflow_client import connect, stored_address
from assay.runs.mlflow_runs import find_run, run_exists
from assay.runs.run_states import STATE, RunState, read_state
from assay.runs.tracking import tracking_uri_for
from assay.serving.address import has_database, without_password


def damaged_runs(store: Path) -> list[str]:
    """Return a line with the remedy for each run whose state cannot be read."""
    return [fault for _, fault in _states(store) if fault]


def deleted_in_mlflow(
    store: Path, recipe: Recipe | None, responds: Callable[[str], bool]
) -> Iterator[tuple[bool, str]]:
    """Yield a line with the remedy per deleted experiment or run, and whether runs can continue without it.

    Args:
        store: folder of runs.
        recipe: recipe whose experiment is checked, too.
        responds: returns whether an MLflow server responds; others are skipped.
    """
    states = [state for state, _ in _states(store) if state]
    recipe_uri = tracking_uri_for(recipe, store) if recipe else None
    uris = used_addresses(states, store, [recipe_uri] if recipe_uri and has_database(recipe_uri) else [])
    for uri in uris:
        is_of_recipe = recipe_uri is not None and stored_address(uri, store) == stored_address(recipe_uri, store)
        if not (states or is_of_recipe) or not has_database(uri) or not responds(uri):
            continue
        try:
            with in_one_line(uri):
                deleted = list(_deleted(uri, states, recipe if is_of_recipe else None))
        except AssayError:
            continue
        yield from deleted


def _states(store: Path) -> Iterator[tuple[RunState | None, str]]:
    """Yield the state of each run, or the reason why it cannot be read."""
    for path in sorted((store / "runs").glob(f"*/{STATE}")):
        try:
            yield read_state(path.parent), ""
        except AssayError as error:
            yield None, str(error)
        except OSError as error:
            reason = error.strerror or first_line(error)
            yield None, f"{path}: {reason}; restore it from a backup, or move the folder of this run elsewhere"


def _deleted(uri: str, states: list[RunState], recipe: Recipe | None) -> Iterator[tuple[bool, str]]:
    client = connect(uri)
    runs = {state.key: run for state in states if (run := find_run(client, state.mlflow_run)) is not None}
    experiments = {run.info.experiment_id for run in runs.values()}
    deleted = {experiment.experiment_id: experiment for experiment in _deleted_experiments(client, experiments)}
    if recipe is not None:
        own = client.get_experiment_by_name(recipe.registry.experiment or recipe.registry.name)
        if own is not None and own.lifecycle_stage == LifecycleStage.DELETED:
            deleted[own.experiment_id] = own
    for experiment in deleted.values():
        yield False, deleted_experiment(experiment, uri)
    for state in states:
        run = runs.get(state.key)
        if run is None or run.info.experiment_id in deleted or state.state == "closed":
            continue
        if not run_exists(client, state.mlflow_run):
            yield (
                True,
                f"the MLflow run of the open run {state.key} is deleted in {without_password(uri)}; it resumes with a "
                f"new one, or restore it: mlflow runs restore --run-id {state.mlflow_run}",
            )


def _deleted_experiments(client: MlflowClient, ids: set[str]) -> Iterator[Experiment]:
    """Yield the deleted experiments among these IDs."""
    for experiment in map(client.get_experiment, sorted(ids)):
        if experiment.lifecycle_stage == LifecycleStage.DELETED:
            yield experiment
