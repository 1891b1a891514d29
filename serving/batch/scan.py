"""A first look through an input: how many rows, which columns, of which types, and where each shard begins."""

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
from assay.corpus.sources.files import check_file, iter_rows
from assay.corpus.sources.lines import LinePosition, LineRows

ROWS_A_LOOK = 1_000
_SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Column:
    """A column of an input; `as_json` where its values have no type in common and a table must hold them as JSON."""

    name: str
    type: pa.DataType
    as_json: bool = False


@dataclass(frozen=True, slots=True)
class Scan:
    """Rows of an input, bad ones included, its columns in the order in which they first occur, and its shards.

    `starts` says where each shard begins, in words of the source that was surveyed; there is one shard at least.
    """

    rows: int
    columns: list[Column]
    shard_rows: int
    starts: list[str]

    @property
    def names(self) -> list[str]:
        """Names of the columns."""
        return [column.name for column in self.columns]


class ScanRecord(BaseModel):
    """A survey as JSON."""

    rows: int
    types: str
    as_json: list[bool]
    shard_rows: int
    starts: list[str]

    @classmethod
    def of(cls, scan: Scan) -> "ScanRecord":
        """To be kept."""
        schema = pa.schema([(column.name, column.type) for column in scan.columns])
        types = base64.b64encode(schema.serialize().to_pybytes()).decode()
        as_json = [column.as_json for column in scan.columns]
        return cls(rows=scan.rows, types=types, as_json=as_json, shard_rows=scan.shard_rows, starts=scan.starts)

    def scan(self) -> Scan:
        """What was kept."""
        schema = pa.ipc.read_schema(pa.py_buffer(base64.b64decode(self.types)))
        columns = [Column(field.name, field.type, own) for field, own in zip(schema, self.as_json, strict=True)]
        return Scan(self.rows, columns, self.shard_rows, self.starts)


def scan_file(path: Path, shard_rows: int, *, with_types: bool = True) -> Scan:
    """Look through a file; memory holds one portion of it.

    Args:
        path: JSONL, CSV or Parquet.
        shard_rows: rows of a shard.
        with_types: whether types of columns matter; if not, any may come out.

    Raises:
        AssayError: the file is missing, damaged, or of an unknown kind.
    """
    kind = check_file(path)
    if kind == ".parquet":
        return _parquet_scan(path, shard_rows)
    reader = LineRows(path, kind)
    rows = iter(reader)
    types: dict[str, pa.DataType | None] = {}
    starts: list[str] = []
    total = 0
    merge = _merge_types if with_types and not kind.startswith(".csv") else _merge_names
    while True:
        into = total % shard_rows
        place = reader.place
        chunk = [row for _, row in islice(rows, min(ROWS_A_LOOK, shard_rows - into))]
        if not chunk:
            columns = [_column(name, found) for name, found in types.items()]
            return Scan(total, columns, shard_rows, starts or ["0:0"])
        if not into:
            starts.append(f"{place.offset}:{place.line}")
        total += len(chunk)
        merge(types, [row for row in chunk if not isinstance(row, InvalidRow)])


def place_of(start: str) -> LinePosition:
    """The place in a file of lines that a survey wrote down."""
    offset, _, line = start.partition(":")
    return LinePosition(int(offset), int(line))


def plain(value: Any) -> Any:
    """The value as every format can hold it: lone surrogates as U+FFFD, numbers that are none (NaN) as None."""
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
    """What the footer says."""
    try:
        with pq.ParquetFile(path) as file:
            columns = [Column(field.name, field.type) for field in file.schema_arrow]
            rows = file.metadata.num_rows
    except (pa.ArrowInvalid, OSError):
        next(iter_rows(path), None)  # says what is wrong
        raise
    return Scan(rows, columns, shard_rows, [str(start) for start in range(0, rows or 1, shard_rows)])


def _merge_names(types: dict[str, pa.DataType | None], rows: Iterable[Mapping[str, Any]]) -> None:
    for row in rows:
        if not row.keys() <= types.keys():
            types.update(dict.fromkeys((name for name in row if name not in types), pa.string()))


def _merge_types(types: dict[str, pa.DataType | None], rows: Iterable[Mapping[str, Any]]) -> None:
    """Widen `types` so that they hold the values of `rows` too; None marks a column that no type can hold."""
    values: dict[str, list[Any]] = {}
    for row in rows:
        for name, value in row.items():
            values.setdefault(name, []).append(plain(value))
    for name, found in values.items():
        types[name] = _common_type(types.get(name, pa.null()), found)


def _common_type(known: pa.DataType | None, values: list[Any]) -> pa.DataType | None:
    if known is None:
        return None
    try:
        found = pa.array(values).type
        schemas = [pa.schema([("value", kind)]) for kind in (known, found)]
        # Arrow reads an empty object as a struct without fields, which Parquet cannot hold.
        return None if _has_empty_struct(found) else pa.unify_schemas(schemas, promote_options="permissive")[0].type
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
