"""Rows of one request, from when they wait until they are answered."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from assay.serving.encoding import EncodedText
from assay.serving.engine import Prediction
from assay.serving.http.active_model import ServedModel


class PendingRequest:
    """Rows that wait together. Made and resolved on the event loop; worker threads only read it.

    `deadline` and `arrived` are in seconds of `time.monotonic`.
    """

    def __init__(self, model: ServedModel, items: Sequence[EncodedText], arrived: float, deadline: float) -> None:
        self.model = model
        self.items = items
        self.arrived = arrived
        self.deadline = deadline
        self.loop = asyncio.get_running_loop()
        self.answered: asyncio.Future[list[Prediction]] = self.loop.create_future()
        # Read by the workers without a lock: it turns once, from False to True.
        self.dropped = False
        self._answers: list[Prediction | None] = [None] * len(items)
        self._left = len(items)

    def resolve(self, place: int, answer: Prediction) -> None:
        """Take the answer to one row; with the last one the request goes on."""
        self._answers[place] = answer
        self._left -= 1
        if not self._left and not self.answered.done():
            self.answered.set_result([answer for answer in self._answers if answer is not None])

    def drop(self) -> None:
        """Nobody waits any more: rows that are still in the queue are not computed."""
        self.dropped = True

    def fail(self, error: Exception) -> None:
        """Give up on the whole ticket."""
        self.drop()
        if not self.answered.done():
            self.answered.set_exception(error)


@dataclass(frozen=True, slots=True, eq=False)
class BatchJob:
    """One row of a ticket in the queue."""

    pending: PendingRequest
    place: int
    tokens: int

    @property
    def item(self) -> EncodedText:
        """The row as the model takes it."""
        return self.pending.items[self.place]
