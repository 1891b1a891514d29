"""MLflow's pages on a store, in the foreground: a server on the loopback address that ends with the command."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from assay.corpus.child_process import child_environment
from assay.corpus.errors import AssayError
from assay.deployments.reachable import http_fault
from assay.serving.http.listening import check_free

HOST = "127.0.0.1"
START_S = 120.0
POLL_S = 0.2
END_S = 5.0
LAST_LINES = 5


def server_command(store: Path, port: int) -> list[str]:
    """Return the arguments of Python that start an MLflow server on the loopback address."""
    address = ["--host", HOST, "--port", str(port), "--workers", "1"]
    return ["-m", "mlflow", "server", *address, "--artifacts-destination", str(store / "mlartifacts")]


def server_settings(database: str) -> dict[str, str]:
    """Return the environment variables of an MLflow server.

    The database is no argument, since other users can read commands, and addresses of databases contain passwords.
    Jobs evaluate prompts: they would be two more processes that nobody needs.
    """
    return {"MLFLOW_BACKEND_STORE_URI": database, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}


@contextmanager
def mlflow_server(database: str, store: Path, port: int) -> Iterator[tuple[str, "subprocess.Popen[bytes]"]]:
    """Run an MLflow server in the block.

    Args:
        database: sqlite address of the store.
        store: folder of the store; artifacts lie in it.
        port: a free port.

    Yields:
        The address of the pages, and the process.

    Raises:
        AssayError: the port is in use, or the server does not start; the line ends with its last output.
    """
    check_free(HOST, port, "--port")
    command = [sys.executable, *server_command(store.resolve(), port)]
    environment = {**child_environment(), **server_settings(database)}
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log)  # noqa: S603  # our own command
        try:
            address = f"http://{HOST}:{port}"
            _wait(process, address, log.fileno())
            yield address, process
        finally:
            _end(process)


def _wait(process: "subprocess.Popen[bytes]", address: str, log: int) -> None:
    until = time.monotonic() + START_S
    while http_fault(f"{address}/health") is not None:
        if process.poll() is not None or time.monotonic() > until:
            os.lseek(log, 0, os.SEEK_SET)
            lines = os.read(log, 1 << 20).decode(errors="replace").split("\n")
            last = " ".join(" ".join(lines[-LAST_LINES:]).split())
            raise AssayError(
                f"the MLflow server did not start: {last or '(no output)'}; run assay doctor, which checks the "
                "database and the packages"
            )
        time.sleep(POLL_S)


def _end(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    try:
        process.wait(END_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
