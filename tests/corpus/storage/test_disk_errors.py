import errno
import os
import sqlite3
from pathlib import Path

import pytest
from sqlalchemy.exc import OperationalError

from assay.corpus.errors import AssayError
from assay.corpus.storage.disk_errors import (
    DISK_ERRORS,
    check_database,
    disk_line,
    sqlite_remedy,
    user_line,
    writing_to,
)


def disk_error(number: int, name: str | None = None) -> OSError:
    return OSError(number, os.strerror(number), name)


def test_disk_line_names_the_file_of_the_error_before_the_place() -> None:
    assert disk_line(disk_error(errno.ENOSPC, "/data/rows"), "/data") == (
        "/data/rows: No space left on device; free some space or name another place, then start again"
    )
    assert disk_line(disk_error(errno.EROFS), Path("/data")).startswith("/data: Read-only file system; mount it")
    assert disk_line(disk_error(errno.EBUSY), "/data") == "/data: Device or resource busy; check the place"


@pytest.mark.parametrize("number", sorted(DISK_ERRORS), ids=errno.errorcode.get)
def test_user_line_has_a_remedy_for_every_disk_error(number: int) -> None:
    line = user_line(disk_error(number))
    assert line is not None
    assert line.startswith(f"the disk: {os.strerror(number)}; ")


@pytest.mark.parametrize("number", [errno.EEXIST, errno.ENOTEMPTY, errno.ENOENT])
def test_user_line_blames_the_user_for_a_missing_file_only_if_the_error_names_it(number: int) -> None:
    assert user_line(disk_error(number)) is None
    assert (user_line(disk_error(number, "rows.jsonl")) or "").startswith("rows.jsonl: ")


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (AssayError("source.path is missing"), "source.path is missing"),
        (ConnectionResetError(errno.ECONNRESET, "reset"), None),
        (ValueError("a defect"), None),
        (
            sqlite3.OperationalError("database is locked\nmore"),
            "a sqlite database: database is locked; another process holds it; wait for that process, or end it "
            "(assay doctor shows which)",
        ),
        (sqlite3.OperationalError("no such column: x"), None),
        (
            OperationalError("SELECT 1", {}, sqlite3.DatabaseError("database disk image is malformed")),
            "a sqlite database: database disk image is malformed; restore it from a backup, or move it away and start "
            "with an empty one (assay doctor shows which)",
        ),
        (OperationalError("SELECT 1", {}, RuntimeError("database is locked")), None),  # of another database
    ],
)
def test_user_line_is_none_for_defects(error: BaseException, line: str | None) -> None:
    assert user_line(error) == line


@pytest.mark.parametrize(
    ("message", "part"),
    [
        ("file is not a database", "restore it from a backup"),
        ("attempt to write a readonly database", "change the permissions"),
        ("unable to open database file", "check that it is a file"),
        ("database or disk is full", "free some space"),
        ("disk I/O error", "the disk has failed or is full"),
    ],
)
def test_sqlite_remedy_knows_what_sqlite_says(message: str, part: str) -> None:
    assert (sqlite_remedy(message) or "").startswith(part)


def test_check_database_accepts_a_database_and_none(tmp_path: Path) -> None:
    path = tmp_path / "name with # and ?.db"
    check_database(path)
    assert not path.exists()
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE t (n)")
    connection.close()
    before = path.read_bytes()
    check_database(path)
    assert path.read_bytes() == before


def test_check_database_names_a_file_that_is_none(tmp_path: Path) -> None:
    path = tmp_path / "mlflow.db"
    path.write_bytes(b"no database" * 99)
    with pytest.raises(AssayError, match=r"mlflow\.db: file is not a database; restore it from a backup, or move"):
        check_database(path)


def test_writing_to_converts_disk_errors_alone() -> None:
    with (
        pytest.raises(AssayError, match=r"^/data: No space left on device; free some space") as caught,
        writing_to("/data"),
    ):
        raise disk_error(errno.ENOSPC)
    assert isinstance(caught.value.__cause__, OSError)
    with pytest.raises(FileNotFoundError), writing_to("/data"):
        raise disk_error(errno.ENOENT, "x")  # inside a step it may be a defect
    with pytest.raises(ValueError, match="a defect"), writing_to("/data"):
        raise ValueError("a defect")
