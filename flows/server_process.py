"""Serve Prefect's API in a process of its own: `python -m assay.flows.server_process FD`, started by `ephemeral`."""

import os
import signal
import socket
import sys
import threading
from collections.abc import Callable
from types import FrameType

END_S = 2  # for the last requests and connections of the ending client

_stops: list[Callable[[], None]] = []  # of the server, once it is there


def main(descriptor: int) -> None:
    """Serve on a socket that is bound already; do nothing if a profile of Prefect names a server."""
    # Ignored from the start, since uvicorn only takes over after seconds of imports.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    threading.Thread(target=_end_with_input, daemon=True).start()

    from prefect.settings import PREFECT_API_URL

    if PREFECT_API_URL.value():
        return

    import uvicorn
    from prefect.server.api.server import create_app

    class Server(uvicorn.Server):
        def handle_exit(self, sig: int, frame: FrameType | None) -> None:
            """Ignore signals."""

    config = uvicorn.Config(create_app, factory=True, log_level="error", timeout_graceful_shutdown=1)
    server = Server(config)
    _stops.append(lambda: setattr(server, "should_exit", True))
    server.run(sockets=[socket.socket(fileno=descriptor)])


def _end_with_input() -> None:
    """Wait until stdin is closed, then shut down gracefully, or forcibly after `END_S`."""
    os.read(0, 1)
    for stop in _stops:
        stop()
    threading.Event().wait(END_S if _stops else 0)
    os._exit(0)


if __name__ == "__main__":
    main(int(sys.argv[1]))
