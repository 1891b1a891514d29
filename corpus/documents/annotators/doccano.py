"""Documents of doccano as JSON lines: classes, spans, spans with classes (slot filling) and the form of relations.

Version 1 also writes all annotations as objects, with numbers in place of labels, which `source.label_map` names.
"""

from typing import Any

from assay.corpus.documents.annotators.annotated_row import (
    AnnotatedRow,
    Needs,
    Values,
    check_relations,
    is_triple,
    several_labels,
    single_class,
    triples,
)
from assay.corpus.documents.values import MISSING, first_of

TEXTS = ("text", "data")
LABELS = ("label", "labels")
OBJECTS = "annotations"  # of version 1
PARTS = ("entities", "cats", *LABELS, OBJECTS)
OFFSETS = ("start_offset", "end_offset")


def is_doccano(document: Values) -> bool:
    """Return whether a document has labels as doccano writes them."""
    return any(isinstance(document.get(name), str) for name in TEXTS) and _has_labels(document)


def has_numbers(document: Values) -> bool:
    """Return whether a document of version 1 holds numbers in place of labels."""
    items = document.get(OBJECTS)
    return _has_objects(document) and bool(items) and all(isinstance(item["label"], int) for item in items or ())


def _has_objects(document: Values) -> bool:
    items = document.get(OBJECTS)
    is_list = isinstance(items, list) and all(isinstance(item, dict) and "label" in item for item in items)
    return "annotation_approver" in document and is_list


def _has_labels(document: Values) -> bool:
    if _has_objects(document):
        return True
    entities, cats = document.get("entities"), document.get("cats")
    if isinstance(entities, list):
        objects = all(isinstance(item, dict) and set(OFFSETS) <= item.keys() for item in entities)
        return (objects and isinstance(document.get("relations"), list)) or (
            isinstance(cats, list) and all(map(is_triple, entities))
        )
    return any(
        isinstance(labels := document.get(name), list)
        and (all(map(is_triple, labels)) or all(isinstance(item, str) for item in labels))
        for name in LABELS
    )


def read_doccano(document: Values, needs: Needs) -> AnnotatedRow | None:
    """Return the row of a document; None if it has no class that the recipe reads, nor anything else.

    doccano exports the documents that nobody has labelled, too.

    Raises:
        UnreadableError: it has several classes or relations.
    """
    is_read = needs.label and needs.fields.label is None
    if is_read and any(name in document for name in PARTS) and not any(document.get(name) for name in PARTS):
        return None
    if needs.entities:
        check_relations(document.get("relations"), needs.rules)
    return AnnotatedRow(
        text_of(document, needs.fields.text),
        _class(document, needs) if needs.label else MISSING,
        _entities(document, needs) if needs.entities else MISSING,
        _labels(document, needs) if needs.labels else MISSING,
    )


def text_of(document: Values, name: str) -> Any:
    """Return the text of a document, which some versions of doccano name `data`."""
    return first_of(document, name, "data")


def _class(document: Values, needs: Needs) -> Any:
    labels = _names(document, needs.fields.label)
    return single_class(labels) if isinstance(labels, list) else labels


def _labels(document: Values, needs: Needs) -> Any:
    labels = _names(document, needs.labels_field)
    return several_labels(labels) if isinstance(labels, list) else labels


def _names(document: Values, field: str | None) -> Any:
    """Return the list of classes, without the spans that other projects keep under the same name."""
    labels = first_of(document, *(("cats", *LABELS) if field is None else (field,)))
    if field is None and labels in (MISSING, None) and isinstance(document.get(OBJECTS), list):
        return [item.get("label") for item in document[OBJECTS] if isinstance(item, dict) and not _is_span(item)]
    return [item for item in labels if not isinstance(item, list | dict)] if isinstance(labels, list) else labels


def _entities(document: Values, needs: Needs) -> Any:
    names = ("entities", *LABELS) if needs.fields.entities is None else (needs.fields.entities,)
    items = first_of(document, *names)
    if items in (MISSING, None) and needs.fields.entities is None and isinstance(document.get(OBJECTS), list):
        items = [item for item in document[OBJECTS] if isinstance(item, dict) and _is_span(item)]
    if not isinstance(items, list):
        return items
    return triples([_renamed(item) if isinstance(item, dict) else item for item in items])


def _is_span(item: Values) -> bool:
    return item.get(OFFSETS[0]) is not None  # Arrow gives each object the fields of all others


def _renamed(item: Values) -> Values:
    start, end = (first_of(item, name, name.removesuffix("_offset")) for name in OFFSETS)
    return {"start": start, "end": end, "label": item.get("label")}
