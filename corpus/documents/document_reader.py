"""Conversion of documents to examples, in the formats `rows`, `tokens` and `parse` and those of annotation tools."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from assay.corpus.documents.annotators.annotated_row import (
    AnnotatedRow,
    Annotation,
    Needs,
    Values,
    agreed,
    counting,
    saying_something,
)
from assay.corpus.documents.annotators.authorship import time_of
from assay.corpus.documents.annotators.decisions import decided_by
from assay.corpus.documents.annotators.recognised import READERS
from assay.corpus.documents.annotators.several_people import by_person
from assay.corpus.documents.annotators.tool_offsets import layout_of_tool, read_tool_entities
from assay.corpus.documents.entity_spans import read_entities
from assay.corpus.documents.fields import DocumentFormat
from assay.corpus.documents.json_columns import JsonColumns
from assay.corpus.documents.label_values import LabelValues, NoLabelError
from assay.corpus.documents.plain_parse import PlainParse
from assay.corpus.documents.raw_document import SPLIT_ALIASES, Document, shorten
from assay.corpus.documents.row_labels import RowLabels
from assay.corpus.documents.slice_values import slice_field, slice_value
from assay.corpus.documents.tag_uses import TagCounter
from assay.corpus.documents.tagged_words import TaggedWords
from assay.corpus.documents.values import (
    MISSING,
    UnreadableError,
    column,
    get_path,
    iso_time,
    plain_text,
    row_id,
)
from assay.corpus.documents.written_lists import list_in_cell, list_of
from assay.corpus.errors import AssayError
from assay.corpus.example import Entity, Example

Reject = tuple[str, str, Any]
Parts = tuple[str | None, tuple[Entity, ...] | None, tuple[str, ...] | None]
SENTENCE_SEPARATOR = "#"  # between the id of a document and the number of its sentence


class DocumentReader:
    """Converter of documents of one format to examples.

    Only what the heads need is read: without `needs_label` every label is None, without `needs_labels` every list of
    labels, without `needs_entities` all entities. What is needed must be present. `label_keys` are the keys of the
    label map that matched a label, `no_label` counts the rows that were left out since their class or labels mean
    none. `tags` counts the rows by what shows the scheme of their tags.
    """

    def __init__(
        self, document_format: DocumentFormat, *, needs_label: bool, needs_entities: bool, needs_labels: bool = False
    ) -> None:
        """Check that the format names the fields that are needed.

        Raises:
            AssayError: the format does not name one of them.
        """
        self._document_format = document_format
        self._needs_label = needs_label
        self._needs_entities = needs_entities
        self.label_keys: set[str] = set()
        self.no_label = 0
        self.tags = TagCounter()
        self._json_columns = JsonColumns(document_format.format, document_format.fields)
        self._words = TaggedWords(document_format)
        self._label_values = LabelValues(document_format, self.label_keys)
        self._row_labels = RowLabels(document_format, self._label_values) if needs_labels else None
        plain = PlainParse(
            document_format, needs_label=needs_label, needs_entities=needs_entities, label_keys=self.label_keys
        )
        self._plain = plain if PlainParse.fits(document_format) and not needs_labels else None
        fields = document_format.fields
        self._has_columns = any((fields.split, fields.group, fields.time, fields.slices))
        self._needs = Needs(fields, document_format.annotations, needs_label, needs_entities, needs_labels)
        self._tool = READERS.get(document_format.format)
        self._tool_entity = layout_of_tool(document_format.entity)
        if self._row_labels is not None:
            _check_labels_can_be_read(document_format, self._row_labels)
        if self._tool is not None:
            return
        if needs_label and document_format.format != "parse" and document_format.fields.label is None:
            raise AssayError("the sentence head predicts classes: name their field in source.fields.label")
        if needs_entities and document_format.format == "rows" and document_format.fields.entities is None:
            raise AssayError(
                "the token head predicts entities: name their field in source.fields.entities, or set source.format: "
                "tokens for words with tags"
            )

    def read(self, document: Document) -> tuple[list[Example], list[Reject]]:
        """Return the rows of a document, and (id, reason, excerpt) for each part that cannot be used.

        A document that the recipe leaves out gives neither.
        """
        if document.filtered:
            return [], []
        try:
            document = self._json_columns.decoded(document)
            document_id = self._document_id(document)
        except UnreadableError as error:
            # An id of MongoDB may be invalid Unicode.
            position = document.position.encode("utf-8", "backslashreplace").decode()
            return [], [(position, str(error), shorten(document.values))]
        if self._plain:
            examples = self._plain.read(document_id, document.values, document.split_name)
            if examples is not None:
                return examples, []
        if self._document_format.format == "parse":
            return self._read_parse(document, document_id)
        try:
            if self._tool is not None:
                return self._annotated(document, document_id), []
            example = self._row(document, document_id)
            if self._document_format.format == "tokens" and self._needs_entities:
                self.tags.add(self._words.marks, document_id)
            return [example], []
        except NoLabelError:
            self.no_label += 1
            return [], []
        except UnreadableError as error:
            return [], [(document_id, str(error), shorten(document.values))]

    def field_names(self) -> list[str]:
        """Return the top-level fields that are read, sorted: a database need not send any others.

        Without names it sends them all, as the documents of a tool need.
        """
        document_format, fields = self._document_format, self._document_format.fields
        if self._tool is not None:
            return []
        names = [fields.id, fields.group, fields.time, fields.split, *map(slice_field, fields.slices.values())]
        if document_format.format == "parse":
            names += [document_format.parse.sentences, document_format.parse.repost]
        else:
            names += [fields.label] if self._needs_label else []
            names += [fields.text_pair]
            names += self._row_labels.names if self._row_labels is not None else []
        if document_format.format == "rows":
            names += [fields.text, fields.entities if self._needs_entities else None]
        if document_format.format == "tokens":
            names += [fields.tokens, fields.tags if self._needs_entities else None, document_format.tagging.space_after]
        return sorted({name.partition(".")[0] for name in names if name})

    def _document_id(self, document: Document) -> str:
        name = self._document_format.fields.id
        if name is None:
            return row_id(document.position, "id of the document")
        return row_id(get_path(document.values, name), name)

    def _read_parse(self, document: Document, document_id: str) -> tuple[list[Example], list[Reject]]:
        parse = self._document_format.parse
        try:
            if _is_true(get_path(document.values, parse.repost), parse.repost):
                return [], []
            sentences = list_of(get_path(document.values, parse.sentences), parse.sentences)
        except UnreadableError as error:
            return [], [(document_id, str(error), shorten(document.values))]
        examples: list[Example] = []
        rejects: list[Reject] = []
        for index, sentence in enumerate(sentences):
            sentence_id = f"{document_id}{SENTENCE_SEPARATOR}{index}"
            try:
                examples.append(self._sentence(document, sentence, sentence_id))
            except NoLabelError:
                self.no_label += 1
                continue
            except UnreadableError as error:
                rejects.append((sentence_id, str(error), shorten(sentence)))
        return _grouped(examples, document_id), rejects

    def _sentence(self, document: Document, sentence: Any, sentence_id: str) -> Example:
        parse = self._document_format.parse
        if not isinstance(sentence, dict) and not isinstance(sentence, Mapping):
            raise UnreadableError("sentence is not an object", sentence)
        text = plain_text(get_path(sentence, parse.text), parse.text)
        return Example(
            id=sentence_id,
            text=text,
            label=self._label(sentence, parse.label),
            labels=self._labels(sentence),
            entities=self._entities(text, sentence, parse.entities),
            **self._columns(document, sentence, document.values),
        )

    def _row(self, document: Document, document_id: str) -> Example:
        fields, values = self._document_format.fields, document.values
        if self._document_format.format == "tokens":
            text, entities = self._words.read(values, needs_entities=self._needs_entities)
        else:
            text = plain_text(get_path(values, fields.text), fields.text)
            entities = self._entities(text, values, fields.entities)
        pair = fields.text_pair
        return Example(
            id=document_id,
            text=text,
            text_pair=None if pair is None else plain_text(get_path(values, pair), pair),
            label=self._label(values, fields.label),
            labels=self._labels(values),
            entities=entities,
            **self._columns(document, values),
        )

    def _annotated(self, document: Document, document_id: str) -> list[Example]:
        """Return the row of a tool's document, or none if the document was not annotated or not accepted.

        Raises:
            NoLabelError: the class that counts means none.
            UnreadableError: the document cannot be represented, or people disagree.
        """
        rules, tool = self._document_format.annotations, self._document_format.format
        documents = by_person((document.values, *document.others), tool, rules)
        found = [
            Annotation(row, time_of(values), decided_by(values, tool))
            for values in documents
            if (row := self._tool_row(values)) is not None
        ]
        if not found:
            return []
        if self._needs_label:
            found = saying_something(found, rules, lambda one: one.value.says_nothing)
        text = plain_text(found[0].value.text, self._document_format.fields.text)
        # Only what counts is read: the last of several people may have corrected what cannot be used.
        read = [
            Annotation(self._parts(text, one.value), one.time, one.person)
            for one in counting(found, rules, lambda one: one.time)
        ]
        decided = agreed(read, rules, text)
        if decided is None:
            raise NoLabelError
        label, entities, labels = decided
        pair = self._document_format.fields.text_pair
        return [
            Example(
                id=document_id,
                text=text,
                text_pair=None if pair is None else plain_text(get_path(document.values, pair), pair),
                label=label,
                labels=labels,
                entities=entities,
                **self._columns(document, document.values),
            )
        ]

    def _tool_row(self, values: Values) -> AnnotatedRow | None:
        """Return the row of a tool's document; None if it was not annotated."""
        return None if self._tool is None else self._tool(values, self._needs)

    def _parts(self, text: str, row: AnnotatedRow) -> Parts | None:
        """Return class, entities and labels of a text as one person annotated it; None if the class means none."""
        # A text that people have annotated without a class has an empty one.
        chosen = None if row.label is MISSING and self._document_format.no_label else row.label
        label, labels = None, None
        try:
            if self._needs_label:
                label = self._label_values.read_class(chosen, self._document_format.fields.label or "label")
            if self._row_labels is not None:
                labels = self._row_labels.of(row.labels, self._needs.labels_field or "labels")
        except NoLabelError:
            return None
        return label, self._entities_of(text, row.entities) if self._needs_entities else None, labels

    def _entities_of(self, text: str, items: Any) -> tuple[Entity, ...]:
        name = self._document_format.fields.entities or "entities"
        if items is MISSING or items is None:
            raise UnreadableError(f"{name} is {'missing' if items is MISSING else 'null'}")
        return read_tool_entities(
            text, _unwritten(items, name), self._tool_entity, self._document_format.format, self._label_values
        )

    def _label(self, values: Mapping[str, Any], name: str | None) -> str | None:
        if not self._needs_label or name is None:
            return None
        return self._label_values.read_class(get_path(values, name), name)

    def _labels(self, values: Mapping[str, Any]) -> tuple[str, ...] | None:
        return None if self._row_labels is None else self._row_labels.read(values)

    def _entities(self, text: str, values: Mapping[str, Any], name: str | None) -> tuple[Entity, ...] | None:
        if not self._needs_entities or name is None:
            return None
        items = get_path(values, name)
        if items is MISSING or items is None:
            raise UnreadableError(f"{name} is {'missing' if items is MISSING else 'null'}")
        return read_entities(text, _unwritten(items, name), self._document_format.entity, self._label_values)

    def _columns(self, document: Document, *mappings: Mapping[str, Any]) -> dict[str, Any]:
        """Return split, group, time and slices, each from the first mapping that has the field."""
        fields = self._document_format.fields
        if not self._has_columns:
            return {"split": document.split_name, "group": document.group}

        def find(name: str) -> Any:
            for mapping in mappings:
                if (value := get_path(mapping, name)) is not MISSING:
                    return value
            return MISSING

        return {
            "split": _split_name(find(fields.split), fields.split) or document.split_name
            if fields.split
            else document.split_name,
            "group": column(find(fields.group), fields.group) if fields.group else document.group,
            "time": iso_time(find(fields.time), fields.time) if fields.time else None,
            "slices": {name: slice_value(source, find, document.position) for name, source in fields.slices.items()},
        }


def _check_labels_can_be_read(document_format: DocumentFormat, labels: RowLabels) -> None:
    """Refuse a format that has no list of labels.

    Raises:
        AssayError: the format names none, or names columns of a tool that has none.
    """
    if document_format.is_of_tool:
        if isinstance(document_format.fields.labels, list):
            raise AssayError(
                f"source.fields.labels is {document_format.fields.labels}, but source.format {document_format.format} "
                "has no columns of 0 and 1; name the control or question that holds the labels, or leave it out"
            )
        return
    if not labels.names:
        key = "source.parse.labels" if document_format.format == "parse" else "source.fields.labels"
        raise AssayError(f"the labels head predicts any number of labels per row: name their field in {key}")


def document_of(sentence_id: str) -> str:
    """Return the id of the document that contains a sentence of the format `parse`."""
    return sentence_id.rpartition(SENTENCE_SEPARATOR)[0] or sentence_id


def _unwritten(items: Any, name: str) -> Any:
    """Return the entities that a cell of a table holds as text; any other value as it is.

    Raises:
        UnreadableError: the text holds no list.
    """
    if not isinstance(items, str):
        return items
    written = list_in_cell(items, name)
    if written is None:
        raise UnreadableError(f"{name} is not a list of entities", items)
    return written


def _grouped(sentences: list[Example], document_id: str) -> list[Example]:
    """Give each sentence without a group the group of the document: its id where no sentence has a group."""
    group = next((sentence.group for sentence in sentences if sentence.group is not None), document_id)
    return [sentence if sentence.group is not None else replace(sentence, group=group) for sentence in sentences]


def _split_name(value: Any, name: str | None) -> str | None:
    text = column(value, f"{name}")
    if text is None:
        return None
    if text.lower() not in SPLIT_ALIASES:
        raise UnreadableError(f"{name} is none of {', '.join(SPLIT_ALIASES)}", text)
    return SPLIT_ALIASES[text.lower()]


def _is_true(value: Any, name: str) -> bool:
    if value is MISSING or value is None:
        return False
    if not isinstance(value, bool):
        raise UnreadableError(f"{name} is neither true nor false", value)
    return value
