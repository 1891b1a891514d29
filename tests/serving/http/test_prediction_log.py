"""The prediction log: off by default, without texts unless allowed, and never a delay for requests."""

import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

import assay.serving.http.prediction_log as prediction_log
from assay.corpus.errors import AssayError
from assay.serving.bundle import Bundle
from assay.serving.http.app import make_app
from assay.serving.http.prediction_log import PATTERN, PredictionLog
from assay.serving.http.server_metrics import ServerMetrics
from assay.serving.http.server_settings import LogSettings
from tests.serving.http.conftest import LOCAL, Serve, make_parts, metric
from tests.waiting import wait_until


def written(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for path in sorted(folder.glob(PATTERN)) for line in path.read_text().splitlines()]


def test_prediction_log_is_off_by_default(serve: Serve, toy: Bundle, tmp_path: Path) -> None:
    client = serve(toy)
    client.post("/predict", json={"text": "good Apple"})
    assert metric(client, "assay_log_rows_total") == 0
    assert list(tmp_path.rglob(PATTERN)) == []


def test_prediction_log_writes_predictions_without_texts(serve: Serve, toy: Bundle, tmp_path: Path) -> None:
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


def test_prediction_log_writes_texts_if_allowed(serve: Serve, toy: Bundle, tmp_path: Path) -> None:
    client = serve(toy, log=LogSettings(tmp_path, texts=True))
    client.post("/predict", content=b'{"text": "good \\ud83d\\ude00 \\u2028 Apple"}')
    wait_until(lambda: written(tmp_path))
    assert written(tmp_path)[0]["text"] == "good \U0001f600 \u2028 Apple"


def test_prediction_log_writes_both_texts_of_a_pair_if_allowed(
    serve: Serve, build_toy: Callable[..., Bundle], tmp_path: Path
) -> None:
    golden = [{"text": "good", "text_pair": "bad", "label": "down", "probabilities": [0.5249792, 0.4750208]}]
    client = serve(build_toy(pair=True, golden=golden), log=LogSettings(tmp_path / "log", texts=True))
    assert client.post("/predict", json={"rows": [{"text": "bad", "text_pair": "fine Apple"}]}).status_code == 200
    wait_until(lambda: written(tmp_path / "log"))
    [row] = written(tmp_path / "log")
    assert (row["text"], row["text_pair"], row["characters"]) == ("bad", "fine Apple", 13)


def test_prediction_log_writes_no_row_at_a_share_of_zero(toy: Bundle, tmp_path: Path) -> None:
    app = make_app(*make_parts(toy, log=LogSettings(tmp_path / "log", share=0)))
    with TestClient(app, base_url=LOCAL) as client:
        assert client.post("/predict", json={"texts": ["good", "bad"]}).status_code == 200
    # The server has ended, and with it the thread that writes.
    assert [metric(client, f"assay_log_{name}rows_total") for name in ("", "dropped_")] == [0, 0]
    assert written(tmp_path / "log") == []


def test_prediction_log_begins_another_file_once_one_is_large(
    serve: Serve, toy: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prediction_log, "_FILE_BYTES", 1)
    client = serve(toy, log=LogSettings(tmp_path / "log"))
    for number in (1, 2):
        client.post("/predict", json={"text": "good"})
        wait_until(lambda number=number: metric(client, "assay_log_rows_total") == number)  # type: ignore[misc]
    assert len(list((tmp_path / "log").glob(PATTERN))) == len(written(tmp_path / "log")) == 2


def test_prediction_log_samples_rows(serve: Serve, toy: Bundle, tmp_path: Path) -> None:
    client = serve(toy, log=LogSettings(tmp_path, share=0.25))
    for _ in range(2):
        assert client.post("/predict", json={"texts": ["good"] * 1000}).status_code == 200
    client.__exit__()  # the server ends after it has written the rows of both requests
    assert 380 < metric(client, "assay_log_rows_total") < 620


def test_prediction_log_drops_rows_if_its_queue_is_full(
    serve: Serve, toy: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a disk that does not respond,
    released = threading.Event()
    write: Callable[..., None] = prediction_log._Files.write

    def slow(*values: Any, **options: Any) -> None:
        released.wait()
        write(*values, **options)

    monkeypatch.setattr(prediction_log._Files, "write", slow)
    monkeypatch.setattr(prediction_log, "QUEUE_CHARACTERS", 2_000)
    client = serve(toy, log=LogSettings(tmp_path))

    # when many requests arrive,
    codes = {client.post("/predict", json={"text": "good"}).status_code for _ in range(30)}

    # then all succeed, the rows that fit wait, and the others are dropped and counted.
    assert codes == {200}
    queued = 2_000 // (200 + 4)
    assert metric(client, "assay_log_dropped_rows_total") == 30 - queued
    released.set()
    wait_until(lambda: metric(client, "assay_log_rows_total") == queued)


def test_prediction_log_survives_a_failing_disk(
    serve: Serve, toy: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    client = serve(toy, log=LogSettings(tmp_path))
    with monkeypatch.context() as patch:

        def full(*_: Any, **__: Any) -> None:
            raise OSError(28, "No space left on device")

        patch.setattr(prediction_log._Files, "write", full)
        for _ in range(2):
            assert client.post("/predict", json={"text": "good"}).status_code == 200
        wait_until(lambda: metric(client, "assay_log_dropped_rows_total") == 2)
    client.post("/predict", json={"text": "bad"})
    wait_until(lambda: len(written(tmp_path)) == 1)
    # A full disk would otherwise fill the server's own log, too.
    assert caplog.text.count("predictions cannot be written") == 1


def test_prediction_log_removes_its_old_files_only(serve: Serve, toy: Bundle, tmp_path: Path) -> None:
    import os

    old, other = tmp_path / "predictions-20200101.jsonl", tmp_path / "notes.jsonl"
    for path in (old, other):
        path.write_text("{}\n")
        os.utime(path, (0, 0))
    client = serve(toy, log=LogSettings(tmp_path, days=7))
    client.post("/predict", json={"text": "good"})
    wait_until(lambda: not old.exists())
    assert other.exists()


def test_prediction_log_refuses_a_folder_that_cannot_be_created(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(AssayError, match="name a folder that can be written to"):
        PredictionLog(LogSettings(tmp_path / "file"), ServerMetrics())
