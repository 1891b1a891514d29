"""Load shedding: refusals of requests that would wait too long, as bytes that are ready to send."""

import asyncio
import time
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
_LAG_SECONDS = 1.0
_LAG_WEIGHT = 0.2  # of the last iteration of the event loop in the average per task
_PROTOCOLS = {b"/predict": "predict", b"/invocations": "invocations"}


class Shedder:
    """Refuses requests while the queue is too long.

    The event loop reads from all connections that have data before it runs the tasks of their requests. Requests that
    are admitted in between are counted until their tasks run; otherwise far too many would be admitted. The time from
    reading to the end of the tasks counts as a wait, too: before the rows of a request enter the queue, and again
    before its response is sent.
    """

    def __init__(self, model_calls: ModelCalls, metrics: ServerMetrics, log: AccessLog | None = None) -> None:
        self._model_calls = model_calls
        self._log = log
        # All other paths count as the v2 protocol.
        self._counters = {path: metrics.failure.labels(protocol, "overloaded") for path, protocol in _PROTOCOLS.items()}
        self._v2_counter = metrics.failure.labels("v2", "overloaded")
        self._arriving = 0
        self._lag = 0.0  # seconds that the event loop took last for reading and tasks
        self._lag_per_task = 0.0
        self._tasks = 0
        self._measured = 0.0
        self._measuring = False

    def refuse(self, target: bytes, headers: Iterable[tuple[bytes, bytes]], waited: float = 0.0) -> bytes | None:
        """Return the response to a request that would wait too long; None admits and counts the request.

        Args:
            target: path and query of the request.
            headers: its headers.
            waited: seconds since its last data arrived.
        """
        self._measure_lag()
        wait = self._excess_wait(waited)
        if wait is None or any(name in _LEFT_TO_APPLICATION for name, _ in headers):
            self._admit()
            return None
        path = target.partition(b"?")[0]  # a query may hold anything, and never enters the log
        self._counters.get(path, self._v2_counter).inc()
        head, body = _response(round(wait, 1))
        sent = dict(headers)
        known, trace = (valid_id(sent.get(name, b"").decode("latin-1")) for name in (b"x-request-id", b"traceparent"))
        if self._log is not None:
            self._log.record(known or uuid.uuid4().hex, trace, "POST", path.decode("latin-1"), 429, 0.0)
        fields = (("x-request-id", known), ("traceparent", trace))
        lines = "".join(f"{name}: {value}\r\n" for name, value in fields if value)
        return b"".join([head, lines.encode(), b"\r\n", body])

    def _excess_wait(self, waited: float) -> float | None:
        if self._model_calls.models.default.draining:
            return None  # the application refuses, too, and asks the client to reconnect elsewhere
        calls = self._model_calls
        # An older lag says nothing about the present one, nor does a pause that few requests cannot have caused.
        last = self._lag if time.monotonic() - self._measured < _LAG_SECONDS else 0.0
        lag = max(min(last, self._tasks * self._lag_per_task), self._arriving * self._lag_per_task)
        return calls.excess_wait(calls.limits.deadline - waited, self._arriving, 2 * lag)

    def _admit(self) -> None:
        self._arriving += 1

    def _measure_lag(self) -> None:
        """Measure the event loop once per iteration: callbacks run in the order in which they were added."""
        if not self._measuring:
            self._measuring = True
            asyncio.get_running_loop().call_soon(self._begin_tasks, time.monotonic())

    def _begin_tasks(self, begin: float) -> None:
        self._tasks, self._arriving = self._arriving, 0
        # The tasks of this iteration have been added before this callback adds another one.
        asyncio.get_running_loop().call_soon(self._end_tasks, begin)

    def _end_tasks(self, begin: float) -> None:
        self._measured = time.monotonic()
        self._lag = self._measured - begin
        if self._tasks:
            self._lag_per_task += _LAG_WEIGHT * (self._lag / self._tasks - self._lag_per_task)
        self._measuring = False


@lru_cache(maxsize=64)
def _response(wait: float) -> tuple[bytes, bytes]:
    """Return the head without its end, and the body."""
    refusal = overloaded(wait)
    body = Json({"error": refusal.detail}).body
    fields = {**DEFAULTS, **(refusal.headers or {}), "Content-Type": "application/json", "Content-Length": len(body)}
    lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"HTTP/1.1 429 Too Many Requests\r\n{lines}".encode(), bytes(body)
