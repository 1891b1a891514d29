"""What a run leaves in MLflow so that its model can be made again: data, sides, what the ledger knew, answers.

A run that is gone on with (`--from`) may train on other data under the same MLflow run, so the folders carry
the digest of what they are about.
"""

from pathlib import Path

from mlflow import MlflowClient

from assay.corpus.snapshot import MANIFEST as SNAPSHOT_JSON
from assay.corpus.snapshot import Snapshot
from assay.corpus.splits import MANIFEST as SPLITS_JSON
from assay.corpus.splits import ROWS as SPLITS_ROWS
from assay.corpus.splits import Splits
from assay.corpus.splitting.ledger import LEDGER
from assay.evaluation.labelled_predictions import PREDICTIONS

# Larger data stay in the store alone, and are found there by their digest.
LARGEST_SNAPSHOT = 64 * 2**20
DIGEST_LENGTH = 12
DATA_FOLDER, SNAPSHOT_FOLDER, PREDICTIONS_FOLDER = "lineage", "snapshot", "evaluation"


def data_folder(splits: str) -> str:
    """Artifact folder of the splits with this digest, their ledger, and the manifest of their snapshot."""
    return f"{DATA_FOLDER}/{splits[:DIGEST_LENGTH]}"


def snapshot_folder(snapshot: str) -> str:
    """Artifact folder of the rows of a snapshot."""
    return f"{SNAPSHOT_FOLDER}/{snapshot[:DIGEST_LENGTH]}"


def predictions_folder(bundle: str) -> str:
    """Artifact folder of what a bundle answered to the test rows."""
    return f"{PREDICTIONS_FOLDER}/{bundle[:DIGEST_LENGTH]}"


def keep_data(client: MlflowClient, mlflow_run: str, snapshot: Path, splits: Path) -> None:
    """Log splits, ledger and manifest, and the rows themselves where they are small.

    Args:
        client: MLflow.
        mlflow_run: id of the run.
        snapshot: folder of a snapshot.
        splits: folder that the split left.
    """
    data = Snapshot.load(snapshot)
    folder = data_folder(Splits.load(splits).digest)
    for path in (splits / SPLITS_JSON, splits / SPLITS_ROWS, splits / LEDGER, snapshot / SNAPSHOT_JSON):
        client.log_artifact(mlflow_run, str(path), folder)
    parts = data.part_paths()
    if sum(path.stat().st_size for path in parts) <= LARGEST_SNAPSHOT:
        for path in (*parts, snapshot / SNAPSHOT_JSON):
            client.log_artifact(mlflow_run, str(path), snapshot_folder(data.digest))


def keep_predictions(client: MlflowClient, mlflow_run: str, bundle: str, evaluation: Path) -> None:
    """Log the answers to the test rows.

    Args:
        client: MLflow.
        mlflow_run: id of the run.
        bundle: digest of the bundle that answered.
        evaluation: folder that the evaluation left.
    """
    client.log_artifact(mlflow_run, str(evaluation / PREDICTIONS), predictions_folder(bundle))
