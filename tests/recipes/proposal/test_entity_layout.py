from typing import Any

import pytest

from assay.corpus.documents.fields import EntityFields
from assay.recipes.proposal.entity_layout import entity_settings, why_unread

TEXT = "Acme opens a plant in New York today"


def settings(*items: dict[str, Any]) -> EntityFields | None:
    return entity_settings([(TEXT, list(items)), (TEXT, [])], {})


@pytest.mark.parametrize(
    ("item", "layout"),
    [
        ({"start": 22, "end": 30, "label": "LOC"}, {}),
        ({"start": 22, "end": 30, "label": "LOC", "text": "New York"}, {}),
        (
            {"start_offset": 22, "end_offset": 30, "type": "LOC"},
            {"start": "start_offset", "end": "end_offset", "label": "type"},
        ),
        ({"begin": 22.0, "stop": 30.0, "tag": "LOC"}, {"start": "begin", "end": "stop", "label": "tag"}),
        ({"start": 22, "end": 29, "label": "LOC"}, {"end_inclusive": True}),
        ({"start": 22, "end": 29, "label": "LOC", "text": "New York"}, {"end_inclusive": True}),
        ({"start": 22, "end": 30, "displayName": "LOC"}, {"label": "displayName"}),
        ({"start": 22, "end": 30, "EntityClass": "LOC"}, {"label": "EntityClass"}),
        ({"start": 22, "end": 30, "name": "LOC"}, {"label": "name"}),
        ({"start": 22, "end": 30, "annotator": "anna"}, {}),
        ({"EntityName": "New York", "type": "LOC"}, {"name": "EntityName", "label": "type"}),
        (
            {"label": ["LOC"], "points": [{"start": 22, "end": 29, "text": "New York"}]},
            {"spans": "points", "end_inclusive": True},
        ),
        ({"value": {"start": 22, "end": 30, "text": "New York", "labels": ["LOC"]}}, None),
        ({"start": 22, "end": 3000, "label": "LOC"}, None),
        ({"relation": "owns"}, None),
    ],
)
def test_entity_settings(item: dict[str, Any], layout: dict[str, Any] | None) -> None:
    assert settings(item) == (None if layout is None else EntityFields.model_validate(layout))


@pytest.mark.parametrize(("start", "end", "unit"), [(2, 6, None), (3, 7, "utf16"), (5, 9, "bytes")])
def test_entity_settings_find_what_offsets_count_by_the_words(start: int, end: int, unit: str | None) -> None:
    item = {"start": start, "end": end, "label": "ORG", "text": "Acme"}
    layout = entity_settings([("😀 Acme grows", [item])], {})
    assert layout == EntityFields.model_validate({"offset_unit": unit} if unit else {})


@pytest.mark.parametrize(
    ("item", "reason"),
    [
        ({"start": 22, "end": 3000, "label": "LOC"}, "entity lies outside the text: 22:3000 in 36 characters"),
        ({"start": 0, "end": 4, "label": "ORG", "text": "Globex"}, "entity differs from the text: 'Globex' against"),
        ({"relation": "owns"}, "entity.text is missing"),
    ],
)
def test_why_unread_tells_the_reason_of_the_first_entity(item: dict[str, Any], reason: str) -> None:
    assert why_unread([(TEXT, [item])]).startswith(reason)


def test_entity_settings_find_the_type_by_values_that_repeat() -> None:
    items = [{"start": 22, "end": 30, "id": f"T{n}", "by": "anna", "art": "LOC" if n % 2 else "CITY"} for n in range(9)]
    layout = entity_settings([(TEXT, [item]) for item in items], {})
    assert layout == EntityFields(label="art")


def test_entity_settings_of_an_entity_without_type() -> None:
    assert settings({"start": 0, "end": 4}) == EntityFields()


def test_why_unread_of_objects_that_can_all_be_read() -> None:
    item = {"start": 0, "end": 4, "label": "ORG"}
    assert why_unread([(TEXT, [item])]) == "too few of them are in the text"


def test_entity_settings_leave_out_lists_without_offsets() -> None:
    item = {"start": 22, "end": 30, "label": "LOC", "links": [{"page": "New_York"}]}
    assert settings(item) == EntityFields()
