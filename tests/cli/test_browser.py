"""`assay ui` in a terminal: MLflow's pages on the store until Ctrl-C."""

import re
import signal
import urllib.request
from pathlib import Path

import pytest

from tests.cli.calls import call
from tests.ports import free_port
from tests.terminals import check_stopped, terminal


@pytest.mark.slow  # starts an MLflow server
def test_ui_serves_the_pages_of_the_store_until_ctrl_c(store: Path, tmp_path: Path) -> None:
    port = free_port()
    with terminal(["ui", "--port", str(port), "--store", str(store)], tmp_path) as opened:
        opened.wait_until(lambda: "Ctrl-C closes the pages" in opened.shown)
        assert f"MLflow: http://127.0.0.1:{port}/#/experiments?workflowType=machine_learning\n" in opened.shown
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/") as response:
            assert re.search(r"<title>.*MLflow", response.read().decode(), re.IGNORECASE)
        check_stopped(opened, opened.press_ctrl_c, signal.SIGINT, "the pages are closed; runs and models stay")


def test_ui_names_the_servers_of_the_environment(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://me:secret@mlflow.example:5000")
    monkeypatch.setenv("PREFECT_API_URL", "http://prefect.example:4200/api")
    assert call(monkeypatch, "ui", "--no-open") == 0
    assert (
        capsys.readouterr().out
        == "Prefect: http://prefect.example:4200\nMLflow: http://mlflow.example:5000/#/experiments?workflowType=machine_learning\n"
    )
