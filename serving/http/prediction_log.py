"""The log of inputs and answers, for monitoring: optional, sampled, and without a text unless that is allowed.

A request hands over what it has and goes on; a thread of its own writes. What does not fit into the queue is dropped
and counted: a slow disk never slows an answer.
"""

import json
import logging
import os
import queue
import socket
import threading
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import SystemRandom
from typing import Any, TextIO

from starlette.requests import Request

from assay.corpus.errors import AssayError
from assay.serving.engine import Prediction, Row
from assay.serving.http.model_calls import Answered
from assay.serving.http.server_metrics import Metrics
from assay.serving.http.server_settings import LogSettings

logger = logging.getLogger(__name__)

PATTERN = "answers-*.jsonl"
# Characters that wait to be written, at most: what the queue may hold of memory, about.
QUEUE_CHARACTERS = 8 * 2**20
# What a row costs beside its text.
_ROW_CHARACTERS = 200
_FILE_BYTES = 64 * 2**20
_LONGEST_ID = 100


@dataclass(frozen=True)
class _Entry:
    """Rows of one request that are to be written."""

    at: datetime
    id: str
    answered: Answered
    rows: list[int]
    weight: int


class PredictionLog:
    """Takes answers on the event loop and writes them on a thread."""

    def __init__(self, settings: LogSettings, metrics: Metrics) -> None:
        """Start the thread.

        Raises:
            AssayError: the folder cannot be written to.
        """
        try:
            settings.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise AssayError(f"--log is {settings.folder}: {error.strerror}; name a folder to write to") from error
        if not os.access(settings.folder, os.W_OK):
            raise AssayError(f"--log is {settings.folder}, which cannot be written to; name another folder")
        self._settings = settings
        self._metrics = metrics
        self._queue = queue.SimpleQueue[_Entry | None]()
        self._lock = threading.Lock()
        self._waiting = 0
        self._files = _Files(settings)
        self._random = SystemRandom()
        self._failed = False
        self._thread = threading.Thread(target=self._work, name="answer-log", daemon=True)
        self._thread.start()

    def offer(self, request: Request, answered: Answered) -> None:
        """Take what was answered, or drop it where the queue is full. Never waits."""
        count = len(answered.rows)
        share = self._settings.share
        rows = [row for row in range(count) if share >= 1 or self._random.random() < share]
        if not rows:
            return
        weight = sum(_ROW_CHARACTERS + answered.rows[row].characters for row in rows)
        with self._lock:
            full = self._waiting + weight > QUEUE_CHARACTERS
            if not full:
                self._waiting += weight
        if full:
            self._metrics.log_dropped.inc(len(rows))
            return
        name = request.headers.get("x-request-id", "")[:_LONGEST_ID] or uuid.uuid4().hex
        self._queue.put(_Entry(datetime.now(UTC), name, answered, rows, weight))

    def stop(self) -> None:
        """Write what waits, and end the thread."""
        self._queue.put(None)
        self._thread.join()
        self._files.close()

    def _work(self) -> None:
        while (entry := self._queue.get()) is not None:
            try:
                self._files.write(entry.at, "".join(self._lines(entry)), flush=self._queue.empty())
                self._metrics.logged.inc(len(entry.rows))
                self._failed = False
            except Exception as error:  # noqa: BLE001  # whatever it is, it must not end the thread
                self._metrics.log_dropped.inc(len(entry.rows))
                if not self._failed:
                    logger.warning("answers cannot be written to %s: %s", self._settings.folder, error)
                self._failed = True
            with self._lock:
                self._waiting -= entry.weight

    def _lines(self, entry: _Entry) -> Iterator[str]:
        answered = entry.answered
        head = {"at": entry.at.isoformat(timespec="milliseconds"), **answered.model.identity()}
        for number in entry.rows:
            name = entry.id if len(answered.rows) == 1 else f"{entry.id}/{number}"
            row = answered.rows[number]
            record = {"id": name, **head, **_answer(row, answered.predictions[number])}
            if self._settings.texts:
                record |= {"text": row.text} | ({"text_pair": row.text_pair} if row.text_pair is not None else {})
            yield json.dumps(record) + "\n"


class _Files:
    """The file that is written to: another one each day and whenever it is large."""

    def __init__(self, settings: LogSettings) -> None:
        self._settings = settings
        self._file: TextIO | None = None
        self._day = ""

    def write(self, at: datetime, text: str, *, flush: bool) -> None:
        """Append whole lines."""
        file = self._current(at)
        file.write(text)
        if flush:
            file.flush()

    def close(self) -> None:
        """Flush and close."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _current(self, at: datetime) -> TextIO:
        day = f"{at:%Y%m%d}"
        if self._file is not None and (day != self._day or self._file.tell() > _FILE_BYTES):
            self.close()
        if self._file is None:
            self._remove_old(at)
            # No other server writes to this one.
            name = f"answers-{at:%Y%m%d-%H%M%S-%f}-{socket.gethostname()}-{os.getpid()}.jsonl"
            self._file, self._day = (self._settings.folder / name).open("a", encoding="utf-8"), day
        return self._file

    def _remove_old(self, at: datetime) -> None:
        oldest = (at - timedelta(days=self._settings.days)).timestamp()
        for path in self._settings.folder.glob(PATTERN):
            if path.stat().st_mtime < oldest:
                path.unlink(missing_ok=True)


def _answer(row: Row, answer: Prediction) -> Mapping[str, Any]:
    """The answer without a word of the text."""
    values: dict[str, Any] = {"characters": row.characters, "truncated": answer.truncated}
    if answer.label is not None:
        values |= {"label": answer.label, "confidence": round(max(answer.probabilities), 4)}
    entities = [{"start": e.start, "end": e.end, "label": e.label, "score": round(e.score, 4)} for e in answer.entities]
    return values | {"entities": entities}
