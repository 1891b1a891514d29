"""Versions of a registered model: search, create, download by the digest of their bundle."""

import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Self

import mlflow.artifacts
from mlflow import MlflowClient
from mlflow.entities import Metric
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException
from pydantic import BaseModel, ConfigDict

from assay.corpus.errors import AssayError
from assay.corpus.storage.atomic import atomic_folder
from assay.evaluation.gate_checks.gate_context import VersionData
from assay.evaluation.row_sample import share_rows
from assay.registry.approvals import Approval
from assay.registry.mlflow_package import log_bundle
from assay.runs.mlflow_client import every_page
from assay.runs.mlflow_errors import EXISTS, found
from assay.runs.search_filters import equals
from assay.runs.tags import (
    APPROVAL_TAG,
    BUNDLE_TAG,
    COPIED_TO_TAG,
    LEDGER_TAG,
    LOGGED_MODEL_TAG,
    OUTCOME_TAG,
    PROMOTED_TAG,
    RUN_TAG,
    SNAPSHOT_TAG,
    SPLITS_TAG,
    TEST_ROWS_TAG,
)
from assay.serving.bundle import Bundle


class Version(BaseModel):
    """A version of a registered model, as the registry describes it."""

    model_config = ConfigDict(frozen=True)

    name: str
    number: str
    tags: dict[str, str]
    run_id: str | None = None

    @classmethod
    def of(cls, version: ModelVersion) -> Self:
        """Convert MLflow's own object."""
        return cls(name=version.name, number=str(version.version), tags=version.tags, run_id=version.run_id or None)

    @property
    def bundle(self) -> str:
        """Digest of the bundle; empty for a version that this package did not register."""
        return self.tags.get(BUNDLE_TAG, "")

    @property
    def data(self) -> VersionData:
        """Digests of the data that it was trained and tested on."""
        return VersionData(self.tags.get(SNAPSHOT_TAG), self.tags.get(SPLITS_TAG), self.tags.get(LEDGER_TAG))

    @property
    def model_id(self) -> str | None:
        """Id of MLflow's logged model behind the version."""
        return self.tags.get(LOGGED_MODEL_TAG)

    @property
    def copies(self) -> list[str]:
        """Copies that `assay copy` has made, by address and store."""
        return [value for key, value in sorted(self.tags.items()) if key.startswith(COPIED_TO_TAG)]

    @property
    def outcome(self) -> str:
        """`passed`, `refused` or `pending`; a version whose approval has expired is refused."""
        outcome = self.tags.get(OUTCOME_TAG, "pending")
        if outcome == "pending" and self.approval and self.approval.seconds_left <= 0:
            return "refused"
        return outcome

    @property
    def approval(self) -> Approval | None:
        """The last approval that a person was asked for, with the decision."""
        record = self.tags.get(APPROVAL_TAG)
        return Approval.model_validate_json(record) if record else None

    @property
    def address(self) -> str:
        """Address for `assay predict --model`."""
        return f"models:/{self.name}/{self.number}"


def logged_metrics(client: MlflowClient, version: Version) -> dict[str, float]:
    """Return the metrics that are logged with the model behind a version, the latest value of each.

    They lie with the logged model, since a run may make several.
    """
    model = client.get_logged_model(version.model_id) if version.model_id else None
    metrics: list[Metric] = sorted((model.metrics or []) if model else [], key=lambda metric: metric.timestamp)
    return {metric.key: metric.value for metric in metrics}


def every_version(client: MlflowClient) -> Iterator[Version]:
    """Yield the versions of every registered model, including those that this package did not register."""
    yield from map(Version.of, every_page(lambda token: client.search_model_versions(page_token=token)))


class Versions:
    """The versions of one registered model."""

    def __init__(self, client: MlflowClient, name: str, tracking_uri: str) -> None:
        self.name = name
        self._client = client
        self._tracking_uri = tracking_uri

    def get(self, number: str) -> Version:
        """Return a version by its number.

        Raises:
            AssayError: there is no such version.
        """
        version = self.look_up(number)
        if version is None:
            raise AssayError(f"{self.name} has no version {number}; see assay history {self.name}")
        return version

    def newest(self) -> Version | None:
        """Return the version with the highest number, or None."""
        return next(reversed(self._search()), None)

    def look_up(self, number: str) -> Version | None:
        """Return a version by its number, or None if it is deleted."""
        version = found(lambda: self._client.get_model_version(self.name, number))
        return Version.of(version) if version else None

    def digest_of(self, number: str) -> str:
        """Return the digest of a version's bundle; empty if the version is deleted."""
        version = self.look_up(number)
        return version.bundle if version else ""

    def once_promoted(self) -> list[str]:
        """Return the numbers of the versions whose tags tell of a promotion, the last promoted first."""
        promoted = [version for version in self._search() if PROMOTED_TAG in version.tags]
        # Promotions within a second carry the same time.
        promoted.sort(key=lambda version: (version.tags[PROMOTED_TAG], int(version.number)), reverse=True)
        return [version.number for version in promoted]

    def find(self, bundle: str) -> Version | None:
        """Return the version that holds the bundle of this digest, or None."""
        return next(iter(self._with(BUNDLE_TAG, bundle)), None)

    def compared_on(self, sample: str) -> list[Version]:
        """Return the versions whose test rows overlap with those of the sample; the lowest first."""
        return [version for version in self._search() if share_rows(version.tags.get(TEST_ROWS_TAG, ""), sample)]

    def of_run(self, key: str) -> list[Version]:
        """Return the versions that the run of this key was the last to test, the lowest first."""
        return self._with(RUN_TAG, key)

    def waiting(self) -> list[Version]:
        """Return the versions that are tagged as pending, the expired ones too, the lowest first."""
        return self._with(OUTCOME_TAG, "pending")

    def create(self, mlflow_run: str, bundle: Bundle, tags: Mapping[str, str], description: str) -> Version:
        """Return the version that holds the bundle, and create it if there is none.

        MLflow's client repeats a request whose response was lost, so that one call can make two versions: the lowest
        one is kept.
        """
        self._create_model()
        if not self._with(BUNDLE_TAG, bundle.digest):
            model = log_bundle(self._client, mlflow_run, bundle)
            self._client.create_model_version(
                self.name,
                # Not models:/ID: without a server, MLflow looks that up in the database of the process.
                model.artifact_location,
                run_id=mlflow_run,
                tags={**tags, BUNDLE_TAG: bundle.digest, LOGGED_MODEL_TAG: model.model_id},
                description=description,
                model_id=model.model_id,
            )
        return self.tag(self._adopt_lowest(bundle.digest), tags)

    def tag(self, version: Version, tags: Mapping[str, str]) -> Version:
        """Set tags of a version, unless they have these values already."""
        for key, value in tags.items():
            if version.tags.get(key) != value:
                self._client.set_model_version_tag(self.name, version.number, key, value)
        return self.get(version.number)

    def download(self, version: Version, folder: Path) -> Bundle:
        """Download the bundle of a version into `folder` and verify it.

        Raises:
            AssayError: the bytes are not those that were registered.
        """
        if not version.bundle:
            raise AssayError(f"{version.address} has no tag {BUNDLE_TAG}: it was not registered by assay; train again")
        with atomic_folder(folder) as partial, tempfile.TemporaryDirectory(dir=folder.parent) as download:
            # Not a models:/ address: MLflow looks these up in the registry of the process.
            source = self._client.get_model_version_download_uri(self.name, version.number)
            path = mlflow.artifacts.download_artifacts(
                artifact_uri=f"{source}/artifacts/bundle", dst_path=download, tracking_uri=self._tracking_uri
            )
            for file in Path(path).iterdir():
                shutil.move(file, partial)
            Bundle.load(partial, version.bundle)
        return Bundle.load(folder, version.bundle)

    def _create_model(self) -> None:
        try:
            self._client.create_registered_model(self.name)
        except MlflowException as error:
            if error.error_code != EXISTS:
                raise

    def _with(self, tag: str, value: str) -> list[Version]:
        """Return the versions with this tag, the lowest first."""
        return [version for version in self._search(equals(f"tags.`{tag}`", value)) if version.tags.get(tag) == value]

    def _search(self, *clauses: str) -> list[Version]:
        """Return the versions of the model that match the clauses, the lowest first."""
        query = " AND ".join((equals("name", self.name), *clauses))
        pages = every_page(lambda token: self._client.search_model_versions(query, page_token=token))
        # The filter may find those of other models, too.
        versions = [version for version in map(Version.of, pages) if version.name == self.name]
        return sorted(versions, key=lambda version: int(version.number))

    def _adopt_lowest(self, digest: str) -> Version:
        lowest, *surplus = self._with(BUNDLE_TAG, digest)
        for version in surplus:
            self._delete(version)
        return lowest

    def _delete(self, version: Version) -> None:
        """Delete a version; another process may have found and deleted it too."""
        found(lambda: self._client.delete_model_version(self.name, version.number))
