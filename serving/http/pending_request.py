"""Pending requests: the rows of a request from the time they enter the queue until they are predicted."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from assay.serving.encoding import EncodedText
from assay.serving.engine import Prediction
from assay.serving.http.active_model import ServedModel


class PendingRequest:
    """Rows that wait together. Created and resolved on the event loop; worker threads only read it.

    `deadline` and `arrived` are seconds of `time.monotonic`.
    """

    def __init__(self, model: ServedModel, items: Sequence[EncodedText], arrived: float, deadline: float) -> None:
        self.model = model
        self.items = items
        self.arrived = arrived
        self.deadline = deadline
        self.loop = asyncio.get_running_loop()
        self.result: asyncio.Future[list[Prediction]] = self.loop.create_future()
        # The workers read it without a lock: it changes once, from False to True.
        self.dropped = False
        self._predictions: list[Prediction | None] = [None] * len(items)
        self._remaining = len(items)

    def resolve(self, row: int, prediction: Prediction) -> None:
        """Set the prediction of one row; the last one completes the request."""
        self._predictions[row] = prediction
        self._remaining -= 1
        if not self._remaining and not self.result.done():
            self.result.set_result([prediction for prediction in self._predictions if prediction is not None])

    def drop(self) -> None:
        """Drop the rows that are still in the queue: nobody waits for them any more."""
        self.dropped = True

    def fail(self, error: Exception) -> None:
        """Drop the rows, and end the request with an error."""
        self.drop()
        if not self.result.done():
            self.result.set_exception(error)


@dataclass(frozen=True, slots=True, eq=False)
class BatchJob:
    """One row of a pending request in the queue; `row` is its number in the request."""

    pending: PendingRequest
    row: int
    tokens: int

    @property
    def item(self) -> EncodedText:
        """The row as the model reads it."""
        return self.pending.items[self.row]
