"""Turns of the event loop between reading from connections and running tasks.

libuv, the event loop below uvloop, goes on reading while 1,024 or more sockets have data, up to 48 times, and runs no
task meanwhile. Clients that repeat refused requests at once keep it there for seconds, while the requests that were
admitted wait. asyncio's own loop reads each socket once before it runs tasks, which takes long, too, if they are many.
"""

import asyncio
from collections import deque
from collections.abc import Callable

# About 15 ms if all of them are refused. A number, not a time: another process may take the CPU in the midst of a turn.
CONNECTIONS_PER_TURN = 256


class ReadingTurns:
    """Bounds the number of connections that handle data before tasks run; the others wait for a later turn."""

    def __init__(self, connections: int = CONNECTIONS_PER_TURN) -> None:
        self._connections = connections
        self._left: int | None = None  # of the present turn; None between turns
        self._waiting: deque[Callable[[], None]] = deque()

    def begin(self, handle: Callable[[], None]) -> bool:
        """Return whether a connection may handle its data now; if not, `handle` is called in a later turn.

        Connections get their turns in the order of this call. Called on the event loop only.
        """
        if self._left is None:
            self._left = self._connections
            asyncio.get_running_loop().call_soon(self._next)
        if self._left and not self._waiting:
            self._left -= 1
            return True
        self._waiting.append(handle)
        return False

    def _next(self) -> None:
        """End the present turn, and begin the next one with the connections that wait."""
        handles = [self._waiting.popleft() for _ in range(min(self._connections, len(self._waiting)))]
        self._left = self._connections - len(handles)
        for handle in handles:
            handle()
        if self._waiting:
            asyncio.get_running_loop().call_soon(self._next)
        else:
            self._left = None
