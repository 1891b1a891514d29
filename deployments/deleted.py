"""Experiments and runs that were deleted in MLflow, and that recipes of a store still need."""

from collections.abc import Iterator
from pathlib import Path

from mlflow.entities import LifecycleStage

from corpus.errors import AssayError
from serving.address import without_password
from tasks.keeping.addresses import in_one_line, tracking_addresses
from tasks.session import RunState, read_states
from tasks.versions.connection import connect
from tasks.versions.experiments import deleted_experiment
from tasks.versions.runs import find_run, run_exists


def deleted_in_mlflow(store: Path) -> Iterator[tuple[bool, str]]:
    """Yield what was deleted under the runs of a store: whether runs go on all the same, and a line with the remedy.

    An MLflow that does not answer is passed over.
    """
    states = read_states(store)
    for uri in tracking_addresses(store) if states else ():
        try:
            with in_one_line(uri):
                found = list(_deleted(uri, states))
        except AssayError:
            continue
        yield from found


def _deleted(uri: str, states: list[RunState]) -> Iterator[tuple[bool, str]]:
    client = connect(uri)
    runs = {state.key: run for state in states if (run := find_run(client, state.mlflow_run)) is not None}
    experiments = {run.info.experiment_id for run in runs.values()}
    gone = [
        one for one in map(client.get_experiment, sorted(experiments)) if one.lifecycle_stage == LifecycleStage.DELETED
    ]
    for experiment in gone:
        yield False, deleted_experiment(experiment, uri)
    lost = {experiment.experiment_id for experiment in gone}
    for state in states:
        run = runs.get(state.key)
        if run is None or run.info.experiment_id in lost or state.state == "closed":
            continue
        if not run_exists(client, state.mlflow_run):
            yield (
                True,
                f"the MLflow run of the open run {state.key} is deleted in {without_password(uri)}; it goes on with a "
                f"new one, or restore it: mlflow runs restore --run-id {state.mlflow_run}",
            )
