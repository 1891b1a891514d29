"""From checked rows to answers, for all protocols: let in or refuse, encode, wait for the batcher."""

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
from assay.serving.http.active_model import ActiveModel, ServedModel
from assay.serving.http.batcher import Batcher
from assay.serving.http.client_connection import ClientConnection
from assay.serving.http.pending_request import PendingRequest
from assay.serving.http.server_metrics import Metrics
from assay.serving.http.server_settings import Limits

# Shorter texts are encoded on the event loop: a thread would cost more than it saves.
_INLINE_CHARACTERS = 2_000
# Share of its deadline that a request may be expected to wait when it is let in: expectations err, and what is let
# in should be answered.
_ADMITTED_SHARE = 0.5


@dataclass(frozen=True)
class Answered:
    """Answers to rows, the model that gave them, and the seconds that took."""

    model: ServedModel
    rows: Sequence[Row]
    predictions: Sequence[Prediction]
    seconds: float


class ModelCalls:
    """What all protocols call."""

    def __init__(self, active_model: ActiveModel, batcher: Batcher, limits: Limits, metrics: Metrics) -> None:
        self.active_model = active_model
        self.limits = limits
        self._batcher = batcher
        self._metrics = metrics

    async def answer(self, request: Request, rows: Sequence[Row]) -> Answered:
        """Answer the rows of a request.

        Raises:
            Refusal: 429 the wait would be too long, 504 it was, 500 the model failed, 413 too many rows, 422 a row
                does not fit the model.
        """
        begun = time.monotonic()
        model = self.active_model.model
        allowed = read_deadline(request, self.limits)
        self._check_room(allowed, rows)
        items = await self._encode(model, rows)
        predictions = await self._compute(request, model, items, allowed)
        self._metrics.truncated.inc(sum(prediction.truncated for prediction in predictions))
        return Answered(model, rows, predictions, time.monotonic() - begun)

    def excess_wait(self, allowed: float, arriving: int = 0) -> float | None:
        """Seconds that a request would wait that may wait for `allowed` seconds; None if it may come in.

        Args:
            allowed: seconds.
            arriving: requests that were let in and are not in the queue yet.
        """
        wait = self._batcher.expected_wait(self.active_model.model.cost, arriving)
        full = self._batcher.waiting_tokens >= self._batcher.queue_tokens
        return wait if full or wait > allowed * _ADMITTED_SHARE else None

    def _check_room(self, allowed: float, rows: Sequence[Row]) -> None:
        if len(rows) > self.limits.rows:
            raise errors.Refusal(
                413, f"{len(rows)} rows are more than {self.limits.rows}; send them in several requests", "too_large"
            )
        wait = self.excess_wait(allowed)
        if wait is not None:
            raise errors.overloaded(wait)

    async def _encode(self, model: ServedModel, rows: Sequence[Row]) -> list[EncodedText]:
        begun = time.perf_counter()
        characters = sum(row.characters for row in rows)
        try:
            if characters <= _INLINE_CHARACTERS:
                return model.engine.encode(rows)
            return await run_in_threadpool(model.engine.encode, rows)
        except AssayError as error:
            raise errors.Refusal(422, str(error), "invalid") from error
        finally:
            self._metrics.tokenization.observe(time.perf_counter() - begun)

    async def _compute(
        self, request: Request, model: ServedModel, items: Sequence[EncodedText], allowed: float
    ) -> list[Prediction]:
        """Answers in the order of the items. A long request waits in portions, so that others get in between."""
        if len(items) == 1:
            return await self._wait(request, self._submit(model, items, allowed))
        answers: dict[int, Prediction] = {}
        waiting: deque[tuple[list[int], PendingRequest]] = deque()
        try:
            for chunk in _chunks(items, self._batcher.tokens_of_a_batch(model.cost)):
                if len(waiting) > self._batcher.threads:
                    await self._collect(request, waiting, answers)
                waiting.append((chunk, self._submit(model, [items[index] for index in chunk], allowed)))
            while waiting:
                await self._collect(request, waiting, answers)
        finally:
            for _, pending in waiting:
                pending.drop()
        return [answers[index] for index in range(len(items))]

    async def _collect(
        self, request: Request, waiting: deque[tuple[list[int], PendingRequest]], answers: dict[int, Prediction]
    ) -> None:
        chunk, pending = waiting.popleft()
        try:
            answers.update(zip(chunk, await self._wait(request, pending), strict=True))
        except errors.Refusal as refusal:
            raise refusal if refusal.row is None else errors.at_row(refusal, chunk[refusal.row]) from refusal

    def _submit(self, model: ServedModel, items: Sequence[EncodedText], allowed: float) -> PendingRequest:
        now = time.monotonic()
        # The deadline is about the wait for others: the time that the rows themselves need is granted on top.
        own = model.cost.seconds(len(items), sum(map(len, items)))
        pending = PendingRequest(model, items, now, now + allowed + own)
        self._batcher.submit(pending)
        return pending

    async def _wait(self, request: Request, pending: PendingRequest) -> list[Prediction]:
        """The answers to a ticket, unless the caller hangs up before."""
        client = ClientConnection.of(request)
        client.listen(lambda: pending.fail(errors.gone()))
        try:
            return await pending.answered
        finally:
            client.listen(None)
            pending.drop()


def read_deadline(request: Request, limits: Limits) -> float:
    """Seconds that the request may wait: the header X-Deadline-Ms, else the option of the server.

    Raises:
        Refusal: 422, the header is no number of milliseconds.
    """
    sent = request.headers.get("x-deadline-ms")
    if sent is None:
        return limits.deadline
    if not sent.isdecimal() or not 0 < int(sent[:9]) <= limits.longest_deadline * 1000:
        raise errors.Refusal(
            422, f"X-Deadline-Ms is {sent[:40]!r}; send 1 to {limits.longest_deadline * 1000:.0f}", "invalid"
        )
    return int(sent) / 1000


def _chunks(items: Sequence[EncodedText], most_tokens: int) -> Iterator[list[int]]:
    """Indices in portions of nearly equal length, each a batch; long ones first, since they take longest."""
    order = sorted(range(len(items)), key=lambda index: -len(items[index]))
    cuts = [0]
    for position, _ in enumerate(order):
        longest = len(items[order[cuts[-1]]])
        if position > cuts[-1] and (position - cuts[-1] + 1) * longest > most_tokens:
            cuts.append(position)
    for begin, end in pairwise([*cuts, len(order)]):
        if begin < end:
            yield order[begin:end]
