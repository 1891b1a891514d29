"""Stop any command on Ctrl-C and SIGTERM: gracefully if possible, with one line, and always within seconds.

A signal raises `StoppedError` in the main thread, which cleans up unfinished work. A second thread receives the signal
at once, even while the main thread is in a library that does not return or has its own handler. It ends the processes
that the command has started, and after `LIMIT_S` the command itself.
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
import traceback
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import psutil

STOPPING = (signal.SIGINT, signal.SIGTERM)
LIMIT_S = 7.0  # supervisors such as systemd and Docker kill after ten seconds or more
REPEAT_S = 2.0  # `timeout` and terminals may signal both the process and its group; a user repeats Ctrl-C later
PAUSE_S = 0.3
LOOK_S = 1.0
REAP_S = 0.5
AGAIN = "run the same command again"

_notes: list[tuple[str, bool]] = [(AGAIN, False)]
_listening: list["_Stopper"] = []


class StoppedError(BaseException):
    """The user or the system stops the command. It is not an `Exception`, so that no error handler catches it."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number


@contextmanager
def stoppable() -> Iterator[None]:
    """Stop the block on a signal, print one line, and exit with 128 + the number of the signal, as shells do.

    A second signal at least two seconds later ends the process at once.
    """
    if threading.current_thread() is not threading.main_thread():  # Python calls handlers only in the main thread
        yield
        return
    _spare_forks()
    stopper = _Stopper()
    before = {number: signal.signal(number, stopper.handle) for number in STOPPING}
    fd_before = signal.set_wakeup_fd(stopper.listen(), warn_on_full_buffer=False)
    try:
        yield
    except BaseException as error:
        stopper.hear()
        if stopper.number is None:
            raise
        # A signal between a block and its generator leaves the generator suspended: its frame is what still holds it.
        traceback.clear_frames(error.__traceback__)
        # The exception may be of another kind, if a process of the command has ended first.
        stopper.echo()
        raise SystemExit(128 + stopper.number) from None
    finally:
        # A stopped command ends with its process, so its handlers and limit stay in place until then.
        if stopper.number is None:
            signal.set_wakeup_fd(fd_before)
            for number, handler in before.items():
                signal.signal(number, handler)
            stopper.close()


@contextmanager
def noting(note: str, *, listens: bool = False) -> Iterator[None]:
    """Print a note if a signal stops the block.

    Args:
        note: state of the work, and how to resume it.
        listens: whether the block has its own handlers, shuts down by itself, and raises the signal again after that.
    """
    _notes.append((note, listens))
    try:
        yield
    finally:
        for stopper in _listening:  # the second thread may not have read a signal of the block yet
            stopper.hear()
        _notes.pop()


@functools.cache
def _spare_forks() -> None:
    """Keep forked processes from writing to the socket of this one: a signal to them would stop the command."""
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=_hear_nothing)


def _hear_nothing() -> None:
    _listening.clear()
    if threading.current_thread() is threading.main_thread():
        signal.set_wakeup_fd(-1)


class _Stopper:
    """The state of a process with regard to the signal that stops it."""

    def __init__(self) -> None:
        self.number: int | None = None
        self._line = ""
        self._since = 0.0
        self._printed = self._raised = False
        self._pid = os.getpid()
        self._lock = threading.RLock()  # a handler interrupts the thread that holds it
        self._family: set[psutil.Process] = set()
        self._reader, self._writer = socket.socketpair()

    def listen(self) -> int:
        """Start the thread that receives signals, and return the descriptor that Python writes their numbers to."""
        for end in (self._reader, self._writer):
            end.setblocking(False)
        threading.Thread(target=self._watch, name="stopping", daemon=True).start()
        _listening.append(self)
        atexit.register(self._leave)  # first in, so last out
        return self._writer.fileno()

    def close(self) -> None:
        """Stop the thread."""
        _listening.remove(self)
        self._writer.close()
        atexit.unregister(self._leave)

    def handle(self, number: int, _: FrameType | None) -> None:
        """Raise `StoppedError` once, so that the cleanup is not interrupted."""
        if os.getpid() != self._pid:  # a forked process
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
            return
        if not self._is_woken():
            with suppress(OSError):  # a full socket means that the thread is awake
                self._writer.send(bytes([number]))
        self._begin(number)  # after that, what the thread finds is this signal, and after it a second one
        if not self._raised:
            self._raised = True
            raise StoppedError(number)

    def _is_woken(self) -> bool:
        """Return whether Python has written the signal to the socket; an event loop has a wakeup descriptor of its own.

        Python did so when the signal came. This thread may have been in a library for seconds since, so that the same
        signal, if sent again now, would look like a second one.
        """
        fd = signal.set_wakeup_fd(self._writer.fileno(), warn_on_full_buffer=False)
        if fd != self._writer.fileno():
            with suppress(OSError, ValueError):  # a loop that has been closed
                signal.set_wakeup_fd(fd, warn_on_full_buffer=False)
        return fd == self._writer.fileno()

    def echo(self) -> None:
        """Write the line with a system call, since a stream may be locked by now."""
        with self._lock:
            if self._printed:
                return
            self._printed = True
        terminal = os.dup(2)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # a progress bar in a thread would overwrite the line
        os.write(terminal, f"{self._clear(terminal)}{self._line}\n".encode())

    def _clear(self, terminal: int) -> str:
        """Return the codes that clear the line and show the cursor, which a progress bar may have hidden."""
        if not os.isatty(terminal):
            return ""
        # A terminal echoes ^C in the same line.
        return ("\n" if self.number == signal.SIGINT else "") + "\r\x1b[2K\x1b[?25h"

    def _leave(self) -> None:
        """Exit at once, since freeing memory would take seconds."""
        if self.number is not None:
            with suppress(OSError, ValueError):
                sys.stdout.flush()
            self._end_family(signal.SIGTERM)
            self._reap()
            self._end_now()

    def hear(self) -> bool:
        """Read the signals received so far; return False once the socket is closed."""
        with self._lock:
            try:
                received = self._reader.recv(64)
            except BlockingIOError:  # the other thread was first
                return True
            for number in received:
                if number in STOPPING and not _notes[-1][1]:
                    self._begin(number)
            return bool(received)

    def _begin(self, number: int) -> None:
        with self._lock:
            if self.number is not None:
                return
            self.number = number
            self._since = time.monotonic()
            self._line = f"assay: stopped by {signal.Signals(number).name}; {_notes[-1][0]}"
        _silence()

    def _watch(self) -> None:
        """Wait for the first signal, then end the processes of the command, and finally the command itself."""
        while self.number is None:
            select.select([self._reader], [], [], LOOK_S)  # the main thread may have read the signal already
            if not self.hear():
                self._reader.close()
                return
        self.hear()  # the first signal, if the main thread has handled it before this one looked
        while time.monotonic() < self._since + LIMIT_S:
            self._end_family(signal.SIGTERM)
            if select.select([self._reader], [], [], PAUSE_S)[0]:
                self.hear()
                if time.monotonic() > self._since + REPEAT_S:
                    break
        self.echo()
        self._end_now()

    def _end_family(self, number: signal.Signals) -> None:
        """Send a signal to the descendants of this process, including those that have lost their parent."""
        try:
            import psutil
        except ModuleNotFoundError:  # only the serving runtime is installed, which starts no processes
            return
        with suppress(psutil.Error):
            self._family.update(psutil.Process().children(recursive=True))
        for process in tuple(self._family):  # the other thread may add to it
            try:
                process.send_signal(number)
            except psutil.Error:
                continue

    def _end_now(self) -> None:
        with self._lock:  # both threads may come here, and only one of them ends the process
            self._end_family(signal.SIGKILL)
            self._reap()
            os._exit(128 + (self.number or 0))

    def _reap(self) -> None:
        with suppress(ImportError):
            import psutil

            psutil.wait_procs(tuple(self._family), timeout=REAP_S)


def _silence() -> None:
    """Suppress all output about errors that the stop causes."""
    logging.disable()
    warnings.simplefilter("ignore")
    threading.excepthook = _ignore
    sys.unraisablehook = _ignore


def _ignore(_: object) -> None:
    return
