"""Whether servers and databases respond: one line of what is wrong, without a password, or None."""

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
# How drivers of databases call the time-out of a connection, in seconds.
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
DATABASES = ("sqlite", "postgresql", "mysql", "mssql")  # that MLflow takes
NOT_LOOKED_AT = ("", "file", "databricks", "databricks-uc", "uc")  # what else MLflow takes


def http_fault(url: str, authorization: str | None = None) -> str | None:
    """Return why an HTTP address does not respond.

    Args:
        url: address; user and password in it are sent as a header, and win over `authorization`.
        authorization: value of this header.
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
    """Return the header for the MLflow of the environment."""
    user, password = os.environ.get("MLFLOW_TRACKING_USERNAME"), os.environ.get("MLFLOW_TRACKING_PASSWORD")
    if user and password:
        return _basic(user, password)
    token = os.environ.get("MLFLOW_TRACKING_TOKEN")
    return f"Bearer {token}" if token else None


def database_fault(uri: str) -> str | None:
    """Return what is wrong with the database of an MLflow."""
    if uri.startswith(SQLITE):
        return _sqlite_fault(Path(uri.removeprefix(SQLITE)))
    scheme = uri.partition(":")[0]
    if scheme.partition("+")[0] not in DATABASES:
        return f"{scheme}: is no scheme that MLflow takes; write http(s)://, sqlite:/// or postgresql://"
    return _connection_fault(uri)


def is_looked_at(uri: str) -> bool:
    """Return whether the doctor can tell that this MLflow responds; not so for folders, services and plug-ins."""
    scheme = uri.partition(":")[0] if ":" in uri else ""
    plugins = {plugin.name for plugin in entry_points(group="mlflow.tracking_store")}
    return scheme not in plugins.union(NOT_LOOKED_AT)


def _without_user(url: str) -> tuple[str, str | None]:
    """Return an address without user and password, and the header that holds these."""
    parts = urlsplit(url)
    user, _, host = parts.netloc.rpartition("@")
    if not parts.hostname:
        raise ValueError("no host in the address")
    _ = parts.port  # raises ValueError where it is no number
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
    """Return what is wrong with a sqlite file, which is read as far as a few seconds allow; nothing is written."""
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
            [said] = connection.execute("PRAGMA quick_check(1)").fetchone()
        return None if said == "ok" else f"{database}: {said}; {sqlite_remedy('malformed')}"
    except AssayError as error:
        return str(error)
    except OSError as error:
        return disk_line(error, database)
    except sqlite3.Error as error:
        interrupted = "interrupted" in str(error)  # too large to be read to its end
        return None if interrupted else f"{database}: {error}; {sqlite_remedy(str(error)) or 'check the file'}"


def _folder_fault(database: Path) -> str | None:
    """Return why a database that is not there cannot be made."""
    folder = next(parent for parent in database.absolute().parents if parent.exists())
    if not folder.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(folder))
    if not os.access(folder, os.W_OK | os.X_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(folder))
    return None


def _write_nothing(connection: "sqlite3.Connection") -> None:
    """Begin a change and take it back: fails where the file or its folder is read-only."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        connection.execute("CREATE TABLE assay_doctor (x)")
    finally:
        connection.execute("ROLLBACK")
