"""The log of inputs and answers: off unless asked for, without texts unless allowed, and never in the way."""

import json
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import assay.serving.http.prediction_log as prediction_log
from assay.corpus.errors import AssayError
from assay.serving.bundle import Bundle
from assay.serving.http.prediction_log import PATTERN, PredictionLog
from assay.serving.http.server_metrics import Metrics
from assay.serving.http.server_settings import LogSettings
from tests.serving.http.conftest import Serve, metric
from tests.waiting import wait_until


def written(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for path in sorted(folder.glob(PATTERN)) for line in path.read_text().splitlines()]


def test_nothing_is_written_unless_asked_for(serve: Serve, toy: Bundle, tmp_path: Path) -> None:
    client = serve(toy)
    client.post("/predict", json={"text": "good Apple"})
    assert metric(client, "assay_log_rows_total") == 0
    assert list(tmp_path.rglob(PATTERN)) == []


def test_answers_are_written_without_a_word_of_the_text(serve: Serve, toy: Bundle, tmp_path: Path) -> None:
    client = serve(toy, log=LogSettings(tmp_path / "log"))

    client.post("/predict", json={"texts": ["good Apple", "bad"]}, headers={"X-Request-Id": "order-7"})
    client.post("/invocations", json={"inputs": "good"})

    wait_until(lambda: len(written(tmp_path / "log")) == 3)
    first, second, third = written(tmp_path / "log")
    assert (first["id"], second["id"], first["version"], first["characters"]) == ("order-7/0", "order-7/1", "3", 10)
    assert first["label"] is not None
    assert 0 < first["confidence"] <= 1
    assert "/" not in third["id"]
    assert "Apple" not in json.dumps([first, second, third])
    assert metric(client, "assay_log_rows_total") == 3


def test_texts_are_written_where_that_is_allowed(serve: Serve, toy: Bundle, tmp_path: Path) -> None:
    client = serve(toy, log=LogSettings(tmp_path, texts=True))
    client.post("/predict", content=b'{"text": "good \\ud83d\\ude00 \\u2028 Apple"}')
    wait_until(lambda: written(tmp_path))
    assert written(tmp_path)[0]["text"] == "good \U0001f600 \u2028 Apple"


def test_a_share_of_the_rows_is_written(serve: Serve, toy: Bundle, tmp_path: Path) -> None:
    client = serve(toy, log=LogSettings(tmp_path, share=0.25))
    for _ in range(2):
        assert client.post("/predict", json={"texts": ["good"] * 1000}).status_code == 200
    wait_until(lambda: metric(client, "assay_log_rows_total") > 300)
    assert 380 < metric(client, "assay_log_rows_total") < 620


def test_a_full_queue_drops_and_counts_and_no_request_waits(
    serve: Serve, toy: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given a disk that hangs
    hang = threading.Event()
    write: Callable[..., None] = prediction_log._Files.write

    def slow(*values: Any, **options: Any) -> None:
        hang.wait()
        write(*values, **options)

    monkeypatch.setattr(prediction_log._Files, "write", slow)
    monkeypatch.setattr(prediction_log, "QUEUE_CHARACTERS", 2_000)
    client = serve(toy, log=LogSettings(tmp_path))

    # when many ask
    begun = time.monotonic()
    codes = {client.post("/predict", json={"text": "good"}).status_code for _ in range(30)}
    seconds = time.monotonic() - begun

    # then all are answered, what fits waits, and the rest is counted
    assert codes == {200}
    assert seconds < 20
    kept = 2_000 // (200 + 4)
    assert metric(client, "assay_log_dropped_rows_total") == 30 - kept
    hang.set()
    wait_until(lambda: metric(client, "assay_log_rows_total") == kept)


def test_a_disk_that_fails_costs_rows_and_nothing_else(
    serve: Serve, toy: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = serve(toy, log=LogSettings(tmp_path))
    with monkeypatch.context() as patch:

        def full(*_: Any, **__: Any) -> None:
            raise OSError(28, "No space left on device")

        patch.setattr(prediction_log._Files, "write", full)
        assert client.post("/predict", json={"text": "good"}).status_code == 200
        wait_until(lambda: metric(client, "assay_log_dropped_rows_total") == 1)
    client.post("/predict", json={"text": "bad"})
    wait_until(lambda: len(written(tmp_path)) == 1)


def test_old_files_go_and_others_stay(serve: Serve, toy: Bundle, tmp_path: Path) -> None:
    import os

    old, other = tmp_path / "predictions-20200101.jsonl", tmp_path / "notes.jsonl"
    for path in (old, other):
        path.write_text("{}\n")
        os.utime(path, (0, 0))
    client = serve(toy, log=LogSettings(tmp_path, days=7))
    client.post("/predict", json={"text": "good"})
    wait_until(lambda: not old.exists())
    assert other.exists()


def test_a_folder_that_cannot_be_made_is_told_at_the_start(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(AssayError, match="name a folder"):
        PredictionLog(LogSettings(tmp_path / "file"), Metrics())
