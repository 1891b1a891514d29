"""Where a bundle comes from: a folder, or a model of the registry by alias or version.

mlflow is imported only for a `models:/` address.
"""

import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from corpus.atomic import atomic_folder
from corpus.errors import AssayError
from serving.bundle import Bundle

BUNDLE_TAG = "assay.bundle"
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


def open_bundle(address: str | Path, cache: Path | None = None, tracking_uri: str | None = None) -> Bundle:
    """Open and verify a bundle.

    A model of the registry is downloaded once into the cache; its digest must be the one in the tag that
    registration left, whoever may have changed the files since.

    Args:
        address: a folder, `models:/NAME@ALIAS` or `models:/NAME/NUMBER`.
        cache: where downloads are kept; none: `assay` in the user's cache folder.
        tracking_uri: the MLflow server; none: MLFLOW_TRACKING_URI.

    Raises:
        AssayError: nothing is there, the registry cannot be reached, or the bundle is not what was registered.
    """
    if not str(address).startswith("models:"):
        return Bundle.load(Path(address))
    wanted = ModelAddress.parse(str(address))
    client = _client(wanted, tracking_uri)
    with _registry_errors(wanted, tracking_uri):
        version = _find_version(client, wanted)
        digest = version.tags.get(BUNDLE_TAG)
        if digest is None:
            raise AssayError(
                f"{wanted} has no tag {BUNDLE_TAG}: it was not registered by assay; train it with assay run"
            )
        folder = (cache or default_cache()) / digest
        if not folder.exists():
            _download(client, version, folder, tracking_uri)
    return Bundle.load(folder, digest)


def default_cache() -> Path:
    """`assay` in the user's cache folder."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "assay" / "bundles"


def default_tracking_uri(store: Path) -> str:
    """The MLflow of the environment, else the sqlite file in the store."""
    return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{store.resolve()}/mlflow.db"


def _client(wanted: ModelAddress, tracking_uri: str | None) -> Any:
    try:
        from mlflow import MlflowClient
    except ImportError as error:
        raise AssayError(f'{wanted} needs mlflow, which is not installed; pip install "assay[registry]"') from error
    with _registry_errors(wanted, tracking_uri):
        return MlflowClient(tracking_uri=tracking_uri)


def _find_version(client: Any, wanted: ModelAddress) -> Any:
    if wanted.alias:
        return client.get_model_version_by_alias(wanted.name, wanted.alias)
    return client.get_model_version(wanted.name, wanted.number)


def _download(client: Any, version: Any, folder: Path, tracking_uri: str | None) -> None:
    from mlflow.artifacts import download_artifacts

    # Not a models:/ address: MLflow looks these up in the registry of the process, not in the one given.
    source = client.get_model_version_download_uri(version.name, version.version)
    with atomic_folder(folder) as partial, tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
        found = download_artifacts(
            artifact_uri=f"{source}/artifacts/bundle", dst_path=scratch, tracking_uri=tracking_uri
        )
        for file in Path(found).iterdir():
            shutil.move(file, partial)
        # Before it gets its name: what does not verify never enters the cache.
        Bundle.load(partial, version.tags[BUNDLE_TAG])


@contextmanager
def _registry_errors(wanted: ModelAddress, tracking_uri: str | None) -> Iterator[None]:
    """Turn what mlflow raises into one line."""
    from mlflow.exceptions import MlflowException

    try:
        yield
    except (MlflowException, OSError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
        where = without_password(tracking_uri or os.environ.get("MLFLOW_TRACKING_URI") or "the default of MLflow")
        raise AssayError(
            f"{wanted} cannot be had from {where}: {without_password(reason)}; check name and alias "
            "(assay history NAME), and that MLFLOW_TRACKING_URI names a server that is up"
        ) from error


def without_password(text: str) -> str:
    """The text with user and password taken out of every address in it."""
    return re.sub(r"//[^/\s]+@", "//***@", text)
