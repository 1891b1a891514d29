"""Answers beside the columns they belong to, written as JSONL, CSV or Parquet."""

import csv
import gzip
import io
import json
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Protocol, cast

import pyarrow as pa
import pyarrow.parquet as pq

from corpus.files import file_kind
from serving.engine import Engine, Prediction
from serving.objects import as_object
from serving.survey import Column, plain

ROWS_A_BATCH = 1_000
_ENTITY = pa.struct(
    [("start", pa.int64()), ("end", pa.int64()), ("label", pa.string()), ("text", pa.string()), ("score", pa.float64())]
)

Values = dict[str, Any]


class Writer(Protocol):
    """Takes rows one at a time."""

    def write(self, row: Values, text: str, answer: Prediction) -> None:
        """Add one input row, its text and its answer."""


@contextmanager
def open_writer(target: Path, path: Path, engine: Engine, columns: Sequence[Column]) -> Iterator[Writer]:
    """Open a writer in the format that the name of `target` asks for; the bytes go to `path`.

    An input column whose name the answer needs becomes `input.NAME` (or `input.input.NAME`, where that is there
    already), so that a gold label is never overwritten. Tables (CSV, Parquet) have one column
    `probability.CLASS` a class; CSV holds entities as JSON.
    """
    kind = file_kind(target)
    with _open(path, compressed=kind.endswith(".gz")) as file:
        if kind.startswith(".jsonl"):
            yield _JsonlWriter(file, engine, columns)
        elif kind.startswith(".csv"):
            with io.TextIOWrapper(file, encoding="utf-8", newline="", write_through=True) as text:
                yield _CsvWriter(text, engine, columns)
        else:
            with _ParquetWriter(file, engine, columns) as writer:
                yield writer


@contextmanager
def _open(path: Path, *, compressed: bool) -> Iterator[BinaryIO]:
    with path.open("wb") as file:
        if not compressed:
            yield file
            return
        # Without name and time, the same rows give the same bytes.
        with gzip.GzipFile("", "wb", fileobj=file, mtime=0) as packed:
            yield cast(BinaryIO, packed)


class _JsonlWriter:
    def __init__(self, file: BinaryIO, engine: Engine, columns: Sequence[Column]) -> None:
        self._file = file
        self._engine = engine
        self._names = _free_names(columns, _object_fields(engine))

    def write(self, row: Values, text: str, answer: Prediction) -> None:
        values = {self._names.get(name, name): value for name, value in row.items()}
        self._file.write(_to_json(values | as_object(text, answer, self._engine)).encode("utf-8") + b"\n")


class _CsvWriter:
    def __init__(self, file: io.TextIOWrapper, engine: Engine, columns: Sequence[Column]) -> None:
        self._engine = engine
        self._columns = [column.name for column in columns]
        self._csv = csv.writer(file, lineterminator="\n")
        answer = _answer_fields(engine)
        self._csv.writerow([*_free_names(columns, answer).values(), *answer])

    def write(self, row: Values, text: str, answer: Prediction) -> None:
        values = _flat(as_object(text, answer, self._engine))
        self._csv.writerow(map(_cell, [*(row.get(name) for name in self._columns), *values.values()]))


class _ParquetWriter:
    def __init__(self, file: BinaryIO, engine: Engine, columns: Sequence[Column]) -> None:
        self._engine = engine
        self._columns = columns
        answer = _answer_fields(engine)
        names = _free_names(columns, answer)
        self._schema = pa.schema([*((names[column.name], column.type) for column in columns), *answer.items()])
        self._writer = pq.ParquetWriter(file, self._schema, compression="zstd")
        self._rows: list[list[Any]] = []

    def write(self, row: Values, text: str, answer: Prediction) -> None:
        values = _flat(as_object(text, answer, self._engine))
        own = [
            _to_json(v) if c.as_json and v is not None else plain(v) for c in self._columns for v in [row.get(c.name)]
        ]
        self._rows.append([*own, *values.values()])
        if len(self._rows) == ROWS_A_BATCH:
            self._flush()

    def __enter__(self) -> "_ParquetWriter":
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            if kind is None:
                self._flush()
                self._writer.close()
        finally:
            # Else its destructor would write the footer, into a file that is closed by then.
            self._writer.is_open = False

    def _flush(self) -> None:
        if self._rows:
            columns = zip(*self._rows, strict=True)
            arrays = [pa.array(values, type=field.type) for values, field in zip(columns, self._schema, strict=True)]
            self._writer.write_batch(pa.RecordBatch.from_arrays(arrays, schema=self._schema))
            self._rows = []


def _answer_fields(engine: Engine) -> dict[str, pa.DataType]:
    """Columns of an answer in a table; in the order of `_flat`."""
    fields: dict[str, pa.DataType] = {}
    if engine.labels:
        fields["label"] = pa.string()
        fields |= {f"probability.{label}": pa.float32() for label in engine.labels}
    if engine.tags:
        fields["entities"] = pa.list_(_ENTITY)
    return fields | {"truncated": pa.bool_()}


def _flat(values: Values) -> Values:
    flat: Values = {}
    for name, value in values.items():
        flat |= {f"probability.{label}": p for label, p in value.items()} if name == "probabilities" else {name: value}
    return flat


def _object_fields(engine: Engine) -> list[str]:
    """Keys of an answer in JSONL."""
    return [*(["label", "probabilities"] if engine.labels else []), *(["entities"] if engine.tags else []), "truncated"]


def _free_names(columns: Sequence[Column], answer: Collection[str]) -> dict[str, str]:
    """Name of each input column in the output, each once and none that the answer needs."""
    taken = {column.name for column in columns} | set(answer)
    names = {}
    for column in columns:
        name = column.name
        if name in answer:
            while name in taken:
                name = f"input.{name}"
            taken.add(name)
        names[column.name] = name
    return names


def _cell(value: Any) -> Any:
    if isinstance(value, bool):
        return "true" if value else "false"
    return _to_json(value) if isinstance(value, list | dict) else plain(value)


def _to_json(value: Any) -> str:
    return json.dumps(plain(value), ensure_ascii=False, default=str)
