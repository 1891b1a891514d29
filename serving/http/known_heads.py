"""Heads of requests that were parsed and refused before.

While the server is overloaded, clients send requests with the same method, path and headers again and again. A request
with exactly the same bytes before its body needs no second parsing to be refused.
"""

import hashlib
from collections.abc import Sequence
from typing import NamedTuple

_END = b"\r\n\r\n"
# Clients send a head per length of their bodies.
_MAX_HEADS = 1024
# They differ in each request, and are returned with its refusal.
_IDS = frozenset((b"x-request-id", b"traceparent"))


class KnownHead(NamedTuple):
    """What the parser found in a head: the target, and the length of the body."""

    target: bytes
    body_bytes: int


class KnownHeads:
    """A bounded set of heads of requests that may be refused. It holds digests: heads may contain secrets."""

    def __init__(self) -> None:
        self._heads: dict[bytes, KnownHead] = {}

    def add(self, data: bytes, target: bytes, headers: Sequence[tuple[bytes, bytes]]) -> None:
        """Remember the head of a request, if the data are this request alone, with a body of known length and no id.

        Args:
            data: data that begin with the request.
            target: path and query that the parser found in them.
            headers: headers that the parser found in them, with names in lower case.
        """
        head, _, body = data.partition(_END)
        found = dict(headers)
        if found.get(b"content-length") != b"%d" % len(body) or not _IDS.isdisjoint(found):
            return
        if len(self._heads) >= _MAX_HEADS:
            del self._heads[next(iter(self._heads))]
        self._heads[_digest(head)] = KnownHead(target, len(body))

    def find(self, data: bytes) -> KnownHead | None:
        """Return what is known of the head, if the data are one complete request with a known head."""
        if not self._heads:
            return None
        head, end, body = data.partition(_END)
        known = self._heads.get(_digest(head))
        return known if end and known is not None and known.body_bytes == len(body) else None


def _digest(head: bytes) -> bytes:
    return hashlib.blake2b(head, digest_size=16).digest()
