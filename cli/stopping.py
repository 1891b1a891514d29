"""Ctrl-C and SIGTERM end a long command as an error would: what is unfinished is cleared away."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import typer

STOPPING = (signal.SIGINT, signal.SIGTERM)


class StoppedError(BaseException):
    """The user or the system wants the command to end; no handler of errors may take it for one."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number


@contextmanager
def stoppable(remark: str) -> Iterator[None]:
    """Leave the block when a signal asks to, say so with a remark, and exit with 128 + its number as shells do.

    A second signal kills.
    """
    before = {number: signal.signal(number, _stop) for number in STOPPING}
    try:
        yield
    except StoppedError as stopped:
        typer.echo(f"assay: stopped by {stopped}; {remark}", err=True)
        raise typer.Exit(128 + stopped.number) from None
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _stop(number: int, _: FrameType | None) -> None:
    for one in STOPPING:
        signal.signal(one, signal.SIG_DFL)
    raise StoppedError(number)
