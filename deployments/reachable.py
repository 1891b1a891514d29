"""Checks of servers and databases. They return one line with the fault, without passwords, or None."""

import base64
import errno
import os
import time
import urllib.request
from contextlib import closing
from http.client import HTTPException
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit, urlunsplit

from assay.corpus.errors import AssayError, first_line
from assay.corpus.storage.disk_errors import check_database, disk_line, sqlite_remedy
from assay.serving.address import SQLITE, without_password

if TYPE_CHECKING:
    import sqlite3

TIMEOUT_S = 5.0
# Argument of each database driver for the timeout of a connection, in seconds.
TIMEOUTS = {
    "psycopg2": "connect_timeout",
    "psycopg": "connect_timeout",
    "pg8000": "timeout",
    "pymysql": "connect_timeout",
    "mysqldb": "connect_timeout",
    "mysqlconnector": "connection_timeout",
    "pymssql": "login_timeout",
    "pyodbc": "timeout",
}
DATABASES = ("sqlite", "postgresql", "mysql", "mssql")  # that MLflow supports
UNCHECKED = ("", "file", "databricks", "databricks-uc", "uc")  # other schemes that MLflow supports


def http_fault(url: str, authorization: str | None = None) -> str | None:
    """Return why an HTTP address is not responding.

    Args:
        url: address; user and password in it are sent as a header, and override `authorization`.
        authorization: value of the Authorization header.
    """
    try:
        bare, user = _without_user(url)
        request = urllib.request.Request(bare)  # noqa: S310  # the user's own http(s) address
        if header := user or authorization:
            request.add_unredirected_header("Authorization", header)
        with urllib.request.urlopen(request, timeout=TIMEOUT_S):  # noqa: S310  # the user's own http(s) address
            return None
    except (OSError, ValueError, HTTPException) as error:
        return without_password(first_line(error, 200))


def mlflow_authorization() -> str | None:
    """Return the Authorization header for the MLflow server that the environment sets."""
    user, password = os.environ.get("MLFLOW_TRACKING_USERNAME"), os.environ.get("MLFLOW_TRACKING_PASSWORD")
    if user and password:
        return _basic(user, password)
    token = os.environ.get("MLFLOW_TRACKING_TOKEN")
    return f"Bearer {token}" if token else None


def database_fault(uri: str) -> str | None:
    """Return the fault of an MLflow database."""
    if uri.startswith(SQLITE):
        return _sqlite_fault(Path(uri.removeprefix(SQLITE)))
    scheme = uri.partition(":")[0]
    if scheme.partition("+")[0] not in DATABASES:
        return f"MLflow does not support the scheme {scheme}:; write http(s)://, sqlite:/// or postgresql://"
    return _connection_fault(uri)


def can_be_checked(uri: str) -> bool:
    """Return whether the address of an MLflow can be checked; folders, services and plug-ins cannot."""
    scheme = uri.partition(":")[0] if ":" in uri else ""
    plugins = {plugin.name for plugin in entry_points(group="mlflow.tracking_store")}
    return scheme not in plugins.union(UNCHECKED)


def _without_user(url: str) -> tuple[str, str | None]:
    """Return an address without user and password, and the header with both."""
    parts = urlsplit(url)
    user, _, host = parts.netloc.rpartition("@")
    if not parts.hostname:
        raise ValueError("no host in the address")
    _ = parts.port  # raises ValueError if the port is not a number
    name, _, password = user.partition(":")
    header = _basic(unquote(name), unquote(password)) if user else None
    return urlunsplit(parts._replace(netloc=host)), header


def _basic(user: str, password: str) -> str:
    return f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"


def _connection_fault(uri: str) -> str | None:
    from sqlalchemy import create_engine, make_url
    from sqlalchemy.exc import SQLAlchemyError

    try:
        url = make_url(uri)
        timeout = TIMEOUTS.get(url.get_driver_name())
        engine = create_engine(url, connect_args={timeout: int(TIMEOUT_S)} if timeout else {})
        try:
            engine.connect().close()
        finally:
            engine.dispose()
    except ModuleNotFoundError as error:
        return f"{error.name} is not installed; pip install it, or name another driver in the address"
    except (SQLAlchemyError, ImportError, OSError, ValueError) as error:
        return f"{without_password(first_line(error, 200))}; start it, or fix MLFLOW_TRACKING_URI"
    return None


def _sqlite_fault(database: Path) -> str | None:
    """Return the fault of a sqlite file, which is read for a few seconds at most; nothing is written."""
    import sqlite3

    try:
        if not database.exists():
            return _folder_fault(database)
        check_database(database)
        until = time.monotonic() + TIMEOUT_S
        address = f"{database.resolve().as_uri()}?mode=rw"
        with closing(sqlite3.connect(address, uri=True, timeout=TIMEOUT_S, isolation_level=None)) as connection:
            _write_nothing(connection)
            connection.set_progress_handler(lambda: time.monotonic() > until, 100_000)
            [result] = connection.execute("PRAGMA quick_check(1)").fetchone()
        return None if result == "ok" else f"{database}: {result}; {sqlite_remedy('malformed')}"
    except AssayError as error:
        return str(error)
    except OSError as error:
        return disk_line(error, database)
    except sqlite3.Error as error:
        interrupted = "interrupted" in str(error)  # too large to read completely
        return None if interrupted else f"{database}: {error}; {sqlite_remedy(str(error)) or 'check the file'}"


def _folder_fault(database: Path) -> str | None:
    """Return None if a missing database can be created in its folder.

    Raises:
        OSError: it cannot.
    """
    folder = next(parent for parent in database.absolute().parents if parent.exists())
    if not folder.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(folder))
    if not os.access(folder, os.W_OK | os.X_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(folder))
    return None


def _write_nothing(connection: "sqlite3.Connection") -> None:
    """Begin a change and roll it back, which fails if the file or its folder is read-only."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        connection.execute("CREATE TABLE assay_doctor (x)")
    finally:
        connection.execute("ROLLBACK")
