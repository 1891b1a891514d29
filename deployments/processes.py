"""Background processes that outlive the command that starts them: logged, found again later, and stopped in order."""

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

TERM_S = 30.0  # time for a process to exit after SIGTERM
LAST_LINES = 15


class ProcessRecord(BaseModel):
    """Name, PID and start time of a process; the start time tells apart processes with the same PID."""

    name: str
    pid: int
    started: float

    def process(self) -> psutil.Process | None:
        """Return the process; None if it has ended."""
        try:
            process = psutil.Process(self.pid)
            alive = process.create_time() == self.started and process.status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return None
        return process if alive else None


class Processes:
    """Named processes, whose records and logs are in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def start(self, name: str, command: Sequence[str], environment: Mapping[str, str]) -> None:
        """Start a process in a session of its own, so that Ctrl-C or a closed terminal does not end it."""
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
        process.returncode = 0  # it outlives this process: suppress the warning of Python that nobody waits for it
        record = ProcessRecord(name=name, pid=process.pid, started=psutil.Process(process.pid).create_time())
        with atomic_path(self.folder / f"{name}.json") as partial:
            partial.write_text(record.model_dump_json(), encoding="utf-8")

    def running(self) -> list[ProcessRecord]:
        """Return the records of running processes, in the order of their start."""
        records = [ProcessRecord.model_validate_json(path.read_bytes()) for path in self.folder.glob("*.json")]
        return sorted((record for record in records if record.process()), key=lambda record: record.started)

    def wait_until(self, name: str, ready: Callable[[], bool], seconds: float) -> None:
        """Wait until a process is ready.

        Raises:
            AssayError: the process has ended, or is not ready in time; the error contains its last lines.
        """
        until = time.monotonic() + seconds
        while not ready():
            alive = any(record.name == name for record in self.running())
            if not alive or time.monotonic() > until:
                state = f"is not ready after {seconds:.0f} s" if alive else "has ended"
                output = self._last_lines(name) or "(no output)"
                raise AssayError(f"{name} {state}; fix the error at the end of {self.log(name)}: {output}")
            time.sleep(0.2)

    def stop(self, seconds: float = TERM_S) -> list[str]:
        """Stop all processes and their children, the latest first, and return their names.

        Args:
            seconds: time for each process to exit after SIGTERM.
        """
        running = self.running()[::-1]
        for record in running:
            if (process := record.process()) is not None:
                _stop(process, seconds)
        for path in self.folder.glob("*.json"):
            path.unlink()
        return [record.name for record in running]

    def log(self, name: str) -> Path:
        """Return the path of the log of a process."""
        return self.folder / f"{name}.log"

    def _last_lines(self, name: str) -> str:
        lines = self.log(name).read_text(encoding="utf-8", errors="replace").splitlines()
        return " / ".join(line.strip() for line in lines[-LAST_LINES:] if line.strip())[-1000:]


def _stop(process: psutil.Process, seconds: float) -> None:
    """Send SIGTERM to a process, and SIGKILL to it and its children if they do not exit."""
    try:
        family = [process, *process.children(recursive=True)]
        process.send_signal(signal.SIGTERM)
    except psutil.NoSuchProcess:
        return
    psutil.wait_procs([process], timeout=seconds)
    for member in family:
        if member.is_running():
            member.kill()
    psutil.wait_procs(family, timeout=TERM_S)
