"""Why the documents of a source do not suit a recipe: a wrong name of a field, or another document format.

A source that gives no row rejects every document for the same reason. This module looks at a sample of whole documents
and names the cause in one line.
"""

import itertools
import statistics
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from assay.corpus.choice import nearest
from assay.corpus.documents.fields import DocumentFormat, Fields
from assay.corpus.documents.first_line import begins_with_row, numbered_columns
from assay.corpus.documents.list_names import list_fault
from assay.corpus.documents.row_labels import label_fields
from assay.corpus.documents.slice_values import slice_field
from assay.corpus.documents.values import MISSING, get_path, named_values
from assay.corpus.documents.written_lists import written_list

SAMPLE = 200
# In the others, the annotation tool decides the names, but for columns such as the id and the group.
PLAIN_FORMATS = ("rows", "tokens", "parse")
MOST_NAMES = 20
_MOST_CLASSES = 0.5  # a class repeats: fewer names than half the rows
Documents = Sequence[Mapping[str, Any]]
Named = tuple[str, str, str]  # key, field and kind of value


def diagnose(
    document_format: DocumentFormat,
    documents: Documents,
    *,
    needs_label: bool,
    needs_entities: bool,
    needs_labels: bool = False,
    columns: bool = True,
    line_of_names: bool = False,
) -> str | None:
    """Return one line with key, value and remedy; None if every field that the recipe names exists.

    Args:
        document_format: section `source` of the recipe.
        documents: a sample of whole documents.
        needs_label: whether the recipe has a sentence head.
        needs_entities: whether the recipe has a token head.
        needs_labels: whether the recipe has a labels head.
        columns: whether to look also for group, time, split and slices, without which rows can be read.
        line_of_names: whether the names of the fields are those of the first line of a table, which may be a row.
    """
    if not documents:
        return None
    named: Iterable[Named] = ()
    if document_format.format in PLAIN_FORMATS:
        if line := _other_format(document_format, documents):
            return line
        named = _named(document_format, needs_label=needs_label, needs_entities=needs_entities)
    elif document_format.fields.id:
        named = [("source.fields.id", document_format.fields.id, "any")]
    labels = _labels(document_format) if needs_labels and document_format.format in PLAIN_FORMATS else ()
    # In the format parse, columns may also be fields of a sentence.
    optional = _columns(document_format.fields) if columns and document_format.format != "parse" else ()
    for key, name, kind in itertools.chain(named, labels, optional):
        if _is_missing(documents, name):
            return _missing(key, name, kind, documents, line_of_names=line_of_names)
    return None


def field_names(documents: Documents) -> list[str]:
    """Return the names of the fields, dotted for those of nested objects, in their order."""
    names: dict[str, None] = {}
    for document in documents:
        names |= dict.fromkeys(name for name, _ in named_values(document))
    return list(names)


def _named(document_format: DocumentFormat, *, needs_label: bool, needs_entities: bool) -> Iterator[Named]:
    """Yield key, field and kind of value of everything that each row needs."""
    fields, form = document_format.fields, document_format.format
    if form == "rows":
        yield "source.fields.text", fields.text, "text"
        if fields.text_pair:
            yield "source.fields.text_pair", fields.text_pair, "text"
        if needs_entities and fields.entities:
            yield "source.fields.entities", fields.entities, "list"
    elif form == "tokens":
        yield "source.fields.tokens", fields.tokens, "list"
        if needs_entities:
            yield "source.fields.tags", fields.tags, "list"
    if form == "parse":
        yield "source.parse.sentences", document_format.parse.sentences, "list"
    elif needs_label and fields.label:
        yield "source.fields.label", fields.label, "label"
    if fields.id:
        yield "source.fields.id", fields.id, "any"


def _labels(document_format: DocumentFormat) -> Iterator[Named]:
    """Yield the fields with the labels of a row; those of sentences are inside the documents."""
    if document_format.format != "parse":
        kind = "list" if isinstance(document_format.fields.labels, str) else "any"
        for name in label_fields(document_format):
            yield "source.fields.labels", name, kind


def _columns(fields: Fields) -> Iterator[Named]:
    """Yield the columns that may be empty in a row, but not in all."""
    for key in ("group", "time", "split"):
        if name := getattr(fields, key):
            yield f"source.fields.{key}", name, "any"
    for key, source in fields.slices.items():
        if name := slice_field(source):
            yield f"source.fields.slices.{key}", name, "any"


def _is_missing(documents: Documents, name: str) -> bool:
    return all(get_path(document, name) is MISSING for document in documents)


def _other_format(document_format: DocumentFormat, documents: Documents) -> str | None:
    """Return a line if the documents plainly have another of the formats."""
    fields, parse, form = document_format.fields, document_format.parse, document_format.format
    first = documents[0]
    words, text = get_path(first, fields.tokens), get_path(first, fields.text)
    sentences = get_path(first, parse.sentences)
    remedies = {
        "tokens": (_is_list_of(words, str), f"the list of words {fields.tokens!r}"),
        "parse": (_is_list_of(sentences, Mapping), f"the list of sentences {parse.sentences!r}"),
        "rows": (isinstance(text, str), f"the text {fields.text!r}"),
    }
    own = {"rows": fields.text, "tokens": fields.tokens, "parse": parse.sentences}[form]
    if not _is_missing(documents, own):
        return None
    for name, (fits, what) in remedies.items():
        if fits and name != form:
            return (
                f"source.format is {form}, which reads {own!r}, but the documents hold {what} instead; "
                f"set source.format: {name}"
            )
    return None


def _is_list_of(value: Any, kind: type) -> bool:
    items = written_list(value) if isinstance(value, str) else value
    return isinstance(items, list) and bool(items) and all(isinstance(item, kind) for item in items)


def _is_list(value: Any) -> bool:
    return isinstance(written_list(value) if isinstance(value, str) else value, list)


def _missing(key: str, name: str, kind: str, documents: Documents, *, line_of_names: bool) -> str:
    names = field_names(documents)
    shown = ", ".join(names[:MOST_NAMES]) + (f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else "")
    checked = (
        f"none of the first {len(documents)} documents has" if len(documents) > 1 else "the document does not have"
    )
    near = _nearest(name, kind, names, documents, line_of_names=line_of_names)
    return f"{key} is {name!r}, which {checked}{near}; their fields: {shown or 'none'}"


def _nearest(name: str, kind: str, names: Sequence[str], documents: Documents, *, line_of_names: bool) -> str:
    if fault := list_fault(name, documents):
        return f": {fault}"
    if near := nearest(name, names):
        return near
    if line_of_names and begins_with_row(documents):
        return (
            "; the first line of the table seems to be a row: name its columns by their numbers in "
            f"source.file.columns, such as {numbered_columns(documents)}"
        )
    if likely := _likely(kind, names, documents):
        return f"; {likely}, set it if that is meant"
    return "; correct it"


def _likely(kind: str, names: Sequence[str], documents: Documents) -> str | None:
    """Return the field whose values look like what is missing, and why."""
    values = {name: [get_path(document, name) for document in documents] for name in names}
    if kind == "text":
        lengths = {name: _mean_length(column) for name, column in values.items()}
        best = max(lengths, key=lambda name: lengths[name], default=None)
        return f"the longest texts are in {best!r}" if best is not None and lengths[best] >= 10 else None
    if kind == "list":
        best = next((name for name, column in values.items() if any(map(_is_list, column))), None)
        return f"a list is in {best!r}" if best is not None else None
    if kind == "label":
        best = next((name for name, column in values.items() if _looks_like_classes(column)), None)
        return f"few values that repeat are in {best!r}" if best is not None else None
    return None


def _mean_length(column: Iterable[Any]) -> float:
    return statistics.fmean([len(value) if isinstance(value, str) else 0 for value in column] or [0])


def _looks_like_classes(column: Sequence[Any]) -> bool:
    if not all(isinstance(value, str | int) for value in column):
        return False
    return 2 <= len(set(column)) <= _MOST_CLASSES * len(column)
