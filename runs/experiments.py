"""The MLflow experiment of a recipe: found by its name, or made."""

from hashlib import sha256
from pathlib import Path
from urllib.parse import quote

from mlflow import MlflowClient
from mlflow.entities import Experiment, LifecycleStage
from mlflow.exceptions import MlflowException

from assay.corpus.errors import AssayError
from assay.serving.address import without_password

# MLflow's pages show runs of training for this kind, and else those of language models' prompts.
KIND = {"mlflow.experimentKind": "custom_model_development"}
LONGEST_FOLDER = 100


def experiment_id(client: MlflowClient, name: str, uri: str, store: Path) -> str:
    """Return the experiment of this name; it is made if there is none.

    Raises:
        AssayError: it is deleted: MLflow keeps its name and takes no run.
    """
    found = client.get_experiment_by_name(name)
    if found is None:
        found = _make(client, name, uri, store)
    if found.lifecycle_stage == LifecycleStage.DELETED:
        raise AssayError(deleted_experiment(found, uri))
    return str(found.experiment_id)


def deleted_experiment(experiment: Experiment, uri: str) -> str:
    """Return the line about a deleted experiment and the ways out."""
    number, server = experiment.experiment_id, f"MLFLOW_TRACKING_URI={without_password(uri)}"
    return (
        f"the MLflow experiment {experiment.name!r} is deleted; restore it ({server} mlflow experiments restore "
        f"--experiment-id {number}), remove it for good (mlflow gc --experiment-ids {number}), or name another one in "
        "registry.experiment"
    )


def artifact_folder(name: str) -> str:
    """Return the name of one folder for the artifacts of an experiment, whatever characters its name holds."""
    folder = quote(name, safe=" ")
    if folder.strip(". ") == folder and len(folder) <= LONGEST_FOLDER:
        return folder
    return f"{folder[:LONGEST_FOLDER].strip('. ')}-{sha256(name.encode()).hexdigest()[:12]}"


def _make(client: MlflowClient, name: str, uri: str, store: Path) -> Experiment:
    # Without a server, MLflow would put artifacts into the folder the command was called in.
    place = store.resolve() / "mlartifacts" / artifact_folder(name)
    location = place.as_uri() if uri.startswith("sqlite:") else None
    try:
        return client.get_experiment(client.create_experiment(name, artifact_location=location, tags=KIND))
    except MlflowException as error:
        # MLflow's client repeats a request whose answer was lost; and another run may have come first.
        found = client.get_experiment_by_name(name)
        if error.error_code != "RESOURCE_ALREADY_EXISTS" or found is None:
            raise
        return found
