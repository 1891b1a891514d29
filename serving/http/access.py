"""Access control over HTTP: a bearer token, or host names of this machine where no token is set."""

import ipaddress
import secrets
from collections.abc import Collection, Sequence

from starlette.datastructures import Headers
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

LOOPBACK = ("localhost", "127.0.0.1", "::1", "[::1]")


class BearerToken:
    """Middleware that requires a bearer token for every path except the open ones."""

    def __init__(self, app: ASGIApp, token: str, open_paths: Collection[str] = ()) -> None:
        self._app = app
        self._expected = f"Bearer {token}".encode()
        self._open_paths = frozenset(open_paths)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on requests with the token, and respond with 401 to all others."""
        if scope["type"] == "http" and scope["path"] not in self._open_paths and not self._is_authorised(scope):
            content = {"error": "send the header Authorization: Bearer TOKEN"}
            await JSONResponse(content, 401, headers={"WWW-Authenticate": "Bearer"})(scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _is_authorised(self, scope: Scope) -> bool:
        header = Headers(scope=scope).get("authorization", "").encode("latin-1")
        return secrets.compare_digest(header, self._expected)


def access_middleware(
    token: str | None, open_paths: Collection[str] = (), more_hosts: Sequence[str] = ()
) -> Middleware:
    """Return the middleware that controls access: by token, or by host name where no token is set.

    The check of the host name keeps out web pages that reach this machine under a name of their own (DNS rebinding).

    Args:
        token: token that clients send; None admits requests to host names of this machine only.
        open_paths: paths that need no token.
        more_hosts: host names to admit besides those of this machine.
    """
    if token:
        return Middleware(BearerToken, token=token, open_paths=open_paths)
    return Middleware(TrustedHostMiddleware, allowed_hosts=[*LOOPBACK, *more_hosts])


def is_loopback(host: str) -> bool:
    """Return whether an address can be reached from this machine only."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
