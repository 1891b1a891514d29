"""`assay` in a terminal of its own: keys, signals, and what is left over."""

import os
import pty
import re
import select
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from tests.processes import children_of, command_of
from tests.servers import ROOT

PATIENCE_S = 300  # a busy machine is no fault of the command
CTRL_C = b"\x03"
CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")  # colours, moves, erasures


class Terminal:
    """A command in the foreground of a pseudo-terminal."""

    def __init__(self, words: list[str], folder: Path, **environment: str) -> None:
        variables = {**os.environ, "PYTHONPATH": str(ROOT), "PREFECT_HOME": str(folder / "prefect"), **environment}
        for name in ("MLFLOW_TRACKING_URI", "PREFECT_API_URL"):
            if name not in environment:
                variables.pop(name, None)
        self.pid, self._terminal = pty.fork()
        if self.pid == 0:
            os.chdir(folder)
            os.execve(sys.executable, [sys.executable, "-m", "assay.cli", *words], variables)  # noqa: S606  # ourselves
        self.code: int | None = None
        self._shown = b""

    @property
    def shown(self) -> str:
        """What the terminal has shown so far."""
        while select.select([self._terminal], [], [], 0)[0]:
            try:
                self._shown += os.read(self._terminal, 65536)
            except OSError:  # nobody holds the other end any more
                break
        return self._shown.decode(errors="replace").replace("\r\n", "\n")

    def poll(self) -> int | None:
        """The exit code, once there is one."""
        if self.code is None:
            ended, status = os.waitpid(self.pid, os.WNOHANG)
            self.code = os.waitstatus_to_exitcode(status) if ended else None
        return self.code

    def wait_until(self, reached: Callable[[], object]) -> None:
        """Wait while the command works."""
        until = time.monotonic() + PATIENCE_S
        while not reached():
            assert self.poll() is None, self.shown
            assert time.monotonic() < until, self.shown
            time.sleep(0.02)

    def wait(self) -> int:
        """Wait for the end."""
        until = time.monotonic() + PATIENCE_S
        while (code := self.poll()) is None:
            assert time.monotonic() < until, self.shown
            self.shown  # noqa: B018  # a terminal that nobody reads holds the command up
            time.sleep(0.02)
        return code

    def press_ctrl_c(self) -> None:
        """Press the key, which reaches the process group in the foreground."""
        os.write(self._terminal, CTRL_C)

    def family(self) -> list[psutil.Process]:
        """Every process below the command."""
        return children_of(self.pid)

    def commands(self) -> list[list[str]]:
        """The command line of every process below the command."""
        return [command_of(process) for process in self.family()]

    def close(self) -> None:
        """End what is left."""
        if self.poll() is None:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        os.close(self._terminal)


@contextmanager
def terminal(words: list[str], folder: Path, **environment: str) -> Iterator[Terminal]:
    """A command in a terminal that is closed behind the block."""
    opened = Terminal(words, folder, **environment)
    try:
        yield opened
    finally:
        opened.close()


def check_stopped(opened: Terminal, stop: Callable[[], object], number: signal.Signals, note: str) -> None:
    """Stop a command: it ends in seconds, with one line and the exit code of shells, and leaves no process."""
    before, shown = opened.family(), opened.shown
    begun = time.monotonic()
    stop()
    code, seconds = opened.wait(), time.monotonic() - begun
    said = opened.shown.removeprefix(shown)
    assert code == 128 + number, opened.shown
    assert seconds < 60, opened.shown
    assert last_line(said) == f"assay: stopped by {number.name}; {note}", said
    assert "Traceback" not in opened.shown
    assert [one for one in before if lives(one)] == []
    assert [one.pid for one in psutil.process_iter() if _group(one.pid) == opened.pid] == []


def last_line(said: str) -> str:
    """The last line that a reader sees: bars return to its begin, and erase it."""
    seen = [CONTROL.sub("", line).rpartition("\r")[2] for line in said.split("\n")]
    return next(line for line in reversed(seen) if line.strip("^C "))


def lives(process: psutil.Process) -> bool:
    """Whether a process still does anything; one that lost its parent may wait for init."""
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def _group(pid: int) -> int | None:
    try:
        return os.getpgid(pid)
    except ProcessLookupError:
        return None
