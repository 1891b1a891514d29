"""Headers that every answer carries."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from assay.serving.http.active_model import ActiveModel

# Nothing but the page and the card is made to be shown; these two bring policies of their own.
DEFAULTS = {
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}

# As they are sent, names in lower case: they are added to every answer.
_FIELDS = [(name.lower().encode(), value.encode()) for name, value in DEFAULTS.items()]


class ResponseHeaders:
    """Adds security headers, and while the server drains, asks callers to go elsewhere."""

    def __init__(self, app: ASGIApp, active_model: ActiveModel) -> None:
        self._app = app
        self._slot = active_model

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand on, and add to what comes back."""

        async def add(message: Message) -> None:
            if message["type"] == "http.response.start":
                own = {name for name, _ in message["headers"]}
                message["headers"] += [field for field in _FIELDS if field[0] not in own]
                if self._slot.draining:
                    message["headers"].append((b"connection", b"close"))
            await send(message)

        await self._app(scope, receive, add if scope["type"] == "http" else send)
