"""Columns that hold nested values as JSON text, as tables and data sets of the hub keep exports of annotation tools."""

import json
import operator
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from assay.corpus.documents.fields import Fields
from assay.corpus.documents.raw_document import Document
from assay.corpus.documents.slice_values import slice_field
from assay.corpus.documents.values import UnreadableError

# Columns of each tool whose values are objects and lists.
OF_TOOL = {
    "label_studio": ("data", "task", "annotations", "completions", "result"),
    "doccano": ("label", "labels", "entities", "cats", "relations", "annotations"),
    "prodigy": ("spans", "accept", "options", "relations"),
    "spacy": ("annotations", "entities", "ents", "cats", "spans"),
    "argilla": ("fields", "responses", "annotation"),
}


class JsonColumns:
    """Decoder of columns of JSON text: those of the tool, and those that dotted names of fields reach into."""

    def __init__(self, document_format: str, fields: Fields) -> None:
        """Take `source.format`, whose tools have columns of their own, and the names of the fields."""
        self._dotted = [name for name in _names(fields) if "." in name]
        self._of_tool = [name for name in OF_TOOL.get(document_format, ()) if name != fields.text]

    def decoded(self, document: Document) -> Document:
        """Return the document with nested values in place of their text, also in those of other people.

        Raises:
            UnreadableError: the text is not JSON.
        """
        if not self._dotted and not self._of_tool:
            return document
        values, others = self._values(document.values), tuple(map(self._values, document.others))
        is_plain = values is document.values and all(map(operator.is_, others, document.others))
        return document if is_plain else replace(document, values=values, others=others)

    def _values(self, values: Mapping[str, Any]) -> Mapping[str, Any]:
        return with_decoded(values, self._columns(values))

    def _columns(self, values: Mapping[str, Any]) -> Iterator[str]:
        yield from text_columns(values, self._dotted)
        for column in self._of_tool:
            # Any other text is a value of its own, such as a single class.
            if isinstance(text := values.get(column), str) and text.lstrip().startswith(("{", "[")):
                yield column


def text_columns(values: Mapping[str, Any], names: Iterable[str]) -> Iterator[str]:
    """Yield the columns of text that names with a dot reach into."""
    for name in names:
        column, dot, _ = name.partition(".")
        # A name may hold a dot itself, as in flat tables.
        if dot and name not in values and _is_text(values.get(column)):
            yield column


def with_decoded(values: Mapping[str, Any], columns: Iterable[str]) -> Mapping[str, Any]:
    """Return the values of a document with these columns decoded.

    Raises:
        UnreadableError: the text of one is not JSON.
    """
    changed = {name: _decoded(name, values[name]) for name in columns}
    return {**values, **changed} if changed else values


def _names(fields: Fields) -> Iterator[str]:
    single = (fields.id, fields.text, fields.text_pair, fields.label, fields.entities, fields.tokens, fields.tags)
    yield from filter(None, (*single, fields.group, fields.time, fields.split))
    yield from [fields.labels] if isinstance(fields.labels, str) else fields.labels or ()
    yield from filter(None, map(slice_field, fields.slices.values()))


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _decoded(name: str, text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise UnreadableError(f"{name} is not JSON", text) from None
