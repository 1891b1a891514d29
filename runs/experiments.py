"""The MLflow experiment of a recipe, found by its name or created."""

from hashlib import sha256
from pathlib import Path
from urllib.parse import quote

from mlflow import MlflowClient
from mlflow.entities import Experiment, LifecycleStage
from mlflow.exceptions import MlflowException

from assay.corpus.errors import AssayError
from assay.runs.mlflow_errors import EXISTS
from assay.serving.address import without_password

# MLflow shows training runs for experiments of this kind, and prompts of language models for others.
KIND = {"mlflow.experimentKind": "custom_model_development"}
LONGEST_FOLDER = 100


def experiment_id(client: MlflowClient, name: str, uri: str, store: Path) -> str:
    """Return the id of the experiment of this name, and create it if there is none.

    Raises:
        AssayError: it is deleted, so that MLflow keeps its name and accepts no run.
    """
    experiment = client.get_experiment_by_name(name)
    if experiment is None:
        experiment = _create(client, name, uri, store)
    if experiment.lifecycle_stage == LifecycleStage.DELETED:
        raise AssayError(deleted_experiment(experiment, uri))
    return str(experiment.experiment_id)


def deleted_experiment(experiment: Experiment, uri: str) -> str:
    """Return one line about a deleted experiment, with the remedies."""
    number, server = experiment.experiment_id, f"MLFLOW_TRACKING_URI={without_password(uri)}"
    return (
        f"the MLflow experiment {experiment.name!r} is deleted; restore it ({server} mlflow experiments restore "
        f"--experiment-id {number}), remove it permanently (mlflow gc --experiment-ids {number}), or name another one "
        "in registry.experiment"
    )


def artifact_folder(name: str) -> str:
    """Return the name of one folder for the artifacts of an experiment, for a name with any characters."""
    folder = quote(name, safe=" ")
    if folder.strip(". ") == folder and len(folder) <= LONGEST_FOLDER:
        return folder
    return f"{folder[:LONGEST_FOLDER].strip('. ')}-{sha256(name.encode()).hexdigest()[:12]}"


def _create(client: MlflowClient, name: str, uri: str, store: Path) -> Experiment:
    # Without a server, MLflow would put artifacts into the working directory of the command.
    place = store.resolve() / "mlartifacts" / artifact_folder(name)
    location = place.as_uri() if uri.startswith("sqlite:") else None
    try:
        return client.get_experiment(client.create_experiment(name, artifact_location=location, tags=KIND))
    except MlflowException as error:
        # MLflow's client repeats a request whose response was lost; and another run may have been first.
        experiment = client.get_experiment_by_name(name)
        if error.error_code != EXISTS or experiment is None:
            raise
        return experiment
