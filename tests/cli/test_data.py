from pathlib import Path

import pytest

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
