from pathlib import Path

import pytest
from prefect.settings import PREFECT_API_URL, temporary_settings

from tests.cli.calls import call
from tests.ports import free_port


@pytest.fixture(autouse=True)
def no_servers(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MLFLOW_TRACKING_URI", "MONGODB_URI", "PREFECT_API_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_ENDPOINT", "https://localhost")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)


@pytest.mark.parametrize(("broken", "code"), [(False, 0), (True, 1)])
def test_doctor_exits_with_1_if_a_requirement_is_missing(
    store: Path, monkeypatch: pytest.MonkeyPatch, broken: bool, code: int
) -> None:
    if broken:
        (store / "mlflow.db").write_bytes(b"no database" * 99)
    assert call(monkeypatch, "doctor", "--store", store) == code


def test_doctor_shows_a_line_per_finding(
    store: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (store / "mlflow.db").write_bytes(b"no database" * 99)
    assert call(monkeypatch, "doctor", "--store", store) == 1
    lines = capsys.readouterr().out.splitlines()
    assert "ok  CPU" in lines
    assert "NO  MLflow" in lines


def test_up_refuses_one_port_for_both_servers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    port = str(free_port())
    assert call(monkeypatch, "up", "--prefect-port", port, "--mlflow-port", port, "--store", tmp_path / "store") == 1
    line = f"--prefect-port and --mlflow-port are both {port}; use two ports"
    assert line in capsys.readouterr().err.replace("\n", " ")
    assert not (tmp_path / "store").exists()


def test_down_without_a_stack_stops_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(monkeypatch, "down", "--store", tmp_path / "store") == 0
    assert capsys.readouterr().out == "stopped: nothing was running\n"
    assert not (tmp_path / "store").exists()


def test_api_needs_a_prefect_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with temporary_settings({PREFECT_API_URL: None}):
        assert call(monkeypatch, "api", "--no-token", "--store", tmp_path) == 1
    assert "set PREFECT_API_URL" in capsys.readouterr().err.replace("\n", " ")


@pytest.mark.parametrize("command", [["api", "--port"], ["up", "--prefect-port"], ["up", "--mlflow-port"]])
def test_ports_are_checked_before_anything_is_imported(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command: list[str]
) -> None:
    assert call(monkeypatch, *command, "70000") == 1
    assert f"{command[-1]} is 70000" in capsys.readouterr().err.replace("\n", " ")


def test_deploy_names_a_missing_recipe(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    with temporary_settings({PREFECT_API_URL: "http://127.0.0.1:9/api"}):
        assert call(monkeypatch, "deploy", "nowhere.yaml") == 1
    assert "nowhere.yaml" in capsys.readouterr().err
