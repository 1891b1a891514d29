from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from assay.expectations.check_definitions import CheckText, no_faults, values_between, values_in, values_present
from assay.expectations.runner import Runner
from assay.expectations.validation_report import CheckResult, Severity


def check_text(name: str, severity: Severity = "critical") -> CheckText:
    return CheckText(name, "better", "row {key}: {value}", "mend it", severity)


def run(folder: Path, expectations: list[Any], *frames: pd.DataFrame) -> dict[str, CheckResult]:
    checks = Runner(folder).checks("test", expectations, key="id")
    for frame in frames:
        checks.add(frame)
    return {result.name: result for result in checks.results()}


@pytest.fixture
def frame() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "id": ["a", "b", "c", "a"],
            "length": [1, 50, 3, 99],
            "label": ["up", None, "down", "odd"],
            "fault": [None, "broken", None, None],
        },
        dtype="object",
    )


def test_results_name_the_invalid_rows_of_each_kind_of_check(tmp_path: Path, frame: pd.DataFrame) -> None:
    expectations = [
        values_between("length", check_text("length"), low=1, high=10),
        values_present("label", check_text("label")),
        values_in("label", ["up", "down"], check_text("labels")),
        no_faults("fault", check_text("fault")),
        values_between("length", check_text("fine"), low=0),
    ]

    results = run(tmp_path, expectations, frame)

    # the order is that of the suite, though results come back by column
    assert list(results) == ["length", "label", "labels", "fault", "fine"]
    assert {name: result.invalid_ids for name, result in results.items()} == {
        "length": ["b", "a"],
        "label": ["b"],
        "labels": ["a"],
        "fault": ["b"],
        "fine": [],
    }
    assert results["fault"].why == "row 'b': broken, needs better: mend it"
    assert results["length"].why == "row 'b': 50, needs better: mend it (2 in all: 'b', 'a')"
    assert results["length"].measured == "2 of 4 rows"
    assert results["fine"].passed


def test_results_keep_a_failed_warning_a_warning(tmp_path: Path, frame: pd.DataFrame) -> None:
    results = run(
        tmp_path,
        [
            values_between("length", check_text("w", "warning"), high=0),
            values_between("length", check_text("i", "info"), high=0),
        ],
        frame,
    )
    assert [(result.severity, result.passed) for result in results.values()] == [("warning", False), ("info", False)]


def test_results_make_an_expectation_that_raises_critical(tmp_path: Path, frame: pd.DataFrame) -> None:
    # given a warning on a column that is not there, and one that compares words with numbers
    expectations = [
        values_between("absent", check_text("absent", "warning"), high=0),
        values_between("label", check_text("words", "info"), low=1),
        values_between("length", check_text("fine", "warning"), low=0),
    ]

    results = run(tmp_path, expectations, frame)

    for name in ("absent", "words"):
        assert (results[name].severity, results[name].passed) == ("critical", False)
        assert results[name].invalid_count == len(frame)
        assert "could not run" in results[name].why
        assert "\n" not in results[name].why
    assert results["fine"].passed


def test_results_keep_a_check_that_raised_failed(tmp_path: Path, frame: pd.DataFrame) -> None:
    results = run(tmp_path, [values_between("length", check_text("l"), low=0)], frame.drop(columns="length"), frame)
    assert not results["l"].passed


def test_results_are_independent_of_the_division_into_frames(tmp_path: Path) -> None:
    # given 60 invalid rows among 90
    frame = pd.DataFrame({"id": [f"r{n}" for n in range(90)], "length": [n % 3 for n in range(90)]}, dtype="object")
    expectation = values_between("length", check_text("l"), high=0)

    whole = run(tmp_path / "whole", [expectation], frame)
    cut = run(tmp_path / "cut", [expectation], frame[:1], frame[1:40], frame[40:])

    assert whole == cut
    assert whole["l"].invalid_count == 60
    assert whole["l"].invalid_ids[:3] == ["r1", "r2", "r4"]
    assert len(whole["l"].invalid_ids) == 20
    assert whole["l"].why.endswith("(60 in all: 'r1', 'r2', 'r4', 'r5', 'r7' and 55 more)")


def test_documented_checks_write_data_docs_with_our_texts(tmp_path: Path, frame: pd.DataFrame) -> None:
    checks = Runner(tmp_path).documented_checks(
        "lengths", [values_between("length", check_text("too $long {x}"), high=10)], "id"
    )
    checks.add(frame)

    assert not checks.results()[0].passed
    pages = list(tmp_path.rglob("validations/**/*.html"))
    assert (tmp_path / "index.html").is_file()
    assert len(pages) == 1
    assert "too $long {x}: better" in pages[0].read_text(encoding="utf-8")
