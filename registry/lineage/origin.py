"""The lineage of a version, read from the registry: what it was made of, and what it answered."""

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlflow import MlflowClient

from assay.corpus.errors import AssayError
from assay.corpus.snapshot import MANIFEST as SNAPSHOT_JSON
from assay.corpus.snapshot import SnapshotManifest
from assay.corpus.splits import Splits
from assay.corpus.splitting.ledger import LEDGER
from assay.evaluation.labelled_predictions import PREDICTIONS, LabelledPrediction, read_predictions
from assay.registry.aliases import Aliases
from assay.registry.versions import Version, Versions, logged_metrics
from assay.runs.environment import from_text
from assay.runs.mlflow_client import connect
from assay.runs.origin_record import data_folder, predictions_folder
from assay.runs.parameters import RECIPE
from assay.runs.tags import SPLITS_TAG
from assay.runs.tracking import ENVIRONMENT, mlflow_reachable
from assay.serving.address import ModelAddress
from assay.serving.registered_model import test_metrics

# They are taken anew on every machine and in every run.
MEASURED_TIME = "latency."


@dataclass(frozen=True)
class Lineage:
    """How a version came to be.

    `recipe` is what was written then, by today's schema perhaps no recipe any more. `figures` are those on
    test rows. `tags` are those of the MLflow run, `surroundings` what it ran on. Files lie in `data` and `rows`.
    """

    version: Version
    data: Path
    rows: Path
    recipe: dict[str, Any]
    snapshot: SnapshotManifest
    splits: Splits
    metrics: dict[str, float]
    tags: dict[str, str]
    surroundings: dict[str, str]

    @property
    def ledger(self) -> Path:
        """What the ledger of sides knew of the rows before the run."""
        return self.data / LEDGER

    @property
    def answers(self) -> list[LabelledPrediction]:
        """What it answered to its test rows."""
        return read_predictions(self.rows)


@contextmanager
def lineages(tracking_uri: str, *addresses: str) -> Iterator[list[Lineage]]:
    """Read the lineage of versions; their files are there until the block ends.

    Args:
        tracking_uri: MLflow.
        addresses: `models:/NAME/VERSION` or `models:/NAME@ALIAS`.

    Raises:
        AssayError: there is no such version, or it left no lineage.
    """
    with tempfile.TemporaryDirectory() as folder:
        client = connect(tracking_uri)
        with mlflow_reachable(tracking_uri):
            versions = [find_version(client, tracking_uri, address) for address in addresses]
            found = [read_lineage(client, version, Path(folder) / version.number) for version in versions]
        yield found


def find_version(client: MlflowClient, tracking_uri: str, address: str) -> Version:
    """The version behind an address.

    Raises:
        AssayError: there is none.
    """
    name, alias, number = ModelAddress.parse(address)
    if number is not None:
        return Versions(client, name, tracking_uri).get(number)
    found = Aliases(client, name).get(str(alias))
    if found is None:
        raise AssayError(f"{name} has no version with the alias {alias!r}; see assay history {name}")
    return Version.of(found)


def read_lineage(client: MlflowClient, version: Version, folder: Path) -> Lineage:
    """Download what the run of a version left.

    Args:
        client: MLflow.
        version: a registered version.
        folder: where the files go; made if it is not there.

    Raises:
        AssayError: the run left no lineage, or left it for other data.
    """
    run_id, splits = version.run_id, version.tags.get(SPLITS_TAG, "")
    if run_id is None or not client.list_artifacts(run_id, data_folder(splits)):
        raise AssayError(
            f"{version.address} left no lineage in MLflow: it was registered by an earlier assay or by other means; "
            "train it again with assay run"
        )
    folder.mkdir(parents=True, exist_ok=True)

    def fetch(path: str) -> Path:
        return Path(client.download_artifacts(run_id, path, str(folder)))

    answers = f"{predictions_folder(version.bundle)}/{PREDICTIONS}"
    if answers not in {file.path for file in client.list_artifacts(run_id, predictions_folder(version.bundle))}:
        raise AssayError(
            f"{version.address}: its answers are not in MLflow any more (assay erase erases them), and nothing can be "
            "compared with it; train it again with assay run"
        )
    data = fetch(data_folder(splits))
    return Lineage(
        version=version,
        data=data,
        rows=fetch(answers),
        recipe=json.loads(fetch(RECIPE).read_bytes()),
        snapshot=SnapshotManifest.model_validate_json((data / SNAPSHOT_JSON).read_bytes()),
        splits=Splits.load(data),
        metrics=read_metrics(client, version),
        tags=client.get_run(run_id).data.tags,
        surroundings=from_text(fetch(ENVIRONMENT).read_text(encoding="utf-8")),
    )


def read_metrics(client: MlflowClient, version: Version) -> dict[str, float]:
    """Figures of a version on test rows, without times. They lie with the logged model: a run may make several."""
    return comparable(test_metrics(logged_metrics(client, version)))


def comparable(metrics: dict[str, float]) -> dict[str, float]:
    """The figures that would be the same if everything were the same, by name."""
    return {name: metrics[name] for name in sorted(metrics) if not name.startswith(MEASURED_TIME)}
