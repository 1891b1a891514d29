"""One connection: uvicorn's own protocol, with limits on what counts as a request, and a short way to say no.

While the server is overloaded, most requests are refused, and what that costs is missing where others are answered.
So they are refused here, before a task is made of them: in a tenth of the time that the application would take.
"""

import asyncio
from typing import Any

from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from assay.serving.http.client_connection import CLIENT, ClientConnection
from assay.serving.http.server_settings import Limits
from assay.serving.http.shedding import Shedder

_LAST_WORD = 0.3  # seconds


class GuardedConnection(HttpToolsProtocol):
    """Closes connections whose headers are too large or come too slowly; refuses what would wait too long.

    Subclasses say what `limits` and `shedder` are.
    """

    limits = Limits()
    shedder: Shedder | None = None

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._head: int | None = None  # bytes of the headers that are being read; None between requests
        self._in_body = False  # whether the headers of a request have come whole, and its body has not
        self._clock: asyncio.TimerHandle | None = None
        self._refusal: bytes | None = None  # the answer to the request that is being read, where that is refused
        self._refused_bytes = 0
        self._refused_at = 0.0  # on the clock of the event loop
        self._caller = ClientConnection()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start the clock: a connection that says nothing is closed as well."""
        super().connection_made(transport)
        self._start_clock()

    def data_received(self, data: bytes) -> None:
        """Read on, unless the headers have grown too large, or it is a plain request to be refused."""
        # A request may be answered before its body has come: what comes then is that body.
        if self._head is None and not self._in_body and (self.cycle is None or self.cycle.response_complete):
            if (answer := self._refuse_plain(data)) is not None:
                self._stop_clock()
                self._say_no(answer)
                return
            self._head = 0
            self._start_clock()
        if self._head is not None:
            self._head += len(data)
        super().data_received(data)
        if self._head is not None and self._head > self.limits.header:
            self._close_with(b"431 Request Header Fields Too Large")
        elif self._in_body:
            self._start_body_clock()

    def on_headers_complete(self) -> None:
        """Stop the clock and start the request, unless its headers are too large."""
        self._head = None
        self._in_body = True
        self._stop_clock()
        if len(self.url) + sum(len(name) + len(value) for name, value in self.headers) > self.limits.header:
            self._close_with(b"431 Request Header Fields Too Large")
            return
        self._refusal = self._refuse()
        if self._refusal is None:
            super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Of a request that was refused, nothing is kept."""
        if self._refusal is not None:
            self._refused_bytes += len(body)
            if self._refused_bytes > self.limits.body:
                self._close_with(b"413 Content Too Large")
        elif not self.transport.is_closing():
            super().on_body(body)

    def on_message_complete(self) -> None:
        """The request is whole: say no where it was refused."""
        self._in_body = False
        self._stop_clock()
        if self._refusal is None:
            if not self.transport.is_closing():
                self.scope["state"][CLIENT] = self._caller
                super().on_message_complete()
            return
        answer, self._refusal, self._refused_bytes = self._refusal, None, 0
        if not self.transport.is_closing():
            self._say_no(answer)

    def _say_no(self, answer: bytes) -> None:
        """Send a refusal; the connection stays for the next request."""
        self.transport.write(answer)
        self._refused_at = self.loop.time()
        if self.timeout_keep_alive_task is None:
            self._keep_open(self.timeout_keep_alive)

    def timeout_keep_alive_handler(self) -> None:
        """Close a connection that has been silent for long. Refusals do not set the clock back, which costs time."""
        left = self._refused_at + self.timeout_keep_alive - self.loop.time()
        if left > 0:
            self._keep_open(left)
        else:
            super().timeout_keep_alive_handler()

    def _keep_open(self, seconds: float) -> None:
        self.timeout_keep_alive_task = self.loop.call_later(seconds, self.timeout_keep_alive_handler)

    def _refuse_plain(self, data: bytes) -> bytes | None:
        if self.shedder is None or len(data) > self.limits.header:
            return None
        return self.shedder.refuse_plain(data)

    def _refuse(self) -> bytes | None:
        # A request behind one that is not answered yet must wait for its turn, and goes the usual way.
        if self.shedder is None or not (self.cycle is None or self.cycle.response_complete):
            return None
        if self.parser.get_method() != b"POST" or not self.parser.should_keep_alive():
            return None
        return self.shedder.refuse(self.url, self.headers)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the clock, and tell the request that nobody waits for its answer."""
        self._stop_clock()
        self._caller.disconnect()
        super().connection_lost(exc)

    def shutdown(self) -> None:
        """The server ends: a caller who has just connected may have sent a request that is still on its way."""
        if self.cycle is None and not self.transport.is_closing():
            self.loop.call_later(_LAST_WORD, super().shutdown)
        else:
            super().shutdown()

    def _start_clock(self) -> None:
        if self._clock is None:
            self._clock = self.loop.call_later(self.limits.header_seconds, self._close_with, b"408 Request Timeout")

    def _start_body_clock(self) -> None:
        """Give up a body that never ends, whoever waits for it: the application says so before, where it still does."""
        if self._clock is None and not self.transport.is_closing():
            self._clock = self.loop.call_later(self.limits.body_seconds + _LAST_WORD, self.transport.close)

    def _stop_clock(self) -> None:
        if self._clock is not None:
            self._clock.cancel()
            self._clock = None

    def _close_with(self, status: bytes) -> None:
        self._stop_clock()
        if not self.transport.is_closing():
            self.transport.write(b"HTTP/1.1 " + status + b"\r\nconnection: close\r\ncontent-length: 0\r\n\r\n")
            self.transport.close()
