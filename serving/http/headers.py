"""Headers that every answer carries."""

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.http.model import Slot

# Nothing but the page and the card is made to be shown; these two bring policies of their own.
DEFAULTS = {
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


class AnswerHeaders:
    """Adds security headers, and while the server drains, asks callers to go elsewhere."""

    def __init__(self, app: ASGIApp, slot: Slot) -> None:
        self._app = app
        self._slot = slot

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand on, and add to what comes back."""

        async def add(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in DEFAULTS.items():
                    headers.setdefault(name, value)
                if self._slot.draining:
                    headers["Connection"] = "close"
            await send(message)

        await self._app(scope, receive, add if scope["type"] == "http" else send)
