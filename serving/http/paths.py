"""Paths of requests: which are open without a token, and paths with a slash at their end."""

import os
import re
from collections.abc import Callable, Mapping

from starlette.types import ASGIApp, Receive, Scope, Send

# Probes send no token, and the page asks its user for one.
OPEN_PATHS = ("/", "/docs", "/openapi.json", "/ping", "/health", "/v2/health/live", "/v2/health/ready")
_MODEL_READY = re.compile(r"/v2/models/[^/]+(/versions/[^/]+)?/ready")


def open_paths(environment: Mapping[str, str] = os.environ) -> Callable[[str], bool]:
    """Return whether a path can be read without a token: the page, the documentation and all health routes."""
    paths = {*OPEN_PATHS, environment.get("AIP_HEALTH_ROUTE", "/")}
    return lambda path: path in paths or _MODEL_READY.fullmatch(path) is not None


class TrailingSlash:
    """Middleware that removes a slash from the end of a path: clients do not follow a redirect of a POST."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on the request, with the path without the slash."""
        if scope["type"] == "http" and scope["path"].endswith("/") and scope["path"] != "/":
            scope = {**scope, "path": scope["path"].rstrip("/") or "/"}
        await self._app(scope, receive, send)
