"""Training examples of spaCy: `entities` as [start, end, label], or `Doc.to_json()` with `ents` and `cats`."""

from collections.abc import Mapping
from typing import Any

from assay.corpus.documents.annotators.annotated_row import (
    AnnotatedRow,
    Needs,
    Values,
    is_triple,
    several_labels,
    single_class,
    triples,
)
from assay.corpus.documents.values import MISSING, first_of, get_path

CERTAIN = 0.5  # a class with a higher score counts


def is_spacy(document: Values) -> bool:
    """Return whether a document has entities or classes as spaCy writes them."""
    annotations = _annotations(document)
    entities, cats = annotations.get("entities"), annotations.get("cats")
    if not isinstance(document.get("text"), str):
        return False
    if isinstance(annotations.get("ents"), list):
        return isinstance(cats, Mapping) or isinstance(annotations.get("tokens"), list)
    if isinstance(entities, list):
        return all(map(is_triple, entities)) and not isinstance(cats, list)
    return isinstance(cats, Mapping)


def read_spacy(document: Values, needs: Needs) -> AnnotatedRow:
    """Return the row of an example.

    Raises:
        UnreadableError: it has several classes.
    """
    annotations = _annotations(document)
    return AnnotatedRow(
        get_path(document, needs.fields.text),
        _class(annotations, needs) if needs.label else MISSING,
        _entities(annotations, needs) if needs.entities else MISSING,
        _labels(annotations, needs) if needs.labels else MISSING,
    )


def _annotations(document: Values) -> Values:
    """Return the object with the annotations: the document itself, or the second part of a pair."""
    annotations = document.get("annotations")
    return annotations if isinstance(annotations, Mapping) else document


def _class(annotations: Values, needs: Needs) -> Any:
    cats = get_path(annotations, needs.fields.label or "cats")
    if not isinstance(cats, Mapping):
        return cats
    return single_class(_certain(cats))


def _labels(annotations: Values, needs: Needs) -> Any:
    """Return the classes that apply; a text without a score of any class is not labelled."""
    cats = get_path(annotations, needs.labels_field or "cats")
    if not isinstance(cats, Mapping):
        return cats
    return several_labels(_certain(cats)) if any(score is not None for score in cats.values()) else None


def _certain(cats: Values) -> list[str]:
    return [name for name, score in cats.items() if isinstance(score, int | float) and score > CERTAIN]


def _entities(annotations: Values, needs: Needs) -> Any:
    names = ("entities", "ents") if needs.fields.entities is None else (needs.fields.entities,)
    return triples(first_of(annotations, *names))
