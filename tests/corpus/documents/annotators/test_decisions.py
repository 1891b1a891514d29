import re
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from assay.corpus.documents.annotators.annotated_row import AnnotatedRow, Needs
from assay.corpus.documents.annotators.decisions import (
    TABLE,
    decided_at,
    decided_by,
    decided_row,
    is_table,
    read_decision,
)
from assay.corpus.documents.fields import AnnotationRules, Fields
from assay.corpus.documents.values import MISSING, UnreadableError

ORG = {"start": 0, "end": 4, "label": "ORG"}


def _needs(*, label: bool = True, entities: bool = True, labels: bool = False) -> Needs:
    return Needs(Fields(label="label"), AnnotationRules(), label, entities, labels)


@pytest.mark.parametrize(
    ("documents", "expected"),
    [
        ([{"row_id": "r1", "new_label": ""}, {"row_id": "r2", "new_entities": ""}], True),
        ([{"row_id": "r1", "new_label": "up"}, {"row_id": "r2"}], False),
        ([{"id": "r1", "new_label": "up"}], False),
        ([], False),
    ],
)
def test_is_table_asks_every_row_for_its_columns(documents: list[dict[str, Any]], expected: bool) -> None:
    assert is_table(documents) is expected


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        ({"new_label": "up", "new_entities": '[[0, 4, "ORG"]]'}, AnnotatedRow("Acme", "up", [ORG])),
        ({"new_label": "up", "new_entities": ""}, AnnotatedRow("Acme", "up")),
        ({"new_label": None, "new_entities": "[]"}, AnnotatedRow("Acme", MISSING, [])),
        ({"new_label": "", "new_entities": [[0, 4, "ORG"]]}, AnnotatedRow("Acme", MISSING, [ORG])),
        ({"new_label": "", "new_entities": []}, AnnotatedRow("Acme", MISSING, [])),
        ({"new_label": 0}, AnnotatedRow("Acme", 0)),
        ({"new_label": "", "new_entities": None}, None),
        ({}, None),
    ],
)
def test_read_decision_of_a_table_reads_filled_cells(cells: dict[str, Any], expected: AnnotatedRow | None) -> None:
    assert read_decision({"row_id": "r1", "text": "Acme", **cells}, TABLE, _needs()) == expected


def test_read_decision_of_a_table_leaves_out_what_the_recipe_does_not_read() -> None:
    row = {"row_id": "r1", "text": "Acme", "new_label": "up", "new_entities": "[]"}
    assert read_decision(row, TABLE, _needs(label=False)) == AnnotatedRow("Acme", MISSING, [])
    assert read_decision(row, TABLE, _needs(entities=False)) == AnnotatedRow("Acme", "up")


@pytest.mark.parametrize("cell", ["ORG", "{}", "[1]", "[[0, 4]]", '{"start": 0}', "[[0, 4, 'ORG']]", {"start": 0}])
def test_read_decision_of_a_table_shows_the_form_of_entities(cell: Any) -> None:
    message = re.escape('new_entities is not a list like [[0, 4, "ORG"]]')
    with pytest.raises(UnreadableError, match=message):
        read_decision({"row_id": "r1", "text": "Acme", "new_entities": cell}, TABLE, _needs())


@pytest.mark.parametrize(
    ("document", "row_id"),
    [
        ({"data": {"row_id": "ls"}, "row_id": "outer"}, "ls"),
        ({"metadata": {"row_id": "argilla"}, "meta": {"row_id": "prodigy"}}, "argilla"),
        ({"meta": {"row_id": 7}}, "7"),
        ({"task": {"data": {"row_id": "stored"}}, "id": 5}, "stored"),
        ({"row_id": 0}, "0"),
        ({"data": {"row_id": ""}, "row_id": "flat"}, "flat"),
        ({"fields": {"text": "a"}, "id": "record"}, "record"),
    ],
)
def test_decided_row_looks_where_tools_keep_the_id(document: dict[str, Any], row_id: str) -> None:
    assert decided_row(document, None) == row_id


@pytest.mark.parametrize("place", [None, "data", "metadata", "meta"])
def test_decided_row_finds_a_named_field_in_every_place(place: str | None) -> None:
    document: dict[str, Any] = {"doc": {"key": "k1"}}
    named = {place: document} if place else document
    assert decided_row({"row_id": "other", **named}, "doc.key") == "k1"


@pytest.mark.parametrize(
    ("document", "named", "reason"),
    [
        ({"id": "r1", "text": "a"}, None, "row_id is missing"),
        ({"row_id": "r1"}, "key", "key is missing"),
        ({"fields": {"text": "a"}, "id": "record"}, "key", "key is missing"),
        ({"fields": {"text": "a"}}, None, "row_id is missing"),
    ],
)
def test_decided_row_names_the_field_that_is_missing(document: dict[str, Any], named: str | None, reason: str) -> None:
    with pytest.raises(UnreadableError, match=f"^{reason}"):
        decided_row(document, named)


@pytest.mark.parametrize(
    ("document", "person"),
    [
        ({"annotations": [{"completed_by": 1}, {"completed_by": {"email": "anna@x.org", "id": 2}}]}, "anna@x.org"),
        ({"annotations": [{"completed_by": {"id": 3}}, {"completed_by": None}]}, "3"),
        ({"annotations": [{"completed_by": {"username": "anna", "email": ""}}]}, "anna"),
        ({"responses": {"label": [{"value": "up"}, {"user_id": "u-1"}]}}, "u-1"),
        ({"responses": [{"user_id": "u-2"}], "_annotator_id": "anna"}, "u-2"),
        ({"annotations": 3, "annotator": 5}, "5"),
        ({"annotations": ["text"], "responses": {"label": None}}, None),
        ({"author": ""}, None),
    ],
)
def test_decided_by_returns_the_last_person_that_a_tool_names(document: dict[str, Any], person: str | None) -> None:
    assert decided_by(document, AnnotationRules()) == person


@pytest.mark.parametrize(
    ("document", "at"),
    [
        (
            {"annotations": [{"updated_at": "2026-01-01T00:00:00Z"}, {"created_at": "2026-01-02T10:00:00Z"}]},
            datetime(2026, 1, 2, 10, tzinfo=UTC),
        ),
        (
            {"annotations": [{"updated_at": "yesterday"}], "updated_at": "2026-03-01T00:00:00"},
            datetime(2026, 3, 1, tzinfo=UTC),
        ),
        (
            {"created_at": "2026-03-01T12:00:00+02:00"},
            datetime(2026, 3, 1, 12, tzinfo=timezone(timedelta(hours=2))),
        ),
        ({"_timestamp": 1767225600}, datetime(2026, 1, 1, tzinfo=UTC)),
        ({"_timestamp": {}, "updated_at": ["2026"]}, None),
        ({"_timestamp": 10**30}, None),
        ({}, None),
    ],
)
def test_decided_at_returns_the_time_in_utc_where_no_zone_is_named(
    document: dict[str, Any], at: datetime | None
) -> None:
    assert decided_at(document, AnnotationRules()) == at


@pytest.mark.parametrize(
    ("cell", "labels"),
    [
        ('["sport", "money"]', ["money", "sport"]),
        ("sport; money;", ["money", "sport"]),
        (" sport ", ["sport"]),
        ("[]", []),
        (["sport"], ["sport"]),
        ([], []),
        ("", MISSING),
        (None, MISSING),
    ],
)
def test_read_decision_of_a_table_reads_lists_of_labels(cell: Any, labels: Any) -> None:
    row = {"row_id": "r1", "text": "Acme", "new_labels": cell, "new_label": "up"}
    assert read_decision(row, TABLE, _needs(labels=True)) == AnnotatedRow("Acme", "up", MISSING, labels)


@pytest.mark.parametrize("cell", ["[sport]", 7, {"sport": 1}])
def test_read_decision_of_a_table_shows_the_form_of_labels(cell: Any) -> None:
    with pytest.raises(
        UnreadableError, match=re.escape('new_labels is not a list like ["money", "sport"], or money; sport')
    ):
        read_decision({"row_id": "r1", "text": "Acme", "new_labels": cell}, TABLE, _needs(labels=True))


# Three submit, and ben takes his annotation back.
SEVERAL: dict[str, Any] = {
    "annotations": [
        {"completed_by": "carl", "updated_at": "2026-01-01T00:00:00Z"},
        {"completed_by": "anna", "updated_at": "2026-01-02T00:00:00Z"},
        {"completed_by": "dora", "updated_at": "2026-01-01T12:00:00Z"},
        {"completed_by": "ben", "updated_at": "2026-01-03T00:00:00Z", "was_cancelled": True},
    ]
}


@pytest.mark.parametrize(
    ("rule", "person", "day"), [("latest", "anna", 2), ("reject", "anna", 2), ("first", "carl", 1)]
)
def test_author_and_time_are_those_of_the_annotation_that_counts(rule: Any, person: str, day: int) -> None:
    rules = AnnotationRules(disagreement=rule)
    assert decided_by(SEVERAL, rules) == person
    assert decided_at(SEVERAL, rules) == datetime(2026, 1, day, tzinfo=UTC)


def test_author_is_one_whose_response_to_a_record_was_submitted() -> None:
    nested = {
        "responses": {"tone": [{"user_id": "u-1", "status": "discarded"}, {"user_id": "u-2", "status": "submitted"}]}
    }
    flat = {"tone.responses.users": ["u-1", "u-2"], "tone.responses.status": ["draft", "submitted"]}
    server = {"responses": [{"user_id": "u-1", "status": "discarded"}, {"user_id": "u-2", "status": "submitted"}]}
    assert [decided_by(record, AnnotationRules()) for record in (nested, flat, server)] == ["u-2"] * 3
