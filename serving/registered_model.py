"""Bundles of the MLflow registry: which one an address means, its bytes, its figures and card. Imports mlflow late."""

import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from assay.corpus.errors import AssayError, first_line
from assay.corpus.storage.atomic import atomic_folder
from assay.corpus.storage.disk_errors import check_database
from assay.serving.bundle import Bundle
from assay.serving.signatures import SIGNATURE_TAG, verify

SQLITE = "sqlite:///"
BUNDLE_TAG = "assay.bundle"
VERDICT_TAG = "assay.verdict"  # digest of the verdict that a version carries
CARD = "card.html"
TEST_METRIC = "test."  # what names of figures on test rows begin with
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
            AssayError: it has another form.
        """
        match = _ADDRESS.fullmatch(text)
        if match is None:
            raise AssayError(f"{text!r} is no model address; write models:/NAME@champion or models:/NAME/3")
        return cls(match["name"], match["alias"], match["number"])

    def __str__(self) -> str:
        return f"models:/{self.name}@{self.alias}" if self.alias else f"models:/{self.name}/{self.number}"


class UnreachableError(AssayError):
    """The registry did not give what was asked for; asked later, it may."""


class RegisteredVersion(NamedTuple):
    """A version of the registry, and the digest of its bundle."""

    name: str
    number: str
    digest: str
    run_id: str | None = None
    signature: str | None = None
    verdict: str | None = None


def card_folder(verdict: str) -> str:
    """Return the folder of a verdict's card, below the folder of its run and among the artifacts of its MLflow run."""
    return f"cards/{verdict[:16]}"


class RegistryClient:
    """An MLflow registry, as a server or a prediction reads it."""

    def __init__(self, tracking_uri: str | None, public_key: str | None = None) -> None:
        """Make a client; nothing is asked yet.

        Args:
            tracking_uri: the MLflow server; none: MLFLOW_TRACKING_URI.
            public_key: whose signature a bundle must carry (see `signatures`); none: no signature is asked for.

        Raises:
            AssayError: mlflow is not installed, or its sqlite file is no database.
        """
        self._tracking_uri = tracking_uri
        self._public_key = public_key
        try:
            from mlflow import MlflowClient
        except ImportError as error:
            raise AssayError(
                'models:/ addresses need mlflow, which is not installed; pip install "assay[registry]"'
            ) from error
        uri = tracking_uri or os.environ.get("MLFLOW_TRACKING_URI", "")
        if uri.startswith(SQLITE):
            check_database(Path(uri.removeprefix(SQLITE)))
        with self._errors("the registry"):
            self._client = MlflowClient(tracking_uri=tracking_uri)

    def find(self, wanted: ModelAddress) -> RegisteredVersion:
        """The version that an address means now.

        Raises:
            AssayError: there is none, it was not registered by this package, or the registry cannot be reached.
        """
        with self._errors(wanted):
            if wanted.alias:
                found = self._client.get_model_version_by_alias(wanted.name, wanted.alias)
            else:
                found = self._client.get_model_version(wanted.name, wanted.number or "")
        digest = found.tags.get(BUNDLE_TAG)
        if digest is None:
            raise AssayError(
                f"{wanted} has no tag {BUNDLE_TAG}: it was not registered by assay; train it with assay run"
            )
        signature = found.tags.get(SIGNATURE_TAG)
        verdict = found.tags.get(VERDICT_TAG)
        return RegisteredVersion(found.name, str(found.version), digest, found.run_id or None, signature, verdict)

    def fetch(self, version: RegisteredVersion, cache: Path) -> Bundle:
        """The bundle of a version: downloaded once into the cache, and verified whenever it is opened.

        Raises:
            AssayError: the bytes are not those that were registered, a signature is missing or another's, or the
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
        """Figures on test rows that the run of a version has left; none where they are not there."""
        if version.run_id is None:
            return {}
        with self._errors(f"models:/{version.name}/{version.number}"):
            metrics = self._client.get_run(version.run_id).data.metrics
        return test_metrics(metrics)

    def card(self, version: RegisteredVersion) -> str | None:
        """Return the card of the verdict that a version carries, as HTML; None where its run has none (yet)."""
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

        # Not a models:/ address: MLflow looks these up in the registry of the process, not in the one given.
        source = self._client.get_model_version_download_uri(version.name, version.number)
        with atomic_folder(folder) as partial, tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
            found = download_artifacts(
                artifact_uri=f"{source}/artifacts/bundle", dst_path=scratch, tracking_uri=self._tracking_uri
            )
            for file in Path(found).iterdir():
                shutil.move(file, partial)
            # Before it gets its name: what does not verify never enters the cache.
            Bundle.load(partial, version.digest)

    @contextmanager
    def _errors(self, wanted: Any) -> Iterator[None]:
        """Turn what mlflow raises into one line."""
        from mlflow.exceptions import MlflowException

        try:
            yield
        except (MlflowException, OSError) as error:
            reason = first_line(error, 200)
            where = self._tracking_uri or os.environ.get("MLFLOW_TRACKING_URI") or "the default of MLflow"
            raise UnreachableError(
                f"{wanted} cannot be had from {without_password(where)}: {without_password(reason)}; check name and "
                "alias (assay history NAME), and that MLFLOW_TRACKING_URI names a server that is up"
            ) from error


def test_metrics(metrics: Mapping[str, float]) -> dict[str, float]:
    """Of the metrics of a run, those on test rows, as the evaluation names them."""
    return {name.removeprefix(TEST_METRIC): value for name, value in metrics.items() if name.startswith(TEST_METRIC)}


def without_password(text: str) -> str:
    """Return the text with user and password taken out of every address in it, also where they are its query."""
    return re.sub(r"([?&](?:user|password|passwd|pwd)=)[^&#\s]*", r"\1***", re.sub(r"//[^/\s]+@", "//***@", text))
