"""Tasks of Label Studio 1: JSON with annotations, and JSON-MIN or CSV, which have a column per control."""

import json
from collections.abc import Iterator, Sequence
from typing import Any

from assay.corpus.documents.annotators.annotated_row import (
    AnnotatedRow,
    Needs,
    Values,
    check_relations,
    only_name,
    several_labels,
    single_class,
)
from assay.corpus.documents.values import MISSING, UnreadableError, first_of, get_path

# Spans of HTML and of dialogues count offsets in an element, not in the text.
OTHER_SPANS = ("hypertextlabels", "paragraphlabels")
# Types of results that classify a text; a taxonomy holds paths of names, as nested choices do.
CHOICES = ("choices", "taxonomy")
# Results that are a class where nothing is chosen, or where the recipe names their control.
NUMBERS = ("rating", "number")
# Where a task holds its annotations.
_LISTS = ("annotations", "completions")
# Columns that Label Studio adds to the flat forms.
ADDED = {"annotation_id", "annotator", "lead_time"}


def is_task(document: Values) -> bool:
    """Return whether a document has the structure of a task, in any of its forms."""
    if isinstance(_data(document), dict):
        return isinstance(_annotations(document), list)
    return len(ADDED & document.keys()) >= 2 or any(map(holds_spans, document.values()))


def is_full_task(document: Values) -> bool:
    """Return whether a document is a task with its annotations, as opposed to one of the flat forms."""
    return _annotations(document) is not MISSING


def annotations_of(document: Values) -> list[Values]:
    """Return a task as one document per annotation that nobody has taken back, each as a cloud storage holds it.

    The flat forms hold one annotation, and are returned as they are.

    Raises:
        UnreadableError: the annotations are not a list of objects.
    """
    if not is_full_task(document):
        return [document]
    if stored_task(document) is not None:
        return [] if _is_taken_back(document) else [document]
    task = {name: value for name, value in document.items() if name not in _LISTS}
    submitted = [item for item in _objects(_annotations(document)) if not _is_taken_back(item)]
    return [{**item, "task": task, "result": item.get("result") or []} for item in submitted]


def read_task(document: Values, needs: Needs) -> AnnotatedRow | None:
    """Return the row of a single annotation (`annotations_of`); None if nobody has made it. Predictions are not read.

    Raises:
        UnreadableError: the annotation cannot be represented.
    """
    task = stored_task(document)
    if task is None:
        return _flat_row(document, needs)
    places = (place for place in (task.get("data"), task, document) if isinstance(place, dict))
    found = (get_path(place, needs.fields.text) for place in places)
    text = next((text for text in found if text is not MISSING), MISSING)
    return _annotation(text, list(_objects(document["result"])), needs)


def _annotations(document: Values) -> Any:
    """Return the annotations of a task, which were called completions before version 1.

    In the files that Label Studio writes to a cloud storage, an annotation holds its task.
    """
    if stored_task(document) is not None:
        return [document]
    annotations = first_of(document, *_LISTS)
    return [] if annotations is None else annotations


def stored_task(document: Values) -> Values | None:
    """Return the task in an annotation of a cloud storage; None for any other document."""
    task = document.get("task")
    return task if isinstance(task, dict) and isinstance(document.get("result"), list) else None


def _data(document: Values) -> Any:
    task = stored_task(document)
    return document.get("data") if task is None else task.get("data")


def _is_taken_back(annotation: Values) -> bool:
    """Return whether a person has skipped the task after all; `skipped` is what versions before 1 write."""
    return bool(annotation.get("was_cancelled") or annotation.get("skipped"))


def _annotation(text: Any, results: Sequence[Values], needs: Needs) -> AnnotatedRow:
    """Return the row of one annotation."""
    if needs.entities:
        check_relations([item for item in results if item.get("type") == "relation"], needs.rules)
    return AnnotatedRow(
        text,
        single_class(_chosen(results, needs.fields.label)) if needs.label else MISSING,
        _entities(results, needs) if needs.entities else MISSING,
        several_labels(_chosen(results, needs.labels_field)) if needs.labels else MISSING,
    )


def _chosen(results: Sequence[Values], control: str | None) -> Iterator[Any]:
    """Yield what was chosen for the text; choices for regions, which have a start, are not for it."""
    of_text = [item for item in results if _value(item).get("start") is None]
    choices = [item for item in of_text if item.get("type") in CHOICES]
    if control is not None or not choices:
        choices += [item for item in of_text if item.get("type") in NUMBERS]
    name = only_name(map(_control, choices), control, "text has several classifications")
    for item in choices:
        if _control(item) == name:
            chosen = _value(item).get(item["type"])
            if chosen is not None:
                yield from chosen if isinstance(chosen, list) else [chosen]


def _control(result: Values) -> str:
    """Return the control of a result; SDKs that follow JavaScript write it as fromName."""
    return str(first_of(result, "from_name", "fromName"))


def _entities(results: Sequence[Values], needs: Needs) -> list[Values]:
    for item in results:
        if item.get("type") in OTHER_SPANS:
            raise UnreadableError("span is not of plain text", item["type"])
    spans = [item for item in results if item.get("type") == "labels"]
    name = only_name(map(_control, spans), needs.fields.entities, "text has several kinds of spans")
    return [_span(_value(item)) for item in spans if _control(item) == name]


def _span(value: Values) -> dict[str, Any]:
    if not value.get("labels"):  # marked, and left without a label
        raise UnreadableError("span has no label", value.get("text"))
    return {
        "start": value.get("start"),
        "end": value.get("end"),
        "label": value.get("labels"),
        "text": value.get("text"),
    }


def _flat_row(document: Values, needs: Needs) -> AnnotatedRow | None:
    """Return the row of JSON-MIN or CSV; None if nobody has annotated the task.

    A task without spans, or without a choice, has no column of them.
    """
    if document.get("annotation_id", MISSING) in (None, ""):
        return None
    return AnnotatedRow(
        get_path(document, needs.fields.text),
        single_class(_flat_choices(document, needs.fields.label)) if needs.label else MISSING,
        _flat_entities(document, needs) if needs.entities else MISSING,
        several_labels(_flat_choices(document, needs.labels_field)) if needs.labels else MISSING,
    )


def _flat_choices(document: Values, control: str | None) -> list[Any]:
    """Return what was chosen: a name, an object with the names, or nothing."""
    if control is None:
        raise UnreadableError("control of the choices is not named", sorted(document))
    value = _decoded(get_path(document, control))
    if isinstance(value, dict):
        return list(value.get("choices") or ())
    if isinstance(value, list):  # of several regions, or the path of a nested choice
        raise UnreadableError("choices are not of the text alone", value)
    return [] if value is MISSING or value is None or value == "" else [value]


def _flat_entities(document: Values, needs: Needs) -> list[Values]:
    columns = {name: _decoded(value) for name, value in document.items()}
    names = (name for name, value in columns.items() if _is_spans(value))
    name = only_name(names, needs.fields.entities, "text has several kinds of spans")
    spans = MISSING if name is None else _decoded(get_path(document, name))
    if spans is MISSING or spans is None or spans == "":
        return []
    if not _is_spans(spans):
        raise UnreadableError("control of the spans holds none", spans)
    return [_span(span) for span in spans]


def holds_choices(cell: Any) -> bool:
    """Return whether a column of the flat forms holds several choices of this document."""
    value = _decoded(cell)
    return isinstance(value, dict) and isinstance(value.get("choices"), list)


def holds_spans(cell: Any) -> bool:
    """Return whether a column of the flat forms holds spans of this document."""
    return _is_spans(_decoded(cell))


def _is_spans(value: Any) -> bool:
    return (
        isinstance(value, list)
        and bool(value)
        and all(isinstance(item, dict) and {"start", "end", "labels"} <= item.keys() for item in value)
    )


def _decoded(value: Any) -> Any:
    """Return the value of a cell: CSV holds lists and objects as JSON, the hub objects that differ in their members."""
    if isinstance(value, str) and value[:1] in ("[", "{"):
        try:
            return json.loads(value)
        except ValueError:
            return value
    return value


def _value(result: Values) -> Values:
    value = _decoded(result.get("value"))
    return value if isinstance(value, dict) else {}


def _objects(items: Any) -> Iterator[Values]:
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise UnreadableError("annotations are not a list of objects", items)
    yield from items
