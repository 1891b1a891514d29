import json
import logging
import threading
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from assay.corpus.errors import AssayError
from assay.serving.bundle import Bundle
from assay.serving.http import access_log
from assay.serving.http.access_log import AccessLog
from assay.serving.http.server_metrics import ServerMetrics
from tests.serving.http.conftest import Serve

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def test_id_and_traceparent_of_a_request_are_returned(client: TestClient) -> None:
    sent = {"X-Request-Id": "abc-1", "Traceparent": TRACE}
    for path, body in (("/predict", {"text": "good"}), ("/predict", {}), ("/nowhere", {})):
        headers = client.post(path, json=body, headers=sent).headers
        assert (headers["x-request-id"], headers["traceparent"]) == ("abc-1", TRACE)


@pytest.mark.parametrize("sent", ["", "two words", "x" * 129, "ä"])
def test_invalid_id_is_replaced(client: TestClient, sent: str) -> None:
    headers = client.get("/ping", headers=[(b"x-request-id", sent.encode("latin-1"))]).headers
    assert len(headers["x-request-id"]) == 32
    assert "traceparent" not in headers


def test_access_log_holds_one_object_per_request(serve: Serve, toy: Bundle, tmp_path: Path) -> None:
    path = tmp_path / "logs" / "access.jsonl"
    client = serve(toy, access_log=str(path))
    client.post("/predict", json={"text": "good secret"}, headers={"X-Request-Id": "abc-1", "Traceparent": TRACE})
    client.get("/nowhere?text=secret")
    client.__exit__()
    first, second = map(json.loads, path.read_text(encoding="utf-8").splitlines())
    assert (first["id"], first["traceparent"], first["path"], first["status"]) == ("abc-1", TRACE, "/predict", 200)
    assert (second["method"], second["path"], second["status"]) == ("GET", "/nowhere", 404)
    assert first["milliseconds"] > 0
    assert "secret" not in path.read_text(encoding="utf-8")


def test_access_log_names_a_file_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(AssayError, match=r"--access-log is .*name a file that can be written to"):
        AccessLog(str(tmp_path / "file" / "access.jsonl"), ServerMetrics())


def test_access_log_stops_after_it_has_written_a_full_queue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access_log, "_MOST_WAITING", 5)
    log = AccessLog(str(tmp_path / "access.jsonl"), ServerMetrics())
    written: list[logging.LogRecord] = []
    writing, responding = threading.Event(), threading.Event()

    def write_slowly(record: logging.LogRecord) -> None:
        writing.set()
        responding.wait(10)
        written.append(record)

    # Given a disk that does not respond for a moment, and more requests than the queue takes,
    monkeypatch.setattr(log._handler, "emit", write_slowly)
    for number in range(10):
        log.record("abc-1", None, "GET", "/ping", 200, 0.001)
        assert number or writing.wait(10)
    # when the server stops,
    threading.Timer(0.1, responding.set).start()
    log.stop()
    # then the first one and those that fitted into the queue are written.
    assert len(written) == 6
