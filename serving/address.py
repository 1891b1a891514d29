"""Addresses of bundles: a folder, or a model of the registry by alias or version.

mlflow is imported only for a `models:/` address.
"""

import os
from pathlib import Path

from assay.corpus.errors import AssayError
from assay.corpus.storage.cache import user_cache
from assay.serving.bundle import Bundle
from assay.serving.registered_model import BUNDLE_TAG, SQLITE, ModelAddress, RegistryClient, without_password
from assay.serving.signatures import public_key, verify

__all__ = [
    "BUNDLE_TAG",
    "SQLITE",
    "ModelAddress",
    "default_cache",
    "default_tracking_uri",
    "existing_tracking_uri",
    "has_database",
    "open_bundle",
    "open_folder",
    "pin_address",
    "without_password",
]


def open_bundle(address: str | Path, cache: Path | None = None, tracking_uri: str | None = None) -> Bundle:
    """Open and verify a bundle.

    A model of the registry is downloaded once into the cache. Its digest must be that of the tag set at registration,
    so that files that changed since are refused.

    Args:
        address: a folder, `models:/NAME@ALIAS` or `models:/NAME/NUMBER`.
        cache: folder of the downloads; None uses `assay/bundles` in the user's cache folder.
        tracking_uri: the MLflow server; None uses MLFLOW_TRACKING_URI.

    Raises:
        AssayError: there is no such bundle, the registry cannot be reached, or the bundle is not the registered one.
    """
    if not str(address).startswith("models:"):
        return open_folder(Path(address), public_key())
    model_address = ModelAddress.parse(str(address))
    registry = RegistryClient(tracking_uri, public_key())
    return registry.fetch(registry.find(model_address), cache or default_cache())


def pin_address(address: str, tracking_uri: str | None = None) -> str:
    """Return a permanent address of the same model: an alias becomes `models:/NAME/NUMBER`.

    Args:
        address: as in `open_bundle`; a folder and a version number are returned unchanged.
        tracking_uri: the MLflow server; None uses MLFLOW_TRACKING_URI.

    Raises:
        AssayError: the address is malformed, there is no such model, or the registry cannot be reached.
    """
    if not address.startswith("models:"):
        return address
    model_address = ModelAddress.parse(address)
    if model_address.alias is None:
        return address
    return str(ModelAddress(model_address.name, None, RegistryClient(tracking_uri).find(model_address).number))


def open_folder(folder: Path, key: str | None) -> Bundle:
    """Open and verify a bundle folder. With a public key, its signature `FOLDER.sig` beside it is verified as well.

    Raises:
        AssayError: the folder is no bundle, a file changed, or the signature is missing or of another key.
    """
    bundle = Bundle.load(folder)
    if key:
        signature = folder.with_name(folder.name + ".sig")
        verify(bundle, signature.read_text(encoding="utf-8") if signature.is_file() else None, key, str(folder))
    return bundle


def default_cache() -> Path:
    """Return `assay/bundles` in the user's cache folder."""
    return user_cache() / "bundles"


def default_tracking_uri(store: Path) -> str:
    """Return the MLflow address of the environment, else that of the sqlite file in the store."""
    return os.environ.get("MLFLOW_TRACKING_URI") or f"{SQLITE}{store.resolve()}/mlflow.db"


def has_database(uri: str) -> bool:
    """Return whether the address is that of a server or of an existing sqlite file."""
    try:
        return not uri.startswith(SQLITE) or Path(uri.removeprefix(SQLITE)).exists()
    except OSError:  # not a valid path
        return False


def existing_tracking_uri(store: Path) -> str:
    """Return `default_tracking_uri` for reading. MLflow would create an empty database if the file did not exist.

    Raises:
        AssayError: the store has no MLflow database, and the environment names no server.
    """
    uri = default_tracking_uri(store)
    if not has_database(uri):
        raise AssayError(
            f"there is no {uri.removeprefix(SQLITE)}, so the store has no runs; name another store (--store), or set "
            "MLFLOW_TRACKING_URI"
        )
    return uri
