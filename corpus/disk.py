"""A disk that is full, or that may not be written to: one line that says where, and what to do."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from corpus.errors import AssayError

DISK_ERRORS = {
    *(errno.ENOSPC, errno.EDQUOT, errno.EFBIG),  # full
    *(errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOTDIR),  # no place to write to
}


def disk_line(error: OSError, where: Path | str) -> str:
    """What to tell of an error of `DISK_ERRORS`; `where` is for those that name no file."""
    return f"{error.filename or where}: {error.strerror}; free some room or name another place, then start again"


@contextmanager
def writing_to(where: Path | str) -> Iterator[None]:
    """Turn errors of the disk into one line.

    Raises:
        AssayError: it is full, or may not be written to.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in DISK_ERRORS:
            raise
        raise AssayError(disk_line(error, where)) from error
