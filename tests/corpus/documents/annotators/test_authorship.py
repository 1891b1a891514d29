from datetime import UTC, datetime
from typing import Any

import pytest

from assay.corpus.documents.annotators.authorship import last_of_each_person, person_of, time_of

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("named", "person"),
    [
        ("anna", "anna"),
        (7, "7"),
        # What Label Studio writes of a person changes with each visit, the address does not.
        ({"id": 7, "email": "anna@example.org", "last_activity": "2026-01-01"}, "anna@example.org"),
        ({"id": 7, "email": ""}, "7"),
        ({}, None),
        ("", None),
        (None, None),
    ],
)
def test_person_of_is_one_name_for_one_person(named: Any, person: str | None) -> None:
    assert person_of(named) == person


@pytest.mark.parametrize(
    ("values", "time"),
    [
        ({"created_at": "2026-01-01T11:00:00Z", "updated_at": "2026-01-01T13:00:00+01:00"}, NOON),
        ({"created_at": "2026-01-01T12:00:00", "updated_at": None}, NOON),
        ({"updated_at": "yesterday", "_timestamp": NOON.timestamp()}, NOON),
        ({"updated_at": "yesterday"}, None),
    ],
)
def test_time_of_is_the_last_change_in_utc(values: dict[str, Any], time: datetime | None) -> None:
    assert time_of(values) == time


def test_last_of_each_person_compares_times_and_not_their_writing() -> None:
    earlier = {"by": "anna", "updated_at": "2026-01-01T13:30:00+02:00"}
    later = {"by": "anna", "updated_at": "2026-01-01T12:00:00Z"}
    undated, of_nobody = {"by": "ben"}, {"updated_at": "2026-01-01"}

    kept = last_of_each_person([later, undated, earlier, of_nobody, of_nobody], lambda one: one.get("by"), time_of)

    assert kept == [later, undated, of_nobody, of_nobody]
