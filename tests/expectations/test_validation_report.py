from pathlib import Path

import pytest

from assay.corpus.errors import AssayError
from assay.expectations.validation_report import CheckResult, Severity, ValidationReport, describe_ids, shown


def check(name: str, severity: Severity, passed: bool, why: str = "because") -> CheckResult:
    return CheckResult(name=name, severity=severity, passed=passed, measured="1 | 2", required="0", why=why)


def report(*checks: CheckResult) -> ValidationReport:
    return ValidationReport(kind="sentences", snapshot="d" * 64, rows=10, checks=list(checks))


def test_a_report_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    written = report(check("a", "critical", False), check("b", "info", True))
    written.save(tmp_path)
    assert ValidationReport.load(tmp_path) == written


def test_a_folder_without_report_is_refused(tmp_path: Path) -> None:
    with pytest.raises(AssayError, match=r"holds no validation\.json.*--from validate"):
        ValidationReport.load(tmp_path)


def test_only_critical_checks_stop() -> None:
    assert (
        report(check("a", "warning", False), check("b", "info", False), check("c", "critical", True)).stop_line()
        is None
    )


def test_the_line_gives_the_first_reason_and_names_the_others() -> None:
    checks = [
        check("a", "warning", False),
        check("b", "critical", False, "class 'x' has 1 row"),
        check("c", "critical", False),
        check("d", "critical", False),
    ]
    assert report(*checks).stop_line() == "validation: class 'x' has 1 row; 2 more critical checks failed: c, d"
    assert report(*checks[:2]).stop_line() == "validation: class 'x' has 1 row"


def test_the_table_opens_with_what_failed_and_survives_pipes_and_line_breaks() -> None:
    table = report(check("fine", "critical", True), check("bad", "critical", False, "a\nb")).markdown().splitlines()
    assert table[4] == r"| bad | critical | failed | 1 \| 2 | 0 | a b |"
    assert table[5].startswith("| fine | critical | passed |")


def test_ids_are_quoted_shortened_and_counted() -> None:
    assert describe_ids(["a", "b'c"], 5) == "'a', \"b'c\" and 3 more"
    assert describe_ids(["a"], 1) == "'a'"
    assert len(shown("x" * 5000)) < 100
