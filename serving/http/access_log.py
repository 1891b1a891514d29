"""The access log: one JSON object per request, without texts. A slow disk never delays a response."""

import json
import logging
import queue
import sys
from datetime import UTC, datetime
from logging.handlers import QueueHandler, QueueListener, WatchedFileHandler
from pathlib import Path

from assay.corpus.errors import AssayError
from assay.serving.http.server_metrics import ServerMetrics

STDOUT = "-"
_MOST_WAITING = 10_000


class AccessLog:
    """Takes requests on the event loop, and writes them on a thread."""

    def __init__(self, path: str, metrics: ServerMetrics) -> None:
        """Open the file and start the thread.

        Args:
            path: file to append to, opened again after a rotation; `-` is standard output.
            metrics: count the lines that did not fit into the queue.

        Raises:
            AssayError: the file cannot be opened.
        """
        try:
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            handler = (
                logging.StreamHandler(sys.stdout) if path == STDOUT else WatchedFileHandler(path, encoding="utf-8")
            )
        except OSError as error:
            raise AssayError(f"--access-log is {path}: {error.strerror}; name a file that can be written to") from error
        waiting = queue.Queue[logging.LogRecord](_MOST_WAITING)
        self._logger = logging.Logger("assay.access")
        self._logger.addHandler(_DroppingHandler(waiting, metrics))
        self._listener = _PatientListener(waiting, handler)
        self._handler = handler
        self._listener.start()

    def record(
        self, request_id: str, traceparent: str | None, method: str, path: str, status: int, seconds: float
    ) -> None:
        """Queue one request, or drop it if the queue is full."""
        values = {
            "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "id": request_id,
            "traceparent": traceparent,
            "method": method,
            "path": path,
            "status": status,
            "milliseconds": round(seconds * 1000, 3),
        }
        self._logger.info(json.dumps(values))

    def stop(self) -> None:
        """Write the queued lines, and stop the thread."""
        self._listener.stop()
        self._handler.close()


class _PatientListener(QueueListener):
    """A listener whose stop waits for room in a full queue."""

    def enqueue_sentinel(self) -> None:
        """Queue the end behind all lines."""
        self.queue.put(self._sentinel)  # type: ignore[attr-defined]  # of the base class


class _DroppingHandler(QueueHandler):
    """A handler that counts the records that do not fit into its queue."""

    def __init__(self, waiting: "queue.Queue[logging.LogRecord]", metrics: ServerMetrics) -> None:
        super().__init__(waiting)
        self._metrics = metrics

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802  # the name of logging
        """Count a record that is dropped."""
        self._metrics.access_log_dropped.inc()
