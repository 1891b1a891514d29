import io
import json
import sys
from pathlib import Path

import pytest
import yaml

from assay.flows.seeds import SeedScores
from tests.cli.calls import call
from tests.flows.tiny import make_recipe, write_rows


class Terminal(io.StringIO):
    """A terminal with typed input."""

    def isatty(self) -> bool:
        return True


@pytest.mark.slow  # trains a network, and runs the gate for each way to end
@pytest.mark.usefixtures("prefect_server")
def test_run_ends_with_a_code_for_each_outcome(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    recipe = make_recipe(write_rows(tmp_path / "rows.jsonl"), gate={"approval": "required"}, training={"epochs": 6})
    path = tmp_path / "recipe.yaml"
    path.write_text(yaml.safe_dump(recipe.model_dump(mode="json")))
    assert call(monkeypatch, "run", path, "--store", store) == 5
    assert "assay approve tiny --version 1 --approver YOUR_NAME" in capsys.readouterr().out
    gate = ("run", path, "--store", store, "--from", "gate")
    # On a terminal, the command asks.
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stdin", Terminal("n\nBob\ntoo slow\n"))
        patch.setattr(sys, "stdout", terminal := Terminal())
        assert call(patch, *gate) == 3
    assert "Make version 1 of tiny the champion?" in terminal.getvalue()
    assert terminal.getvalue().endswith("refused by Bob: too slow\n")
    # A model that the gate refuses is nobody's question.
    capsys.readouterr()
    assert call(monkeypatch, *gate, "--quiet", "--set", "gate.max_size_mb=0.001") == 3
    printed = capsys.readouterr()
    assert printed.out.startswith("tiny version 1: refused, 1 of ")
    assert printed.out.count("\n") == 1
    assert printed.err == ""
    assert call(monkeypatch, *gate, "--dry-run") == 0
    # A program is not asked.
    capsys.readouterr()
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stdin", Terminal("y\nAnn\n\n"))
        assert call(patch, *gate, "--json") == 5
    summary = json.loads(capsys.readouterr().out)
    assert (summary["outcome"], summary["version"], summary["model"]) == ("pending", "1", "tiny")
    assert call(monkeypatch, "approve", "tiny", "--approver", "Ann", "--store", store) == 0
    cards = [path.read_text(encoding="utf-8") for path in store.glob("runs/*/cards/*/card.md")]
    assert any("Version 1 of tiny: champion." in card for card in cards)


@pytest.mark.usefixtures("prefect_server")
def test_run_until_a_step_prints_the_folder_of_each_result(
    recipe: Path, store: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    assert call(monkeypatch, "run", recipe, "--store", store, "--until", "split") == 0
    folders = dict(line.split(": ") for line in capsys.readouterr().out.splitlines())
    assert list(folders) == ["extract", "validate", "split"]
    assert (Path(folders["extract"]) / "snapshot.json").is_file()
    (run,) = (store / "runs").glob("*/run.json")
    assert json.loads(run.read_text(encoding="utf-8"))["state"] == "open"


def test_run_names_the_steps_if_there_is_no_such_one(
    recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for option in ("--until", "--from"):
        assert call(monkeypatch, "run", recipe, "--store", tmp_path / "store", option, "cooking") == 1
        said = capsys.readouterr().err.replace("\n", " ")
        assert f"{option} cooking: " in said
        assert "extract" in said
    assert not (tmp_path / "store").exists()


def test_seeds_prints_that_its_run_stays_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text(yaml.safe_dump(make_recipe(write_rows(tmp_path / "rows.jsonl", 4)).model_dump(mode="json")))
    monkeypatch.setattr("assay.flows.local.run_seeds", lambda *_: SeedScores(scores={0: 0.5}))
    assert call(monkeypatch, "seeds", path, "--count", "1", "--store", tmp_path) == 0
    assert "assay run resumes it with these rows; assay run --fresh reads" in capsys.readouterr().out
