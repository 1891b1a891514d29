"""The labels of a row of which any number may apply: a list, a delimited cell, or columns of 0 and 1."""

from collections.abc import Mapping, Sequence
from typing import Any

from assay.corpus.documents.fields import DocumentFormat
from assay.corpus.documents.label_values import LabelValues
from assay.corpus.documents.values import MISSING, UnreadableError, column, get_path, is_missing
from assay.corpus.documents.written_lists import list_in_cell

# What tables and databases write for a label that applies or does not.
_SWITCHES = {"1": True, "0": False, "true": True, "false": False}


class RowLabels:
    """Reader of the labels of a row.

    A row with null is not labelled: it trains and tests no label. An empty list means that no label applies, as does an
    empty cell between separators, since a table has no other way to write it.
    """

    def __init__(self, document_format: DocumentFormat, values: LabelValues) -> None:
        """Take the format of the documents, and the reader of each label."""
        self._format = document_format
        self._values = values

    @property
    def names(self) -> list[str]:
        """Return the fields that are read."""
        return label_fields(self._format)

    def read(self, values: Mapping[str, Any]) -> tuple[str, ...] | None:
        """Return the labels, sorted; None if the row is not labelled.

        Raises:
            NoLabelError: a value is one of `no_label`.
            UnreadableError: the value is missing, or holds something other than labels.
        """
        fields = self._format.fields.labels
        if isinstance(fields, list):
            return self._switched_on(fields, values)
        name = self.names[0]
        return self.of(get_path(values, name), name)

    def of(self, value: Any, name: str) -> tuple[str, ...] | None:
        """Return the labels in a value, sorted; None if it is null.

        Args:
            value: a list of labels, or a cell with one.
            name: name of its field, for the reason.

        Raises:
            NoLabelError: a value is one of `no_label`.
            UnreadableError: the value is missing, or holds something other than labels.
        """
        items = self._items(value, name)
        return None if items is None else self._values.read_each(items, name)

    def _switched_on(self, names: Sequence[str], values: Mapping[str, Any]) -> tuple[str, ...] | None:
        """Return the columns that hold 1, by their names; None if all of them are empty."""
        cells = {name: get_path(values, name) for name in names}
        for name, value in cells.items():
            if value is MISSING:
                raise UnreadableError(f"{name} is missing")
            self._values.check_left_out(value, name)
        empty = [name for name, value in cells.items() if is_missing(value) or value == ""]
        if len(empty) == len(names):
            return None
        if empty:
            raise UnreadableError("labels are known in part", f"{empty[0]} is empty")
        chosen = [name for name, value in cells.items() if _is_on(value, name)]
        return tuple(sorted({self._values.read(name, name) for name in chosen}))

    def _items(self, value: Any, name: str) -> Sequence[Any] | None:
        if value is MISSING:
            raise UnreadableError(f"{name} is missing")
        if is_missing(value):
            return None
        if isinstance(value, str):
            self._values.check_left_out(value, name)
            value = self._from_text(value, name)
        if not isinstance(value, list | tuple):
            raise UnreadableError(f"{name} is not a list of labels", value)
        return value

    def _from_text(self, text: str, name: str) -> Any:
        """Return the list in a cell: delimited, or written as JSON or Python writes a list."""
        if self._format.label_separator is not None:
            return [part.strip() for part in text.split(self._format.label_separator) if part.strip()]
        items = list_in_cell(text, name)
        if items is None:
            raise UnreadableError(f"{name} is not a list of labels", text)
        return items


def label_fields(document_format: DocumentFormat) -> list[str]:
    """Return the fields that hold the labels of a row, or of a sentence in the format `parse`; empty without any."""
    if document_format.format == "parse":
        return [document_format.parse.labels] if document_format.parse.labels else []
    fields = document_format.fields.labels
    return [] if fields is None else [fields] if isinstance(fields, str) else list(fields)


def _is_on(value: Any, name: str) -> bool:
    text = (column(value, name) or "").strip().lower()
    if text not in _SWITCHES:
        raise UnreadableError(f"{name} is neither 0 nor 1", value)
    return _SWITCHES[text]
