"""Ids of requests: that of the client or a new one, returned in the response and written to the access log."""

import re
import secrets
import time

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from assay.serving.http.access_log import AccessLog

REQUEST_ID = "request_id"
# Key in the state of a request: when its first byte arrived, in seconds of `time.perf_counter`.
BEGIN = "begin"
# When its last byte arrived, in seconds of `time.monotonic`.
RECEIVED = "received"
# An id goes into logs and headers: no spaces, no control characters, no megabytes.
_ID = re.compile(r"[!-~]{1,128}")
_ID_BYTES = 16


def request_id(request: Request) -> str:
    """Return the id of a request."""
    known: str = request.state.request_id
    return known


def begin_of(request: Request) -> float:
    """Return when the first byte of a request arrived; now, if nobody noticed."""
    begin: float = request.scope.get("state", {}).get(BEGIN) or time.perf_counter()
    return begin


def received_at(request: Request) -> float:
    """Return when the last byte of a request arrived; now, if nobody noticed."""
    received: float = request.scope.get("state", {}).get(RECEIVED) or time.monotonic()
    return received


def new_id() -> str:
    """Return an id for a request whose client sent none."""
    return secrets.token_hex(_ID_BYTES)


def valid_id(text: str | None) -> str | None:
    """Return an id that a client sent; None if it is none."""
    return text if text is not None and _ID.fullmatch(text) else None


class RequestIds:
    """Middleware that gives each request an id, returns id and traceparent, and logs the request."""

    def __init__(self, app: ASGIApp, log: AccessLog | None = None) -> None:
        self._app = app
        self._log = log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on the request, and add its id to the response."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        known = valid_id(headers.get("x-request-id")) or new_id()
        trace = valid_id(headers.get("traceparent"))
        state = scope.setdefault("state", {})
        state[REQUEST_ID] = known
        begin = state.setdefault(BEGIN, time.perf_counter())
        fields = [(b"x-request-id", known.encode()), *([(b"traceparent", trace.encode())] if trace else [])]
        status = 500

        async def add_fields(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] += fields
            await send(message)

        try:
            await self._app(scope, receive, add_fields)
        finally:
            if self._log is not None:
                seconds = time.perf_counter() - begin
                self._log.record(known, trace, scope["method"], scope["path"], status, seconds)
