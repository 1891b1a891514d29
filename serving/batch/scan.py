"""The scan of an input: its number of rows, its columns with their types, and the start of each shard."""

import base64
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel

from assay.corpus.documents.raw_document import InvalidRow
from assay.corpus.sources.file_description import FileDescription
from assay.corpus.sources.files import iter_rows, open_rows
from assay.corpus.sources.lines import LinePosition

ROWS_PER_READ = 1_000
_SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Column:
    """A column of an input; `as_json` if its values have no common type, so that a table must hold them as JSON."""

    name: str
    type: pa.DataType
    as_json: bool = False


@dataclass(frozen=True, slots=True)
class Scan:
    """The rows of an input, invalid ones included, its columns in the order of their first occurrence, and its shards.

    `starts` holds the start of each shard in the notation of the source; there is at least one shard.
    """

    rows: int
    columns: list[Column]
    shard_rows: int
    starts: list[str]

    @property
    def names(self) -> list[str]:
        """Return the names of the columns."""
        return [column.name for column in self.columns]


class ScanRecord(BaseModel):
    """A scan as JSON."""

    rows: int
    types: str
    as_json: list[bool]
    shard_rows: int
    starts: list[str]

    @classmethod
    def of(cls, scan: Scan) -> "ScanRecord":
        """Return the record of a scan."""
        schema = pa.schema([(column.name, column.type) for column in scan.columns])
        types = base64.b64encode(schema.serialize().to_pybytes()).decode()
        as_json = [column.as_json for column in scan.columns]
        return cls(rows=scan.rows, types=types, as_json=as_json, shard_rows=scan.shard_rows, starts=scan.starts)

    def scan(self) -> Scan:
        """Return the recorded scan."""
        schema = pa.ipc.read_schema(pa.py_buffer(base64.b64decode(self.types)))
        columns = [Column(field.name, field.type, as_json) for field, as_json in zip(schema, self.as_json, strict=True)]
        return Scan(self.rows, columns, self.shard_rows, self.starts)


def scan_file(path: Path, description: FileDescription, shard_rows: int, *, with_types: bool = True) -> Scan:
    """Scan a file. Memory holds one chunk of it.

    Args:
        path: the file.
        description: what `describe_file` says of it.
        shard_rows: rows per shard.
        with_types: whether the types of the columns are needed; if not, they are arbitrary.

    Raises:
        AssayError: the file cannot be read, or is damaged.
    """
    if description.kind == "parquet":
        return _parquet_scan(path, shard_rows)
    reader = open_rows(path, description)
    rows = iter(reader)
    types: dict[str, pa.DataType | None] = {}
    starts: list[str] = []
    total = 0
    merge = _merge_types if with_types and description.kind != "table" else _merge_names
    while True:
        offset = total % shard_rows
        position = reader.place
        chunk = [row for _, row in islice(rows, min(ROWS_PER_READ, shard_rows - offset))]
        if not chunk:
            columns = [_column(name, kind) for name, kind in types.items()]
            return Scan(total, columns, shard_rows, starts or ["0:0"])
        if not offset:
            starts.append(f"{position.offset}:{position.line}")
        total += len(chunk)
        merge(types, [row for row in chunk if not isinstance(row, InvalidRow)])


def line_position(start: str) -> LinePosition:
    """Return the position in a file of lines that a scan recorded."""
    offset, _, line = start.partition(":")
    return LinePosition(int(offset), int(line))


def plain(value: Any) -> Any:
    """Return the value as every format can hold it: lone surrogates as U+FFFD, NaN and infinities as None."""
    if isinstance(value, str):
        return value if value.isascii() else _SURROGATE.sub("\ufffd", value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {plain(key): plain(item) for key, item in value.items()}
    if isinstance(value, tuple):  # an entry of an Arrow map, which must stay a pair
        return tuple(map(plain, value))
    if isinstance(value, list):
        return [plain(item) for item in value]
    return value


def _parquet_scan(path: Path, shard_rows: int) -> Scan:
    """Return the scan of a Parquet file, from its footer."""
    try:
        with pq.ParquetFile(path) as file:
            columns = [Column(field.name, field.type) for field in file.schema_arrow]
            rows = file.metadata.num_rows
    except (pa.ArrowInvalid, OSError):
        next(iter_rows(path), None)  # raises the readable error
        raise
    return Scan(rows, columns, shard_rows, [str(start) for start in range(0, rows or 1, shard_rows)])


def _merge_names(types: dict[str, pa.DataType | None], rows: Iterable[Mapping[str, Any]]) -> None:
    for row in rows:
        if not row.keys() <= types.keys():
            types.update(dict.fromkeys((name for name in row if name not in types), pa.string()))


def _merge_types(types: dict[str, pa.DataType | None], rows: Iterable[Mapping[str, Any]]) -> None:
    """Widen `types` to the values of `rows`; None marks a column whose values have no common type."""
    values: dict[str, list[Any]] = {}
    for row in rows:
        for name, value in row.items():
            values.setdefault(name, []).append(plain(value))
    for name, column_values in values.items():
        types[name] = _common_type(types.get(name, pa.null()), column_values)


def _common_type(known: pa.DataType | None, values: list[Any]) -> pa.DataType | None:
    if known is None:
        return None
    try:
        kind = pa.array(values).type
        schemas = [pa.schema([("value", value_type)]) for value_type in (known, kind)]
        # Arrow reads an empty object as a struct without fields, which Parquet cannot hold.
        return None if _has_empty_struct(kind) else pa.unify_schemas(schemas, promote_options="permissive")[0].type
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, OverflowError):
        return None


def _has_empty_struct(kind: pa.DataType) -> bool:
    if pa.types.is_struct(kind):
        return kind.num_fields == 0 or any(_has_empty_struct(field.type) for field in kind)
    return pa.types.is_list(kind) and _has_empty_struct(kind.value_type)


def _column(name: str, kind: pa.DataType | None) -> Column:
    if kind is None:
        return Column(plain(name), pa.string(), as_json=True)
    return Column(plain(name), pa.string() if pa.types.is_null(kind) else kind)
