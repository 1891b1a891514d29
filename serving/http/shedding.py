"""Load shedding: refusals of requests that would wait too long, as bytes that are ready to send."""

import asyncio
import uuid
from collections.abc import Iterable
from functools import lru_cache

from assay.serving.http.access_log import AccessLog
from assay.serving.http.context import Json
from assay.serving.http.error_responses import overloaded
from assay.serving.http.headers import DEFAULTS
from assay.serving.http.model_calls import ModelCalls
from assay.serving.http.request_ids import valid_id
from assay.serving.http.server_metrics import ServerMetrics

# The application decides about requests with a deadline of their own, those that wait for 100 Continue, and those of
# web pages, whose responses need headers of CORS.
_LEFT_TO_APPLICATION = frozenset((b"x-deadline-ms", b"expect", b"origin"))
_PROTOCOLS = {b"/predict": "predict", b"/invocations": "invocations"}


class Shedder:
    """Refuses requests while the queue is too long.

    The event loop reads from all connections that have data before it runs the tasks of their requests. Requests that
    are admitted in between are counted until their tasks run; otherwise far too many would be admitted.
    """

    def __init__(self, model_calls: ModelCalls, metrics: ServerMetrics, log: AccessLog | None = None) -> None:
        self._model_calls = model_calls
        self._log = log
        # All other paths count as the v2 protocol.
        self._counters = {path: metrics.failure.labels(protocol, "overloaded") for path, protocol in _PROTOCOLS.items()}
        self._v2_counter = metrics.failure.labels("v2", "overloaded")
        self._arriving = 0

    def refuse(self, path: bytes, headers: Iterable[tuple[bytes, bytes]]) -> bytes | None:
        """Return the response to a request that would wait too long; None admits and counts the request."""
        wait = self._excess_wait()
        if wait is None or any(name in _LEFT_TO_APPLICATION for name, _ in headers):
            self._admit()
            return None
        self._counters.get(path, self._v2_counter).inc()
        head, body = _response(round(wait, 1))
        sent = dict(headers)
        known, trace = (valid_id(sent.get(name, b"").decode("latin-1")) for name in (b"x-request-id", b"traceparent"))
        if self._log is not None:
            self._log.record(known or uuid.uuid4().hex, trace, "POST", path.decode("latin-1"), 429, 0.0)
        fields = (("x-request-id", known), ("traceparent", trace))
        lines = "".join(f"{name}: {value}\r\n" for name, value in fields if value)
        return b"".join([head, lines.encode(), b"\r\n", body])

    def _excess_wait(self) -> float | None:
        if self._model_calls.active_model.draining:
            return None  # the application refuses, too, and asks the client to reconnect elsewhere
        return self._model_calls.excess_wait(self._model_calls.limits.deadline, self._arriving)

    def _admit(self) -> None:
        if not self._arriving:
            asyncio.get_running_loop().call_soon(self._reset_arriving)
        self._arriving += 1

    def _reset_arriving(self) -> None:
        self._arriving = 0


@lru_cache(maxsize=64)
def _response(wait: float) -> tuple[bytes, bytes]:
    """Return the head without its end, and the body."""
    refusal = overloaded(wait)
    body = Json({"error": refusal.detail}).body
    fields = {**DEFAULTS, **(refusal.headers or {}), "Content-Type": "application/json", "Content-Length": len(body)}
    lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"HTTP/1.1 429 Too Many Requests\r\n{lines}".encode(), bytes(body)
