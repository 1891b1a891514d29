"""Arrow values as Python objects, where some of them have none: such a row is invalid, and the others stay."""

from collections.abc import Callable
from typing import Any

import pyarrow as pa

from assay.corpus.documents.raw_document import InvalidRow

# What pyarrow raises for values that Python lacks: invalid UTF-8 and nanoseconds, times outside its calendar, and
# unknown time zones.
UNDECODABLE = (ValueError, OverflowError, KeyError)


def python_values(values: pa.Array | pa.RecordBatch | pa.Table, row_id: Callable[[int], str]) -> list[Any]:
    """Return one object per element of an array, or per row of a batch; an `InvalidRow` if Python cannot hold it.

    Args:
        values: an array, or rows, which become dictionaries.
        row_id: returns the id of an invalid row from its index.
    """
    try:
        return list(values.to_pylist())
    except UNDECODABLE:
        return [_single_value(values.slice(index, 1), row_id(index)) for index in range(len(values))]


def _single_value(values: pa.Array | pa.RecordBatch | pa.Table, row_id: str) -> Any:
    try:
        return values.to_pylist()[0]
    except UnicodeDecodeError:
        return InvalidRow(row_id, "not valid UTF-8", None)
    except OverflowError:
        return InvalidRow(row_id, "time is outside the calendar: Python holds the years 1 to 9999", None)
    except UNDECODABLE as error:  # pyarrow names the remedy for nanoseconds
        return InvalidRow(row_id, f"not readable: {error}", None)
