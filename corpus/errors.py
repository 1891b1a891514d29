"""The error that a person can mend, and what a foreign one says in a line."""


class AssayError(Exception):
    """Bad input or surroundings: one line that names the key or row, the value and the remedy.

    The command line prints it without a traceback and ends with code 1; whatever was there before
    is left as it was.
    """


class DataError(AssayError):
    """The data themselves are at fault: whoever mends them wants them read again, not a snapshot of before."""


def first_line(error: BaseException, most: int = 300) -> str:
    """What an error says first, in at most so many characters; its type where it says nothing."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:most]
