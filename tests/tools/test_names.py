from pathlib import Path

import pytest

from tools import names


def test_names_stand_once() -> None:
    assert names.main() == 0


def test_names_finds_stems_and_classes_that_stand_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for file in ("cli/run.py", "flows/run.py", "models/run.py", "models/part.py", "runs/part.py", "models/__init__.py"):
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).write_text("class _Own: ...\n")
    for file in ("models/part.py", "runs/other.py"):
        (tmp_path / file).write_text("class Part: ...\n")
    monkeypatch.setattr(names, "ROOT", tmp_path)
    monkeypatch.setattr(names, "PACKAGES", sorted(path for path in tmp_path.iterdir()))

    assert names.main() == 1

    assert capsys.readouterr().out.splitlines() == [
        "part: models/part.py, runs/part.py",
        "run: cli/run.py, models/run.py",
        "Part: models/part.py, runs/other.py",
    ]
