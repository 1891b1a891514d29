import re
from typing import Any

import pytest

from assay.corpus.documents.annotators.annotated_row import AnnotatedRow, Needs
from assay.corpus.documents.annotators.decisions import (
    TABLE,
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
    ("document", "tool", "person"),
    [
        ({"completed_by": {"email": "anna@x.org", "id": 2}, "result": []}, "label_studio", "anna@x.org"),
        ({"completed_by": {"id": 3}}, "label_studio", "3"),
        ({"completed_by": {"username": "anna", "email": ""}}, "label_studio", "anna"),
        ({"annotator": 5}, "label_studio", "5"),
        ({"responses": {"label": [{"value": "up", "user_id": "u-1"}]}}, "argilla", "u-1"),
        ({"responses": [{"user_id": "u-2", "values": {"label": {"value": "up"}}}]}, "argilla", "u-2"),
        ({"label.responses": ["up"], "label.responses.users": ["u-3"]}, "argilla", "u-3"),
        ({"responses": {"label": []}}, "argilla", None),
        ({"_annotator_id": "anna"}, "prodigy", "anna"),
        ({"author": "anna"}, TABLE, "anna"),
        ({"author": ""}, TABLE, None),
    ],
)
def test_decided_by_returns_the_person_that_a_tool_names(
    document: dict[str, Any], tool: str, person: str | None
) -> None:
    assert decided_by(document, tool) == person


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


def test_author_is_one_whose_response_to_a_record_was_submitted() -> None:
    responses = [
        {"value": "up", "user_id": "u-1", "status": "discarded"},
        {"value": "up", "user_id": "u-2", "status": "submitted"},
    ]
    flat = {
        "tone.responses": ["up", "up"],
        "tone.responses.users": ["u-1", "u-2"],
        "tone.responses.status": ["draft", "submitted"],
    }
    server = [{"user_id": one["user_id"], "values": {"tone": one}, "status": one["status"]} for one in responses]
    for record in ({"responses": {"tone": responses}}, flat, {"responses": server}):
        assert decided_by(record, "argilla") == "u-2"
