"""Web pages of other sites: they may not use this server, unless their origin is allowed.

A page can send a request to another site without asking (`fetch` with `no-cors`, `sendBeacon`, forms). It cannot read
the response, but the model would compute it. Browsers say where such a request comes from.
"""

from collections.abc import Sequence

from starlette.datastructures import Headers
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

ANY_ORIGIN = "*"
_READING = ("GET", "HEAD", "OPTIONS")
_SENT = ("Authorization", "Content-Type", "X-Deadline-Ms", "X-Request-Id", "Traceparent")
_RETURNED = ("Retry-After", "X-Model-Version", "X-Request-Id", "Traceparent")


class JsonPreflights(CORSMiddleware):
    """Starlette's middleware, whose refusals of preflight requests are JSON like all errors of this server."""

    def preflight_response(self, request_headers: Headers) -> Response:
        """Return the response to a preflight request."""
        response = super().preflight_response(request_headers)
        if response.status_code == 200:
            return response
        fault = bytes(response.body).decode().removeprefix("Disallowed CORS ")
        page = request_headers["origin"][:80]
        error = f"not allowed to the page {page}: {fault}; see assay serve --cors-allow-origin"
        headers = {name: value for name, value in response.headers.items() if not name.startswith("content-")}
        return JSONResponse({"error": error}, response.status_code, headers=headers)


class ForeignPages:
    """Middleware that refuses requests of web pages of other sites, except for reading."""

    def __init__(self, app: ASGIApp, allowed: Sequence[str] = ()) -> None:
        self._app = app
        self._allowed = frozenset(allowed)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on requests of programs, the own page and allowed origins, and respond with 403 to all others."""
        if scope["type"] == "http" and scope["method"] not in _READING and ANY_ORIGIN not in self._allowed:
            headers = Headers(scope=scope)
            origin = headers.get("origin")
            if _is_foreign(headers, origin) and origin not in self._allowed:
                error = (
                    f"the page {(origin or 'null')[:80]} is another site; allow it by assay serve --cors-allow-origin"
                )
                await JSONResponse({"error": error}, 403)(scope, receive, send)
                return
        await self._app(scope, receive, send)


def _is_foreign(headers: Headers, origin: str | None) -> bool:
    # Browsers send it to https and localhost, and a proxy that changes the Host does not change it.
    if (site := headers.get("sec-fetch-site")) is not None:
        return site not in ("same-origin", "none")
    return origin is not None and origin.partition("://")[2] != headers.get("host")


def origin_middleware(allowed: Sequence[str]) -> list[Middleware]:
    """Return the middleware that decides about web pages of other sites.

    Args:
        allowed: origins that may use this server and read its responses, such as https://example.org; "*" allows any.
    """
    cors = Middleware(
        JsonPreflights,
        allow_origins=allowed,
        allow_methods=("GET", "POST"),
        allow_headers=_SENT,
        expose_headers=_RETURNED,
    )
    return [*([cors] if allowed else []), Middleware(ForeignPages, allowed=allowed)]
