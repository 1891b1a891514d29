from pathlib import Path

import pytest

from tests.approvals import World
from tests.cli.calls import call


def test_copy_shows_its_plan_and_copies_with_yes(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    World(store, tmp_path)
    target = tmp_path / "production"
    target.mkdir()
    words: list[str | Path] = [
        "copy",
        "models:/toy/1",
        "--to",
        f"sqlite:///{target}/mlflow.db",
        "--to-store",
        target,
        "--store",
        store,
    ]
    assert call(monkeypatch, *words) == 0
    assert "nothing was changed; add --yes to apply it" in capsys.readouterr().out
    assert call(monkeypatch, *words, "--yes") == 0
    assert "models:/toy/1 of sqlite:///" in capsys.readouterr().out
    assert call(monkeypatch, *words, "--yes") == 0
    assert "already" in capsys.readouterr().out
    assert call(monkeypatch, "copy", "models:/toy/9", *words[2:]) == 1
    assert "toy has no version 9" in capsys.readouterr().err


def test_gc_and_erase_show_their_plans(
    store: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    assert call(monkeypatch, "gc", "--store", store) == 0
    assert "0 folders, 0.0 MiB" in capsys.readouterr().out
    assert call(monkeypatch, "erase", "nobody", "--store", store) == 0
    assert "no version holds nobody" in capsys.readouterr().out
