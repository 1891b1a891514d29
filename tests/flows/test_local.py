"""What every command that runs a flow does around it; the flows themselves have tests of their own."""

import logging
from pathlib import Path

import pytest
from prefect.settings import PREFECT_API_URL, PREFECT_SERVER_ALLOW_EPHEMERAL_MODE, temporary_settings

from assay.corpus.errors import AssayError
from assay.evaluation.drift.window import Window
from assay.flows import ephemeral, local
from assay.flows.local import log_one_line_errors, run_monitoring, run_steps, run_training
from tests.flows.tiny import make_recipe


class FakeServer:
    """A temporary server that was asked for, and never starts a process."""

    address = "http://127.0.0.1:1/api"

    def __init__(self) -> None:
        self.waited: list[float] = []
        self.stopped = False

    def wait(self, seconds: float) -> None:
        self.waited.append(seconds)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> FakeServer:
    server = FakeServer()
    monkeypatch.setattr(ephemeral, "start", lambda: server)
    monkeypatch.setattr(ephemeral, "stop", lambda: setattr(server, "stopped", True))
    monkeypatch.setattr(ephemeral, "address", lambda: None if server.stopped else server.address)
    return server


def test_run_monitoring_runs_the_flow_on_the_temporary_server(
    server: FakeServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    addresses: list[str | None] = []
    monkeypatch.setattr("assay.flows.monitoring.monitor", lambda *_: addresses.append(PREFECT_API_URL.value()))
    with temporary_settings({PREFECT_API_URL: None, PREFECT_SERVER_ALLOW_EPHEMERAL_MODE: True}):
        run_monitoring("models:/tiny/1", Window(address="in.jsonl"), tmp_path)
        assert PREFECT_API_URL.value() is None
    assert addresses == [server.address]
    assert server.waited == [local.STARTUP_S]


def test_run_monitoring_uses_a_configured_server(
    server: FakeServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    addresses: list[str | None] = []
    monkeypatch.setattr("assay.flows.monitoring.monitor", lambda *_: addresses.append(PREFECT_API_URL.value()))
    with temporary_settings({PREFECT_API_URL: "http://prefect.example/api"}):
        run_monitoring("models:/tiny/1", Window(address="in.jsonl"), tmp_path)
    assert addresses == ["http://prefect.example/api"]
    assert (server.waited, server.stopped) == ([], True)


@pytest.mark.parametrize(
    ("name", "limit"), [("PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS", 7.0), ("UNRELATED", local.STARTUP_S)]
)
def test_run_monitoring_waits_for_the_server_as_long_as_the_user_allows(
    server: FakeServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, limit: float
) -> None:
    monkeypatch.setenv(name, "7")
    monkeypatch.setattr("assay.flows.monitoring.monitor", lambda *_: None)
    with temporary_settings({PREFECT_API_URL: None, PREFECT_SERVER_ALLOW_EPHEMERAL_MODE: True}):
        run_monitoring("models:/tiny/1", Window(address="in.jsonl"), tmp_path)
    assert server.waited == [limit]


def test_run_steps_refuses_an_invalid_step_before_a_server_starts(tmp_path: Path, server: FakeServer) -> None:
    recipe = make_recipe(tmp_path / "rows.jsonl")
    with pytest.raises(AssayError, match=r"--until gate: the steps to stop after are extract, .*use --dry-run"):
        run_steps(recipe, tmp_path, "gate")
    with pytest.raises(AssayError, match=r"--from splti"):
        run_training(recipe, tmp_path, from_step="splti")
    assert server.waited == []


@pytest.fixture
def loggers(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> list[logging.Logger]:
    """The loggers of flow runs and of MLflow's database, which log to `caplog` alone and without filters."""
    found = [logging.getLogger(name) for name in ("prefect.flow_runs", "mlflow.store.db.utils")]
    for logger in found:
        monkeypatch.setattr(logger, "handlers", [caplog.handler])
        monkeypatch.setattr(logger, "filters", [])
        monkeypatch.setattr(logger, "propagate", False)
    return found


def test_log_one_line_errors_leaves_out_the_traceback_of_what_a_user_can_fix(
    loggers: list[logging.Logger], caplog: pytest.LogCaptureFixture
) -> None:
    flow_runs, database = loggers
    log_one_line_errors()
    for error in (AssayError("fix it: like this"), ValueError("a defect")):
        try:
            raise error
        except (AssayError, ValueError):
            flow_runs.exception("Encountered an exception")
    database.error("no such table: %s\nin a long statement", "runs")
    lines = {record.getMessage(): record.exc_info for record in caplog.records}
    assert list(lines) == ["fix it: like this", "Encountered an exception", "no such table: runs"]
    assert lines["fix it: like this"] is None
    assert lines["Encountered an exception"] is not None
