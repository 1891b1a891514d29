from pathlib import Path

import pytest
import yaml

from assay.flows.seeds import SeedScores
from tests.cli.calls import call
from tests.flows.tiny import make_recipe, write_rows


@pytest.mark.slow  # trains a network
@pytest.mark.usefixtures("prefect_server")
def test_run_ends_as_pending_without_a_terminal(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    recipe = make_recipe(write_rows(tmp_path / "rows.jsonl"), gate={"approval": "required"}, training={"epochs": 6})
    path = tmp_path / "recipe.yaml"
    path.write_text(yaml.safe_dump(recipe.model_dump(mode="json")))
    assert call(monkeypatch, "run", path, "--store", store) == 5
    assert "assay approve tiny --version 1 --approver YOUR_NAME" in capsys.readouterr().out
    assert call(monkeypatch, "run", path, "--store", store, "--from", "gate", "--dry-run") == 0
    assert call(monkeypatch, "approve", "tiny", "--approver", "Ann", "--store", store) == 0
    cards = [path.read_text(encoding="utf-8") for path in store.glob("runs/*/cards/*/card.md")]
    assert any("Version 1 of tiny: champion." in card for card in cards)


def test_seeds_prints_that_its_run_stays_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text(yaml.safe_dump(make_recipe(write_rows(tmp_path / "rows.jsonl", 4)).model_dump(mode="json")))
    monkeypatch.setattr("assay.flows.local.run_seeds", lambda *_: SeedScores(scores={0: 0.5}))
    assert call(monkeypatch, "seeds", path, "--count", "1", "--store", tmp_path) == 0
    assert "assay run resumes it with these rows; assay run --fresh reads" in capsys.readouterr().out
