"""Whoever sent a request over a connection of ours: whether they still wait."""

from collections.abc import Callable
from typing import Self

from starlette.requests import Request

# In the state of a request whose body has come whole, so that nobody need watch how long it takes.
CLIENT = "caller"


class ClientConnection:
    """One connection's: its requests are answered one after the other, so that one listener at a time is enough."""

    def __init__(self) -> None:
        self._gone = False
        self._listener: Callable[[], None] | None = None

    @classmethod
    def of(cls, request: Request) -> Self:
        """The caller of a request that has come whole; of a connection that is not ours, one who never leaves."""
        found: Self | None = request.scope.get("state", {}).get(CLIENT)
        return found or cls()

    def listen(self, listener: Callable[[], None] | None) -> None:
        """Call this when the caller hangs up, at once if that has happened; none: nobody listens any more."""
        self._listener = listener
        if self._gone and listener is not None:
            listener()

    def disconnect(self) -> None:
        """The connection is lost."""
        self._gone = True
        if self._listener is not None:
            self._listener()
