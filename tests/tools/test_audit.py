import stat
from pathlib import Path

import pytest

from tools.audit import audit


def program(folder: Path, output: str, code: int) -> str:
    """Write a stand-in for pip-audit with this output and exit code."""
    path = folder / "pip-audit"
    path.write_text(f"#!/bin/sh\nprintf '%s\\n' \"{output}\"\nexit {code}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


@pytest.mark.parametrize(
    ("output", "code", "expected"),
    [
        ("No known vulnerabilities found", 0, 0),
        ("Found 1 known vulnerability in 1 package", 1, 1),
        ("requests.exceptions.ConnectionError: Max retries exceeded", 1, 0),
        ("error: no such option", 2, 2),
    ],
)
def test_audit_fails_only_on_vulnerabilities_and_wrong_use(
    tmp_path: Path, output: str, code: int, expected: int
) -> None:
    assert audit(program(tmp_path, output, code)) == expected


def test_audit_reports_packages_without_data(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    audit(program(tmp_path, "torch Dependency not found on PyPI and could not be audited: torch", 0))
    assert "1 packages could not be checked" in capsys.readouterr().err
