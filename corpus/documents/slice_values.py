"""Values of slice columns: a field as it stands, the year of a time, the file or published split of the row."""

from collections.abc import Callable
from typing import Any

from assay.corpus.documents.values import column, year

PART = "$part"
YEAR = ":year"


def slice_field(what: str) -> str | None:
    """The field that is read for a slice, if any is."""
    return None if what == PART else what.removesuffix(YEAR)


def slice_value(what: str, find: Callable[[str], Any], position: str) -> str | None:
    """The value of a slice column.

    Args:
        what: a field, `FIELD:year`, or `$part`.
        find: gives the value of a field, or MISSING.
        position: of the document; what stands before its last colon is the file or published split.

    Raises:
        UnreadableError: the field holds no single value, or no time where its year is asked for.
    """
    if what == PART:
        return position.rpartition(":")[0] or None
    if what.endswith(YEAR):
        field = what.removesuffix(YEAR)
        return year(find(field), field)
    return column(find(what), what)
