import json
import logging
import threading
from datetime import datetime
from pathlib import Path

import pytest

from assay.corpus.errors import AssayError
from assay.serving.bundle import Bundle
from assay.serving.http import access_log
from assay.serving.http.access_log import STDOUT, AccessLog
from assay.serving.http.server_metrics import ServerMetrics
from tests.serving.http.conftest import Serve
from tests.serving.http.test_request_ids import TRACE


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


def test_access_log_appends_behind_earlier_lines_and_follows_a_rotation(tmp_path: Path) -> None:
    path = tmp_path / "access.jsonl"
    path.write_text("earlier\n")
    log = AccessLog(str(path), ServerMetrics())
    log.record("a", None, "GET", "/é\n\u2028", 200, 0.0123456)
    log.stop()
    earlier, line = path.read_text(encoding="utf-8").splitlines()
    assert earlier == "earlier"
    values = json.loads(line)
    assert (values["path"], values["milliseconds"], values["traceparent"]) == ("/é\n\u2028", 12.346, None)
    assert datetime.fromisoformat(values["time"]).tzinfo is not None

    log = AccessLog(str(path), ServerMetrics())
    path.rename(tmp_path / "access.1.jsonl")
    log.record("b", None, "GET", "/", 200, 0.0)
    log.stop()
    assert [json.loads(one)["id"] for one in path.read_text(encoding="utf-8").splitlines()] == ["b"]


def test_access_log_writes_to_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    log = AccessLog(STDOUT, ServerMetrics())
    log.record("a", None, "GET", "/", 200, 0.0)
    log.stop()
    assert json.loads(capsys.readouterr().out)["id"] == "a"


def test_access_log_counts_the_lines_that_a_slow_disk_drops_and_stops_behind_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given a disk that writes nothing until it is released, and a queue of two lines
    released, writing = threading.Event(), threading.Event()
    emit = logging.StreamHandler.emit

    def slow(handler: logging.StreamHandler, record: logging.LogRecord) -> None:  # type: ignore[type-arg]  # a stream
        writing.set()
        released.wait(30)
        emit(handler, record)

    monkeypatch.setattr(access_log, "_MOST_WAITING", 2)
    monkeypatch.setattr(logging.StreamHandler, "emit", slow)
    metrics, path = ServerMetrics(), tmp_path / "access.jsonl"
    log = AccessLog(str(path), metrics)
    log.record("first", None, "GET", "/", 200, 0.0)
    assert writing.wait(30)
    for number in range(5):
        log.record(str(number), None, "GET", "/", 200, 0.0)
    threading.Timer(0.2, released.set).start()
    log.stop()
    # then it holds the line that was being written and those that waited, and counts the others
    assert [json.loads(line)["id"] for line in path.read_text().splitlines()] == ["first", "0", "1"]
    assert "assay_access_log_dropped_lines_total 3.0" in metrics.render().decode()
