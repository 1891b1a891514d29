from pathlib import Path

import pytest

from assay.corpus.errors import AssayError
from assay.expectations.validation_report import CheckResult, Severity, ValidationReport, describe_ids, shown


def check(name: str, severity: Severity, passed: bool, why: str = "because") -> CheckResult:
    return CheckResult(name=name, severity=severity, passed=passed, measured="1 | 2", required="0", why=why)


def report(*checks: CheckResult) -> ValidationReport:
    return ValidationReport(kind="sentences", snapshot="d" * 64, rows=10, checks=list(checks))


def test_validation_report_loads_what_was_saved(tmp_path: Path) -> None:
    written = report(check("a", "critical", False), check("b", "info", True))
    written.save(tmp_path)
    assert ValidationReport.load(tmp_path) == written


def test_validation_report_load_rejects_a_folder_without_one(tmp_path: Path) -> None:
    with pytest.raises(AssayError, match=r"holds no validation\.json.*--from validate"):
        ValidationReport.load(tmp_path)


def test_stop_line_is_for_critical_checks_only() -> None:
    assert (
        report(check("a", "warning", False), check("b", "info", False), check("c", "critical", True)).stop_line()
        is None
    )


def test_stop_line_gives_the_first_reason_and_names_the_others() -> None:
    checks = [
        check("a", "warning", False),
        check("b", "critical", False, "class 'x' has 1 row"),
        check("c", "critical", False),
        check("d", "critical", False),
    ]
    assert report(*checks).stop_line() == "validation: class 'x' has 1 row; 2 more critical checks failed: c, d"
    assert report(*checks[:2]).stop_line() == "validation: class 'x' has 1 row"


def test_markdown_begins_with_failed_checks_and_escapes_values() -> None:
    table = report(check("fine", "critical", True), check("bad", "critical", False, "a\nb")).markdown().splitlines()
    assert table[4] == r"| bad | critical | failed | 1 \| 2 | 0 | a b |"
    assert table[5].startswith("| fine | critical | passed |")


def test_describe_ids_quotes_shortens_and_counts() -> None:
    assert describe_ids(["a", "b'c"], 5) == "'a', \"b'c\" and 3 more"
    assert describe_ids(["a"], 1) == "'a'"
    assert len(shown("x" * 5000)) < 100
