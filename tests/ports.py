"""Ports for servers that a test starts."""

import itertools
import os
import socket

# Below those that systems give to clients and to servers that ask for any port, so that nobody takes a port in the
# seconds between the choice and the start of its server.
_FIRST, _LAST = 20_000, 32_000
_PER_PROCESS = 1_000  # parallel test processes have ports of their own
_numbers = itertools.count()


def free_port() -> int:
    """Return a port of the loopback that nobody listens on, another one at each call."""
    for _ in range(_PER_PROCESS):
        port = _begin() + next(_numbers) % _PER_PROCESS
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port
    raise AssertionError("no port is free")


def _begin() -> int:
    """Return the first port of this process: by the number of its worker, else by its process id."""
    worker = os.environ.get("PYTEST_XDIST_WORKER", "").removeprefix("gw")
    blocks = (_LAST - _FIRST) // _PER_PROCESS
    return _FIRST + (int(worker) if worker else os.getpid()) % blocks * _PER_PROCESS
