"""Chunks of about a thousand input rows, as Python objects or as Arrow columns."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import pyarrow as pa
import pyarrow.compute as pc

from assay.corpus.documents.raw_document import InvalidRow
from assay.corpus.documents.values import MISSING, get_path
from assay.corpus.sources.arrow_values import python_values
from assay.corpus.sources.lines import NumberedRow, Row
from assay.serving.batch.scan import Column, plain

ROWS_PER_CHUNK = 1_024


class InputChunk(Protocol):
    """Consecutive rows of an input."""

    def __len__(self) -> int:
        """Return the number of rows, invalid ones included."""

    def number(self, index: int) -> int:
        """Return the number of a row in its input, from 1: of the line, or of the row in Parquet."""

    def column(self, name: str) -> Sequence[Any]:
        """Return a value per row: None if it is missing, an `InvalidRow` if the row could not be read."""

    def rows(self, indices: Sequence[int]) -> Iterable[Row]:
        """Return the rows at these indices, without unreadable ones."""

    def arrays(self, indices: Sequence[int], columns: Sequence[Column]) -> list[pa.Array]:
        """Return the columns of the rows at these indices."""


@dataclass(frozen=True)
class RowChunk:
    """Rows as Python objects, each with its number."""

    numbered: list[NumberedRow]

    def __len__(self) -> int:
        return len(self.numbered)

    def number(self, index: int) -> int:
        """See `InputChunk`."""
        return self.numbered[index][0]

    def column(self, name: str) -> list[Any]:
        """See `InputChunk`."""
        return [row if isinstance(row, InvalidRow) else _value(row, name) for _, row in self.numbered]

    def rows(self, indices: Sequence[int]) -> list[Row]:
        """See `InputChunk`."""
        rows = [self.numbered[index][1] for index in indices]
        return [row for row in rows if not isinstance(row, InvalidRow)]

    def arrays(self, indices: Sequence[int], columns: Sequence[Column]) -> list[pa.Array]:
        """See `InputChunk`."""
        rows = self.rows(indices)
        return [pa.array([_cell(row.get(c.name), c) for row in rows], type=c.type) for c in columns]


@dataclass(frozen=True)
class BatchChunk:
    """Rows of a Parquet file as an Arrow batch; only the columns that the model reads become Python objects.

    `before` is the number of rows in front of the batch in the file `name`.
    """

    batch: pa.RecordBatch
    before: int
    name: str

    def __len__(self) -> int:
        return int(self.batch.num_rows)

    def number(self, index: int) -> int:
        """See `InputChunk`."""
        return self.before + index + 1

    def column(self, name: str) -> list[Any]:
        """See `InputChunk`."""
        values = self._values(name)
        return [None] * len(self) if values is None else python_values(values, self._row_id)

    def rows(self, indices: Sequence[int]) -> list[Row]:
        """See `InputChunk`."""
        rows = python_values(self._take(indices), self._row_id)
        return [row for row in rows if not isinstance(row, InvalidRow)]

    def arrays(self, indices: Sequence[int], columns: Sequence[Column]) -> list[pa.Array]:
        """See `InputChunk`."""
        batch = self._take(indices)
        return [batch.column(column.name) for column in columns]

    def _row_id(self, index: int) -> str:
        return f"{self.name}:{self.number(index)}"

    def _values(self, name: str) -> pa.Array | None:
        """Return the column of a name. A dotted name that is no column reaches into structs, as `get_path` does."""
        if name in self.batch.schema.names:
            return self.batch.column(name)
        first, *parts = name.split(".")
        if first not in self.batch.schema.names:
            return None
        values = self.batch.column(first)
        for part in parts:
            if not pa.types.is_struct(values.type) or values.type.get_field_index(part) < 0:
                return None
            values = pc.struct_field(values, part)
        return values

    def _take(self, indices: Sequence[int]) -> pa.RecordBatch:
        return self.batch if len(indices) == len(self) else self.batch.take(pa.array(indices, pa.int64()))


def _value(row: Row, name: str) -> Any:
    if name in row:
        return row[name]
    value = get_path(row, name)
    return None if value is MISSING else value


def _cell(value: Any, column: Column) -> Any:
    if value is None or not column.as_json:
        return plain(value)
    return to_json(value)


_encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False, default=str).encode


def to_json(value: Any) -> str:
    """Return the value as one line of JSON that every tool can read, see `plain`."""
    try:
        text = _encode(value)
        if text.isascii():
            return text
        text.encode("utf-8")
    except (ValueError, TypeError):  # NaN, lone surrogates (a UnicodeEncodeError is a ValueError), odd keys
        text = json.dumps(plain(value), ensure_ascii=False, default=str)
    return text
