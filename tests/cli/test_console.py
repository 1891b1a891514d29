import json
from pathlib import Path

import pytest
from pydantic import BaseModel

from assay.cli import console
from assay.cli.console import echo, echo_error, print_json, registry_uri
from assay.corpus.errors import AssayError

# What rich would read as markup, an emoji, a number to colour, and a line to wrap.
LINE = "[bold]Acme[/bold] :smile: 42 [/] " + "word " * 60


class Result(BaseModel):
    """A result with a text of any script."""

    name: str
    score: float


@pytest.mark.parametrize("columns", ["20", "200"])
@pytest.mark.parametrize("forced", [False, True], ids=["pipe", "terminal"])
def test_echo_prints_a_line_as_it_is(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], columns: str, forced: bool
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    for name in ("out", "err"):
        monkeypatch.setattr(getattr(console, name), "_force_terminal", forced)
    echo(LINE)
    assert capsys.readouterr() == (LINE + "\n", "")
    echo_error(LINE)
    assert capsys.readouterr() == ("", LINE + "\n")


def test_print_json_prints_one_document_and_nothing_else(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    print_json(Result(name="[Süß] " * 40, score=0.1))
    printed = capsys.readouterr()
    assert printed.err == ""
    assert printed.out.endswith("}\n")
    assert json.loads(printed.out) == {"name": "[Süß] " * 40, "score": 0.1}
    assert "Süß" in printed.out


@pytest.mark.parametrize("model", ["bundle", "/srv/models:/news", "./models"])
def test_registry_uri_of_a_bundle_folder_is_none(tmp_path: Path, model: str) -> None:
    assert registry_uri(model, tmp_path / "nothing") is None


def test_registry_uri_of_an_address_is_that_of_the_store_or_of_the_server(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    assert registry_uri("models:/news@champion", store) == f"sqlite:///{store}/mlflow.db"
    with pytest.raises(AssayError, match="so the store has no runs; name another store"):
        registry_uri("models:/news/1", tmp_path / "nothing")
    assert not (tmp_path / "nothing").exists()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://mlflow.test")
    assert registry_uri("models:/news/1", tmp_path / "nothing") == "http://mlflow.test"
