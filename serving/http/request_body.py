"""Bodies of requests, read within limits of size, time and content type."""

import asyncio
from collections.abc import Sequence

from starlette.requests import ClientDisconnect, Request

from assay.serving.http import error_responses as errors
from assay.serving.http.client_connection import CLIENT_CONNECTION
from assay.serving.http.content_coding import decompress
from assay.serving.http.requests import read_count
from assay.serving.http.server_settings import Limits

# Types of forms, which programs send that do not know what they send: `curl -d` without a header.
_FORM_TYPES = ("application/x-www-form-urlencoded", "multipart/form-data", "text/plain")


def content_type_of(request: Request) -> str:
    """Return the content type of a request in lower case, without parameters; empty if it has none."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


async def read_body(request: Request, limits: Limits, content_types: Sequence[str] = ()) -> bytes:
    """Return the body of a request, unpacked if the client has compressed it.

    Args:
        request: request to read.
        limits: limits on the bytes of the body, compressed or not, and the seconds to send it.
        content_types: content types to accept, "" for none; without any, all are accepted but those of forms.

    Raises:
        Refusal: 400 a damaged compressed body, 408 too slow, 413 too large, 415 another content type or coding, 499
            the client disconnected.
    """
    content_type = content_type_of(request)
    if content_type in _FORM_TYPES or (content_types and content_type not in content_types):
        known = ", ".join(filter(None, content_types)) or "application/json"
        raise errors.Refusal(415, f"Content-Type is {content_type[:80]!r}; send {known}", "invalid")
    declared = request.headers.get("content-length", "0")
    if (read_count(declared) or 0) > limits.body:
        raise errors.too_large(limits.body)
    body = await _receive_in_time(request, limits)
    coding = request.headers.get("content-encoding")
    return body if coding is None else decompress(body, coding, limits.body)


async def _receive_in_time(request: Request, limits: Limits) -> bytes:
    try:
        # The connection has received the whole body already, and needs no timeout.
        if CLIENT_CONNECTION in request.scope.get("state", ()):
            return await _receive(request, limits)
        async with asyncio.timeout(limits.body_seconds):
            return await _receive(request, limits)
    except TimeoutError:
        raise errors.Refusal(408, f"the body was not sent within {limits.body_seconds:g} s", "slow") from None
    except ClientDisconnect:
        raise errors.client_disconnected() from None


async def _receive(request: Request, limits: Limits) -> bytes:
    chunks: list[bytes] = []
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > limits.body:
            raise errors.too_large(limits.body)
        chunks.append(chunk)
    return b"".join(chunks)
