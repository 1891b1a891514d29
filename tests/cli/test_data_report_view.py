import io
from typing import Any

import pytest
from rich.console import Console

from assay.cli import data_report_view
from assay.cli.data_report_view import MOST_CHARACTERS, MOST_LABELS, print_report
from assay.evaluation.data_report import DataReport
from assay.expectations.validation_report import CheckResult

LEAST: dict[str, Any] = {
    "recipe": "tiny",
    "ready": True,
    "problems": [],
    "command": "assay run tiny.yaml",
    "source": ["rows.jsonl: JSON lines"],
    "reading": "rows: text from text",
    "encoder": {"available": True, "detail": "trained from scratch"},
}
COUNTS = {"documents": 1200, "used": 1100, "filtered": 90, "rejected": 10, "rows": 1100, "rejects": 10}


def printed(monkeypatch: pytest.MonkeyPatch, width: int = 80, **values: Any) -> list[str]:
    screen = Console(file=io.StringIO(), width=width, color_system=None, markup=False, emoji=False)
    monkeypatch.setattr(data_report_view, "out", screen)
    print_report(DataReport.model_validate({**LEAST, **values}))
    assert isinstance(screen.file, io.StringIO)
    return screen.file.getvalue().splitlines()


def fact(lines: list[str], name: str) -> str:
    """The line of a fact and those below it that continue it."""
    begin = next(number for number, line in enumerate(lines) if line.startswith(f"{name:12} "))
    more = lines[begin + 1 :]
    end = next((number for number, line in enumerate(more) if not line.startswith(" " * 13)), len(more))
    return " ".join(line[13:].strip() for line in lines[begin : begin + 1 + end])


def check(name: str, severity: str, *, passed: bool) -> CheckResult:
    return CheckResult.model_validate(
        {"name": name, "severity": severity, "passed": passed, "measured": "1", "required": "0", "why": f"why {name}"}
    )


def test_print_report_of_the_least_report_has_no_empty_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    assert printed(monkeypatch) == [
        "source       rows.jsonl: JSON lines",
        "read as      rows: text from text",
        "encoder      trained from scratch",
        "",
        "ready: assay run tiny.yaml",
    ]


def test_print_report_counts_documents_and_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    reject = {"kind": "text is null", "count": 10, "example": "row 7: text is null", "remedy": "drop it"}
    lines = printed(
        monkeypatch,
        counts=COUNTS,
        rejects=[reject],
        splits={"train": 1000, "test": 90},
        excluded={"duplicate of a test row": 10},
        contradictions=1234,
        near_duplicates=0.125,
    )
    documents = fact(lines, "documents")
    assert documents.startswith("1,200: 1,100 used, 90 filtered out, 10 rejected - 10 rows rejected: row 7: text is")
    rows = fact(lines, "rows")
    assert rows.startswith("1,100: 1,000 train, 90 test, 10 left out (duplicate of a test row)")
    assert "1,234 with the text of another row and other labels" in rows
    assert "12.5% repeat an earlier text" in rows


def test_print_report_names_what_the_label_map_and_the_length_do(monkeypatch: pytest.MonkeyPatch) -> None:
    unused = [f"key{number}" for number in range(MOST_LABELS + 2)]
    lines = printed(
        monkeypatch,
        label_map={"unmapped": ["a"], "unused": unused},
        truncation={"rows": 2000, "truncated": 500, "max_length": 64},
        tags={"entities": 3000, "recovered": 0.995, "half_words": 0.01},
    )
    shown = fact(lines, "label map")
    assert shown.startswith("labels without an entry: 'a' entries that no row has: 'key0', ")
    assert shown.endswith("'key14' and 2 more")
    assert fact(lines, "length") == (
        "25.0% of 2,000 rows are longer than model.max_length 64, and their end is cut off"
    )
    assert fact(lines, "entities") == "the tags give back 99.5% of 3,000; 1.0% cut a word and count as the whole word"


def test_print_report_says_that_nothing_is_cut_or_unused(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = printed(
        monkeypatch,
        label_map={"unmapped": [], "unused": []},
        truncation={"rows": 2000, "truncated": 0, "max_length": 64},
        tags={"entities": 3000, "recovered": 1, "half_words": 0},
    )
    assert fact(lines, "label map") == "every label has an entry, every entry a row"
    assert fact(lines, "length") == "no row is longer than model.max_length 64"
    assert fact(lines, "entities") == "the tags give back 100.0% of 3,000"


def test_print_report_shows_the_most_frequent_labels_by_split(monkeypatch: pytest.MonkeyPatch) -> None:
    classes = [
        {"name": f"[b]class {number}", "total": 2000 - number, "train": 1500} for number in range(MOST_LABELS + 3)
    ]
    types = [{"name": "ORG", "total": 7, "test": 2}]
    lines = printed(monkeypatch, classes=classes, entity_types=types, splits={"train": 9, "test": 1})
    shown = [line.split() for line in lines]
    assert ["class", "rows", "train", "test"] in shown
    assert ["[b]class", "0", "2,000", "1,500", "0"] in shown
    assert ["and", "3", "more"] in shown
    assert ["entity", "type", "entities", "train", "test"] in shown
    assert ["ORG", "7", "0", "2"] in shown
    assert lines == [line.rstrip() for line in lines]


@pytest.mark.parametrize("width", [60, 80, 200])
def test_print_report_fits_its_width_and_80_columns(monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    samples = [
        {"id": "1", "label": "a" * 40, "text": "word " * 99},
        {"id": "2", "label": None, "text": "[x](Y) :smile:"},
    ]
    lines = printed(
        monkeypatch,
        width,
        counts=COUNTS,
        source=["x" * 150],
        samples=samples,
        checks=[check("data" + " data" * 30, "warning", passed=False)],
        classes=[{"name": "c" * 100, "total": 1}],
    )
    assert max(map(len, lines)) <= min(width, 80)
    text = "".join(lines)
    assert text.count("word") <= MOST_CHARACTERS / 5
    assert "…" in text
    assert "[x](Y) :smile:" in text


def test_print_report_lists_failed_checks_the_critical_ones_first(monkeypatch: pytest.MonkeyPatch) -> None:
    checks = [
        check("one", "warning", passed=False),
        check("two", "critical", passed=False),
        check("three", "critical", passed=True),
        check("four", "info", passed=False),
    ]
    lines = printed(monkeypatch, checks=checks, warnings=["the split is small"])
    begin = lines.index("3 checks of the data: 1 passed, 1 failed, 1 to look at")
    assert lines[begin + 1 : begin + 4] == [
        "- critical: why two",
        "- warning: why one",
        "- warning: the split is small",
    ]


def test_print_report_ends_with_the_first_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    long = "source.path " + "x" * 200
    lines = printed(monkeypatch, ready=False, problems=[long, "second", "third"])
    assert lines[-3:] == ["then fix: second", "then fix: third", f"not ready: {long}"]
