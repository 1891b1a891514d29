"""`assay serve` as a process, as people start it."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from tests.ports import free_port

ROOT = Path(__file__).parent.parent
PATIENCE_S = 300  # a busy machine is no fault of the server


class Server:
    """A server on a port of its own that can be killed and started again."""

    def __init__(self, bundle: Path, log: Path, *options: str, cwd: Path | None = None, **environment: str) -> None:
        self.port = free_port()
        self.log = log
        patient = ["--deadline", str(PATIENCE_S)]  # for tests that name no other one
        place = ["--model", str(bundle), "--port", str(self.port)]
        self._command = ["serve", *place, "--threads", "1", *patient, *options]
        self._environment = {**os.environ, "PYTHONPATH": str(ROOT), **environment}
        self._cwd = cwd
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it, and wait until it is ready."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "assay.cli", *self._command],
                cwd=self._cwd,
                env=self._environment,
                stdout=log,
                stderr=log,
            )
        until = time.monotonic() + PATIENCE_S
        while not self._ready():
            text = self.log.read_text(encoding="utf-8")
            assert self._process.poll() is None, text
            assert time.monotonic() < until, text
            time.sleep(0.1)

    def kill(self) -> None:
        """End it at once, with SIGKILL."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def terminate(self) -> None:
        """Ask it to end in order, with SIGTERM."""
        if self._process is not None:
            self._process.terminate()

    def _ready(self) -> bool:
        try:
            return httpx.get(f"{self.url}/v2/health/ready").status_code == 200
        except httpx.TransportError:
            return False


@contextmanager
def serving(bundle: Path, log: Path, *options: str, cwd: Path | None = None, **environment: str) -> Iterator[Server]:
    """A server that is ready, and ended behind the block."""
    server = Server(bundle, log, *options, cwd=cwd, **environment)
    try:
        server.start()
        yield server
    finally:
        server.kill()
