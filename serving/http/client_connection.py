"""The client connection of a request, which knows whether the client has disconnected."""

from collections.abc import Callable
from typing import Self

from starlette.requests import Request

# Key in the state of a request whose body has been received completely: it needs no timeout any more.
CLIENT_CONNECTION = "client_connection"


class ClientConnection:
    """The connection of one client. It handles its requests one after another, so one callback at a time is enough."""

    def __init__(self) -> None:
        self._disconnected = False
        self._callback: Callable[[], None] | None = None

    @classmethod
    def of(cls, request: Request) -> Self:
        """Return the client connection of a request that has been received completely.

        Under another server than `assay serve`, return one that never disconnects.
        """
        connection: Self | None = request.scope.get("state", {}).get(CLIENT_CONNECTION)
        return connection or cls()

    def on_disconnect(self, callback: Callable[[], None] | None) -> None:
        """Set the callback for a disconnect, and call it at once if the client has disconnected; None removes it."""
        self._callback = callback
        if self._disconnected and callback is not None:
            callback()

    def disconnect(self) -> None:
        """Record that the connection is lost, and call the callback."""
        self._disconnected = True
        if self._callback is not None:
            self._callback()
