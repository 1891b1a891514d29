from pathlib import Path

import pytest

from tests.cli.calls import call


@pytest.mark.parametrize("words", [["issues"], ["suggest", "--input", "new.jsonl"]])
def test_labels_keeps_a_file_that_people_may_have_filled_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    tasks = tmp_path / "tasks.csv"
    tasks.write_text("row_id,new_label\nr1,good\n", encoding="utf-8")
    assert call(monkeypatch, "labels", *words, "models:/tiny@champion", "--output", tasks, "--store", tmp_path) == 1
    assert f"--output is {tasks}, which exists; name a new file" in capsys.readouterr().err.replace("\n", "")
    assert tasks.read_text(encoding="utf-8") == "row_id,new_label\nr1,good\n"
