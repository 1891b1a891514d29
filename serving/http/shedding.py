"""Saying no in a few microseconds: the answer to a request that would wait too long, as bytes."""

import asyncio
from collections.abc import Iterable
from functools import lru_cache

from assay.serving.http.context import Json
from assay.serving.http.error_responses import overloaded
from assay.serving.http.headers import DEFAULTS
from assay.serving.http.model_calls import ModelCalls
from assay.serving.http.plain import path_of_plain_post
from assay.serving.http.server_metrics import Metrics

# Callers who say how long they can wait, or that they wait for a word to go on, are heard by the application.
_HEARD = frozenset((b"x-deadline-ms", b"expect"))
_PROTOCOLS = {b"/predict": "predict", b"/invocations": "invocations"}


class Shedder:
    """Knows whether the queue is too long, and the answer to that.

    The event loop reads from all connections that have something to say, and only then runs what their requests
    began: those that were let in meanwhile are counted until it has, or far too many would be.
    """

    def __init__(self, answering: ModelCalls, metrics: Metrics) -> None:
        self._answering = answering
        # A path that is none of these is one of the v2 protocol, or will be as soon as somebody listens.
        self._counters = {path: metrics.failure.labels(protocol, "overloaded") for path, protocol in _PROTOCOLS.items()}
        self._other = metrics.failure.labels("v2", "overloaded")
        self._arriving = 0

    def refuse(self, path: bytes, headers: Iterable[tuple[bytes, bytes]]) -> bytes | None:
        """The whole answer to a request that would wait too long; None for one that comes in, and is counted."""
        wait = self._wait()
        if wait is None or any(name in _HEARD for name, _ in headers):
            self._let_in()
            return None
        return self._count(path, wait)

    def refuse_plain(self, data: bytes) -> bytes | None:
        """As `refuse`, of what came over a connection; None for whatever has to be parsed, and nothing is counted."""
        wait = self._wait()
        if wait is None or (path := path_of_plain_post(data)) is None:
            return None
        return self._count(path, wait)

    def _wait(self) -> float | None:
        if self._answering.active_model.draining:
            return None  # the application refuses, too, and asks the caller to go elsewhere
        return self._answering.excess_wait(self._answering.limits.deadline, self._arriving)

    def _let_in(self) -> None:
        if not self._arriving:
            asyncio.get_running_loop().call_soon(self._all_arrived)
        self._arriving += 1

    def _all_arrived(self) -> None:
        self._arriving = 0

    def _count(self, path: bytes, wait: float) -> bytes:
        self._counters.get(path, self._other).inc()
        return _answer(round(wait, 1))


@lru_cache(maxsize=64)
def _answer(wait: float) -> bytes:
    refusal = overloaded(wait)
    body = Json({"error": refusal.detail}).body
    fields = {**DEFAULTS, **(refusal.headers or {}), "Content-Type": "application/json", "Content-Length": len(body)}
    lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"HTTP/1.1 429 Too Many Requests\r\n{lines}\r\n".encode() + bytes(body)
