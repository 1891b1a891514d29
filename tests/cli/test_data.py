from pathlib import Path

import pytest

from assay.recipes.loader import load_recipe
from assay.runs.run import Run
from assay.tasks.extract import extract
from assay.tasks.split import split
from tests.cli.calls import call


def test_validate_shows_every_check_and_keeps_nothing(
    recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(monkeypatch, "validate", recipe, "--store", tmp_path / "store") == 0
    shown = capsys.readouterr().out
    assert "100 rows" in shown
    assert not list((tmp_path / "store").rglob("*.parquet"))


def test_validate_stops_at_bad_data_and_keeps_the_report(
    recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    store = tmp_path / "store"
    assert call(monkeypatch, "validate", recipe, "--store", store, "--set", "validation.labels=[good]") == 1
    error = capsys.readouterr().err.splitlines()[-1]
    assert "bad" in error
    # the pages stay until the data are checked again, and nothing else does
    pages = store / "checks" / "tiny" / "docs" / "index.html"
    assert error.endswith(f"; every check: {pages}")
    assert pages.is_file()
    assert not list(store.rglob("*.parquet"))
    assert call(monkeypatch, "validate", recipe, "--store", store) == 0
    assert not pages.exists()


def test_validate_prints_warnings_of_the_split(
    recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # given a ledger of earlier runs, and shares that have changed since
    store = tmp_path / "store"
    run = Run(key="first", recipe=load_recipe(str(recipe)), store=store, tracking_uri="", mlflow_run="")
    split.fn(run, extract.fn(run))
    ledger = (store / "ledger" / "tiny.parquet").read_bytes()
    shares = ["--set", "split.train=0.4", "--set", "split.validation=0.3", "--set", "split.test=0.3"]
    assert call(monkeypatch, "validate", recipe, "--store", store, *shares) == 0
    assert "warning: train, validation, test have 80.0%, 10.0%, 10.0% of the rows" in capsys.readouterr().out
    assert (store / "ledger" / "tiny.parquet").read_bytes() == ledger
