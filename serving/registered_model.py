"""Bundles of the MLflow registry: their versions, files, metrics and model cards. mlflow is imported late."""

import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from assay.corpus.errors import AssayError, first_line
from assay.corpus.extras import install_command
from assay.corpus.storage.atomic import atomic_folder
from assay.corpus.storage.disk_errors import check_database
from assay.serving.bundle import Bundle
from assay.serving.signatures import SIGNATURE_TAG, verify

SQLITE = "sqlite:///"
BUNDLE_TAG = "assay.bundle"
VERDICT_TAG = "assay.verdict"  # digest of the verdict of a version
CARD = "card.html"
TEST_METRIC = "test."  # prefix of the metrics on test rows
_ADDRESS = re.compile(r"models:/(?P<name>[^/@]+)(?:@(?P<alias>[^/@]+)|/(?P<number>\d+))")


class ModelAddress(NamedTuple):
    """`models:/NAME@ALIAS` or `models:/NAME/NUMBER`: exactly one of alias and number is set."""

    name: str
    alias: str | None
    number: str | None

    @classmethod
    def parse(cls, text: str) -> "ModelAddress":
        """Read an address.

        Raises:
            AssayError: the address is malformed.
        """
        match = _ADDRESS.fullmatch(text)
        if match is None:
            raise AssayError(f"{text!r} is not a model address; write models:/NAME@champion or models:/NAME/3")
        return cls(match["name"], match["alias"], match["number"])

    def __str__(self) -> str:
        return f"models:/{self.name}@{self.alias}" if self.alias else f"models:/{self.name}/{self.number}"


class UnreachableError(AssayError):
    """The registry is not responding, or lacks the version; a later request may succeed."""


class RegisteredVersion(NamedTuple):
    """A version of a registered model, and the digest of its bundle."""

    name: str
    number: str
    digest: str
    run_id: str | None = None
    signature: str | None = None
    verdict: str | None = None


def card_folder(verdict: str) -> str:
    """Return the folder of the model card of a verdict, both in the run folder and among the artifacts in MLflow."""
    return f"cards/{verdict[:16]}"


class RegistryClient:
    """A read-only client of an MLflow registry."""

    def __init__(self, tracking_uri: str | None, public_key: str | None = None) -> None:
        """Create a client, without a request.

        Args:
            tracking_uri: the MLflow server; None uses MLFLOW_TRACKING_URI.
            public_key: the key that bundles must be signed for (see `assay.serving.signatures`); None requires no
                signature.

        Raises:
            AssayError: mlflow is not installed, or its sqlite file is no database.
        """
        self._tracking_uri = tracking_uri
        self._public_key = public_key
        try:
            from mlflow import MlflowClient
        except ImportError as error:
            raise AssayError(
                f"models:/ addresses need mlflow, which is not installed; run {install_command('registry')}"
            ) from error
        uri = tracking_uri or os.environ.get("MLFLOW_TRACKING_URI", "")
        if uri.startswith(SQLITE):
            check_database(Path(uri.removeprefix(SQLITE)))
        with self._errors("the registry"):
            self._client = MlflowClient(tracking_uri=tracking_uri)

    def find(self, address: ModelAddress) -> RegisteredVersion:
        """Return the version that an address names at present.

        Raises:
            AssayError: there is no such version, this package did not register it, or the registry cannot be reached.
        """
        with self._errors(address):
            if address.alias:
                version = self._client.get_model_version_by_alias(address.name, address.alias)
            else:
                version = self._client.get_model_version(address.name, address.number or "")
        digest = version.tags.get(BUNDLE_TAG)
        if digest is None:
            raise AssayError(
                f"{address} has no tag {BUNDLE_TAG}, so assay did not register it; train the model with assay run"
            )
        signature = version.tags.get(SIGNATURE_TAG)
        verdict = version.tags.get(VERDICT_TAG)
        return RegisteredVersion(version.name, str(version.version), digest, version.run_id or None, signature, verdict)

    def fetch(self, version: RegisteredVersion, cache: Path) -> Bundle:
        """Return the bundle of a version, downloaded once into the cache and verified each time.

        Raises:
            AssayError: the files are not the registered ones, the signature is missing or of another key, or the
                registry cannot be reached.
        """
        folder = cache / version.digest
        if not folder.exists():
            with self._errors(f"models:/{version.name}/{version.number}"):
                self._download(version, folder)
        bundle = Bundle.load(folder, version.digest)
        if self._public_key:
            verify(bundle, version.signature, self._public_key, f"models:/{version.name}/{version.number}")
        return bundle

    def metrics(self, version: RegisteredVersion) -> Mapping[str, float]:
        """Return the metrics on test rows that the run of a version logged, empty if it logged none."""
        if version.run_id is None:
            return {}
        with self._errors(f"models:/{version.name}/{version.number}"):
            metrics = self._client.get_run(version.run_id).data.metrics
        return test_metrics(metrics)

    def card(self, version: RegisteredVersion) -> str | None:
        """Return the model card of a version as HTML; None if its run has none (yet)."""
        if version.run_id is None or version.verdict is None:
            return None
        folder = card_folder(version.verdict)
        path = f"{folder}/{CARD}"
        with self._errors(f"models:/{version.name}/{version.number}"), tempfile.TemporaryDirectory() as scratch:
            if path not in {artifact.path for artifact in self._client.list_artifacts(version.run_id, folder)}:
                return None
            return Path(self._client.download_artifacts(version.run_id, path, scratch)).read_text(encoding="utf-8")

    def _download(self, version: RegisteredVersion, folder: Path) -> None:
        from mlflow.artifacts import download_artifacts

        # No models:/ address, since MLflow resolves these in the registry of the process, not in the given one.
        source = self._client.get_model_version_download_uri(version.name, version.number)
        with atomic_folder(folder) as partial, tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
            downloaded = download_artifacts(
                artifact_uri=f"{source}/artifacts/bundle", dst_path=scratch, tracking_uri=self._tracking_uri
            )
            for file in Path(downloaded).iterdir():
                shutil.move(file, partial)
            # Verified before the folder gets its name, so that only verified bundles enter the cache.
            Bundle.load(partial, version.digest)

    @contextmanager
    def _errors(self, what: Any) -> Iterator[None]:
        """Raise errors of mlflow as one line."""
        from mlflow.exceptions import MlflowException

        try:
            yield
        except (MlflowException, OSError) as error:
            reason = first_line(error, 200)
            where = self._tracking_uri or os.environ.get("MLFLOW_TRACKING_URI") or "the default of MLflow"
            raise UnreachableError(
                f"{what} could not be fetched from {without_password(where)}: {without_password(reason)}; check the "
                "name and the alias (assay history NAME), and that MLFLOW_TRACKING_URI names a running server"
            ) from error


def test_metrics(metrics: Mapping[str, float]) -> dict[str, float]:
    """Return those metrics of a run that are on test rows, under the names of the evaluation."""
    return {name.removeprefix(TEST_METRIC): value for name, value in metrics.items() if name.startswith(TEST_METRIC)}


def without_password(text: str) -> str:
    """Return the text with the user and the password of every address replaced, also those in its query."""
    return re.sub(r"([?&](?:user|password|passwd|pwd)=)[^&#\s]*", r"\1***", re.sub(r"//[^/\s]+@", "//***@", text))
