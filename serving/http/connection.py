"""One connection: uvicorn's HTTP protocol with limits on headers and bodies, and fast refusals.

While the server is overloaded, most requests are refused, and the time that refusals take is missing for predictions.
They are therefore sent here, as soon as the headers are parsed and before an ASGI task is created.
"""

import asyncio
import time
from itertools import chain
from typing import Any

import httptools
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from assay.serving.http.client_connection import CLIENT_CONNECTION, ClientConnection
from assay.serving.http.connection_fault import ConnectionFault
from assay.serving.http.reading_turns import ReadingTurns
from assay.serving.http.received_request import ReceivedRequest, RefusedRequest
from assay.serving.http.request_ids import BEGIN, RECEIVED
from assay.serving.http.server_settings import Limits
from assay.serving.http.shedding import Shedder

_GRACE_SECONDS = 0.3


class GuardedConnection(HttpToolsProtocol):
    """A connection that closes on large or slow headers, and refuses requests that would wait too long.

    Responses keep the order of the requests: a request that ends the connection, since it is not valid HTTP or too
    large, has its refusal after the responses to the requests before it.

    Subclasses set `limits`, `shedder` and `turns`.
    """

    limits = Limits()
    shedder: Shedder | None = None
    turns: ReadingTurns | None = None

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._received = ReceivedRequest()
        self._refused: RefusedRequest | None = None  # the current request, if it is refused
        self._fault: ConnectionFault | None = None  # ends the connection
        self._arrived = time.monotonic()  # when the last data arrived
        self._deferred = b""  # data that wait for a turn of this connection
        self._timer: asyncio.TimerHandle | None = None
        self._first_data = b""  # the data that are being parsed, if they begin with a request
        self._upgrading = False  # the client offers another protocol with the current request
        self._client_connection = ClientConnection()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start the timer, which closes silent connections, too."""
        super().connection_made(transport)
        self._start_header_timer()

    def data_received(self, data: bytes) -> None:
        """Handle the data, or keep them for a turn of this connection."""
        self._arrived = time.monotonic()
        if self._fault is not None:
            return
        # A request may have its response before its body is received: data that follow belong to that body.
        if not self._received.in_headers and not self._received.in_body and not self._deferred:
            self._received.begin_headers()
        if self._deferred:
            self._deferred += data
        elif self.turns is None or self.turns.begin(self._take_turn):
            self._handle(data)
        else:
            self._deferred = data
            self.flow.pause_reading()

    def _take_turn(self) -> None:
        data, self._deferred = self._deferred, b""
        if not self.transport.is_closing():
            self.flow.resume_reading()
            self._handle(data)

    def _handle(self, data: bytes) -> None:
        """Parse the data, and close the connection if headers or trailers are too large."""
        if not self._received.parsed:
            if self._refuse_known(data):
                self._received.end_headers()
                self._stop_timer()
                return
            self._first_data = data
        self._received.count(len(data))
        self._feed(data)
        self._first_data = b""
        if self._received.overhead_bytes > self.limits.header:
            self._close_with(ConnectionFault.LARGE_HEADERS)
        elif self._received.in_body:
            self._start_body_timer()
        elif self._received.in_headers and self._fault is None and not self._is_running():
            self._start_header_timer()

    def _feed(self, data: bytes) -> None:
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            if self._upgrading:
                self._ignore_upgrade(data[upgrade.args[0] :])
            else:
                self._close_with(ConnectionFault.INVALID)  # CONNECT
        except httptools.HttpParserError:
            self._close_with(ConnectionFault.INVALID)

    def _ignore_upgrade(self, rest: bytes) -> None:
        """Parse the request again without its header Upgrade, which a server may ignore (RFC 9110, section 7.8).

        The parser expects another protocol after the headers, so that it would lose the body. Clients that prefer
        HTTP/2 offer it in this way: Java's HttpClient, `curl --http2`.
        """
        self._upgrading = False
        head = [self.parser.get_method(), b" ", self.url, b" HTTP/", self.parser.get_http_version().encode(), b"\r\n"]
        for name, value in self.headers:
            if name != b"upgrade":
                head += [name, b": ", value, b"\r\n"]
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn has it
        self._feed(b"".join([*head, b"\r\n", rest]))

    def on_message_begin(self) -> None:
        """Watch the headers of the next request, which may begin in the data of the one before it."""
        super().on_message_begin()
        self._received.parsed = True
        if not self._received.in_headers:
            self._received.begin_headers()

    def on_headers_complete(self) -> None:
        """Stop the timer, and start the request unless its headers are invalid or too large, or it is refused."""
        if self._fault is not None:
            return
        if self.parser.should_upgrade():
            if self.parser.get_method() == b"CONNECT":
                self._close_with(ConnectionFault.INVALID)
            else:
                self._upgrading = True
            return
        self._received.end_headers()
        self._stop_timer()
        if len(self.url) + sum(map(len, chain.from_iterable(self.headers))) > self.limits.header:
            self._close_with(ConnectionFault.LARGE_HEADERS)
            return
        if [name for name, _ in self.headers].count(b"host") > 1:  # a proxy may have read another one
            self._close_with(ConnectionFault.INVALID)
            return
        self._refused = self._refuse()
        if self._refused is None:
            self._unset_keepalive_if_required()
            super().on_headers_complete()
            self.scope["state"][BEGIN] = self._received.begin
            self._keep_alive_for_http_1_0()
        self._received.begin_body(awaits_continue=self.expect_100_continue)
        self.headers = []  # trailers are ignored: the checks of the headers have passed (RFC 9110, section 6.5.1)

    def _keep_alive_for_http_1_0(self) -> None:
        """Keep the connection open for a client of HTTP/1.0 that asks for it, such as `ab -k`."""
        if self.scope["http_version"] == "1.0" and self.parser.should_keep_alive():
            self.cycle.keep_alive = True
            self.cycle.default_headers = [*self.cycle.default_headers, (b"connection", b"keep-alive")]

    def on_body(self, body: bytes) -> None:
        """Pass on a part of a body; discard it if the request is refused."""
        if self._fault is not None:
            return
        self._received.count_body(len(body))
        if self._refused is not None:
            self._refused.body_bytes += len(body)
            if self._refused.body_bytes > self.limits.body:
                self._close_with(ConnectionFault.LARGE_BODY)
        elif not self.transport.is_closing():
            super().on_body(body)

    def on_message_complete(self) -> None:
        """Complete the request, or send its refusal."""
        self._received.parsed = False
        if self._upgrading or self._fault is not None:
            return
        self._received.end_body()
        self._stop_timer()
        if self._refused is None:
            if not self.transport.is_closing():
                self.scope["state"][CLIENT_CONNECTION] = self._client_connection
                self.scope["state"][RECEIVED] = self._arrived
                super().on_message_complete()
            return
        refused, self._refused = self._refused, None
        if self.shedder is not None and self._first_data:
            self.shedder.known_heads.add(self._first_data, self.url, refused.headers)
        if not self.transport.is_closing():
            self._send_refusal(refused.response)

    def on_response_complete(self) -> None:
        """Go on with the next request, or close the connection after a fault."""
        if self._fault is not None and not self.pipeline:
            self._send_and_close(self._fault)
        elif self._received.in_body and self._received.awaits_continue and not self._is_running():
            # The client may leave the body out after this response, and its next request would be read as the body.
            self.transport.close()
        elif self._received.in_headers and not self._is_running():
            self._start_header_timer()
        super().on_response_complete()
        if self._received.in_body:
            self._start_body_timer()  # of a request that waited for the one before it, and has its response

    def _is_running(self) -> bool:
        """Return whether a request that was received waits for its response."""
        return self.cycle is not None and not self.cycle.response_complete

    def _send_refusal(self, refusal: bytes) -> None:
        """Send a refusal, and keep the connection open for the next request."""
        self.transport.write(refusal)
        if self.timeout_keep_alive_task is None:
            self._start_keep_alive_timer(self.timeout_keep_alive)

    def _start_keep_alive_timer(self, seconds: float) -> None:
        self.timeout_keep_alive_task = self.loop.call_later(seconds, self.timeout_keep_alive_handler)

    def timeout_keep_alive_handler(self) -> None:
        """Close the connection if it is idle. Refusals leave the timer as it is: a new one for each takes time."""
        rest = self.timeout_keep_alive - (time.monotonic() - self._arrived)
        if self._received.in_headers or self._received.in_body or self._deferred:
            self._start_keep_alive_timer(self.timeout_keep_alive)  # its request has timers of its own
        elif rest > 0:
            self._start_keep_alive_timer(rest)
        else:
            super().timeout_keep_alive_handler()

    def _refuse(self) -> RefusedRequest | None:
        # Responses keep the order of the requests: while an earlier one is running, the application handles the next.
        if self.shedder is None or self._is_running():
            return None
        if self.parser.get_method() != b"POST" or not self.parser.should_keep_alive():
            return None
        if self.parser.get_http_version() != "1.1":
            return None
        refusal = self.shedder.refuse(self.url, self.headers, time.monotonic() - self._arrived)
        if refusal is None:
            self.shedder.admit()
            return None
        return RefusedRequest(refusal, self.headers)

    def _refuse_known(self, data: bytes) -> bool:
        """Refuse a request that differs from an earlier one in its body alone, without parsing it."""
        if self.shedder is None or self._is_running() or (known := self.shedder.known_heads.find(data)) is None:
            return False
        refusal = self.shedder.refuse(known.target, (), time.monotonic() - self._arrived)
        if refusal is not None:
            self._send_refusal(refusal)
        return refusal is not None

    def pause_writing(self) -> None:
        """Read no more requests from a client that does not read its responses: refusals wait for nothing else."""
        super().pause_writing()
        self.flow.pause_reading()

    def resume_writing(self) -> None:
        """Read again."""
        super().resume_writing()
        if not self.pipeline:
            self.flow.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the timer, and report the disconnect to the running request."""
        self._stop_timer()
        self._unset_keepalive_if_required()
        self._client_connection.disconnect()
        super().connection_lost(exc)

    def shutdown(self) -> None:
        """Close the connection. A new one stays open for a moment: its first request may be on its way."""
        if self.cycle is None and not self.transport.is_closing():
            self.loop.call_later(_GRACE_SECONDS, super().shutdown)
        else:
            super().shutdown()

    def _start_header_timer(self) -> None:
        if self._timer is None:
            self._timer = self.loop.call_later(self.limits.header_seconds, self._close_with, ConnectionFault.SLOW)

    def _start_body_timer(self) -> None:
        """Close the connection if a body never ends; a running application has sent its 408 before."""
        # While an earlier request is running, nothing is read.
        if self._timer is None and not self.pipeline and not self.transport.is_closing():
            self._timer = self.loop.call_later(self.limits.body_seconds + _GRACE_SECONDS, self.transport.close)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _close_with(self, fault: ConnectionFault) -> None:
        """Refuse the request that is being received, and close the connection after the responses to earlier ones."""
        self._stop_timer()
        if self._fault is not None:
            return
        waits = self._is_running() and not self._received.in_body
        if self._received.in_body and self.pipeline:
            self.pipeline.popleft()  # the request itself waits for earlier ones
            waits = True
        self._fault = fault  # what follows in the same data is not handled
        if waits:
            return
        if self._received.in_body and self._refused is None and self.cycle.response_started:
            self.transport.close()  # it has its response
        else:
            self._send_and_close(fault)

    def _send_and_close(self, fault: ConnectionFault) -> None:
        if not self.transport.is_closing():
            self.transport.write(fault.response())
            self.transport.close()
