"""The error that a person can mend."""


class AssayError(Exception):
    """Bad input or surroundings: one line that names the key or row, the value and the remedy.

    The command line prints it without a traceback and ends with code 1; whatever was there before
    is left as it was.
    """


class DataError(AssayError):
    """The data themselves are at fault: whoever mends them wants them read again, not a snapshot of before."""
