"""Processes that go on behind the command that started them: started with a log, found again, ended in order."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import psutil
from pydantic import BaseModel

from assay.corpus.errors import AssayError
from assay.corpus.storage.atomic import atomic_path

TERM_S = 30.0  # how long a process may take to end in order
LAST_LINES = 15


class Started(BaseModel):
    """A process by its number and the time it began: numbers come again."""

    name: str
    pid: int
    began: float

    def process(self) -> psutil.Process | None:
        """The process, if it is there and the same one."""
        try:
            found = psutil.Process(self.pid)
            alive = found.create_time() == self.began and found.status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return None
        return found if alive else None


class Processes:
    """Named processes of a folder, which keeps their numbers and logs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def start(self, name: str, command: Sequence[str], environment: Mapping[str, str]) -> None:
        """Start one in a session of its own, so that a closed terminal or Ctrl-C ends none."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with self.log(name).open("ab") as log:
            process = subprocess.Popen(  # noqa: S603  # our own commands
                command,
                env={**os.environ, **environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        process.returncode = 0  # it goes on without us: Python need not warn that nobody waits for it
        started = Started(name=name, pid=process.pid, began=psutil.Process(process.pid).create_time())
        with atomic_path(self.folder / f"{name}.json") as partial:
            partial.write_text(started.model_dump_json(), encoding="utf-8")

    def running(self) -> list[Started]:
        """Those that live, in the order of their start."""
        kept = [Started.model_validate_json(path.read_bytes()) for path in self.folder.glob("*.json")]
        return sorted((one for one in kept if one.process()), key=lambda one: one.began)

    def wait_until(self, name: str, ready: Callable[[], bool], seconds: float) -> None:
        """Wait until a process does its work.

        Raises:
            AssayError: it ended, or needs longer; with its last lines.
        """
        until = time.monotonic() + seconds
        while not ready():
            alive = any(one.name == name for one in self.running())
            if not alive or time.monotonic() > until:
                what = f"is not ready after {seconds:.0f} s" if alive else "ended"
                raise AssayError(f"{name} {what}; {self.log(name)} says: {self._last_lines(name)}")
            time.sleep(0.2)

    def stop(self, seconds: float = TERM_S) -> list[str]:
        """End all, the youngest first, with whatever they started; gives their names.

        Args:
            seconds: how long each may take to end in order.
        """
        running = self.running()[::-1]
        for one in running:
            if (process := one.process()) is not None:
                _end(process, seconds)
        for path in self.folder.glob("*.json"):
            path.unlink()
        return [one.name for one in running]

    def log(self, name: str) -> Path:
        """What a process says."""
        return self.folder / f"{name}.log"

    def _last_lines(self, name: str) -> str:
        lines = self.log(name).read_text(encoding="utf-8", errors="replace").splitlines()
        return " / ".join(line.strip() for line in lines[-LAST_LINES:] if line.strip())[-1000:]


def _end(process: psutil.Process, seconds: float) -> None:
    """SIGTERM, and SIGKILL for what does not end; children that outlive their parent are ended, too."""
    try:
        family = [process, *process.children(recursive=True)]
        process.send_signal(signal.SIGTERM)
    except psutil.NoSuchProcess:
        return
    psutil.wait_procs([process], timeout=seconds)
    for one in family:
        if one.is_running():
            one.kill()
    psutil.wait_procs(family, timeout=TERM_S)
