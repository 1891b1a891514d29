"""The lineage that a run logs to MLflow so that its model can be reproduced: data, splits, ledger, predictions.

A run that is resumed (`--from`) may train on other data under the same MLflow run, so the names of folders hold the
digest of their data.
"""

from pathlib import Path

from mlflow import MlflowClient

from assay.corpus.corrected_rows import CORRECTIONS
from assay.corpus.snapshot import MANIFEST as SNAPSHOT_JSON
from assay.corpus.snapshot import Snapshot
from assay.corpus.splits import MANIFEST as SPLITS_JSON
from assay.corpus.splits import ROWS as SPLITS_ROWS
from assay.corpus.splits import Splits
from assay.corpus.splitting.ledger import LEDGER
from assay.evaluation.labelled_predictions import PREDICTIONS

# Larger snapshots stay in the store alone, and are found there by their digest.
LARGEST_SNAPSHOT = 64 * 2**20
DIGEST_LENGTH = 12
DATA_FOLDER, SNAPSHOT_FOLDER, PREDICTIONS_FOLDER = "lineage", "snapshot", "evaluation"


def data_folder(splits: str) -> str:
    """Return the artifact folder of the splits with this digest, their ledger, and the manifest of their snapshot."""
    return f"{DATA_FOLDER}/{splits[:DIGEST_LENGTH]}"


def snapshot_folder(snapshot: str) -> str:
    """Return the artifact folder of the rows of a snapshot."""
    return f"{SNAPSHOT_FOLDER}/{snapshot[:DIGEST_LENGTH]}"


def predictions_folder(bundle: str) -> str:
    """Return the artifact folder of the predictions of a bundle on test rows."""
    return f"{PREDICTIONS_FOLDER}/{bundle[:DIGEST_LENGTH]}"


def keep_data(client: MlflowClient, mlflow_run: str, snapshot: Path, splits: Path) -> None:
    """Log splits, ledger, manifest and corrected labels, and the rows themselves if they are small.

    Args:
        client: MLflow.
        mlflow_run: id of the run.
        snapshot: folder of the snapshot.
        splits: result folder of the split.
    """
    data = Snapshot.load(snapshot)
    folder = data_folder(Splits.load(splits).digest)
    files = [splits / SPLITS_JSON, splits / SPLITS_ROWS, splits / LEDGER, snapshot / SNAPSHOT_JSON]
    if (corrections := snapshot / CORRECTIONS).exists():
        files.append(corrections)
    for path in files:
        client.log_artifact(mlflow_run, str(path), folder)
    parts = data.part_paths()
    if sum(path.stat().st_size for path in parts) <= LARGEST_SNAPSHOT:
        for path in (*parts, snapshot / SNAPSHOT_JSON):
            client.log_artifact(mlflow_run, str(path), snapshot_folder(data.digest))


def keep_predictions(client: MlflowClient, mlflow_run: str, bundle: str, evaluation: Path) -> None:
    """Log the predictions on test rows.

    Args:
        client: MLflow.
        mlflow_run: id of the run.
        bundle: digest of the bundle that made the predictions.
        evaluation: result folder of the evaluation.
    """
    client.log_artifact(mlflow_run, str(evaluation / PREDICTIONS), predictions_folder(bundle))
