"""The quick way through parse documents that are in order, which nearly all of millions are.

`document_reader` says what a document means and why one is refused. This says the same of plain documents, in one loop
without a call for each value, and nothing of any other: those are left to it. A test holds both against each other.
"""

from collections.abc import Mapping
from typing import Any

from assay.corpus.documents.entity_spans import stands_alone, stripped, without_space
from assay.corpus.documents.fields import DocumentFormat
from assay.corpus.documents.slice_values import PART, YEAR
from assay.corpus.documents.values import LONGEST_TEXT
from assay.corpus.example import Entity, Example

MOST_KNOWN = 10_000


class NotPlainError(Exception):
    """The document is left to the thorough reader."""


class PlainParse:
    """Reads plain documents of the form `parse`."""

    def __init__(
        self,
        document_format: DocumentFormat,
        *,
        needs_label: bool,
        needs_entities: bool,
        label_keys: set[str] | None = None,
    ) -> None:
        """Read a form that `fits`; `label_keys` gets the keys of its label map that a label has."""
        parse, fields, entity = document_format.parse, document_format.fields, document_format.entity
        self._sentences, self._repost = parse.sentences, parse.repost
        self._text, self._label, self._entities = parse.text, parse.label, parse.entities
        self._name, self._start, self._end, self._type = entity.name, entity.start, entity.end, entity.label
        self._default, self._inclusive = entity.default_label, int(entity.end_inclusive)
        self._first_only = entity.occurrences == "first"
        self._slices = tuple(fields.slices.items())
        self._needs_label, self._needs_entities = needs_label, needs_entities
        self._label_map = document_format.label_map
        self._label_keys: set[str] = set() if label_keys is None else label_keys
        # Labels and slice values come again and again: each is looked at once.
        self._known: set[str] = set()

    @staticmethod
    def fits(document_format: DocumentFormat) -> bool:
        """Whether the form is one that this reads: no dotted names, no spans, no columns but slices of a field."""
        parse, fields, entity = document_format.parse, document_format.fields, document_format.entity
        names = [parse.sentences, parse.repost, parse.text, parse.label, parse.entities]
        names += [entity.name, entity.start, entity.end, entity.label, *fields.slices.values()]
        simple = not any("." in name or name == PART or name.endswith(YEAR) for name in names)
        others = (fields.group, fields.time, fields.split, entity.spans, entity.ignore_case or None)
        return document_format.format == "parse" and simple and all(other is None for other in others)

    def read(self, document_id: str, values: Mapping[str, Any], split_name: str | None) -> list[Example] | None:
        """The rows of a plain document; None where it is not plain."""
        repost, sentences = values.get(self._repost), values.get(self._sentences)
        if type(sentences) is not list or (repost is not None and repost is not False):
            return None
        try:
            return [
                self._sentence(document_id, index, sentence, values, split_name)
                for index, sentence in enumerate(sentences)
            ]
        except NotPlainError:
            return None

    def _sentence(
        self, document_id: str, index: int, sentence: Any, values: Mapping[str, Any], split_name: str | None
    ) -> Example:
        if type(sentence) is not dict:
            raise NotPlainError
        text = sentence.get(self._text)
        if type(text) is not str or not 0 < len(text) <= LONGEST_TEXT or text.isspace() or not _storable(text):
            raise NotPlainError
        label = None
        if self._needs_label:
            label = self._seen(sentence.get(self._label))
            if label in self._label_map:
                self._label_keys.add(label)
                label = self._label_map[label]
        slices = {name: self._slice(field, sentence, values) for name, field in self._slices}
        entities = self._read_entities(text, sentence.get(self._entities)) if self._needs_entities else None
        return Example(f"{document_id}#{index}", text, None, label, entities, split_name, document_id, None, slices)

    def _slice(self, field: str, sentence: Mapping[str, Any], values: Mapping[str, Any]) -> str | None:
        value = sentence[field] if field in sentence else values.get(field)
        return None if value is None else self._seen(value)

    def _seen(self, value: Any) -> str:
        """A label or value of a slice, looked at when it comes for the first time."""
        if type(value) is not str:
            raise NotPlainError
        if value not in self._known:
            if not value or len(value) > LONGEST_TEXT or value.isspace() or not _storable(value):
                raise NotPlainError
            if len(self._known) < MOST_KNOWN:
                self._known.add(value)
        return value

    def _read_entities(self, text: str, items: Any) -> tuple[Entity, ...]:
        if type(items) is not list:
            raise NotPlainError
        placed: list[tuple[int, int, str]] = []
        names: dict[str, str] = {}
        for item in items:
            if type(item) is not dict:
                raise NotPlainError
            label, name = self._seen(item.get(self._type, self._default)), item.get(self._name)
            start, end = item.get(self._start), item.get(self._end)
            if start is None and end is None:
                if type(name) is not str or not (bare := stripped(name)) or names.setdefault(bare, label) != label:
                    raise NotPlainError
            elif type(start) is int and type(end) is int:
                end += self._inclusive
                if not 0 <= start < end <= len(text) or (name is not None and text[start:end] != name):
                    raise NotPlainError
                start, end = without_space(text, start, end)
                if start == end:
                    raise NotPlainError
                placed.append((start, end, label))
            else:
                raise NotPlainError
        if names:
            self._find(text, names, placed)
        if len(placed) > 1:
            placed.sort()
        return tuple([Entity(*entity) for entity in placed])

    def _find(self, text: str, names: dict[str, str], placed: list[tuple[int, int, str]]) -> None:
        """As `assay.corpus.documents.entity_spans.find_names`."""
        used = bytearray(len(text))
        for start, end, _ in placed:
            used[start:end] = b"\1" * (end - start)
        for name in sorted(names, key=_longest_first) if len(names) > 1 else names:
            found = False
            begin = text.find(name)
            while begin >= 0:
                end = begin + len(name)
                if stands_alone(text, begin, end):
                    found = True
                    if used.find(1, begin, end) < 0:
                        used[begin:end] = b"\1" * (end - begin)
                        placed.append((begin, end, names[name]))
                        if self._first_only:
                            break
                begin = text.find(name, begin + 1)
            if not found:
                raise NotPlainError


def _longest_first(name: str) -> tuple[int, str]:
    return -len(name), name


def _storable(text: str) -> bool:
    """Whether the text has neither NUL characters nor lone surrogates."""
    if "\0" in text:
        return False
    try:
        return text.isascii() or bool(text.encode("utf-8"))
    except UnicodeEncodeError:
        return False
