"""The batcher: whatever waits when a thread is free is its next batch. No timer ever waits for more.

Each batch runs on one thread, and as many batches run at once as there are threads: small batches of equal length
cost no more a token than large ones, and none of them waits for another thread at the end of each layer.
"""

import logging
import os
import sys
import threading
import time
from collections.abc import Sequence

from assay.corpus.errors import AssayError
from assay.serving.engine import Prediction
from assay.serving.http import error_responses as errors
from assay.serving.http.batch_selection import get_path
from assay.serving.http.cost import BatchCost
from assay.serving.http.pending_request import BatchJob, PendingRequest
from assay.serving.http.server_metrics import Metrics

logger = logging.getLogger(__name__)

# A batch gains little from more tokens than this takes, and who comes next waits for its end.
BATCH_SECONDS = 0.1
# Niceness of the threads that compute, against that of the event loop.
_GIVING_WAY = 5
# More of them would only be looked at again and again while the queue is long.
MOST_CANDIDATES = 128


class Batcher:
    """A queue bounded in tokens, and the threads that empty it."""

    def __init__(self, threads: int, batch_tokens: int, queue_tokens: int, metrics: Metrics) -> None:
        """Start the threads.

        Args:
            threads: batches that run at once, each on one of them.
            batch_tokens: most tokens of a batch, padding counted.
            queue_tokens: most tokens that wait.
            metrics: where batches are counted.
        """
        self.batch_tokens = batch_tokens
        self.queue_tokens = queue_tokens
        self.threads = threads
        self._metrics = metrics
        self._waiting: list[BatchJob] = []
        self._waiting_tokens = 0
        self._running_tokens = 0
        self._idle = 0
        self._stopped = False
        self._changed = threading.Condition()
        self._workers = [threading.Thread(target=self._work, name=f"batch-{n}", daemon=True) for n in range(threads)]
        for worker in self._workers:
            worker.start()

    @property
    def waiting_tokens(self) -> int:
        """Tokens of the rows that wait."""
        return self._waiting_tokens

    @property
    def waiting_rows(self) -> int:
        """Rows that wait."""
        return len(self._waiting)

    def expected_wait(self, cost: BatchCost, arriving: int = 0) -> float:
        """Seconds that a row would wait that came now, behind `arriving` rows that are not in the queue yet."""
        # What runs is half done on average.
        tokens = self._waiting_tokens + self._running_tokens / 2 + arriving * cost.tokens_a_row
        return cost.seconds(len(self._waiting) + arriving, tokens) / self.threads

    def tokens_of_a_batch(self, cost: BatchCost) -> int:
        """Most tokens that one batch takes of a model that costs this."""
        return min(self.batch_tokens, int(BATCH_SECONDS / cost.per_token)) if cost.per_token else self.batch_tokens

    def submit(self, pending: PendingRequest) -> None:
        """Put the rows of a ticket behind those that wait."""
        jobs = [BatchJob(pending, place, len(item)) for place, item in enumerate(pending.items)]
        with self._changed:
            if self._stopped:
                raise errors.stopping()
            self._waiting += jobs
            self._waiting_tokens += sum(job.tokens for job in jobs)
            self._changed.notify(len(jobs))

    def stop(self) -> None:
        """End the threads; what still waits is refused."""
        with self._changed:
            self._stopped = True
            left, self._waiting, self._waiting_tokens = self._waiting, [], 0
            self._changed.notify_all()
        for pending in {id(job.pending): job.pending for job in left}.values():
            pending.fail(errors.stopping())
        for worker in self._workers:
            worker.join()

    def _work(self) -> None:
        _give_way()
        while batch := self._next():
            self._answer(batch)
            with self._changed:
                self._running_tokens -= sum(job.tokens for job in batch)

    def _next(self) -> list[BatchJob]:
        """The next batch, once something waits; empty when the batcher stops."""
        with self._changed:
            self._idle += 1
            try:
                while not self._stopped:
                    if self._waiting and (batch := self._take()):
                        return batch
                    self._changed.wait()
            finally:
                self._idle -= 1
        return []

    def _take(self) -> list[BatchJob]:
        now = time.monotonic()
        self._drop_dead(now)
        if not self._waiting:
            return []
        model = self._waiting[0].pending.model
        # While models are swapped, rows of two of them may wait.
        rows = [job for job in self._waiting[:MOST_CANDIDATES] if job.pending.model is model]
        # Other threads that are free take their part.
        share = max(1, self._waiting_tokens // self._idle)
        budget = min(self.tokens_of_a_batch(model.cost), share)
        batch = [rows[index] for index in get_path([job.tokens for job in rows], budget, model.cost.overhead_tokens)]
        self._remove(batch)
        self._running_tokens += sum(job.tokens for job in batch)
        self._metrics.picked(now - job.pending.arrived for job in batch)
        return batch

    def _drop_dead(self, now: float) -> None:
        """Rows whose caller hung up or whose time is over are never computed."""
        dead = [job for job in self._waiting if job.pending.dropped or job.pending.deadline < now]
        if not dead:
            return
        self._remove(dead)
        for pending in {id(job.pending): job.pending for job in dead if not job.pending.dropped}.values():
            pending.loop.call_soon_threadsafe(pending.fail, errors.too_late())

    def _remove(self, jobs: Sequence[BatchJob]) -> None:
        gone = set(map(id, jobs))
        self._waiting = [job for job in self._waiting if id(job) not in gone]
        self._waiting_tokens -= sum(job.tokens for job in jobs)

    def _answer(self, batch: list[BatchJob]) -> None:
        model = batch[0].pending.model
        begun = time.monotonic()
        answers = _answers(batch)
        seconds = time.monotonic() - begun
        padded = len(batch) * max(job.tokens for job in batch)
        model.cost.observe(len(batch), padded, seconds)
        self._metrics.computed(len(batch), padded, sum(job.tokens for job in batch), seconds)
        batch[0].pending.loop.call_soon_threadsafe(_deliver, batch, answers)


def _give_way() -> None:
    """Let the event loop have a CPU whenever it wants one: what it does is short, and refusals must not wait."""
    # Linux knows a priority for each thread.
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _GIVING_WAY)


def _answers(batch: Sequence[BatchJob]) -> list[Prediction | Exception]:
    """The answers; where the batch fails, each row is tried alone, so that only the one at fault fails."""
    try:
        return list(batch[0].pending.model.engine.predict_batch([job.item for job in batch]))
    except Exception as error:  # noqa: BLE001  # whatever it is, it must not end the thread
        if len(batch) > 1:
            return [answer for job in batch for answer in _answers([job])]
        return [_failure(batch[0], error)]


def _failure(job: BatchJob, error: Exception) -> Exception:
    logger.error("row %d of a request failed: %s", job.place, error)
    known = isinstance(error, AssayError) and "finite" in str(error)
    what = "the model's answer is not a finite number" if known else "the model failed"
    reason = "not_finite" if known else "model"
    return errors.Refusal(500, f"row {job.place}: {what}; the operator finds more in the log", reason, row=job.place)


def _deliver(batch: Sequence[BatchJob], answers: Sequence[Prediction | Exception]) -> None:
    for job, answer in zip(batch, answers, strict=True):
        if isinstance(answer, Exception):
            job.pending.fail(answer)
        else:
            job.pending.resolve(job.place, answer)
