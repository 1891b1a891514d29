"""A first look through a file: how many rows, which columns, of which types. Progress and tables need it."""

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from corpus.document import BadRow
from corpus.files import file_kind, iter_rows

ROWS_A_LOOK = 1_000
_SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a file; `as_json` where its values have no type in common and a table must hold them as JSON."""

    name: str
    type: pa.DataType
    as_json: bool = False


@dataclass(frozen=True, slots=True)
class Survey:
    """Rows of a file, bad ones included, and its columns in the order in which they first occur."""

    rows: int
    columns: list[Column]

    @property
    def names(self) -> list[str]:
        """Names of the columns."""
        return [column.name for column in self.columns]


def survey_file(path: Path) -> Survey:
    """Look through a file; memory holds one portion of it.

    Raises:
        AssayError: the file is missing, damaged, or of an unknown kind.
    """
    if file_kind(path) == ".parquet" and path.is_file() and (known := _parquet_survey(path)):
        return known
    types: dict[str, pa.DataType | None] = {}
    total = 0
    rows = (row for _, row in iter_rows(path))
    while portion := list(islice(rows, ROWS_A_LOOK)):
        total += len(portion)
        _merge_types(types, [row for row in portion if not isinstance(row, BadRow)])
    return Survey(total, [_column(name, found) for name, found in types.items()])


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


def _parquet_survey(path: Path) -> Survey | None:
    """What the footer says; none if it cannot be read, for the reader to say why."""
    try:
        with pq.ParquetFile(path) as file:
            columns = [Column(field.name, field.type) for field in file.schema_arrow]
            return Survey(file.metadata.num_rows, columns)
    except (pa.ArrowInvalid, OSError):
        return None


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
