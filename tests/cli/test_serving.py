import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from assay import cli
from tests.cli.calls import call

DOCS = Path(__file__).parents[2] / "docs" / "serving.md"


def test_serve_documentation_lists_every_option() -> None:
    shown = set(re.findall(r"--[a-z-]+", CliRunner().invoke(cli.app, ["serve", "--help"]).output))
    table = [line for line in DOCS.read_text(encoding="utf-8").splitlines() if line.startswith("| `--")]
    documented = set(re.findall(r"--[a-z-]+", " ".join(line.split("|")[1] for line in table)))
    assert documented == shown - {"--help", "--model", "--store"}


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ([], "holds no bundle.json"),
        (["--token", "secret"], "is not env:NAME"),
        (["--token", "env:NO_SUCH_VARIABLE"], "NO_SUCH_VARIABLE holds 0 characters"),
    ],
)
def test_serve_reports_an_invalid_model_in_one_line(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    options: list[str],
    error: str,
) -> None:
    assert call(monkeypatch, "serve", "--model", tmp_path, *options) == 1
    written = capsys.readouterr().err
    assert error in written
    assert written.count("\n") == 1


def test_serve_reports_a_store_without_runs_and_leaves_it_empty(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    assert call(monkeypatch, "serve", "--model", "models:/news@champion", "--store", tmp_path) == 1
    assert "so the store has no runs" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
