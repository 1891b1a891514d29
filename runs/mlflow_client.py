"""A client of MLflow that gives up after a reasonable time, and addresses of MLflow as a store records them."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit, urlunsplit

from mlflow import MlflowClient
from mlflow.store.entities import PagedList

from assay.corpus.errors import AssayError
from assay.corpus.storage.disk_errors import check_database
from assay.serving.address import SQLITE, default_tracking_uri, without_password

# Name of the store's own database in a run state: the store may be moved.
OWN_DATABASE = "mlflow.db"
T = TypeVar("T")

# MLflow reads these from environment variables only.
SETTINGS = {
    # With its defaults, MLflow waits for more than four minutes before it reports a missing server.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "3",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "60",
    # A progress bar for the three files of a bundle is of no use.
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
}


def connect(tracking_uri: str) -> MlflowClient:
    """Return a client of the tracking server and registry; settings of the environment take precedence.

    Raises:
        AssayError: the folder of a sqlite file is not writable, or the file is no database.
    """
    for name, value in SETTINGS.items():
        os.environ.setdefault(name, value)
    if tracking_uri.startswith(SQLITE):
        database = Path(tracking_uri.removeprefix(SQLITE))
        _check_writable(database)
        check_database(database)
    return MlflowClient(tracking_uri=tracking_uri, registry_uri=tracking_uri)


def own_database(store: Path) -> str:
    """Return the address of the database in a store."""
    return f"{SQLITE}{store.resolve()}/{OWN_DATABASE}"


def stored_address(uri: str, store: Path) -> str:
    """Return a tracking address as a store may record it: without user, password and query."""
    if uri.startswith(SQLITE):
        file = Path(uri.removeprefix(SQLITE)).resolve()
        return OWN_DATABASE if file == store.resolve() / OWN_DATABASE else f"{SQLITE}{file}"
    try:
        parts = urlsplit(uri)
    except ValueError:  # not an address, as MLflow will report
        return without_password(uri)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment=""))


def full_address(stored: str, store: Path) -> str:
    """Return the address of a recorded one, with the credentials of the environment."""
    if stored == OWN_DATABASE:
        return own_database(store)
    default = default_tracking_uri(store)
    return default if stored_address(default, store).rstrip("/") == stored.rstrip("/") else stored


def every_page(search: Callable[[str | None], PagedList[T]]) -> Iterator[T]:
    """Yield all results of a search of MLflow.

    Args:
        search: returns one page, given its token.
    """
    token: str | None = None
    while True:
        page = search(token)
        yield from page
        token = page.token
        if not token:
            return


def _check_writable(database: Path) -> None:
    """Refuse a file that can never be opened, which MLflow itself would try for minutes."""
    try:
        database.parent.mkdir(parents=True, exist_ok=True)
        writable = os.access(database if database.exists() else database.parent, os.W_OK)
        reason = "not writable"
    except OSError as error:
        writable, reason = False, error.strerror or type(error).__name__
    if not writable:
        raise AssayError(f"{SQLITE}{database}: {reason}; name another file in MLFLOW_TRACKING_URI, or another --store")
