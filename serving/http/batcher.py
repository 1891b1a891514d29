"""The batcher: all rows that wait when a thread becomes idle are candidates for its next batch. No timer delays it.

Each batch runs on one thread, and as many batches run at the same time as there are threads. Small batches of equal
length cost no more per token than large ones, and no thread waits for another one at the end of each layer.
"""

import logging
import os
import sys
import threading
import time
from collections import deque
from collections.abc import Sequence

from assay.corpus.errors import AssayError
from assay.serving.engine import Prediction
from assay.serving.http import error_responses as errors
from assay.serving.http.active_model import ServedModel
from assay.serving.http.batch_selection import select_batch
from assay.serving.http.cost import BatchCost
from assay.serving.http.pending_request import BatchJob, PendingRequest
from assay.serving.http.server_metrics import ServerMetrics

logger = logging.getLogger(__name__)

# A batch gains little from more tokens than fit into this time, and the next rows wait for its end.
BATCH_SECONDS = 0.1
# Niceness of the computing threads, relative to that of the event loop.
_NICENESS = 5
# Of more candidates, batches would be made with less padding, but rows of rare lengths would wait longer.
MAX_CANDIDATES = 64


class Batcher:
    """A queue bounded in tokens, and the threads that empty it."""

    def __init__(self, threads: int, queue_tokens: int, metrics: ServerMetrics) -> None:
        """Start the threads.

        Args:
            threads: number of batches that run at the same time, each on one thread.
            queue_tokens: maximum number of waiting tokens.
            metrics: metrics that count the batches.
        """
        self.queue_tokens = queue_tokens
        self.threads = threads
        self._metrics = metrics
        self._gathered: list[BatchJob] = []  # submitted in the present iteration of the event loop
        self._gathered_tokens = 0
        self._released: deque[BatchJob] = deque()  # by the event loop, for the threads
        self._waiting: list[BatchJob] = []
        # Both only grow, each in one thread at a time: their difference is what waits.
        self._submitted_tokens = 0
        self._taken_tokens = 0
        self._running_tokens = 0
        self._idle = 0  # threads that have no batch
        self._asleep = 0  # those of them that wait for rows
        self._stopped = False
        self._changed = threading.Condition()
        self._workers = [threading.Thread(target=self._work, name=f"batch-{n}", daemon=True) for n in range(threads)]
        for worker in self._workers:
            worker.start()

    @property
    def waiting_tokens(self) -> int:
        """Number of tokens of the waiting rows."""
        return self._submitted_tokens - self._taken_tokens

    @property
    def waiting_rows(self) -> int:
        """Number of waiting rows."""
        return len(self._waiting) + len(self._released) + len(self._gathered)

    def expected_wait(self, cost: BatchCost, arriving: int = 0) -> float:
        """Estimate the wait of a new row.

        Args:
            cost: cost of the active model.
            arriving: number of admitted rows that are not in the queue yet.

        Returns:
            Seconds.
        """
        # Running batches are half done on average.
        tokens = self.waiting_tokens + self._running_tokens / 2 + arriving * cost.tokens_per_row
        return cost.seconds(self.waiting_rows + arriving, tokens) / self.threads

    def max_batch_tokens(self, model: ServedModel) -> int:
        """Return the maximum number of tokens per batch of a model, as its runtime and its cost suggest."""
        if not model.cost.seconds_per_token:
            return model.engine.batch_tokens
        return min(model.engine.batch_tokens, int(BATCH_SECONDS / model.cost.seconds_per_token))

    def submit(self, pending: PendingRequest) -> None:
        """Append the rows of a pending request to the queue. Called on the event loop only.

        The requests of one iteration of the event loop enter the queue together, at its end or when they fill a batch.
        Otherwise a thread that is faster than the event loop would take each of them by itself, and its wake-ups would
        slow down the loop.

        Raises:
            Refusal: 503, the batcher is stopped.
        """
        if self._stopped:
            raise errors.stopping()
        if not self._gathered:
            pending.loop.call_soon(self._release)
        jobs = [BatchJob(pending, row, len(item)) for row, item in enumerate(pending.items)]
        tokens = sum(job.tokens for job in jobs)
        self._gathered += jobs
        self._gathered_tokens += tokens
        self._submitted_tokens += tokens
        if self._gathered_tokens >= pending.model.engine.batch_tokens:
            self._release()

    def _release(self) -> None:
        """Move the gathered rows into the queue.

        While all threads compute, none is woken, and the event loop waits for no lock: the threads look here before
        they become idle.
        """
        jobs = self._gathered
        self._gathered, self._gathered_tokens = [], 0
        self._released.extend(jobs)
        if self._asleep:
            with self._changed:
                self._changed.notify(len(jobs))

    def stop(self) -> None:
        """Stop the threads, and refuse the requests that still wait."""
        with self._changed:
            self._stopped = True
            remaining = [*self._waiting, *self._released, *self._gathered]
            self._waiting, self._gathered, self._gathered_tokens = [], [], 0
            self._released.clear()
            self._taken_tokens = self._submitted_tokens
            self._changed.notify_all()
        for pending in {id(job.pending): job.pending for job in remaining}.values():
            pending.fail(errors.stopping())
        for worker in self._workers:
            worker.join()

    def _work(self) -> None:
        _lower_priority()
        while batch := self._wait_for_batch():
            outcomes = self._compute(batch)
            with self._changed:
                self._running_tokens -= sum(job.tokens for job in batch)
            # Last: the next request of a client that has its response must not count this batch as running.
            batch[0].pending.loop.call_soon_threadsafe(_deliver, batch, outcomes)

    def _wait_for_batch(self) -> list[BatchJob]:
        """Wait for rows and return the next batch; empty after the batcher has stopped."""
        with self._changed:
            self._idle += 1
            try:
                while not self._stopped:
                    self._receive()
                    if self._waiting and (batch := self._take_batch()):
                        return batch
                    self._sleep()
            finally:
                self._idle -= 1
        return []

    def _sleep(self) -> None:
        """Wait until rows are released, unless some were since the last look: who releases looks at `_asleep` last."""
        self._asleep += 1
        if not self._released:
            self._changed.wait()
        self._asleep -= 1

    def _receive(self) -> None:
        """Append the released rows to the waiting ones."""
        while self._released:
            self._waiting.append(self._released.popleft())

    def _take_batch(self) -> list[BatchJob]:
        now = time.monotonic()
        self._drop_expired(now)
        if not self._waiting:
            return []
        model = self._waiting[0].pending.model
        # Rows of two models may wait while the active model changes.
        jobs = [job for job in self._waiting[:MAX_CANDIDATES] if job.pending.model is model]
        # Leave a share of the queue to the other idle threads.
        share = max(1, self.waiting_tokens // self._idle)
        max_tokens = min(self.max_batch_tokens(model), share)
        selected = select_batch([job.tokens for job in jobs], max_tokens, model.cost.overhead_tokens)
        batch = [jobs[index] for index in selected]
        self._remove(batch)
        self._running_tokens += sum(job.tokens for job in batch)
        self._metrics.record_waits(now - job.pending.arrived for job in batch)
        return batch

    def _drop_expired(self, now: float) -> None:
        """Drop the rows whose client has disconnected or whose deadline has passed; they are never computed."""
        expired = [job for job in self._waiting if job.pending.dropped or job.pending.deadline < now]
        if not expired:
            return
        self._remove(expired)
        for pending in {id(job.pending): job.pending for job in expired if not job.pending.dropped}.values():
            pending.loop.call_soon_threadsafe(pending.fail, errors.deadline_exceeded())

    def _remove(self, jobs: Sequence[BatchJob]) -> None:
        removed = set(map(id, jobs))
        self._waiting = [job for job in self._waiting if id(job) not in removed]
        self._taken_tokens += sum(job.tokens for job in jobs)

    def _compute(self, batch: list[BatchJob]) -> list[Prediction | Exception]:
        model = batch[0].pending.model
        begin = time.monotonic()
        outcomes = _predict(batch)
        seconds = time.monotonic() - begin
        padded = len(batch) * max(job.tokens for job in batch)
        model.cost.observe(len(batch), padded, seconds)
        self._metrics.record_batch(len(batch), padded, sum(job.tokens for job in batch), seconds)
        return outcomes


def _lower_priority() -> None:
    """Give the event loop precedence: its work is short, and refusals must not wait."""
    # Only Linux has a priority per thread.
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICENESS)


def _predict(batch: Sequence[BatchJob]) -> list[Prediction | Exception]:
    """Return a prediction per row. If the batch fails, retry each row alone, so that only the faulty one fails."""
    try:
        return list(batch[0].pending.model.engine.predict_batch([job.item for job in batch]))
    except Exception as error:  # noqa: BLE001  # no error may end the thread
        if len(batch) > 1:
            return [outcome for job in batch for outcome in _predict([job])]
        return [_failure(batch[0], error)]


def _failure(job: BatchJob, error: Exception) -> Exception:
    logger.error("row %d of a request failed: %s", job.row, error)
    not_finite = isinstance(error, AssayError) and "finite" in str(error)
    what = "the model's prediction is not a finite number" if not_finite else "the model failed"
    reason = "not_finite" if not_finite else "model"
    return errors.Refusal(500, f"row {job.row}: {what}; the log of the server has the details", reason, row=job.row)


def _deliver(batch: Sequence[BatchJob], outcomes: Sequence[Prediction | Exception]) -> None:
    for job, outcome in zip(batch, outcomes, strict=True):
        if isinstance(outcome, Exception):
            job.pending.fail(outcome)
        else:
            job.pending.resolve(job.row, outcome)
