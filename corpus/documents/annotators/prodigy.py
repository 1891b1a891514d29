"""Examples of Prodigy's `db-out`: only accepted ones are read, and only those that label a whole text."""

from typing import Any

from assay.corpus.documents.annotators.annotated_row import (
    AnnotatedRow,
    Needs,
    Values,
    check_relations,
    several_labels,
    single_class,
)
from assay.corpus.documents.values import MISSING, UnreadableError, get_path

ANSWERS = ("accept", "reject", "ignore")


def is_prodigy(document: Values) -> bool:
    """Return whether a document has an answer as Prodigy writes it, and what it answers."""
    return document.get("answer") in ANSWERS and bool(
        {"spans", "tokens", "options", "label", "accept", "_view_id", "_task_hash", "_input_hash"} & document.keys()
    )


def read_prodigy(document: Values, needs: Needs) -> AnnotatedRow | None:
    """Return the row of an accepted example; None if it was rejected or ignored.

    Raises:
        UnreadableError: it has no answer, several classes or relations, or is about one of its spans alone.
    """
    answer = document.get("answer")
    if answer not in ANSWERS:
        raise UnreadableError("answer of Prodigy is none of accept, reject, ignore", answer)
    if answer != "accept":
        return None
    return AnnotatedRow(
        get_path(document, needs.fields.text),
        _class(document, needs) if needs.label else MISSING,
        _entities(document, needs) if needs.entities else MISSING,
        _labels(document, needs) if needs.labels else MISSING,
    )


def _class(document: Values, needs: Needs) -> Any:
    """Return the chosen option, or the class of a question that was accepted."""
    if needs.fields.label is not None:
        return get_path(document, needs.fields.label)
    if isinstance(chosen := document.get("accept"), list):
        return single_class(chosen)
    return document.get("label", MISSING)


def _labels(document: Values, needs: Needs) -> Any:
    """Return the chosen options. A question that was accepted is about one label, and says nothing about the others."""
    name = needs.labels_field
    chosen = document.get("accept", MISSING) if name is None else get_path(document, name)
    if chosen in (MISSING, None) and document.get("label") is not None:
        raise UnreadableError("answer is about a single label", document["label"])
    return several_labels(chosen) if isinstance(chosen, list) else chosen


def _entities(document: Values, needs: Needs) -> Any:
    """Return the spans. A text in which nothing was marked may have none; `ner.teach` asks about one span of a text."""
    check_relations(document.get("relations"), needs.rules)
    if document.get("_view_id") == "ner":
        raise UnreadableError("answer is about a single span", document.get("spans"))
    spans = document.get("spans") if needs.fields.entities is None else get_path(document, needs.fields.entities)
    return [] if spans is None else spans
