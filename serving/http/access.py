"""Access control over HTTP: a bearer token, or host names of this machine where no token is set."""

import ipaddress
import secrets
from collections.abc import Callable, Mapping, Sequence

from starlette.datastructures import Headers
from starlette.middleware import Middleware
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

LOOPBACK = ("localhost", "127.0.0.1", "::1")
ANY_HOST = "*"


def _is_closed(path: str) -> bool:
    return False


def is_authorised(headers: Mapping[str, str], token: str | None) -> bool:
    """Return whether the headers carry the token; without one, all requests are authorised."""
    if token is None:
        return True
    # The name of a scheme has no case (RFC 9110, section 11.1).
    scheme, _, given = headers.get("authorization", "").partition(" ")
    return scheme.lower() == "bearer" and secrets.compare_digest(given.strip().encode("latin-1"), token.encode())


class BearerToken:
    """Middleware that requires a bearer token, except for reading the open paths."""

    def __init__(self, app: ASGIApp, token: str, is_open: Callable[[str], bool] = _is_closed) -> None:
        self._app = app
        self._token = token
        self._is_open = is_open

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on requests with the token, and respond with 401 to all others."""
        if scope["type"] == "http" and not self._is_authorised(scope):
            given = Headers(scope=scope).get("authorization")
            reason = "the token is missing" if given is None else "the token is wrong"
            content = {"error": f"{reason}; send the header Authorization: Bearer TOKEN"}
            # RFC 6750, section 3.1: no error code if the client sent no token.
            challenge = "Bearer" if given is None else 'Bearer error="invalid_token"'
            await JSONResponse(content, 401, headers={"WWW-Authenticate": challenge})(scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _is_authorised(self, scope: Scope) -> bool:
        if scope["method"] in ("GET", "HEAD") and self._is_open(scope["path"]):
            return True
        return is_authorised(Headers(scope=scope), self._token)


class HostNames:
    """Middleware that admits requests to some host names only."""

    def __init__(self, app: ASGIApp, hosts: Sequence[str]) -> None:
        self._app = app
        self._hosts = frozenset(host.lower() for host in hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on requests to the host names, and respond with 400 to all others."""
        if scope["type"] == "http" and ANY_HOST not in self._hosts:
            host = _host_name(Headers(scope=scope).get("host", ""))
            if host not in self._hosts:
                error = f"the host name is {host[:80]!r}; use localhost, a token, or assay serve --allow-host"
                await JSONResponse({"error": error}, 400)(scope, receive, send)
                return
        await self._app(scope, receive, send)


def _host_name(header: str) -> str:
    """Return the host of a Host header, without port and the brackets of IPv6."""
    if header.startswith("["):
        return header[1:].partition("]")[0].lower()
    return header.partition(":")[0].lower()


def access_middleware(
    token: str | None, is_open: Callable[[str], bool] = _is_closed, more_hosts: Sequence[str] = ()
) -> Middleware:
    """Return the middleware that controls access: by token, or by host name where no token is set.

    The check of the host name keeps out web pages that reach this machine under a name of their own (DNS rebinding).

    Args:
        token: token that clients send; None admits requests to host names of this machine only.
        is_open: whether a path can be read without a token.
        more_hosts: host names to admit besides those of this machine; "*" admits any.
    """
    if token:
        return Middleware(BearerToken, token=token, is_open=is_open)
    return Middleware(HostNames, hosts=[*LOOPBACK, *more_hosts])


def is_loopback(host: str) -> bool:
    """Return whether an address can be reached from this machine only."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
