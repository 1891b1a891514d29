"""Run Prefect's temporary server so that signals which stop the command do not reach it.

Prefect starts the server in the process group of the command, so that Ctrl-C ends it first, and the client retries its
requests for minutes. Here the server has its own session, ignores the signals that stop the command, and ends with the
process that started it.
"""

import os
import signal
import subprocess
import sys
import threading
from types import FrameType
from typing import Any

import uvicorn
from prefect.server.api.server import SubprocessASGIServer
from prefect.settings import get_current_settings

from assay.corpus.child_process import child_environment

APP = "prefect.server.api.server:create_app"
HOST = "127.0.0.1"
END_S = 2  # for the last requests and connections of the ending client


class DetachedServer(SubprocessASGIServer):
    """Prefect's server, detached from signals. Create it before the first client: Prefect has one per process."""

    def stop(self) -> None:
        """End the server by closing its stdin."""
        if self.server_process is not None and self.server_process.stdin is not None:
            self.server_process.stdin.close()
        super().stop()

    def _run_uvicorn_command(self) -> "subprocess.Popen[Any]":
        environment = {
            **child_environment(),
            **get_current_settings().to_environment_variables(exclude_unset=True),
            # As Prefect starts it: without the UI, and only with the services that a temporary server needs.
            "PREFECT_UI_ENABLED": "0",
            "PREFECT__SERVER_EPHEMERAL": "1",
            "PREFECT__SERVER_FINAL": "1",
        }
        command = [sys.executable, "-P", "-m", __name__, str(self.port)]
        return subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, start_new_session=True)  # noqa: S603  # this very module


class _Server(uvicorn.Server):
    """A server that ends when its stdin is closed."""

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Ignore signals."""

    def end_with_input(self) -> None:
        """Wait until stdin is closed, then shut down gracefully, or forcibly after `END_S`."""
        os.read(0, 1)
        # The reader of the output has ended or is ending.
        devnull = os.open(os.devnull, os.O_WRONLY)
        for stream in (1, 2):
            os.dup2(devnull, stream)
        self.should_exit = True
        threading.Event().wait(END_S)
        os._exit(0)


def main(port: int) -> None:
    """Serve Prefect's API on the loopback address; exit code 3 if the port is in use, as in uvicorn."""
    # Ignored from the start, since uvicorn only takes over after seconds of imports.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    config = uvicorn.Config(APP, factory=True, host=HOST, port=port, log_level="error", timeout_graceful_shutdown=1)
    server = _Server(config)
    threading.Thread(target=server.end_with_input, daemon=True).start()
    server.run()


if __name__ == "__main__":
    main(int(sys.argv[1]))
