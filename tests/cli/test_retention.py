import json
from pathlib import Path

import pytest

from assay.corpus.snapshot import Snapshot
from tests.approvals import World
from tests.cli.calls import call
from tests.registry.retention.erasable import made
from tests.registry.retention.test_garbage_collection import add_run
from tests.versions import register_version


@pytest.fixture
def target(store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the empty folder of another registry; the store has a champion."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    World(store, tmp_path)
    folder = tmp_path / "production"
    folder.mkdir()
    return folder


def test_copy_shows_its_plan_and_copies_with_yes(
    store: Path, target: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
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


def test_copy_promotes_the_copy_once(
    store: Path, target: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    there = ("--to", f"sqlite:///{target}/mlflow.db", "--to-store", target, "--name", "live")
    words = ("copy", "models:/toy/1", *there, "--promote", "goes live", "--yes", "--store", store)
    assert call(monkeypatch, *words) == 0
    assert capsys.readouterr().out.endswith("champion of live: version 1\n")
    assert call(monkeypatch, *words) == 0
    assert capsys.readouterr().out.endswith("it was the champion already\n")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{target}/mlflow.db")
    assert call(monkeypatch, "history", "live", "--store", target) == 0
    assert "goes live (copied from models:/toy/1)" in capsys.readouterr().out


def test_gc_lists_the_folders_and_removes_them_with_yes(
    store: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    old, _ = add_run(store, "old", 500), add_run(store, "new", 400)
    words = ("gc", "--keep-runs", "1", "--store", store)
    assert call(monkeypatch, *words) == 0
    shown = capsys.readouterr().out
    assert "│ old │ train │" in shown
    assert "1 folders, 0.0 MiB\nnothing was changed; add --yes to apply it" in shown
    assert call(monkeypatch, *words, "--json") == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["removed"], [folder["what"] for folder in report["folders"]]) == (False, ["train"])
    assert (old / "train-1").exists()
    assert call(monkeypatch, *words, "--yes") == 0
    assert "1 folders, 0.0 MiB removed" in capsys.readouterr().out
    assert not (old / "train-1").exists()
    assert call(monkeypatch, *words, "--yes", "--json") == 0
    assert json.loads(capsys.readouterr().out) == {"removed": True, "folders": []}


def test_erase_shows_what_holds_the_rows_and_erases_them_with_yes(
    store: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    _, snapshot, _ = made(store, "first")
    words = ("erase", "7", "12#two", "--store", store)
    assert call(monkeypatch, *words) == 0
    shown = capsys.readouterr().out
    assert "3 rows, 1 reject" in shown
    assert shown.endswith("nothing was changed; add --yes to apply it\n")
    assert call(monkeypatch, *words, "--json") == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["erased"], report["plan"]["found"][0]["rows"]) == (False, ["7#one", "7#two", "12#two"])
    assert len(Snapshot.load(snapshot.path)) == 120

    assert call(monkeypatch, *words, "--yes", "--json") == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["erased"], report["ledger_keys"]) == (True, 3)
    assert call(monkeypatch, *words, "--json") == 0
    assert json.loads(capsys.readouterr().out)["plan"]["found"] == []
    assert call(monkeypatch, "erase", "8", "--yes", "--store", store) == 0
    assert "erased from 1 snapshot with results, 0 copies and 0 runs in MLflow, and 2 keys" in capsys.readouterr().out


def test_erase_names_the_versions_that_have_learned_from_the_rows(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    split_of = register_version(store, tmp_path, "first").splits.split_of
    trained, tested = (next(row for row, name in split_of.items() if name == wanted) for wanted in ("train", "test"))
    assert call(monkeypatch, "erase", tested, "--yes", "--store", store) == 0
    shown = capsys.readouterr().out
    assert "models:/tiny/1" in shown
    assert "1 in test" in shown
    assert "these versions can no longer be monitored, compared or reproduced" in shown
    assert "trained on them" not in shown
    assert call(monkeypatch, "erase", trained, "--yes", "--store", store) == 0
    shown = capsys.readouterr().out
    assert "1 in train" in shown
    assert "trained on them: models:/tiny/1; a model cannot unlearn: train a new version" in shown
