"""A thousand rows of an input on their way through the model: as Python objects, or column by column as Arrow."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import pyarrow as pa
import pyarrow.compute as pc

from assay.corpus.documents.raw_document import InvalidRow
from assay.corpus.documents.values import MISSING, get_path
from assay.corpus.sources.lines import Numbered, Row
from assay.serving.batch.scan import Column, plain

ROWS_PER_CHUNK = 1_024


class InputChunk(Protocol):
    """Rows that follow each other."""

    def __len__(self) -> int:
        """Rows, bad ones included."""

    def number(self, index: int) -> int:
        """Of a row in its input, for people; from 1."""

    def column(self, name: str) -> Sequence[Any]:
        """A value for each row: None where it is missing, a `InvalidRow` where the row could not be read."""

    def rows(self, indices: Sequence[int]) -> Iterable[Row]:
        """The rows of these indices."""

    def arrays(self, indices: Sequence[int], columns: Sequence[Column]) -> list[pa.Array]:
        """The columns of the rows of these indices."""


@dataclass(frozen=True)
class RowChunk:
    """Rows as Python objects."""

    numbered: list[Numbered]

    def __len__(self) -> int:
        return len(self.numbered)

    def number(self, index: int) -> int:
        """See `Portion`; of the line, or of the row in Parquet."""
        return self.numbered[index][0]

    def column(self, name: str) -> list[Any]:
        """See `Portion`."""
        return [row if isinstance(row, InvalidRow) else _value(row, name) for _, row in self.numbered]

    def rows(self, indices: Sequence[int]) -> list[Row]:
        """See `Portion`."""
        found = [self.numbered[index][1] for index in indices]
        return [row for row in found if not isinstance(row, InvalidRow)]

    def arrays(self, indices: Sequence[int], columns: Sequence[Column]) -> list[pa.Array]:
        """See `Portion`."""
        rows = self.rows(indices)
        return [pa.array([_cell(row.get(c.name), c) for row in rows], type=c.type) for c in columns]


@dataclass(frozen=True)
class BatchChunk:
    """Rows of a Parquet file that stay as they are; only what the model reads becomes Python."""

    batch: pa.RecordBatch
    before: int

    def __len__(self) -> int:
        return int(self.batch.num_rows)

    def number(self, index: int) -> int:
        """See `Portion`; of the line, or of the row in Parquet."""
        return self.before + index + 1

    def column(self, name: str) -> list[Any]:
        """See `Portion`."""
        values = self._values(name)
        return [None] * len(self) if values is None else list(values.to_pylist())

    def rows(self, indices: Sequence[int]) -> list[Row]:
        """See `Portion`."""
        return list(self._chosen(indices).to_pylist())

    def arrays(self, indices: Sequence[int], columns: Sequence[Column]) -> list[pa.Array]:
        """See `Portion`."""
        chosen = self._chosen(indices)
        return [chosen.column(column.name) for column in columns]

    def _values(self, name: str) -> pa.Array | None:
        """The column of that name; where there is none, a dotted name reaches into structs, as `values.pick` does."""
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

    def _chosen(self, indices: Sequence[int]) -> pa.RecordBatch:
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
    """The value as one line of JSON that any tool can read: see `plain`."""
    try:
        text = _encode(value)
        if text.isascii():
            return text
        text.encode("utf-8")
    except (ValueError, TypeError):  # NaN, lone surrogates (a UnicodeEncodeError is a ValueError), odd keys
        text = json.dumps(plain(value), ensure_ascii=False, default=str)
    return text
