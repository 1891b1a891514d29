"""Entities of annotation tools, whose offsets count what the tool counts."""

from typing import Any

from assay.corpus.documents.entity_spans import check_apart, locate_entities
from assay.corpus.documents.fields import EntityFields
from assay.corpus.documents.label_values import LabelValues
from assay.corpus.documents.values import UnreadableError
from assay.corpus.entity import Entity

# Tools that count offsets as a browser does; older versions and other clients count characters.
_IN_BROWSERS = ("label_studio",)


def layout_of_tool(entity: EntityFields) -> EntityFields:
    """Return the layout of entities as the readers of tools give them, with the settings of the recipe."""
    names = {
        key: EntityFields.model_fields[key].default for key in ("name", "start", "end", "label", "spans", "offsets")
    }
    return entity.model_copy(update=names)


def read_tool_entities(
    text: str, items: Any, fields: EntityFields, tool: str, labels: LabelValues
) -> tuple[Entity, ...]:
    """Return the entities that a tool's reader gives, sorted by offset.

    Args:
        text: the text of the row.
        items: entities as objects with `start`, `end`, `label` and perhaps `text`.
        fields: their layout. A unit of offsets that it sets is used as it stands.
        tool: value of `source.format`.
        labels: names the types that are numbers.

    Raises:
        UnreadableError: an entity is malformed, its offsets do not match the text, or two overlap.
    """
    entities = _located(text, items, fields, tool, labels)
    check_apart(text, entities)
    return entities


def _located(text: str, items: Any, fields: EntityFields, tool: str, labels: LabelValues) -> tuple[Entity, ...]:
    if tool not in _IN_BROWSERS or text.isascii() or "offset_unit" in fields.model_fields_set:
        return locate_entities(text, items, fields, labels)
    try:
        return locate_entities(text, items, fields.model_copy(update={"offset_unit": "utf16"}), labels)
    except UnreadableError:
        return locate_entities(text, items, fields, labels)
