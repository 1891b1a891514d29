"""Erasure of rows from MLflow: from the snapshots and predictions of runs, with or without a version."""

import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities import Run, ViewType
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
from pydantic import BaseModel, Field

from assay.corpus.errors import AssayError
from assay.corpus.snapshot import Snapshot
from assay.corpus.splits import ROWS, Splits
from assay.registry.retention.store_erasure import holds_rows, is_one_of
from assay.registry.versions import Version, every_version
from assay.runs.lineage_record import DATA_FOLDER, PREDICTIONS_FOLDER, SNAPSHOT_FOLDER, data_folder
from assay.runs.mlflow_client import connect, every_page
from assay.runs.mlflow_runs import find_run
from assay.runs.tags import RECIPE_TAG, SPLITS_TAG
from assay.serving.address import without_password


class TrainedOn(BaseModel):
    """A version that knew rows, with their number by split."""

    address: str
    split_of: dict[str, int]


class MatchedRun(BaseModel):
    """A run whose data in MLflow hold rows; `artifacts` are the folders to remove, including the `snapshots`."""

    run_id: str
    name: str
    recipe: str | None
    artifacts: list[str]
    snapshots: list[str]


class MlflowMatches(BaseModel):
    """The matches of one MLflow.

    `digests` are those of the snapshots that hold the rows. `copied` lists copies of versions that may hold them, made
    by `assay copy` in another registry, each after the version that was copied.
    """

    tracking_uri: str = Field("", exclude=True, repr=False, description="It may hold a password")
    versions: list[TrainedOn] = []
    runs: list[MatchedRun] = []
    digests: set[str] = set()
    copied: list[str] = []

    @property
    def name(self) -> str:
        """The address, without a password."""
        return without_password(self.tracking_uri)


def find_tracks(ids: Sequence[str], tracking_uri: str) -> MlflowMatches:
    """Search the data of every run, including deleted ones, whose files MLflow keeps until `mlflow gc`."""
    client = connect(tracking_uri)
    search = _Search(client, ids)
    runs = {run.info.run_id: run for run in _runs_with_data(client)}
    versions = []
    for version in every_version(client):
        if not version.run_id or not version.tags.get(SPLITS_TAG):
            continue
        if version.run_id not in runs and (run := find_run(client, version.run_id)) is not None:
            runs[version.run_id] = run  # even if it recorded no data
        if version.run_id in runs:
            versions.append(version)
    trained = {
        version.address: trained_on for version in versions if (trained_on := search.version(version)) is not None
    }
    tracked = [tracked_run for run in runs.values() if (tracked_run := search.run(run)) is not None]
    holders = {run.run_id for run in tracked}
    copied = [version for version in versions if version.address in trained or version.run_id in holders]
    return MlflowMatches(
        tracking_uri=tracking_uri,
        versions=list(trained.values()),
        runs=tracked,
        digests=search.digests,
        copied=[f"{version.address}: {copy}" for version in copied for copy in version.copies],
    )


def download_rows(runs: Sequence[MatchedRun], tracking_uri: str, folder: Path) -> Iterator[tuple[str, Snapshot]]:
    """Yield the snapshots of runs, each downloaded once into a folder, with the name of the recipe."""
    client = connect(tracking_uri)
    keepers = {(run.recipe, path): run.run_id for run in runs for path in run.snapshots}
    for (recipe, path), run_id in keepers.items():
        if recipe is None:
            continue
        snapshot_folder = Path(client.download_artifacts(run_id, path, str(folder)))
        if (snapshot := _complete_snapshot(snapshot_folder)) is not None:
            yield recipe, snapshot


def erase_artifacts(runs: Sequence[MatchedRun], tracking_uri: str) -> None:
    """Remove snapshots and predictions from MLflow."""
    client = connect(tracking_uri)
    for run in runs:
        location = client.get_run(run.run_id).info.artifact_uri
        repository = get_artifact_repository(location, tracking_uri=tracking_uri)
        for path in run.artifacts:
            repository.delete_artifacts(path)  # type: ignore[no-untyped-call]  # MLflow declares no types here


def _complete_snapshot(folder: Path) -> Snapshot | None:
    """Return the snapshot in a folder, or None if it is incomplete, because its run ended while it was logged."""
    try:
        snapshot = Snapshot.load(folder)
        snapshot.verify()
    except AssayError:
        return None
    return snapshot


class _Search:
    """Search that reads each folder once: its name is the digest of its content, and many runs share it."""

    def __init__(self, client: MlflowClient, ids: Sequence[str]) -> None:
        self.digests: set[str] = set()
        self._client = client
        self._ids = ids
        self._split_of: dict[str, dict[str, int]] = {}
        self._holds: dict[str, bool] = {}

    def version(self, version: Version) -> TrainedOn | None:
        """Return the rows that a version knew, or None."""
        run_id, folder = str(version.run_id), data_folder(version.tags[SPLITS_TAG])
        split_of = self._splits_in(run_id, folder) if folder in self._folders(run_id, DATA_FOLDER) else {}
        return TrainedOn(address=version.address, split_of=split_of) if split_of else None

    def run(self, run: Run) -> MatchedRun | None:
        """Return what has to be removed from a run, or None."""
        run_id = run.info.run_id
        known = any(self._splits_in(run_id, folder) for folder in self._folders(run_id, DATA_FOLDER))
        snapshots = [path for path in self._folders(run_id, SNAPSHOT_FOLDER) if self._rows_in(run_id, path)]
        predictions = self._folders(run_id, PREDICTIONS_FOLDER) if known else []
        if not snapshots and not predictions:
            return None
        return MatchedRun(
            run_id=run_id,
            name=run.info.run_name or run_id,
            recipe=run.data.tags.get(RECIPE_TAG),
            artifacts=[*snapshots, *predictions],
            snapshots=snapshots,
        )

    def _folders(self, run_id: str, folder: str) -> list[str]:
        return [item.path for item in self._client.list_artifacts(run_id, folder)]

    def _splits_in(self, run_id: str, folder: str) -> dict[str, int]:
        if folder not in self._split_of:
            with tempfile.TemporaryDirectory() as scratch:
                downloaded = Path(self._client.download_artifacts(run_id, folder, scratch))
                if not (downloaded / ROWS).is_file():  # incomplete, since its run ended; another run may have all of it
                    return {}
                splits = Splits.load(downloaded)
            counts = Counter(
                str(split_name) for row, split_name in splits.split_of.items() if is_one_of(row, self._ids)
            )
            self._split_of[folder] = dict(counts)
            if counts:
                self.digests.add(splits.manifest.snapshot)
        return self._split_of[folder]

    def _rows_in(self, run_id: str, folder: str) -> bool:
        """Return whether a snapshot holds rows, including those that are in no split."""
        if folder not in self._holds:
            with tempfile.TemporaryDirectory() as scratch:
                downloaded = Path(self._client.download_artifacts(run_id, folder, scratch))
                holds, snapshot = holds_rows(downloaded, self._ids), _complete_snapshot(downloaded)
            if snapshot is None:  # another run may have all of it
                return holds
            self._holds[folder] = holds
            if holds:
                self.digests.add(snapshot.digest)
        return self._holds[folder]


def _runs_with_data(client: MlflowClient) -> Iterator[Run]:
    """Yield the runs that recorded their data."""
    experiments = [
        experiment.experiment_id
        for experiment in every_page(lambda token: client.search_experiments(ViewType.ALL, page_token=token))
    ]
    if experiments:
        query = f"tags.`{SPLITS_TAG}` LIKE '%'"
        yield from every_page(lambda token: client.search_runs(experiments, query, ViewType.ALL, page_token=token))
