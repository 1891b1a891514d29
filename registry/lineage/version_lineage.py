"""The lineage of a version, read from the registry: its recipe, data, metrics and predictions."""

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlflow import MlflowClient

from assay.corpus.corrected_rows import CorrectedRow, read_corrected_rows
from assay.corpus.errors import AssayError
from assay.corpus.snapshot import MANIFEST as SNAPSHOT_JSON
from assay.corpus.snapshot import SnapshotManifest
from assay.corpus.splits import Splits
from assay.corpus.splitting.ledger import LEDGER
from assay.evaluation.labelled_predictions import PREDICTIONS, LabelledPrediction, read_predictions
from assay.registry.aliases import Aliases
from assay.registry.versions import Version, Versions, logged_metrics
from assay.runs.environment import from_text
from assay.runs.lineage_record import data_folder, predictions_folder
from assay.runs.mlflow_client import connect
from assay.runs.parameters import RECIPE
from assay.runs.tags import SPLITS_TAG
from assay.runs.tracking import ENVIRONMENT, mlflow_reachable
from assay.serving.address import ModelAddress
from assay.serving.registered_model import test_metrics

# Times differ on every machine and in every run.
MEASURED_TIME = "latency."


@dataclass(frozen=True)
class Lineage:
    """The lineage of a version.

    `recipe` is as it was written, which the present schema may refuse. `metrics` are those on test rows. `tags` and
    `environment` are those of the MLflow run. Files lie in `data` and `rows`.
    """

    version: Version
    data: Path
    rows: Path
    recipe: dict[str, Any]
    snapshot: SnapshotManifest
    splits: Splits
    metrics: dict[str, float]
    tags: dict[str, str]
    environment: dict[str, str]

    @property
    def ledger(self) -> Path:
        """File of the split ledger as it was before the run, for the rows of the version."""
        return self.data / LEDGER

    @property
    def corrected_rows(self) -> list[CorrectedRow]:
        """Rows of the version whose labels people have corrected."""
        return read_corrected_rows(self.data)

    @property
    def predictions(self) -> list[LabelledPrediction]:
        """Predictions on the test rows of the version."""
        return read_predictions(self.rows)


@contextmanager
def lineages(tracking_uri: str, *addresses: str) -> Iterator[list[Lineage]]:
    """Read the lineage of versions; their files exist until the block ends.

    Args:
        tracking_uri: address of MLflow.
        addresses: `models:/NAME/VERSION` or `models:/NAME@ALIAS`.

    Raises:
        AssayError: there is no such version, or it has no lineage.
    """
    with tempfile.TemporaryDirectory() as folder:
        client = connect(tracking_uri)
        with mlflow_reachable(tracking_uri):
            versions = [find_version(client, tracking_uri, address) for address in addresses]
            read = [read_lineage(client, version, Path(folder) / version.number) for version in versions]
        yield read


def find_version(client: MlflowClient, tracking_uri: str, address: str) -> Version:
    """Return the version that an address names.

    Raises:
        AssayError: there is no such version.
    """
    name, alias, number = ModelAddress.parse(address)
    if number is not None:
        return Versions(client, name, tracking_uri).get(number)
    version = Aliases(client, name).get(str(alias))
    if version is None:
        raise AssayError(f"{name} has no version with the alias {alias!r}; see assay history {name}")
    return Version.of(version)


def read_lineage(client: MlflowClient, version: Version, folder: Path) -> Lineage:
    """Download the lineage that the run of a version logged.

    Args:
        client: MLflow.
        version: a registered version.
        folder: folder for the files; created if it does not exist.

    Raises:
        AssayError: the run logged no lineage, or logged it for other data.
    """
    run_id, splits = version.run_id, version.tags.get(SPLITS_TAG, "")
    if run_id is None or not client.list_artifacts(run_id, data_folder(splits)):
        raise AssayError(
            f"{version.address} has no lineage in MLflow: it was registered by an earlier assay or by other means; "
            "train it again with assay run"
        )
    folder.mkdir(parents=True, exist_ok=True)

    def fetch(path: str) -> Path:
        return Path(client.download_artifacts(run_id, path, str(folder)))

    predictions = f"{predictions_folder(version.bundle)}/{PREDICTIONS}"
    if predictions not in {file.path for file in client.list_artifacts(run_id, predictions_folder(version.bundle))}:
        raise AssayError(
            f"{version.address}: its predictions are no longer in MLflow (assay erase removes them), so that "
            "nothing can be compared with it; train it again with assay run"
        )
    data = fetch(data_folder(splits))
    return Lineage(
        version=version,
        data=data,
        rows=fetch(predictions),
        recipe=json.loads(fetch(RECIPE).read_bytes()),
        snapshot=SnapshotManifest.model_validate_json((data / SNAPSHOT_JSON).read_bytes()),
        splits=Splits.load(data),
        metrics=read_metrics(client, version),
        tags=client.get_run(run_id).data.tags,
        environment=from_text(fetch(ENVIRONMENT).read_text(encoding="utf-8")),
    )


def read_metrics(client: MlflowClient, version: Version) -> dict[str, float]:
    """Return the metrics of a version on test rows, without times."""
    return comparable(test_metrics(logged_metrics(client, version)))


def comparable(metrics: dict[str, float]) -> dict[str, float]:
    """Return the metrics that are equal under equal conditions, by name."""
    return {name: metrics[name] for name in sorted(metrics) if not name.startswith(MEASURED_TIME)}
