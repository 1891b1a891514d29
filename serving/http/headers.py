"""Headers of every response."""

import asyncio

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from assay.serving.http.active_model import ActiveModel
from assay.serving.http.error_responses import stopping

# Only the page and the model card are meant for a browser, and both set a policy of their own.
DEFAULTS = {
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}

# Encoded once, with lower-case names, since every response carries them.
_FIELDS = [(name.lower().encode(), value.encode()) for name, value in DEFAULTS.items()]


class ResponseHeaders:
    """Middleware that adds security headers, and asks clients to reconnect elsewhere while the server drains.

    Requests that the server cancels, since they do not finish while it stops, have a response, too.
    """

    def __init__(self, app: ASGIApp, active_model: ActiveModel) -> None:
        self._app = app
        self._active_model = active_model

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on the request, and add the headers to the response."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = False

        async def add_headers(message: Message) -> None:
            nonlocal started
            started = True
            if message["type"] == "http.response.start":
                present = {name for name, _ in message["headers"]}
                message["headers"] += [field for field in _FIELDS if field[0] not in present]
                if self._active_model.draining:
                    message["headers"].append((b"connection", b"close"))
            await send(message)

        try:
            await self._app(scope, receive, add_headers)
        except asyncio.CancelledError:
            if started or not self._active_model.draining:
                raise
            refusal = stopping()
            content = {"error": refusal.detail}
            await JSONResponse(content, refusal.status_code, headers=refusal.headers)(scope, receive, add_headers)
