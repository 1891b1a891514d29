"""The web page for people: one file, which requests only `model`, `card` and `predict` of its own server."""

import base64
import hashlib
import re
from functools import cache
from importlib.resources import files
from typing import NamedTuple


class Page(NamedTuple):
    """The page and its response headers."""

    html: str
    headers: dict[str, str]


@cache
def load_page() -> Page:
    """Return the page with a Content-Security-Policy that allows only its own script and style.

    The policy holds their digests, which are computed here, so that an edit of the file needs no build step.
    """
    html = files(__name__).joinpath("index.html").read_text(encoding="utf-8")
    policy = {
        "default-src": "'none'",
        "script-src": _digests("script", html),
        "style-src": _digests("style", html),
        "img-src": "data:",  # the icon
        "connect-src": "'self'",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
    }
    headers = {
        "Content-Security-Policy": "; ".join(f"{name} {value}" for name, value in policy.items()),
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
        # A new version of the server brings a new page.
        "Cache-Control": "no-cache",
    }
    return Page(html, headers)


@cache
def load_icon() -> str:
    """Return the address of the icon of the page, which holds the icon."""
    found = re.search(r'<link rel="icon" href="([^"]+)">', load_page().html)
    assert found is not None  # noqa: S101  # narrows the type
    return found[1]


def _digests(tag: str, html: str) -> str:
    bodies = re.findall(rf"<{tag}>(.*?)</{tag}>", html, re.DOTALL)
    digests = (base64.b64encode(hashlib.sha256(body.encode()).digest()).decode() for body in bodies)
    return " ".join(f"'sha256-{digest}'" for digest in digests)
