from datetime import UTC, date, datetime
from typing import Any

import pytest

from assay.corpus.documents.slice_values import slice_field, slice_value
from assay.corpus.documents.values import MISSING, UnreadableError


@pytest.mark.parametrize(
    ("time", "year"),
    [
        ("2012-12-17", "2012"),
        ("2016-01-01T00:30:00+01:00", "2015"),
        (datetime(2018, 5, 1, tzinfo=UTC), "2018"),
        (date(2019, 5, 1), "2019"),
        (1_577_836_800, "2020"),
        (1_577_836_800_000, "2020"),
        (1_577_836_799_999.0, "2019"),
        (-86_400, "1969"),
        (None, None),
        (MISSING, None),
    ],
)
def test_slice_value_is_the_year_of_a_time(time: Any, year: str | None) -> None:
    assert slice_value("date:year", {"date": time}.__getitem__, "rows:1") == year


@pytest.mark.parametrize("time", ["yesterday", True, [2020], float("nan"), float("inf"), 1e30])
def test_slice_value_rejects_the_year_of_other_values(time: Any) -> None:
    with pytest.raises(UnreadableError, match="date is not a"):
        slice_value("date:year", {"date": time}.__getitem__, "rows:1")


def test_slice_value_is_the_file_of_a_row() -> None:
    assert slice_value("$part", lambda _: MISSING, "data/a:b.jsonl:17") == "data/a:b.jsonl"
    assert slice_value("$part", lambda _: MISSING, "5f1d") is None  # a document of a database


def test_slice_value_is_the_field_as_text() -> None:
    assert slice_value("year", {"year": 2012}.__getitem__, "rows:1") == "2012"


def test_slice_field_is_the_field_that_is_read() -> None:
    assert [slice_field(source) for source in ("date:year", "$part", "region")] == ["date", None, "region"]
