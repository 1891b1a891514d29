"""Exit codes: each means one thing in all commands."""

from enum import IntEnum


class ExitCode(IntEnum):
    """How a command ended. A signal N ends a command with 128 + N: 130 for Ctrl-C, 143 for SIGTERM."""

    DONE = 0
    ERROR = 1
    BAD_USE = 2
    REFUSED = 3
    DIFFERS = 4
    PENDING = 5
    DRIFTED = 6


# What each code says, for the reference.
MEANINGS = {
    ExitCode.DONE: "done: the model is promoted, the rows are predicted, nothing needed is missing",
    ExitCode.ERROR: "an error, described in one line on stderr; or `doctor` misses something that is needed, or "
    "`validate` finds that a recipe is not ready, or `predict` could predict no row",
    ExitCode.BAD_USE: "an unknown command or option, or an invalid value of one; nothing was started",
    ExitCode.REFUSED: "the gate refused the model",
    ExitCode.DIFFERS: "a reproduction differs from its version",
    ExitCode.PENDING: "the gate passed the model, which waits for a person's approval",
    ExitCode.DRIFTED: "`monitor` found drift: a limit was exceeded",
    130: "stopped by Ctrl-C",
    143: "stopped by SIGTERM",
}
