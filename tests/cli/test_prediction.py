from pathlib import Path

import pytest

from tests.cli.calls import call
from tests.flows.tiny import write_rows


def test_predict_with_a_folder_that_is_no_bundle_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = write_rows(tmp_path / "rows.jsonl", 3)
    output = tmp_path / "out.jsonl"
    assert call(monkeypatch, "predict", "--model", tmp_path, "--input", rows, "--output", output) == 1
    assert "holds no bundle.json" in capsys.readouterr().err
    assert not output.exists()
