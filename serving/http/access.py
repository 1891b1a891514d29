"""Who is let in over HTTP: callers with the token, or without one, those who name this machine."""

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
    """Lets nobody in without the token, but to the open paths."""

    def __init__(self, app: ASGIApp, token: str, open_paths: Collection[str] = ()) -> None:
        self._app = app
        self._wanted = f"Bearer {token}".encode()
        self._open_paths = frozenset(open_paths)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand on what carries the token, and answer 401 to the rest."""
        if scope["type"] == "http" and scope["path"] not in self._open_paths and not self._is_known(scope):
            reason = {"error": "send the header Authorization: Bearer TOKEN"}
            await JSONResponse(reason, 401, headers={"WWW-Authenticate": "Bearer"})(scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _is_known(self, scope: Scope) -> bool:
        sent = Headers(scope=scope).get("authorization", "").encode("latin-1")
        return secrets.compare_digest(sent, self._wanted)


def guard(token: str | None, open_paths: Collection[str] = (), more_hosts: Sequence[str] = ()) -> Middleware:
    """What lets callers in: those with the token, or without one, those who name this machine.

    A web page that is open on this machine must not get in under a name of its own (DNS rebinding).

    Args:
        token: what callers send; none: see above.
        open_paths: paths that need no token.
        more_hosts: names beside those of this machine.
    """
    if token:
        return Middleware(BearerToken, token=token, open_paths=open_paths)
    return Middleware(TrustedHostMiddleware, allowed_hosts=[*LOOPBACK, *more_hosts])


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches the address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
