"""Model calls, shared by all protocols: admit or refuse a request, encode its rows, and wait for the batcher."""

import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from assay.corpus.errors import AssayError
from assay.serving.encoding import EncodedText
from assay.serving.engine import Prediction, Row
from assay.serving.http import error_responses as errors
from assay.serving.http.active_model import ServedModel
from assay.serving.http.batcher import Batcher
from assay.serving.http.client_connection import ClientConnection
from assay.serving.http.model_set import ModelSet
from assay.serving.http.pending_request import PendingRequest
from assay.serving.http.request_ids import received_at
from assay.serving.http.requests import read_count
from assay.serving.http.server_metrics import ServerMetrics
from assay.serving.http.server_settings import Limits

# Shorter texts are encoded on the event loop: a thread would cost more than it saves.
_INLINE_CHARACTERS = 2_000
# Share of its deadline that an admitted request may be expected to wait: estimates are uncertain, and an admitted
# request should be predicted in time.
_ADMITTED_SHARE = 0.5


@dataclass(frozen=True)
class PredictedRows:
    """Rows with their predictions, the model that predicted them, and the seconds that took."""

    model: ServedModel
    rows: Sequence[Row]
    predictions: Sequence[Prediction]
    seconds: float


class ModelCalls:
    """Calls of the active models within the limits of the server."""

    def __init__(self, models: ModelSet, batcher: Batcher, limits: Limits, metrics: ServerMetrics) -> None:
        self.models = models
        self.limits = limits
        self._batcher = batcher
        self._metrics = metrics

    async def predict(self, request: Request, model: ServedModel, rows: Sequence[Row]) -> PredictedRows:
        """Predict the rows of a request with a model.

        Raises:
            Refusal: 413 too many rows, 422 a row does not fit the model, 429 the wait would be too long, 499 the
                client disconnected, 500 the model failed, 503 the server is stopping, 504 the deadline passed.
        """
        begin = time.monotonic()
        # The wait for the event loop counts from the last byte of the request, which the client has sent.
        deadline = read_deadline(request, self.limits) - (begin - received_at(request))
        self._check_capacity(deadline, rows)
        items = await self._encode(model, rows)
        predictions = await self._compute(request, model, items, deadline)
        self._metrics.record_predictions(predictions)
        return PredictedRows(model, rows, predictions, time.monotonic() - begin)

    def expected_wait(self, arriving: int = 0) -> float:
        """Estimate the wait of a new request in seconds; `arriving` admitted requests are not in the queue yet."""
        return self._batcher.expected_wait(self.models.slowest().model.cost, arriving)

    def is_too_long(self, wait: float, deadline: float) -> bool:
        """Return whether a request with this deadline that would wait for so long is refused, both in seconds.

        Every request is, while the queue is full.
        """
        return wait > deadline * _ADMITTED_SHARE or self._batcher.waiting_tokens >= self._batcher.queue_tokens

    def _check_capacity(self, deadline: float, rows: Sequence[Row]) -> None:
        if len(rows) > self.limits.rows:
            raise errors.Refusal(
                413, f"{len(rows)} rows are more than {self.limits.rows}; send them in several requests", "too_large"
            )
        wait = self.expected_wait()
        if self.is_too_long(wait, deadline):
            raise errors.overloaded(wait)

    async def _encode(self, model: ServedModel, rows: Sequence[Row]) -> list[EncodedText]:
        begin = time.perf_counter()
        characters = sum(row.characters for row in rows)
        try:
            if characters <= _INLINE_CHARACTERS:
                return model.engine.encode(rows)
            return await run_in_threadpool(model.engine.encode, rows)
        except AssayError as error:
            raise errors.Refusal(422, str(error), "invalid") from error
        finally:
            self._metrics.tokenization.observe(time.perf_counter() - begin)

    async def _compute(
        self, request: Request, model: ServedModel, items: Sequence[EncodedText], deadline: float
    ) -> list[Prediction]:
        """Return predictions in the order of the items. A long request waits in chunks, to leave room for others."""
        if len(items) == 1:
            return await self._wait(request, self._submit(model, items, deadline))
        predictions: dict[int, Prediction] = {}
        waiting: deque[tuple[list[int], PendingRequest]] = deque()
        try:
            for chunk in _chunks(items, self._batcher.max_batch_tokens(model)):
                if len(waiting) > self._batcher.threads:
                    await self._collect(request, waiting, predictions)
                waiting.append((chunk, self._submit(model, [items[index] for index in chunk], deadline)))
            while waiting:
                await self._collect(request, waiting, predictions)
        finally:
            for _, pending in waiting:
                pending.drop()
        return [predictions[index] for index in range(len(items))]

    async def _collect(
        self, request: Request, waiting: deque[tuple[list[int], PendingRequest]], predictions: dict[int, Prediction]
    ) -> None:
        chunk, pending = waiting.popleft()
        try:
            predictions.update(zip(chunk, await self._wait(request, pending), strict=True))
        except errors.Refusal as refusal:
            raise refusal if refusal.row is None else errors.with_row(refusal, chunk[refusal.row]) from refusal

    def _submit(self, model: ServedModel, items: Sequence[EncodedText], deadline: float) -> PendingRequest:
        now = time.monotonic()
        # The deadline limits the wait for other requests: the time for the rows themselves is added.
        own_seconds = model.cost.seconds(len(items), sum(map(len, items)))
        pending = PendingRequest(model, items, now, now + deadline + own_seconds)
        self._batcher.submit(pending)
        return pending

    async def _wait(self, request: Request, pending: PendingRequest) -> list[Prediction]:
        """Wait for the predictions of a pending request, or until the client disconnects."""
        connection = ClientConnection.of(request)
        connection.on_disconnect(lambda: pending.fail(errors.client_disconnected()))
        try:
            return await pending.result
        finally:
            connection.on_disconnect(None)
            pending.drop()


def read_deadline(request: Request, limits: Limits) -> float:
    """Return the seconds that a request may wait: the header X-Deadline-Ms, or the default of the server.

    Raises:
        Refusal: 422, the header is not a number of milliseconds within the limits.
    """
    header = request.headers.get("x-deadline-ms")
    if header is None:
        return limits.deadline
    milliseconds = read_count(header)
    if milliseconds is None or not 0 < milliseconds <= limits.max_deadline * 1000:
        raise errors.Refusal(
            422, f"X-Deadline-Ms is {header[:40]!r}; send 1 to {limits.max_deadline * 1000:.0f}", "invalid"
        )
    return milliseconds / 1000


def _chunks(items: Sequence[EncodedText], max_tokens: int) -> Iterator[list[int]]:
    """Yield indices in chunks of similar length, one batch each; the longest come first, since they take longest."""
    order = sorted(range(len(items)), key=lambda index: -len(items[index]))
    cuts = [0]
    for position, _ in enumerate(order):
        longest = len(items[order[cuts[-1]]])
        if position > cuts[-1] and (position - cuts[-1] + 1) * longest > max_tokens:
            cuts.append(position)
    for begin, end in pairwise([*cuts, len(order)]):
        if begin < end:
            yield order[begin:end]
