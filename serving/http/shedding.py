"""Load shedding: refusals of requests that would wait too long, as bytes that are ready to send."""

import asyncio
import time
from collections.abc import Iterable, Mapping
from functools import lru_cache

from assay.serving.http.access_log import AccessLog
from assay.serving.http.context import Json
from assay.serving.http.error_responses import overloaded
from assay.serving.http.headers import DEFAULTS
from assay.serving.http.known_heads import KnownHeads
from assay.serving.http.model_calls import ModelCalls
from assay.serving.http.request_ids import new_id, valid_id
from assay.serving.http.server_metrics import ServerMetrics

# The application decides about requests with a deadline of their own, those that wait for 100 Continue, and those of
# web pages, whose responses need headers of CORS.
_LEFT_TO_APPLICATION = frozenset((b"x-deadline-ms", b"expect", b"origin"))
_LAG_SECONDS = 1.0
# Tasks whose lag counts as much as that of all before them: a pause that hits a single task says little about many.
_LAG_TASKS = 64
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
        self.known_heads = KnownHeads()
        self._arriving = 0
        self._wait: float | None = None  # expected for the last request that was refused; None once it is outdated
        self._lag = 0.0  # seconds that the event loop took last for reading and tasks
        self._lag_per_task = 0.0
        self._tasks = 0
        self._measured = 0.0
        self._measuring = False

    def refuse(self, target: bytes, headers: Iterable[tuple[bytes, bytes]], waited: float = 0.0) -> bytes | None:
        """Return the response to a request that would wait too long; None if it should be admitted.

        Args:
            target: path and query of the request.
            headers: its headers.
            waited: seconds since its last data arrived.
        """
        self._measure_lag()
        wait = self._excess_wait(waited)
        if wait is None:
            return None
        sent = dict(headers)
        if not _LEFT_TO_APPLICATION.isdisjoint(sent):
            return None
        path = target.partition(b"?")[0]  # a query may hold anything, and never enters the log
        self._counters.get(path, self._v2_counter).inc()
        head, body = _response(round(wait, 1))
        known, trace = _id(sent, b"x-request-id"), _id(sent, b"traceparent")
        if self._log is not None:
            self._log.record(known or new_id(), trace, "POST", path.decode("latin-1"), 429, 0.0)
        return b"".join([head, _line("x-request-id", known), _line("traceparent", trace), b"\r\n", body])

    def admit(self) -> None:
        """Count an admitted request, whose task runs later."""
        self._arriving += 1
        self._wait = None

    def _excess_wait(self, waited: float) -> float | None:
        if self._model_calls.models.default.draining:
            return None  # the application refuses, too, and asks the client to reconnect elsewhere
        # Until the next request is admitted, or tasks run, the estimate holds.
        wait = self._expected_wait() if self._wait is None else self._wait
        if not self._model_calls.is_too_long(wait, self._model_calls.limits.deadline - waited):
            return None
        self._wait = wait
        return wait

    def _expected_wait(self) -> float:
        # An older lag says nothing about the present one, nor does a pause that few requests cannot have caused.
        last = self._lag if time.monotonic() - self._measured < _LAG_SECONDS else 0.0
        lag = max(min(last, self._tasks * self._lag_per_task), self._arriving * self._lag_per_task)
        return self._model_calls.expected_wait(self._arriving) + 2 * lag

    def _measure_lag(self) -> None:
        """Measure the event loop once per iteration: callbacks run in the order in which they were added."""
        if not self._measuring:
            self._measuring = True
            asyncio.get_running_loop().call_soon(self._begin_tasks, time.monotonic())

    def _begin_tasks(self, begin: float) -> None:
        # More requests may be read before `_end_tasks` runs: they are counted, and measured, by themselves.
        tasks, self._arriving, self._wait, self._measuring = self._arriving, 0, None, False
        # The tasks of this iteration have been added before this callback adds another one.
        asyncio.get_running_loop().call_soon(self._end_tasks, tasks, begin, time.monotonic())

    def _end_tasks(self, tasks: int, begin: float, begin_tasks: float) -> None:
        self._tasks = tasks
        self._measured = time.monotonic()
        self._lag = self._measured - begin
        if tasks:
            seconds = self._measured - begin_tasks
            self._lag_per_task += (seconds - tasks * self._lag_per_task) / (tasks + _LAG_TASKS)


def _id(headers: Mapping[bytes, bytes], name: bytes) -> str | None:
    value = headers.get(name)
    return None if value is None else valid_id(value.decode("latin-1"))


def _line(name: str, value: str | None) -> bytes:
    return b"" if value is None else f"{name}: {value}\r\n".encode()


@lru_cache(maxsize=64)
def _response(wait: float) -> tuple[bytes, bytes]:
    """Return the head without its end, and the body."""
    refusal = overloaded(wait)
    body = Json({"error": refusal.detail}).body
    fields = {**DEFAULTS, **(refusal.headers or {}), "Content-Type": "application/json", "Content-Length": len(body)}
    lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"HTTP/1.1 429 Too Many Requests\r\n{lines}".encode(), bytes(body)
