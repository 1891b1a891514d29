import json
from pathlib import Path

import pytest

from tools import branch_coverage


def write_report(path: Path, missing: dict[str, int], branches: int) -> Path:
    files = {name: {"summary": {"missing_branches": count}} for name, count in missing.items()}
    totals = {"num_branches": branches, "covered_branches": branches - sum(missing.values())}
    path.write_text(json.dumps({"files": files, "totals": totals}))
    return path


def test_branch_coverage_passes_at_the_floor(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report = write_report(tmp_path / "report.json", {"a.py": 5}, branches=100)
    assert branch_coverage.main(report) == 0
    assert capsys.readouterr().out == "branches taken by tests: 95.0 % of 100, at least 95 %\n"


def test_branch_coverage_names_the_files_with_the_most_missing_branches(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = write_report(tmp_path / "report.json", {"a.py": 2, "b.py": 0, "c.py": 5}, branches=100)
    assert branch_coverage.main(report) == 1
    assert capsys.readouterr().out.splitlines()[1:] == ["    5 not taken in c.py", "    2 not taken in a.py"]
