"""Values of slice columns: a field, the year of a time, or the file or published split of the row."""

from collections.abc import Callable
from typing import Any

from assay.corpus.documents.values import column, year

PART = "$part"
YEAR = ":year"


def slice_field(source: str) -> str | None:
    """Return the field that a slice reads, if any."""
    return None if source == PART else source.removesuffix(YEAR)


def slice_value(source: str, find: Callable[[str], Any], position: str) -> str | None:
    """Return the value of a slice column.

    Args:
        source: a field, `FIELD:year`, or `$part`.
        find: function that returns the value of a field, or MISSING.
        position: position of the document; the part before its last colon is the file or published split.

    Raises:
        UnreadableError: the field holds no single value, or no time where the slice needs its year.
    """
    if source == PART:
        return position.rpartition(":")[0] or None
    if source.endswith(YEAR):
        field = source.removesuffix(YEAR)
        return year(find(field), field)
    return column(find(source), source)
