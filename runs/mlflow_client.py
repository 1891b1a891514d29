"""The way to MLflow: a client that gives up in reasonable time."""

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

# How a run state names the database in its own store, which may be moved.
OWN_DATABASE = "mlflow.db"
T = TypeVar("T")

# MLflow knows these as environment variables only.
SETTINGS = {
    # Its own values wait for more than four minutes before they say that a server is not there.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "3",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "60",
    # One bar a bundle of three files says nothing.
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
}


def connect(tracking_uri: str) -> MlflowClient:
    """A client of the tracking server and registry at `tracking_uri`; what the environment sets, stays.

    Raises:
        AssayError: the folder of a sqlite file cannot be written, or the file is no database.
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
    """Return a tracking address as it may be written down: without user, password and query."""
    if uri.startswith(SQLITE):
        file = Path(uri.removeprefix(SQLITE)).resolve()
        return OWN_DATABASE if file == store.resolve() / OWN_DATABASE else f"{SQLITE}{file}"
    try:
        parts = urlsplit(uri)
    except ValueError:  # no address, which MLflow will say
        return without_password(uri)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment=""))


def full_address(stored: str, store: Path) -> str:
    """Return the address that `stored_address` has written down, with the credentials of the environment."""
    if stored == OWN_DATABASE:
        return own_database(store)
    default = default_tracking_uri(store)
    return default if stored_address(default, store).rstrip("/") == stored.rstrip("/") else stored


def every_page(search: Callable[[str | None], PagedList[T]]) -> Iterator[T]:
    """All that a search of MLflow finds, page by page; it is called with the token of each."""
    token: str | None = None
    while True:
        page = search(token)
        yield from page
        token = page.token
        if not token:
            return


def _check_writable(database: Path) -> None:
    """MLflow itself tries for minutes to open a file that can never be."""
    try:
        database.parent.mkdir(parents=True, exist_ok=True)
        writable = os.access(database if database.exists() else database.parent, os.W_OK)
        reason = "not writable"
    except OSError as error:
        writable, reason = False, error.strerror or type(error).__name__
    if not writable:
        raise AssayError(f"{SQLITE}{database}: {reason}; name another file in MLFLOW_TRACKING_URI, or another --store")
