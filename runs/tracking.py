"""The MLflow run of a pipeline run: opened once, addressed by its id, and always ended."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Literal, Self
from uuid import UUID

from mlflow import MlflowClient
from mlflow.entities import DatasetInput, InputTag
from mlflow.exceptions import MlflowException
from mlflow.utils.mlflow_tags import MLFLOW_GIT_COMMIT, MLFLOW_PARENT_RUN_ID, MLFLOW_RUN_NAME, MLFLOW_SOURCE_NAME
from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.exceptions import Pause

from assay.corpus.errors import AssayError
from assay.corpus.snapshot import Snapshot
from assay.corpus.splits import Splits
from assay.corpus.storage.artifact_ref import ArtifactRef
from assay.corpus.storage.disk_errors import sqlite_remedy, writing_to
from assay.recipes.recipe import Recipe
from assay.runs.environment import current_environment, to_text
from assay.runs.experiments import experiment_id
from assay.runs.lineage_record import keep_data
from assay.runs.mlflow_client import connect
from assay.runs.mlflow_links import mlflow_page
from assay.runs.mlflow_runs import run_exists
from assay.runs.parameters import RECIPE, dataset_input, recipe_parameters
from assay.runs.prefect_artifacts import current_flow_run
from assay.runs.run import Run
from assay.runs.search_filters import equals
from assay.runs.software import code_digest
from assay.runs.tags import CODE_TAG, RECIPE_DIGEST_TAG, RECIPE_TAG, RUN_TAG, SNAPSHOT_TAG, SPLITS_TAG
from assay.serving.address import default_tracking_uri, without_password

PARAMETERS_PER_BATCH = 100
ENVIRONMENT = "environment.txt"
# Error codes of an MLflow that works and refuses a value, and of one that requires credentials.
NOT_ACCEPTED = {"INVALID_PARAMETER_VALUE", "BAD_REQUEST", "INVALID_STATE"}
NOT_ALLOWED = {"PERMISSION_DENIED", "UNAUTHENTICATED"}
DELETED = "Current state is deleted"


def tracking_uri_for(recipe: Recipe, store: Path) -> str:
    """Return the MLflow of the recipe, else that of the environment, else sqlite in the store."""
    return recipe.registry.tracking_uri or default_tracking_uri(store)


@contextmanager
def mlflow_reachable(uri: str) -> Iterator[None]:
    """Turn MLflow's errors into one line that names the address and the remedy.

    Raises:
        AssayError: MLflow does not respond, or refuses, or the disk of a local one is full.
    """
    try:
        with writing_to("the disk of MLflow"):
            yield
    except MlflowException as error:
        # MLflow's own message may quote the address with its password, and tracebacks print causes
        raise AssayError(_line(error, uri)) from None


def _line(error: MlflowException, uri: str) -> str:
    """Return the fault and its remedy; a server that refuses something is up."""
    reason = without_password(str(error).splitlines()[0][:300]).rstrip(".")
    where = f"MLflow at {without_password(uri)}"
    if DELETED in reason:
        return f"{where}: {reason}; run the same command again, which begins a new MLflow run, or restore this one"
    if error.error_code in NOT_ACCEPTED:
        return f"{where} refuses a value: {reason}; change what the message names"
    if error.error_code in NOT_ALLOWED:
        return f"{where} refuses: {reason}; check MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD"
    remedy = sqlite_remedy(reason) if uri.startswith("sqlite:") else None
    return (
        f"{where} is not responding correctly: {reason}; "
        f"{remedy or 'check registry.tracking_uri and that the server is up'} (assay doctor)"
    )


class Tracking:
    """One MLflow run, addressed by its id: MLflow's notion of the active run is local to a thread."""

    def __init__(self, uri: str, run_id: str) -> None:
        self.uri = uri
        self.run_id = run_id
        self._client = connect(uri)

    @classmethod
    def start(cls, recipe: Recipe, store: Path, key: str, run_id: str | None, uri: str | None = None) -> Self:
        """Start an MLflow run with all parameters of the recipe, or resume `run_id`.

        Args:
            recipe: the recipe to run.
            store: folder of sqlite and artifacts without a server.
            key: key of the run.
            run_id: id of an earlier MLflow run; a deleted one counts as None.
            uri: address of an MLflow other than that of the recipe.

        Raises:
            AssayError: MLflow cannot be reached, or the experiment is deleted.
        """
        uri = uri or tracking_uri_for(recipe, store)
        with mlflow_reachable(uri):
            client = connect(uri)
            if run_id is not None and run_exists(client, run_id):
                client.update_run(run_id, status="RUNNING")
                return cls(uri, run_id)
            experiment = experiment_id(client, recipe.registry.experiment or recipe.registry.name, uri, store)
            run = client.create_run(experiment, tags=_tags(recipe, key), run_name=_name(recipe, key))
            tracking = cls(uri, run.info.run_id)
            with tracking.failing():
                _log_parameters(client, run.info.run_id, recipe)
                client.log_text(run.info.run_id, to_text(current_environment()), ENVIRONMENT)
                client.log_dict(run.info.run_id, recipe.model_dump(mode="json"), RECIPE)
            return tracking

    def page(self) -> str | None:
        """Return the address of the run in the UI of MLflow, or None for a database without a server.

        Raises:
            AssayError: MLflow cannot be reached.
        """
        with mlflow_reachable(self.uri):
            experiment = self._client.get_run(self.run_id).info.experiment_id
        return mlflow_page(self.uri, f"experiments/{experiment}/runs/{self.run_id}")

    @contextmanager
    def failing(self) -> Iterator[None]:
        """End the run as failed if the block raises; otherwise leave it running."""
        try:
            yield
        except BaseException:
            self.end("FAILED")
            raise

    @contextmanager
    def ended(self) -> Iterator[None]:
        """End the run with the block.

        Raises:
            AssayError: the block succeeded, and MLflow cannot be reached.
        """
        try:
            yield
        except Pause:  # suspended until an approval; resumed when Prefect starts it again
            self.end("SCHEDULED")
            raise
        except BaseException:  # a keyboard interrupt must not leave a run that looks alive either
            self.end("FAILED")
            raise
        self.end("FINISHED")

    def leave(self) -> None:
        """End a run that was killed and will not be resumed as failed, with the runs nested in it.

        Raises:
            AssayError: MLflow cannot be reached.
        """
        with mlflow_reachable(self.uri):
            if not run_exists(self._client, self.run_id):
                return
            run = self._client.get_run(self.run_id)
            query = f"{equals(f'tags.`{MLFLOW_PARENT_RUN_ID}`', self.run_id)} AND attributes.status = 'RUNNING'"
            for running in (*self._client.search_runs([run.info.experiment_id], query), run):
                if running.info.status == "RUNNING":
                    self._client.set_terminated(running.info.run_id, "FAILED")

    def end(self, status: Literal["FINISHED", "FAILED", "SCHEDULED"]) -> None:
        """End the run. An MLflow that is down at the end of a failed run must not hide why it failed."""
        try:
            with mlflow_reachable(self.uri):
                self._client.set_terminated(self.run_id, status)
        except AssayError:
            if status == "FINISHED":
                raise


@task(name="record-data", cache_policy=NO_CACHE)
def record_data(run: Run, snapshot: ArtifactRef[Snapshot], splits: ArtifactRef[Splits]) -> None:
    """Log the data set of the run with its digest, which covers every row, and the files that reproduce its splits."""
    manifest = snapshot.load().manifest
    split_of = splits.load().manifest
    client = connect(run.tracking_uri)
    counts = {**manifest.counts.model_dump(), **dict[str, int](split_of.counts.items())}
    dataset = dataset_input(run.recipe.name, run.recipe.source.kind, manifest.digest, manifest.source, counts)
    with mlflow_reachable(run.tracking_uri):
        client.log_inputs(run.mlflow_run, [DatasetInput(dataset, [InputTag("mlflow.data.context", "training")])])
        client.set_tag(run.mlflow_run, SNAPSHOT_TAG, manifest.digest)
        client.set_tag(run.mlflow_run, SPLITS_TAG, split_of.digest)
        keep_data(client, run.mlflow_run, snapshot.path, splits.path)


def _tags(recipe: Recipe, key: str) -> dict[str, str]:
    flow_run = current_flow_run()
    tags = {
        MLFLOW_RUN_NAME: _name(recipe, key),
        MLFLOW_SOURCE_NAME: f"assay {version('assay')}",
        MLFLOW_GIT_COMMIT: git_commit(),
        RECIPE_TAG: recipe.name,
        RECIPE_DIGEST_TAG: recipe.digest,
        CODE_TAG: code_digest(),
        RUN_TAG: key,
        "prefect.flow_run": str(flow_run.id) if flow_run else None,
    }
    return {name: value for name, value in tags.items() if value is not None}


def _name(recipe: Recipe, key: str) -> str:
    """Return the key, which names the recipe; for the id of a flow run, the recipe and the beginning of the id."""
    return f"{recipe.name}-{key[:8]}" if is_flow_run(key) else key


def is_flow_run(key: str) -> bool:
    """Return whether the key of a run is the id of a flow run, so that a deployment started it."""
    try:
        UUID(key)
    except ValueError:
        return False
    return True


def git_commit() -> str | None:
    """Return the commit of this package's source, with `-dirty` after changes, or None outside of git."""
    command = ["git", "describe", "--always", "--abbrev=40", "--dirty", "--exclude=*"]
    try:
        result = subprocess.run(  # noqa: S603  # a fixed command
            command, cwd=Path(__file__).parent, capture_output=True, text=True, timeout=10, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return result.stdout.strip()


def _log_parameters(client: MlflowClient, run_id: str, recipe: Recipe) -> None:
    parameters = recipe_parameters(recipe)
    for begin in range(0, len(parameters), PARAMETERS_PER_BATCH):
        client.log_batch(run_id, params=parameters[begin : begin + PARAMETERS_PER_BATCH])
