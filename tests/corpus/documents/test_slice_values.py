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
def test_the_year_of_a_time(time: Any, year: str | None) -> None:
    assert slice_value("date:year", {"date": time}.__getitem__, "rows:1") == year


@pytest.mark.parametrize("time", ["yesterday", True, [2020], float("nan"), float("inf"), 1e30])
def test_what_is_no_time_has_no_year(time: Any) -> None:
    with pytest.raises(UnreadableError, match="date is not a"):
        slice_value("date:year", {"date": time}.__getitem__, "rows:1")


def test_a_row_knows_its_file() -> None:
    assert slice_value("$part", lambda _: MISSING, "data/a:b.jsonl:17") == "data/a:b.jsonl"
    assert slice_value("$part", lambda _: MISSING, "5f1d") is None  # a document of a database


def test_other_fields_are_taken_as_they_stand() -> None:
    assert slice_value("year", {"year": 2012}.__getitem__, "rows:1") == "2012"


def test_fields_that_a_source_must_send() -> None:
    assert [slice_field(what) for what in ("date:year", "$part", "region")] == ["date", None, "region"]
