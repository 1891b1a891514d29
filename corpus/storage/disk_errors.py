"""Disk and sqlite errors as one line with the path, the reason and a remedy."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from assay.corpus.errors import AssayError, first_line

_FULL = "free some space or name another place, then start again"
_FORBIDDEN = "change the permissions or the owner, or name another place"
_BLOCKED = "move what is there away, or name another place"
_REMEDIES = {
    errno.ENOSPC: _FULL,
    errno.EDQUOT: _FULL,
    errno.EFBIG: "the file system or a limit (ulimit -f) allows no larger file; name another place",
    errno.EROFS: "mount it for writing, or name another place",
    errno.EACCES: _FORBIDDEN,
    errno.EPERM: _FORBIDDEN,
    errno.ENOTDIR: "a file exists where a folder is needed; move it away, or name another place",
    errno.EISDIR: "a folder exists where a file is needed; name a file",
    errno.ENAMETOOLONG: "use a shorter name",
    errno.ELOOP: "the link points to itself; remove it, or name another place",
    errno.EMFILE: "allow more open files (ulimit -n)",
    errno.EIO: "the disk has failed; check it, or name another place",
    errno.EEXIST: _BLOCKED,
    errno.ENOTEMPTY: _BLOCKED,
    errno.ENOENT: "check the path",
}
# These may also be defects of Assay: inside a step they are not user errors unless the command ends with them.
_AMBIGUOUS = {errno.EEXIST, errno.ENOTEMPTY, errno.ENOENT}
DISK_ERRORS = _REMEDIES.keys() - _AMBIGUOUS
_SQLITE_REMEDIES = {
    "not a database": "restore it from a backup, or move it away and start with an empty one",
    "malformed": "restore it from a backup, or move it away and start with an empty one",
    "encrypted": "restore it from a backup, or move it away and start with an empty one",
    "locked": "another process holds it; wait for that process, or end it",
    "readonly": _FORBIDDEN,
    "unable to open": "check that it is a file, its permissions and those of its folder",
    "full": _FULL,
    "disk i/o": "the disk has failed or is full; check it",
}


def disk_line(error: OSError, where: Path | str) -> str:
    """Return the line for a disk error; `where` is used if the error names no file."""
    remedy = _REMEDIES.get(error.errno or 0, "check the place")
    return f"{error.filename or where}: {error.strerror}; {remedy}"


def sqlite_remedy(message: str) -> str | None:
    """Return the remedy for an error message of sqlite; None if the caller is at fault."""
    message = message.lower()
    return next((remedy for part, remedy in _SQLITE_REMEDIES.items() if part in message), None)


def user_line(error: BaseException) -> str | None:
    """Return the line for an error that a user can fix; None for a defect."""
    if isinstance(error, AssayError):
        return str(error)
    if isinstance(error, OSError):
        known = error.errno in DISK_ERRORS or (error.errno in _AMBIGUOUS and error.filename)
        return disk_line(error, "the disk") if known else None
    return _sqlite_line(error)


def check_database(path: Path) -> None:
    """Check that sqlite can read a file, if it exists.

    Raises:
        AssayError: sqlite cannot read it.
    """
    import sqlite3  # some builds of Python lack it

    if not path.exists():
        return
    try:
        connection = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)
        try:
            connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        finally:
            connection.close()
    except sqlite3.Error as error:
        raise AssayError(f"{path}: {error}; {sqlite_remedy(str(error)) or 'check the file'}") from error


@contextmanager
def writing_to(where: Path | str) -> Iterator[None]:
    """Convert disk errors to one line.

    Raises:
        AssayError: the disk is full or not writable.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in DISK_ERRORS:
            raise
        raise AssayError(disk_line(error, where)) from error


def _sqlite_line(error: BaseException) -> str | None:
    """Return the line for an error of sqlite, also when SQLAlchemy wraps it."""
    original = getattr(error, "orig", None) or error
    if type(original).__module__ != "sqlite3":
        return None
    reason = first_line(original)
    remedy = sqlite_remedy(reason)
    return f"a sqlite database: {reason}; {remedy} (assay doctor shows which)" if remedy else None
