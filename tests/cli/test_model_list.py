from pathlib import Path

import pytest

from tests.approvals import World
from tests.cli.calls import call

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def world(store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setenv("COLUMNS", "80")
    return World(store, tmp_path)


def test_models_and_show_name_champion_verdicts_and_digests(
    world: World, store: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    world.go("second")
    assert call(monkeypatch, "models", "--store", store) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert shown.startswith("model champion versions newest toy 1 1 pending, 1 passed 2, pending, ")
    assert call(monkeypatch, "show", "toy", "--store", store) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "models:/toy/1 (champion): passed"
    version = world.registry.champion()
    assert version is not None
    assert any(line.endswith(version.bundle) for line in lines)  # the whole digest in one line
    assert call(monkeypatch, "show", "toy@previous", "--store", store) == 1
    assert "toy has no version with the alias 'previous'; see assay models" in capsys.readouterr().err


def test_models_of_an_empty_registry(store: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    assert call(monkeypatch, "models", "--store", store) == 0
    assert capsys.readouterr().out == f"sqlite:///{store}/mlflow.db has no registered model; see assay run\n"


@pytest.mark.parametrize("columns", [60, 80, 120])
def test_history_cuts_no_date_and_no_reason(
    world: World, store: Path, columns: int, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    world.go("second")
    assert call(monkeypatch, "approve", "toy", "--approver", "Ann", "--notes", "word " * 40, "--store", store) == 0
    capsys.readouterr()
    monkeypatch.setattr("assay.cli.terminal_layout.out._width", columns)
    assert call(monkeypatch, "history", "toy", "--store", store) == 0
    shown = capsys.readouterr().out
    assert max(map(len, shown.splitlines())) <= columns
    for change in world.registry.history():
        assert f"{change.when:%Y-%m-%d %H:%M:%S}  promotion  version {change.source or 'none'} -> " in shown
    assert " ".join(shown.split()).count("word") == 40
