"""The prediction log, for monitoring: optional, sampled, and without texts unless the settings allow them.

Requests put their predictions into a queue, and a separate thread writes them. Rows that do not fit into the queue are
dropped and counted: a slow disk never delays a response.
"""

import json
import logging
import os
import queue
import socket
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import SystemRandom
from typing import Any, TextIO

from starlette.requests import Request

from assay.corpus.errors import AssayError
from assay.serving.engine import Engine, Prediction, Row
from assay.serving.http.model_calls import PredictedRows
from assay.serving.http.request_ids import request_id
from assay.serving.http.server_metrics import ServerMetrics
from assay.serving.http.server_settings import LogSettings
from assay.serving.json_objects import abstentions, label_objects

logger = logging.getLogger(__name__)

PATTERN = "predictions-*.jsonl"
# Maximum number of characters in the queue, which bounds its memory.
QUEUE_CHARACTERS = 8 * 2**20
# Characters that a row counts in addition to its text.
_ROW_CHARACTERS = 200
_FILE_BYTES = 64 * 2**20


@dataclass(frozen=True)
class _Entry:
    """The sampled rows of one request."""

    at: datetime
    id: str
    predicted: PredictedRows
    rows: list[int]
    characters: int


class PredictionLog:
    """Takes predictions on the event loop, and writes them on a thread."""

    def __init__(self, settings: LogSettings, metrics: ServerMetrics) -> None:
        """Start the thread.

        Raises:
            AssayError: the folder cannot be written to.
        """
        try:
            settings.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise AssayError(
                f"--log is {settings.folder}: {error.strerror}; name a folder that can be written to"
            ) from error
        if not os.access(settings.folder, os.W_OK):
            raise AssayError(f"--log is {settings.folder}, which cannot be written to; name another folder")
        self._settings = settings
        self._metrics = metrics
        self._queue = queue.SimpleQueue[_Entry | None]()
        self._lock = threading.Lock()
        self._waiting_characters = 0
        self._files = _Files(settings)
        self._random = SystemRandom()
        self._failed = False
        self._thread = threading.Thread(target=self._work, name="prediction-log", daemon=True)
        self._thread.start()

    def record(self, request: Request, predicted: PredictedRows) -> None:
        """Queue a sample of the rows, or drop it if the queue is full; never wait."""
        count = len(predicted.rows)
        share = self._settings.share
        rows = [row for row in range(count) if share >= 1 or self._random.random() < share]
        if not rows:
            return
        characters = sum(_ROW_CHARACTERS + predicted.rows[row].characters for row in rows)
        with self._lock:
            is_full = self._waiting_characters + characters > QUEUE_CHARACTERS
            if not is_full:
                self._waiting_characters += characters
        if is_full:
            self._metrics.log_dropped.inc(len(rows))
            return
        self._queue.put(_Entry(datetime.now(UTC), request_id(request), predicted, rows, characters))

    def stop(self) -> None:
        """Write the queued rows, and stop the thread."""
        self._queue.put(None)
        self._thread.join()
        self._files.close()

    def _work(self) -> None:
        while (entry := self._queue.get()) is not None:
            try:
                self._files.write(entry.at, "".join(self._lines(entry)), flush=self._queue.empty())
                self._metrics.logged.inc(len(entry.rows))
                self._failed = False
            except Exception as error:  # noqa: BLE001  # no error may end the thread
                self._metrics.log_dropped.inc(len(entry.rows))
                if not self._failed:
                    logger.warning("predictions cannot be written to %s: %s", self._settings.folder, error)
                self._failed = True
            with self._lock:
                self._waiting_characters -= entry.characters

    def _lines(self, entry: _Entry) -> Iterator[str]:
        predicted = entry.predicted
        head = {"at": entry.at.isoformat(timespec="milliseconds"), **predicted.model.identity()}
        for number in entry.rows:
            row_id = entry.id if len(predicted.rows) == 1 else f"{entry.id}/{number}"
            row = predicted.rows[number]
            record = {"id": row_id, **head, **_fields(row, predicted.predictions[number], predicted.model.engine)}
            if self._settings.texts:
                record |= {"text": row.text} | ({"text_pair": row.text_pair} if row.text_pair is not None else {})
            yield json.dumps(record) + "\n"


class _Files:
    """The current log file: a new one every day, and whenever the current one is too large."""

    def __init__(self, settings: LogSettings) -> None:
        self._settings = settings
        self._file: TextIO | None = None
        self._day = ""

    def write(self, at: datetime, text: str, *, flush: bool) -> None:
        """Append complete lines."""
        file = self._current(at)
        file.write(text)
        if flush:
            file.flush()

    def close(self) -> None:
        """Flush and close the file."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _current(self, at: datetime) -> TextIO:
        day = f"{at:%Y%m%d}"
        if self._file is not None and (day != self._day or self._file.tell() > _FILE_BYTES):
            self.close()
        if self._file is None:
            self._remove_old(at)
            # The name is unique, so that servers may share the folder.
            name = f"predictions-{at:%Y%m%d-%H%M%S-%f}-{socket.gethostname()}-{os.getpid()}.jsonl"
            self._file, self._day = (self._settings.folder / name).open("a", encoding="utf-8"), day
        return self._file

    def _remove_old(self, at: datetime) -> None:
        oldest = (at - timedelta(days=self._settings.days)).timestamp()
        for path in self._settings.folder.glob(PATTERN):
            if path.stat().st_mtime < oldest:
                path.unlink(missing_ok=True)


def _fields(row: Row, prediction: Prediction, engine: Engine) -> Mapping[str, Any]:
    """Return the fields of a prediction, without any of the text."""
    values: dict[str, Any] = {"characters": row.characters, "truncated": prediction.truncated}
    if prediction.label is not None:
        values |= {"label": prediction.label, "confidence": round(max(prediction.probabilities), 4)}
    decided = "tokens" in engine.decisions
    entities = [
        {"start": entity.start, "end": entity.end, "label": entity.label, "score": round(entity.score, 4)}
        | ({"abstained": entity.abstained} if decided else {})
        for entity in prediction.entities
    ]
    if prediction.label_probabilities:
        sure = [max(value, 1 - value) for value in prediction.label_probabilities]
        values["label_confidence"] = round(sum(sure) / len(sure), 4)
        values["labels"] = [one | {"score": round(one["score"], 4)} for one in label_objects(prediction, engine)]
    return values | abstentions(prediction, engine) | {"entities": entities}
