"""The field that holds the entities of rows or sentences, or why none does."""

from collections.abc import Mapping
from typing import Any

from assay.corpus.documents.annotators.annotated_row import is_triple, triples
from assay.corpus.documents.fields import EntityFields
from assay.corpus.documents.remedies import remedy_of
from assay.corpus.documents.values import get_path
from assay.corpus.errors import AssayError
from assay.recipes.proposal.entity_layout import entity_settings, why_unread
from assay.recipes.proposal.field_profile import FieldProfile
from assay.recipes.proposal.field_roles import Choices, last_part
from assay.recipes.proposal.layout_parts import Documents
from assay.recipes.proposal.questions import NONE, ask

ENTITY_NAMES = ("entities", "ents", "spans", "annotations")


def entity_field(
    documents: Documents, profiles: Mapping[str, FieldProfile], text: str, choices: Choices
) -> tuple[str | None, EntityFields | None]:
    """Return the field that holds entities and the layout of its objects; None where no field does."""
    if choices.entities == NONE:
        return None, None
    layouts: dict[str, EntityFields] = {}
    for name, profile in profiles.items():
        if profile.kind in ("objects", "list") and choices.entities in (None, name):
            items = _texts_with_lists(documents, text, name)
            if not all(isinstance(item, Mapping) for _, several in items for item in several):
                continue
            layout = entity_settings(items, choices.settings.get("entity", {}))
            if layout is not None:
                layouts[name] = layout
    if choices.entities is not None and not layouts:
        raise AssayError(
            f"--entities {choices.entities}: its values are not lists of objects with offsets or words of the text; "
            "name another field, or none"
        )
    if len(layouts) > 1:
        raise ask("the entities of a row", "--entities", [profiles[name] for name in layouts], optional=True)
    return next(iter(layouts.items()), (None, None))


def unread_lists(documents: Documents, profiles: Mapping[str, FieldProfile], text: str) -> str:
    """Return which lists are no entities, and why, as the end of a message; empty without such a list."""
    for name, profile in profiles.items():
        if profile.kind == "list" and last_part(name) in ENTITY_NAMES:
            example = next(items for document in documents if (items := get_path(document, name)))
            return (
                f"; {name} holds lists other than [start, end, label], such as {example!r:.80}: write those, or objects"
            )
        if profile.kind == "objects":
            reason = why_unread(_texts_with_lists(documents, text, name))
            return f"; {name} holds objects that cannot be read as entities: {reason}; {remedy_of(reason)}"
    return ""


def _texts_with_lists(documents: Documents, text: str, name: str) -> list[tuple[str, list[Mapping[str, Any]]]]:
    pairs = ((get_path(document, text), get_path(document, name)) for document in documents)
    return [(value, _objects(items)) for value, items in pairs if isinstance(value, str) and isinstance(items, list)]


def _objects(items: list[Any]) -> list[Any]:
    """Return entities that are written as [start, end, label] as objects."""
    return triples(items) if all(map(is_triple, items)) else items
