"""Where a bundle comes from: a folder, or a model of the registry by alias or version.

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
    "pinned",
    "without_password",
]


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
        return open_folder(Path(address), public_key())
    wanted = ModelAddress.parse(str(address))
    registry = RegistryClient(tracking_uri, public_key())
    return registry.fetch(registry.find(wanted), cache or default_cache())


def pinned(address: str, tracking_uri: str | None = None) -> str:
    """The same model by an address that means it for ever: an alias becomes `models:/NAME/NUMBER`.

    Args:
        address: as `open_bundle` takes it; a folder and a number stay as they are.
        tracking_uri: the MLflow server; none: MLFLOW_TRACKING_URI.

    Raises:
        AssayError: it is no address, nothing is there, or the registry cannot be reached.
    """
    if not address.startswith("models:"):
        return address
    wanted = ModelAddress.parse(address)
    if wanted.alias is None:
        return address
    return str(ModelAddress(wanted.name, None, RegistryClient(tracking_uri).find(wanted).number))


def open_folder(folder: Path, key: str | None) -> Bundle:
    """Open and verify a bundle folder. Where a public key is set, its signature lies beside it: `FOLDER.sig`.

    Raises:
        AssayError: it is no bundle, changed, or not signed as asked.
    """
    bundle = Bundle.load(folder)
    if key:
        signature = folder.with_name(folder.name + ".sig")
        verify(bundle, signature.read_text(encoding="utf-8") if signature.is_file() else None, key, str(folder))
    return bundle


def default_cache() -> Path:
    """`assay/bundles` in the user's cache folder."""
    return user_cache() / "bundles"


def default_tracking_uri(store: Path) -> str:
    """The MLflow of the environment, else the sqlite file in the store."""
    return os.environ.get("MLFLOW_TRACKING_URI") or f"{SQLITE}{store.resolve()}/mlflow.db"


def has_database(uri: str) -> bool:
    """Whether there is something to ask: a server, or a sqlite file that is there."""
    try:
        return not uri.startswith(SQLITE) or Path(uri.removeprefix(SQLITE)).exists()
    except OSError:  # no path at all
        return False


def existing_tracking_uri(store: Path) -> str:
    """As `default_tracking_uri`, for who only asks: where there is no file, MLflow would make an empty one.

    Raises:
        AssayError: the store has no MLflow, and the environment names none.
    """
    uri = default_tracking_uri(store)
    if not has_database(uri):
        raise AssayError(
            f"there is no {uri.removeprefix(SQLITE)}: no run was made there; name its store (--store) or "
            "MLFLOW_TRACKING_URI"
        )
    return uri
