"""What a connection has received of the current request, and the request that it refuses."""

import time
from dataclasses import dataclass, field

# Bytes that a chunk of a body takes besides its content: five if it holds one byte.
_BYTES_PER_CHUNK = 8


@dataclass(slots=True)
class ReceivedRequest:
    """How far the current request has been received: nothing, a part of its headers, or a part of its body.

    `begin` is when its first byte arrived, in seconds of `time.perf_counter`. It is `parsed` once the parser has begun
    with it. Where it `awaits_continue`, the client sends the body after 100 Continue only.
    """

    in_headers: bool = False
    in_body: bool = False
    parsed: bool = False
    awaits_continue: bool = False
    begin: float = field(default_factory=time.perf_counter)
    _header_bytes: int = 0
    _framing_bytes: int = 0  # received with the body, but no part of it: lengths of chunks, trailers

    @property
    def overhead_bytes(self) -> int:
        """Number of bytes that were received besides the content of the body, as far as they are limited."""
        return max(self._header_bytes, self._framing_bytes)

    def begin_headers(self) -> None:
        """Begin with the first byte."""
        self.in_headers = True
        self._header_bytes = 0
        self.begin = time.perf_counter()

    def count(self, size: int) -> None:
        """Count bytes before they are parsed; `count_body` takes off those that belong to the body."""
        if self.in_headers:
            self._header_bytes += size
        elif self.in_body:
            self._framing_bytes += size

    def end_headers(self) -> None:
        """End the headers, whose bytes count no more."""
        self.in_headers = False
        self._header_bytes = self._framing_bytes = 0

    def begin_body(self, *, awaits_continue: bool) -> None:
        """Begin with the body, which may be empty."""
        self.in_body = True
        self.awaits_continue = awaits_continue

    def count_body(self, size: int) -> None:
        """Count a part of the body, with what a chunk takes besides."""
        self.awaits_continue = False
        self._framing_bytes = max(0, self._framing_bytes - _BYTES_PER_CHUNK * size)

    def end_body(self) -> None:
        """End the request."""
        self.in_body = False
        self._framing_bytes = 0


@dataclass(slots=True)
class RefusedRequest:
    """A request that has its response as soon as its body, which nobody reads, is received."""

    response: bytes
    headers: list[tuple[bytes, bytes]]
    body_bytes: int = 0
