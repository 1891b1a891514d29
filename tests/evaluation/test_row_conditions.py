from collections.abc import Sequence

import pytest

from assay.corpus.errors import AssayError
from assay.evaluation.row_conditions import rows_meeting

COLUMNS: dict[str, Sequence[str | int | None]] = {
    "year": ["2001", "2015", None, "unknown"],
    "category": ["R&B", "it's `b`", "C#", None],
    "label": ["a", "b", None, "a"],
    "text_length": [1, 20, 300, 4],
}


@pytest.mark.parametrize(
    ("condition", "rows"),
    [
        ("year < 2010", [0]),
        ("2000 <= year < 2016", [0, 1]),
        ("not year < 2010", [1, 2, 3]),
        ("year in (2001, 2015)", [0, 1]),
        ("year not in [2001]", [1, 2, 3]),
        ("year == 2015.0", [1]),
        ("year == '2015'", [1]),
        ("category == 'R&B' or category == 'C#'", [0, 2]),
        ('category == "it\'s `b`"', [1]),
        ("category != 'C#'", [0, 1, 3]),
        ("category in ('C#',)", [2]),
        ("label == 'a' and text_length >= 4", [3]),
        ("(year < 2010\n or text_length > 100)", [0, 2]),
        ("year < text_length", []),
    ],
)
def test_rows_meeting_a_condition(condition: str, rows: list[int]) -> None:
    assert rows_meeting(condition, COLUMNS).nonzero()[0].tolist() == rows


def test_rows_meeting_names_condition_and_column_in_its_error() -> None:
    with pytest.raises(AssayError, match=r"gate.slices.expressions: 'month < 3' names 'month'"):
        rows_meeting("month < 3", COLUMNS)


def test_rows_meeting_never_evaluates_other_expressions() -> None:
    with pytest.raises(AssayError, match="only comparisons of columns"):
        rows_meeting("__import__('os').getpid() > 0", COLUMNS)


def test_rows_meeting_of_no_rows_is_empty() -> None:
    assert rows_meeting("year < 2010", {"year": []}).tolist() == []
