"""A bundle as an MLflow model, from code, so that nothing is pickled or unpickled."""

import re
import shutil
import tempfile
import warnings
from importlib.metadata import requires
from pathlib import Path

import pandas as pd
from mlflow import MlflowClient
from mlflow.entities import LoggedModel, LoggedModelOutput, LoggedModelStatus
from mlflow.models import Model, ModelSignature
from mlflow.types import ColSpec, DataType, Schema
from mlflow.types.schema import Array, Object, Property

from assay.registry.model_code import copy_model_code, importable
from assay.runs.search_filters import equals
from assay.serving.bundle import Bundle, BundleManifest
from assay.serving.json_objects import abstention_names, label_list_names
from assay.serving.registered_model import BUNDLE_TAG

MODEL_CODE = "serving/pyfunc.py"
ENTITY = (
    Property("start", DataType.long),
    Property("end", DataType.long),
    Property("label", DataType.string),
    Property("text", DataType.string),
    Property("score", DataType.double),
)


def log_bundle(client: MlflowClient, mlflow_run: str, bundle: Bundle) -> LoggedModel:
    """Upload a bundle as the logged model of a run, unless the run has it already.

    These are the steps of `mlflow.pyfunc.log_model`, by ids only: that function uses the active run, the active model
    and the tracking URI of the process, which parallel flows share.

    Args:
        client: MLflow.
        mlflow_run: id of the run that trained it.
        bundle: a verified bundle.
    """
    experiment = client.get_run(mlflow_run).info.experiment_id
    for model in client.search_logged_models([experiment], equals(f"tags.`{BUNDLE_TAG}`", bundle.digest)):
        # MLflow 3.17 compares a status in the filter with its number: sqlite finds nothing then, PostgreSQL refuses.
        if model.source_run_id == mlflow_run and model.status == LoggedModelStatus.READY:
            return model
    model = client.create_logged_model(
        experiment,
        logged_model_name(bundle.manifest.name),
        mlflow_run,
        tags={BUNDLE_TAG: bundle.digest},
        model_type="classifier",
    )
    client.log_outputs(mlflow_run, [LoggedModelOutput(model.model_id, step=0)])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model"
        save_model(bundle, path, mlflow_run, model)
        client.log_model_artifacts(model.model_id, str(path))
    return client.finalize_logged_model(model.model_id, LoggedModelStatus.READY)


def logged_model_name(name: str) -> str:
    """Return the name of a registered model as a name of a logged model, which may hold no dot."""
    return re.sub(r"[/:.%\"']", "_", name)


def save_model(bundle: Bundle, path: Path, mlflow_run: str, model: LoggedModel) -> None:
    """Write the MLflow model into a new folder, with the bundle under `artifacts/bundle`."""
    # Warnings about MLflow's own calls of pandas are recorded to be dropped: MLflow sets filters of its own while it
    # works.
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings(record=True):
        warnings.filterwarnings("ignore", module=r"mlflow\.")
        # The import takes a second, and only registration needs it.
        import mlflow.pyfunc

        # MLflow keeps an artifact under the name of its folder.
        named = Path(folder) / "bundle"
        shutil.copytree(bundle.folder, named)
        code = copy_model_code(Path(folder))
        with importable(code):
            mlflow.pyfunc.save_model(
                path=str(path),
                python_model=str(code / MODEL_CODE),
                artifacts={"bundle": str(named)},
                # MLflow ignores other keys, and all keys of a model that was saved without any.
                model_config={"output": "frame"},
                # Any MLflow server can load it then, even without this package.
                code_paths=[str(code)],
                signature=signature(bundle.manifest),
                input_example=input_example(bundle.manifest),
                pip_requirements=requirements(),
                mlflow_model=Model(
                    artifact_path=model.artifact_location,
                    run_id=mlflow_run,
                    model_uuid=model.model_id,
                    model_id=model.model_id,
                ),
            )


def requirements() -> list[str]:
    """Return the requirements of the base install of this package, which serves; nothing is inferred by running it."""
    return [line for line in requires("assay") or [] if "extra ==" not in line]


def signature(manifest: BundleManifest) -> ModelSignature:
    """Return the columns of input and output, by the heads of the bundle."""
    names = ["text", "text_pair"] if manifest.pair else ["text"]
    outputs = []
    if manifest.labels:
        outputs.append(ColSpec(DataType.string, "label"))
        outputs += [ColSpec(DataType.double, f"probability.{label}") for label in manifest.labels]
    if manifest.row_labels:
        outputs += [ColSpec(Array(DataType.string), name) for name in label_list_names(manifest.decided_heads)]
        outputs += [ColSpec(DataType.double, f"label_probability.{label}") for label in manifest.row_labels]
    if manifest.tags:
        abstained = [Property("abstained", DataType.boolean)] if "tokens" in manifest.decided_heads else []
        outputs.append(ColSpec(Array(Object([*ENTITY, *abstained])), "entities"))
    outputs += [ColSpec(DataType.boolean, name) for name in abstention_names(manifest.decided_heads)]
    outputs.append(ColSpec(DataType.boolean, "truncated"))
    return ModelSignature(Schema([ColSpec(DataType.string, name) for name in names]), Schema([*outputs]))


def input_example(manifest: BundleManifest) -> pd.DataFrame:
    """Return the first golden row."""
    row = manifest.golden[0]
    columns = {"text": [row.text], **({"text_pair": [row.text_pair or ""]} if manifest.pair else {})}
    return pd.DataFrame(columns)
