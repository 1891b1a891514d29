"""The temporary server that Prefect starts where none is named, out of the reach of signals that end the command.

Prefect starts it in the process group of its caller, so that Ctrl-C ends it first, and the client asks it for minutes
what to do with the run. Here it lives in a session of its own, hears no signal that asks it to end, and ends with the
process that started it, however that ends.
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
END_S = 2  # for requests and connections of a client that ends, too


class DetachedServer(SubprocessASGIServer):
    """Made before the first client is, it is the one that Prefect starts: there is one for each process."""

    def stop(self) -> None:
        """End the server by closing what it reads from."""
        if self.server_process is not None and self.server_process.stdin is not None:
            self.server_process.stdin.close()
        super().stop()

    def _run_uvicorn_command(self) -> "subprocess.Popen[Any]":
        environment = {
            **child_environment(),
            **get_current_settings().to_environment_variables(exclude_unset=True),
            # As Prefect starts it: without pages, and with the services alone that a temporary one needs.
            "PREFECT_UI_ENABLED": "0",
            "PREFECT__SERVER_EPHEMERAL": "1",
            "PREFECT__SERVER_FINAL": "1",
        }
        command = [sys.executable, "-m", __name__, str(self.port)]
        return subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, start_new_session=True)  # noqa: S603  # this very module


class _Server(uvicorn.Server):
    """Ends when its input does."""

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Hear no signal."""

    def end_with_input(self) -> None:
        """Wait for the end of the input, then end in order, or soon."""
        os.read(0, 1)
        # Whoever read it is gone, or ends.
        nothing = os.open(os.devnull, os.O_WRONLY)
        for stream in (1, 2):
            os.dup2(nothing, stream)
        self.should_exit = True
        threading.Event().wait(END_S)
        os._exit(0)


def main(port: int) -> None:
    """Serve Prefect's API on the loopback; exit code 3 where the port is taken, as uvicorn has it."""
    # Before uvicorn takes over, which is seconds of imports later.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    config = uvicorn.Config(APP, factory=True, host=HOST, port=port, log_level="error", timeout_graceful_shutdown=1)
    server = _Server(config)
    threading.Thread(target=server.end_with_input, daemon=True).start()
    server.run()


if __name__ == "__main__":
    main(int(sys.argv[1]))
