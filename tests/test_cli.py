import sys
from pathlib import Path

import pytest

import cli
from tests.flows.tiny import write_rows

RECIPE = """
name: tiny
source: {{kind: files, paths: {{{corpus}: all}}, fields: {{label: label, entities: entities}}}}
validation: {{max_duplicate_share: 1.0}}
model: {{scratch: {{layers: 1}}, heads: [sentence, tokens]}}
gate: {{min_f1: {{sentence: 0.5, tokens: 0.5}}}}
registry: {{name: tiny}}
"""


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    corpus = write_rows(tmp_path / "rows.jsonl", 100)
    path = tmp_path / "recipe.yaml"
    path.write_text(RECIPE.format(corpus=corpus))
    return path


def call(monkeypatch: pytest.MonkeyPatch, *words: str | Path) -> int:
    """Run the command in this process and give its exit code."""
    monkeypatch.setattr(sys, "argv", ["assay", *map(str, words)])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    return int(ended.value.code or 0)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--set", "training.epoch=3"], "unknown key 'training.epoch' (value 3); did you mean 'training.epochs'?"),
        (["--set", "training.epochs"], "--set 'training.epochs' is not KEY=VALUE"),
        (["--set", "training.epochs=-1"], "'training.epochs' is -1"),
        (["--set", "gate={}"], "key 'gate.min_f1' is missing"),
    ],
)
def test_a_wrong_recipe_is_one_line_that_names_the_key(
    recipe: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: list[str], expected: str
) -> None:
    assert call(monkeypatch, "run", recipe, *words) == 1
    error = capsys.readouterr().err
    assert expected in error
    assert error.count("\n") == 1


def test_a_recipe_that_is_not_there_names_the_shipped_ones(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(monkeypatch, "validate", "nowhere.yaml") == 1
    assert "nowhere.yaml is neither a file nor a shipped recipe (shipped: financial-tweets" in capsys.readouterr().err


def test_validate_shows_every_check_and_keeps_nothing(
    recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(monkeypatch, "validate", recipe, "--store", tmp_path / "store") == 0
    shown = capsys.readouterr().out
    assert "100 rows" in shown
    assert not list((tmp_path / "store").rglob("*.parquet"))


def test_validate_stops_at_bad_data(
    recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    store = tmp_path / "store"
    assert call(monkeypatch, "validate", recipe, "--store", store, "--set", "validation.labels=[good]") == 1
    error = capsys.readouterr().err.splitlines()[-1]
    assert "bad" in error


def test_history_of_an_unknown_model_is_one_line(
    store: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    assert call(monkeypatch, "history", "nobody", "--store", store) == 1
    assert "nobody" in capsys.readouterr().err


def test_predict_with_a_folder_that_is_no_bundle_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = write_rows(tmp_path / "rows.jsonl", 3)
    output = tmp_path / "out.jsonl"
    assert call(monkeypatch, "predict", "--model", tmp_path, "--input", rows, "--output", output) == 1
    assert "holds no bundle.json" in capsys.readouterr().err
    assert not output.exists()
