"""Errors that a user can fix, and one-line summaries of other errors."""


class AssayError(Exception):
    """Invalid input or environment: one line that names the key or row, the value and the remedy.

    The command line prints it without a traceback and exits with code 1; existing files
    stay as they were.
    """


class DataError(AssayError):
    """Invalid data: once they are fixed, the source must be read again instead of an earlier snapshot."""


def first_line(error: BaseException, most: int = 300) -> str:
    """Return the first line of an error, at most `most` characters long; its type where it has no message."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:most]
