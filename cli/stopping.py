"""Ctrl-C and SIGTERM end any command: in order where it can, in one line, and within seconds whatever holds it up.

A signal raises `StoppedError` in the main thread, which clears away what is unfinished. A thread beside it hears of
the signal at once, even while the main thread is in a library that does not return or has set a handler of its own. It
ends the processes that the command has started, and after `LIMIT_S` the command itself.
"""

import atexit
import functools
import logging
import os
import select
import signal
import socket
import sys
import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import psutil

STOPPING = (signal.SIGINT, signal.SIGTERM)
LIMIT_S = 7.0  # supervisors such as systemd and Docker kill after ten seconds and more
REPEAT_S = 2.0  # `timeout` and terminals may send a signal to the process and to its group; a person waits longer
PAUSE_S = 0.3
LOOK_S = 1.0
REAP_S = 0.5
AGAIN = "run the same command again"

_notes: list[tuple[str, bool]] = [(AGAIN, False)]
_listening: list["_Stopper"] = []


class StoppedError(BaseException):
    """The user or the system wants the command to end; no handler of errors may take it for one."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number


@contextmanager
def stoppable() -> Iterator[None]:
    """End the block when a signal asks to, say so in one line, and exit with 128 + its number as shells do.

    A second signal, two seconds later or more, ends the process at once.
    """
    if threading.current_thread() is not threading.main_thread():  # Python calls no handlers elsewhere
        yield
        return
    _spare_forks()
    stopper = _Stopper()
    before = {number: signal.signal(number, stopper.handle) for number in STOPPING}
    fd_before = signal.set_wakeup_fd(stopper.listen(), warn_on_full_buffer=False)
    try:
        yield
    except BaseException:
        stopper.hear()
        if stopper.number is None:
            raise
        # Whatever came of it: a process of the command that has ended, too, may have been first.
        stopper.echo()
        raise SystemExit(128 + stopper.number) from None
    finally:
        # A command that was stopped ends with the process, and so do the limit and the deaf ears for more signals.
        if stopper.number is None:
            signal.set_wakeup_fd(fd_before)
            for number, handler in before.items():
                signal.signal(number, handler)
            stopper.close()


@contextmanager
def noting(note: str, *, listens: bool = False) -> Iterator[None]:
    """Say this where a signal ends the block.

    Args:
        note: what has become of the work, and how to go on.
        listens: the block has handlers of its own, ends in its own time, and raises the signal again behind that.
    """
    _notes.append((note, listens))
    try:
        yield
    finally:
        for stopper in _listening:  # what has come in the block, the thread beside it may not have read yet
            stopper.hear()
        _notes.pop()


@functools.cache
def _spare_forks() -> None:
    """Let a forked process write nothing into the socket of this one: a signal to it alone would end the command."""
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=_hear_nothing)


def _hear_nothing() -> None:
    _listening.clear()
    if threading.current_thread() is threading.main_thread():
        signal.set_wakeup_fd(-1)


class _Stopper:
    """What a process knows of the signal that ends it."""

    def __init__(self) -> None:
        self.number: int | None = None
        self._line = ""
        self._since = 0.0
        self._said = self._raised = False
        self._pid = os.getpid()
        self._lock = threading.RLock()  # a handler interrupts the thread that holds it
        self._family: set[psutil.Process] = set()
        self._reader, self._writer = socket.socketpair()

    def listen(self) -> int:
        """Start the thread that hears of signals; gives where Python is to write their numbers."""
        for end in (self._reader, self._writer):
            end.setblocking(False)
        threading.Thread(target=self._watch, name="stopping", daemon=True).start()
        _listening.append(self)
        atexit.register(self._leave)  # first in, so last out
        return self._writer.fileno()

    def close(self) -> None:
        """End the thread."""
        _listening.remove(self)
        self._writer.close()
        atexit.unregister(self._leave)

    def handle(self, number: int, _: FrameType | None) -> None:
        """Raise `StoppedError`, once: what is cleared away meanwhile is not interrupted."""
        if os.getpid() != self._pid:  # a forked process
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
            return
        self._begin(number)
        with suppress(OSError):  # full, so that the thread is awake
            self._writer.send(bytes([number]))  # event loops take what wakes the thread for themselves
        if not self._raised:
            self._raised = True
            raise StoppedError(number)

    def echo(self) -> None:
        """Write the one line, past all that might hold a lock by now."""
        with self._lock:
            if self._said:
                return
            self._said = True
        terminal = os.dup(2)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # a bar that lives on in a thread would write over the line
        os.write(terminal, f"{self._clear(terminal)}{self._line}\n".encode())

    def _clear(self, terminal: int) -> str:
        """What leaves the line to itself: a bar may stand where the cursor is, and may have hidden it."""
        if not os.isatty(terminal):
            return ""
        # What a terminal shows of the key stands in the same line.
        return ("\n" if self.number == signal.SIGINT else "") + "\r\x1b[2K\x1b[?25h"

    def _leave(self) -> None:
        """Skip the rest, which frees memory for seconds."""
        if self.number is not None:
            with suppress(OSError, ValueError):
                sys.stdout.flush()
            self._end_family(signal.SIGTERM)
            self._reap()
            self._end_now()

    def hear(self) -> bool:
        """Read which signals have come; False once none can come any more."""
        with self._lock:
            try:
                heard = self._reader.recv(64)
            except BlockingIOError:  # the other thread was first
                return True
            for number in heard:
                if number in STOPPING and not _notes[-1][1]:
                    self._begin(number)
            return bool(heard)

    def _begin(self, number: int) -> None:
        with self._lock:
            if self.number is not None:
                return
            self.number = number
            self._since = time.monotonic()
            self._line = f"assay: stopped by {signal.Signals(number).name}; {_notes[-1][0]}"
        _be_silent()

    def _watch(self) -> None:
        """Wait for the first signal, then end what the command has started, and at last the command."""
        while self.number is None:
            select.select([self._reader], [], [], LOOK_S)  # the main thread may have read what came
            if not self.hear():
                self._reader.close()
                return
        while time.monotonic() < self._since + LIMIT_S:
            self._end_family(signal.SIGTERM)
            if select.select([self._reader], [], [], PAUSE_S)[0]:
                self.hear()
                if time.monotonic() > self._since + REPEAT_S:
                    break
        self.echo()
        self._end_now()

    def _end_family(self, number: signal.Signals) -> None:
        """Send a signal to the processes below this one, and to those that have lost their parent meanwhile."""
        try:
            import psutil
        except ModuleNotFoundError:  # the serving runtime alone, which starts none
            return
        with suppress(psutil.Error):
            self._family.update(psutil.Process().children(recursive=True))
        for process in self._family:
            try:
                process.send_signal(number)
            except psutil.Error:
                continue

    def _end_now(self) -> None:
        self._end_family(signal.SIGKILL)
        self._reap()
        os._exit(128 + (self.number or 0))

    def _reap(self) -> None:
        with suppress(ImportError):
            import psutil

            psutil.wait_procs(self._family, timeout=REAP_S)


def _be_silent() -> None:
    """Let nothing be said of what breaks because the command ends."""
    logging.disable()
    warnings.simplefilter("ignore")
    threading.excepthook = _say_nothing
    sys.unraisablehook = _say_nothing


def _say_nothing(_: object) -> None:
    return
