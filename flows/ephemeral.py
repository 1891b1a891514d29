"""Prefect's temporary server for a command without a configured one: started once, early, and in the background.

The server imports Prefect for seconds, as the command does, so both start at the same time. This module imports nothing
of Prefect for that reason. Prefect would start the server later, and in the process group of the command: Ctrl-C would
end it first, and the client would retry its requests for minutes. Here the server has its own session, ignores the
signals that stop the command, and ends with the process that started it.
"""

import atexit
import os
import socket
import subprocess
import sys
import tempfile
import time
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException

from assay.corpus.child_process import child_environment
from assay.corpus.errors import AssayError

HOST = "127.0.0.1"
SERVER = "assay.flows.server_process"
POLL_S, END_S = 0.1, 5.0
# As Prefect starts it: without the UI, and only with the services that a temporary server needs.
SETTINGS = {"PREFECT_UI_ENABLED": "0", "PREFECT__SERVER_EPHEMERAL": "1", "PREFECT__SERVER_FINAL": "1"}
ANALYTICS = "PREFECT_SERVER_ANALYTICS_ENABLED"

_started: list["TemporaryServer"] = []


class TemporaryServer:
    """A server that is starting or running. It listens from the start; a request waits until it can respond."""

    def __init__(self) -> None:
        """Start the server, and return at once."""
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115  # closed by stop; read if it ends too early
        with socket.create_server((HOST, 0)) as listener:
            self._port = listener.getsockname()[1]
            environment = {ANALYTICS: "false", **child_environment(), **SETTINGS}
            self._process = subprocess.Popen(  # noqa: S603  # our own module
                [sys.executable, "-P", "-m", SERVER, str(listener.fileno())],
                env=environment,
                stdin=subprocess.PIPE,
                stderr=self._errors,
                start_new_session=True,
                pass_fds=[listener.fileno()],
            )

    def wait(self, seconds: float) -> None:
        """Wait until the server responds.

        Raises:
            AssayError: it has ended, or does not respond in time.
        """
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            if (code := self._process.poll()) is not None:
                raise AssayError(
                    f"Prefect's temporary server has ended with exit code {code} ({self._last_error()}); repair that, "
                    "or name a server in PREFECT_API_URL"
                )
            if self._responds(until - time.monotonic()):
                return
            time.sleep(POLL_S)
        raise AssayError(
            f"Prefect's temporary server did not respond within {seconds:.0f} s; allow it more in "
            "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS, or name a server in PREFECT_API_URL"
        )

    @property
    def address(self) -> str:
        """Return the value of PREFECT_API_URL for this server."""
        return f"http://{HOST}:{self._port}/api"

    def stop(self) -> None:
        """End the server by closing its stdin."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            self._process.wait(END_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._errors.close()

    def _responds(self, seconds: float) -> bool:
        # Without urllib, which would ask a proxy.
        connection = HTTPConnection(HOST, self._port, timeout=seconds)
        try:
            connection.request("GET", "/api/health")
            return connection.getresponse().status == HTTPStatus.OK
        except (OSError, HTTPException):
            return False
        finally:
            connection.close()

    def _last_error(self) -> str:
        self._errors.seek(0)
        lines = self._errors.read().decode(errors="replace").split("\n")
        return next((line.strip() for line in reversed(lines) if line.strip()), "no output")


def start_early() -> None:
    """Start the server before Prefect is imported, unless the environment names one.

    A server that a profile of Prefect names is known later: then the temporary one ends by itself.
    """
    if "prefect" not in sys.modules and not os.environ.get("PREFECT_API_URL"):
        start()


def start() -> TemporaryServer:
    """Start the server, or return the one of this process; it ends after everything else that exits with Python."""
    if not _started:
        _started.append(TemporaryServer())
        # Registered before Prefect registers the sending of its last logs and events, and therefore called after it.
        atexit.register(stop)
    return _started[0]


def address() -> str | None:
    """Return the address of the server of this process; None if there is none."""
    return _started[0].address if _started else None


def stop() -> None:
    """End the server of this process, if there is one."""
    while _started:
        _started.pop().stop()
