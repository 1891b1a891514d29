from pathlib import Path

import pytest

from tests.approvals import World
from tests.cli.calls import call


def test_history_reports_an_unknown_model_in_one_line(
    store: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    assert call(monkeypatch, "history", "nobody", "--store", store) == 1
    assert "nobody" in capsys.readouterr().err


@pytest.mark.parametrize(
    "words",
    [
        ["history", "toy"],
        ["approve", "toy", "--approver", "Ann"],
        ["rollback", "toy", "--reason", "worse"],
        ["diff", "toy", "1", "2"],
        ["predict", "--model", "models:/toy@champion", "--input", "rows.jsonl", "--output", "answers.jsonl"],
    ],
    ids=lambda words: words[0],
)
def test_history_reports_a_store_without_runs_and_leaves_it_empty(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.chdir(tmp_path)
    assert call(monkeypatch, *words, "--store", tmp_path / "nothing") == 1
    error = capsys.readouterr().err
    assert error.startswith(f"assay: there is no {tmp_path}/nothing/mlflow.db, so the store has no runs")
    assert error.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_approve_decides_a_pending_version_and_history_shows_it(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setenv("COLUMNS", "200")
    assert call(monkeypatch, "approve", "toy", "--approver", "Ann", "--store", store) == 1
    assert "toy: versions that wait for approval: none" in capsys.readouterr().err
    world = World(store, tmp_path)
    world.go("second")
    assert call(monkeypatch, "approve", "toy", "--approver", "Ann", "--notes", "fine", "--store", store) == 0
    assert "version 2 of toy: champion instead of version 1" in capsys.readouterr().out
    world.go("third one")
    assert call(monkeypatch, "approve", "toy", "--approver", "Bob", "--refuse", "--store", store) == 0
    assert "version 3 of toy: refused by Bob" in capsys.readouterr().out
    assert world.registry.history()[-1].approval is not None
    world.go("the fourth", approval_hours=1e-9)
    assert call(monkeypatch, "approve", "toy", "--approver", "Ann", "--version", "4", "--store", store) == 1
    assert "models:/toy/4 does not wait for approval: it is refused (refused: nobody" in capsys.readouterr().err
    assert call(monkeypatch, "history", "toy", "--store", store) == 0
    assert "Ann" in capsys.readouterr().out
