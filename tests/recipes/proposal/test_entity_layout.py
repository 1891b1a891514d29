from typing import Any

import pytest

from assay.corpus.documents.fields import EntityFields
from assay.recipes.proposal.entity_layout import entity_settings

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


def test_entity_settings_of_an_entity_without_type() -> None:
    assert settings({"start": 0, "end": 4}) == EntityFields()
