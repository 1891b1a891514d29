"""Heads of requests that were parsed and refused before.

While the server is overloaded, clients send requests with the same method, path and headers again and again. A request
with exactly the same bytes before its body needs no second parsing to be refused.
"""

from collections.abc import Sequence
from typing import NamedTuple

_END = b"\r\n\r\n"
# Clients send a head per length of their bodies.
_MAX_HEADS = 1024
_MAX_BYTES = 1024


class KnownHead(NamedTuple):
    """What the parser found in a head: target, headers, and the length of the body."""

    target: bytes
    headers: Sequence[tuple[bytes, bytes]]
    body_bytes: int


class KnownHeads:
    """A bounded set of heads of requests that may be refused; it starts again when it is full."""

    def __init__(self) -> None:
        self._heads: dict[bytes, KnownHead] = {}

    def add(self, data: bytes, target: bytes, headers: Sequence[tuple[bytes, bytes]]) -> None:
        """Remember the head of a request, if the data are this request alone, with a body of known length.

        Args:
            data: data that begin with the request.
            target: path and query that the parser found in them.
            headers: headers that the parser found in them, with names in lower case.
        """
        head, _, body = data.partition(_END)
        if len(head) > _MAX_BYTES or dict(headers).get(b"content-length") != b"%d" % len(body):
            return
        if len(self._heads) >= _MAX_HEADS:
            self._heads.clear()
        self._heads[head] = KnownHead(target, headers, len(body))

    def find(self, data: bytes) -> KnownHead | None:
        """Return what is known of the head, if the data are one complete request with a known head."""
        head, _, body = data.partition(_END)
        known = self._heads.get(head)
        return known if known is not None and known.body_bytes == len(body) else None
