"""Answers beside the columns they belong to, written as JSONL, CSV or Parquet."""

import csv
import gzip
import io
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Protocol, cast

import numpy as np
import pyarrow as pa

from assay.serving.batch.chunks import InputChunk, to_json
from assay.serving.batch.row_groups import RowGroups, open_table
from assay.serving.batch.scan import Column, plain
from assay.serving.engine import Engine, Prediction
from assay.serving.json_objects import as_object, entity_objects

_ENTITY = pa.struct(
    [("start", pa.int64()), ("end", pa.int64()), ("label", pa.string()), ("text", pa.string()), ("score", pa.float64())]
)

Values = dict[str, Any]


class Writer(Protocol):
    """Takes answered rows, a portion at a time."""

    def write(
        self, chunk: InputChunk, good: Sequence[int], texts: Sequence[str], answers: Sequence[Prediction]
    ) -> Mapping[int, str]:
        """Add the rows of these indices, with their texts and answers.

        Returns:
            Why a row was refused, by its index: a file refuses none.
        """


@contextmanager
def open_writer(
    kind: str, path: Path, engine: Engine, columns: Sequence[Column], *, header: bool = True
) -> Iterator[Writer]:
    """Open a writer of a kind of file, such as `.csv.gz`.

    An input column whose name the answer needs becomes `input.NAME` (or `input.input.NAME`, where that is there
    already), so that a gold label is never overwritten. Tables (CSV, Parquet) have one column
    `probability.CLASS` a class; CSV holds entities as JSON. `header`: whether CSV begins with the names.
    """
    with _open(path, compressed=kind.endswith(".gz")) as file:
        if kind.startswith(".jsonl"):
            yield _JsonlWriter(file, engine, columns)
        elif kind.startswith(".csv"):
            with io.TextIOWrapper(file, encoding="utf-8", newline="", write_through=True) as text:
                yield _CsvWriter(text, engine, columns, header)
        else:
            answer = _prediction_fields(engine)
            names = _free_names(columns, answer)
            schema = pa.schema([*((names[column.name], column.type) for column in columns), *answer.items()])
            with open_table(file, schema) as table:
                yield _ParquetWriter(table, schema, engine, columns)


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
        names = _free_names(columns, _object_fields(engine))
        self._renamed = {old: new for old, new in names.items() if old != new}

    def write(
        self, chunk: InputChunk, good: Sequence[int], texts: Sequence[str], answers: Sequence[Prediction]
    ) -> Mapping[int, str]:
        lines = [
            to_json(self._own(row) | as_object(text, answer, self._engine))
            for row, text, answer in zip(chunk.rows(good), texts, answers, strict=True)
        ]
        self._file.write("".join(f"{line}\n" for line in lines).encode("utf-8"))
        return {}

    def _own(self, row: Values) -> Values:
        renamed = self._renamed
        return {renamed.get(name, name): value for name, value in row.items()} if renamed else row


class _CsvWriter:
    def __init__(self, file: io.TextIOWrapper, engine: Engine, columns: Sequence[Column], header: bool) -> None:
        self._engine = engine
        self._columns = [column.name for column in columns]
        self._csv = csv.writer(file, lineterminator="\n")
        answer = _prediction_fields(engine)
        if header:
            self._csv.writerow([*_free_names(columns, answer).values(), *answer])

    def write(
        self, chunk: InputChunk, good: Sequence[int], texts: Sequence[str], answers: Sequence[Prediction]
    ) -> Mapping[int, str]:
        for row, text, answer in zip(chunk.rows(good), texts, answers, strict=True):
            values = _flat(as_object(text, answer, self._engine))
            self._csv.writerow(map(_cell, [*(row.get(name) for name in self._columns), *values.values()]))
        return {}


class _ParquetWriter:
    def __init__(self, table: RowGroups, schema: pa.Schema, engine: Engine, columns: Sequence[Column]) -> None:
        self._table = table
        self._schema = schema
        self._engine = engine
        self._columns = columns

    def write(
        self, chunk: InputChunk, good: Sequence[int], texts: Sequence[str], answers: Sequence[Prediction]
    ) -> Mapping[int, str]:
        own = chunk.arrays(good, self._columns)
        arrays = [*own, *_prediction_arrays(self._engine, texts, answers)]
        self._table.add(pa.RecordBatch.from_arrays(arrays, schema=self._schema))
        return {}


def _prediction_arrays(engine: Engine, texts: Sequence[str], answers: Sequence[Prediction]) -> list[pa.Array]:
    """Answers as columns; in the order of `_prediction_fields`."""
    arrays = []
    if engine.labels:
        scores = np.array([answer.probabilities for answer in answers], dtype=np.float32)
        arrays = [pa.array([answer.label for answer in answers], pa.string()), *map(pa.array, scores.T)]
    if engine.tags:
        entities = [_entities(text, answer) for text, answer in zip(texts, answers, strict=True)]
        arrays.append(pa.array(entities, pa.list_(_ENTITY)))
    return [*arrays, pa.array([answer.truncated for answer in answers], pa.bool_())]


def _entities(text: str, answer: Prediction) -> Any:
    found = entity_objects(text, answer)
    return found if text.isascii() else plain(found)


def _prediction_fields(engine: Engine) -> dict[str, pa.DataType]:
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
    return to_json(value) if isinstance(value, list | dict) else plain(value)
