"""A TCP proxy on loopback that cuts connections after a number of bytes of a response."""

import contextlib
import socket
import threading
from collections.abc import Iterator
from types import TracebackType
from typing import Self


class CuttingProxy:
    """A proxy to a local port; each number of `cuts` is used once, for the bytes of responses.

    The connections are reset, not closed in order: the peer learns of it as of a cable that was drawn.
    """

    def __init__(self, port: int, cuts: Iterator[int] | None = None) -> None:
        self._target = port
        self._cuts = cuts or iter(())
        self._left = next(self._cuts, None)
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open: set[socket.socket] = set()
        self.port: int = self._listener.getsockname()[1]
        self.done = 0

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listener.close()
        for connection in list(self._open):
            _reset(connection)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):  # the listener was closed
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(("127.0.0.1", self._target))
                self._open |= {client, server}
                threading.Thread(target=self._hand_on, args=(client, server, False), daemon=True).start()
                threading.Thread(target=self._hand_on, args=(server, client, True), daemon=True).start()

    def _hand_on(self, source: socket.socket, target: socket.socket, answers: bool) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(1 << 14):
                keep = self._until_cut(len(data)) if answers else None
                target.sendall(data if keep is None else data[:keep])
                if keep is not None:
                    break
        for connection in (source, target):
            _reset(connection)

    def _until_cut(self, length: int) -> int | None:
        """Return how many of the bytes pass before the cut; None if it is not due."""
        with self._lock:
            if self._left is None:
                return None
            if length < self._left:
                self._left -= length
                return None
            keep, self._left = self._left, next(self._cuts, None)
            self.done += 1
            return keep


def _reset(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
        connection.close()
