import stat
from pathlib import Path

import pytest

from tools.audit import audit


def program(folder: Path, said: str, code: int) -> str:
    """A stand-in for pip-audit that says this and ends so."""
    path = folder / "pip-audit"
    path.write_text(f"#!/bin/sh\nprintf '%s\\n' \"{said}\"\nexit {code}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


@pytest.mark.parametrize(
    ("said", "code", "ends"),
    [
        ("No known vulnerabilities found", 0, 0),
        ("Found 1 known vulnerability in 1 package", 1, 1),
        ("requests.exceptions.ConnectionError: Max retries exceeded", 1, 0),
        ("error: no such option", 2, 2),
    ],
)
def test_only_what_was_found_stops_a_check(tmp_path: Path, said: str, code: int, ends: int) -> None:
    assert audit(program(tmp_path, said, code)) == ends


def test_what_could_not_be_looked_up_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    audit(program(tmp_path, "torch Dependency not found on PyPI and could not be audited: torch", 0))
    assert "1 packages could not be checked" in capsys.readouterr().err
