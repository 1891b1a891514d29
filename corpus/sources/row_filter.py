"""Filters on rows of files and hub data sets, with the meaning that they have in MongoDB."""

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any

from assay.corpus.documents.json_columns import text_columns, with_decoded
from assay.corpus.documents.raw_document import Document, InvalidRow, shorten
from assay.corpus.documents.values import MISSING, UnreadableError, get_path

OPERATORS = ("$eq", "$ne", "$in", "$nin", "$exists")


def row_filter_error(filter_: Mapping[str, Any], name: str) -> str | None:
    """Return one line that says why a filter cannot be applied to rows; None if it can.

    Args:
        filter_: filter of a recipe.
        name: name of the setting, for the message.
    """
    for field, condition in filter_.items():
        operators = _operators(condition)
        refused = [key for key in (field, *operators) if key.startswith("$") and key not in OPERATORS]
        if refused or field in OPERATORS:
            key = refused[0] if refused else field
            return f"{name} holds the operator {key!r}; of files and hub data sets, allowed are {' '.join(OPERATORS)}"
        for operator, value in operators.items():
            if operator in ("$in", "$nin") and not isinstance(value, list):
                return f"{name}.{field}.{operator} is {value!r}; write a list"
            if operator == "$exists" and not isinstance(value, bool):
                return f"{name}.{field}.$exists is {value!r}; write true or false"
    return None


class RowFilter:
    """A filter by fields, which must all hold: `{lang: en, label: {$in: [a, b]}, note: {$exists: false}}`.

    A dotted name reaches into objects, also where a column holds them as JSON text.
    """

    def __init__(self, filter_: Mapping[str, Any]) -> None:
        """Take a filter of which `row_filter_error` says None."""
        self._names = list(filter_)
        self._conditions = [(field, _operators(condition)) for field, condition in filter_.items()]

    def marked(self, document: Document) -> Document | InvalidRow:
        """Return a document, marked as filtered if the filter leaves it out; an invalid row if it cannot be decided."""
        try:
            return document if self.accepts(document.values) else replace(document, filtered=True)
        except UnreadableError as error:
            return InvalidRow(document.position, str(error), shorten(document.values))

    def accepts(self, row: Mapping[str, Any]) -> bool:
        """Return whether a row has all that the filter asks for.

        Raises:
            UnreadableError: a dotted name reaches into text that is not JSON.
        """
        row = with_decoded(row, text_columns(row, self._names))
        return all(
            _holds(operator, get_path(row, field), wanted)
            for field, operators in self._conditions
            for operator, wanted in operators.items()
        )


def _operators(condition: Any) -> Mapping[str, Any]:
    """Return a condition as operators; a value alone means that the field equals it."""
    if isinstance(condition, Mapping) and any(str(key).startswith("$") for key in condition):
        return condition
    return {"$eq": condition}


def _holds(operator: str, value: Any, wanted: Any) -> bool:
    if operator == "$exists":
        return (value is not MISSING) is wanted
    if operator in ("$in", "$nin"):
        return any(_equals(value, item) for item in wanted) is (operator == "$in")
    return _equals(value, wanted) is (operator == "$eq")


def _equals(value: Any, wanted: Any) -> bool:
    """Return whether a value, or an item of a list, equals the wanted one; null also matches a missing field.

    A number or boolean also equals its text, since the cells of a table are texts.
    """
    if value is MISSING or value is None:
        return wanted is None
    if isinstance(value, list) and not isinstance(wanted, list):
        return any(_equals(item, wanted) for item in value)
    if isinstance(value, str) and isinstance(wanted, int | float | Decimal):
        return value == (str(wanted).lower() if isinstance(wanted, bool) else str(wanted))
    if isinstance(value, bool) or isinstance(wanted, bool):
        return value is wanted
    return bool(value == wanted)
