import json
from pathlib import Path

import pytest

from assay.registry.lineage.change import Change
from assay.tasks.reproduce import Match, Reproduction
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


def test_rollback_restores_a_forced_champion_and_history_says_so(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    world = World(store, tmp_path)
    world.go("second", passed=False, forced="the old one is on fire", approval="none")
    world.go("third one", approval="none")
    assert call(monkeypatch, "rollback", "toy", "--reason", "third is slow", "--to", "2", "--store", store) == 0
    assert capsys.readouterr().out == "champion of toy: version 3 -> version 2\n"
    assert call(monkeypatch, "history", "toy", "--store", store) == 0
    first, *lines = capsys.readouterr().out.splitlines()
    assert first == "champion of toy, the newest change last"
    heads = [line.split("  ", 1)[1] for line in lines if not line.startswith(" ")]
    assert heads[2:] == ["promotion  version 2 -> version 3", "rollback  version 3 -> version 2"]
    assert lines[-2:] == ["  third is slow", "  FORCED: the old one is on fire"]

    assert call(monkeypatch, "history", "toy", "--json", "--store", store) == 0
    changes = json.loads(capsys.readouterr().out)
    assert [(change["kind"], change["target"], change["run"]) for change in changes] == [
        ("promotion", "1", "k"),
        ("promotion", "2", "k"),
        ("promotion", "3", "k"),
        ("rollback", "2", None),
    ]


@pytest.mark.parametrize(("now", "code"), [("same", 0), ("other", 4)])
@pytest.mark.parametrize("as_json", [False, True])
def test_reproduce_exits_with_4_if_a_result_differs(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    now: str,
    code: int,
    as_json: bool,
) -> None:
    result = Reproduction(
        model="models:/toy/1",
        matches=[Match(what="splits", then="same", now="same"), Match(what="predictions", then="same", now=now)],
        environment=[Change(what="processor", before="one", after="An Other")],
        steps=7,
        mlflow_run="m",
        folder=tmp_path / "new",
    )

    def reproduce(model: str, store: Path) -> Reproduction:
        assert (model, store) == ("models:/toy/1", tmp_path)
        return result

    monkeypatch.setattr("assay.flows.local.run_reproduction", reproduce)
    assert call(monkeypatch, "reproduce", "models:/toy/1", *["--json"] * as_json, "--store", tmp_path) == code
    printed = capsys.readouterr().out
    if as_json:
        assert Reproduction.model_validate_json(printed) == result
    else:
        assert "models:/toy/1, trained again: 7 steps" in printed
        assert "An Other" in printed
        assert (f"the new results are in {tmp_path / 'new'}" in printed.replace("\n", "")) == (code == 4)
