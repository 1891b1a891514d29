"""Output files: the input columns and the prediction of each row, as JSON lines, CSV, TSV or Parquet."""

import csv
import gzip
import io
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Protocol, cast

import numpy as np
import pyarrow as pa

from assay.corpus.errors import AssayError
from assay.serving.batch.chunks import InputChunk, to_json
from assay.serving.batch.row_groups import RowGroups, open_table
from assay.serving.batch.scan import Column, plain
from assay.serving.engine import Engine, Prediction
from assay.serving.json_objects import (
    abstention_names,
    as_object,
    entity_objects,
    label_list_names,
    label_lists,
    label_objects,
)
from assay.serving.prediction_options import ALL, PredictionOptions

TEXT_SUFFIXES = (".jsonl", ".csv", ".tsv")
SUFFIXES = (*TEXT_SUFFIXES, *(suffix + ".gz" for suffix in TEXT_SUFFIXES), ".parquet")
# Tried in this order: a label may hold some of them.
LABEL_SEPARATORS = (";", "|", "\N{INFORMATION SEPARATOR ONE}")
_ENTITY = pa.struct(
    [("start", pa.int64()), ("end", pa.int64()), ("label", pa.string()), ("text", pa.string()), ("score", pa.float64())]
)
_ABSTAINED = pa.field("abstained", pa.bool_())

Values = dict[str, Any]


class Writer(Protocol):
    """A writer of predicted rows, one chunk at a time."""

    def write(
        self, chunk: InputChunk, indices: Sequence[int], texts: Sequence[str], predictions: Sequence[Prediction]
    ) -> Mapping[int, str]:
        """Write the rows of the chunk at these indices, with their predictions.

        Returns:
            The reason per refused row, by its index in the chunk. A file refuses none.
        """


def output_suffix(path: Path) -> str:
    """Return the suffix that determines how a file is written, `.gz` included.

    Raises:
        AssayError: files of this suffix are not written.
    """
    name = path.name.lower()
    for suffix in SUFFIXES:
        if name.endswith(suffix):
            return suffix
    raise AssayError(f"{path} cannot be written; end its name with one of {', '.join(SUFFIXES)}")


@contextmanager
def open_writer(
    kind: str,
    path: Path,
    engine: Engine,
    columns: Sequence[Column],
    *,
    header: bool = True,
    options: PredictionOptions = ALL,
) -> Iterator[Writer]:
    """Open a writer of one file.

    An input column whose name the prediction needs becomes `input.NAME` (or `input.input.NAME`, if that is taken), so
    that a gold label is never overwritten. Tables (CSV, TSV, Parquet) have one column `probability.CLASS` per class,
    one `label_probability.LABEL` per label, and `abstained_labels` if labels are decided; CSV and TSV hold entities as
    JSON, and labels in one cell, joined by `;`.

    Args:
        kind: kind of file, such as `.csv.gz`.
        path: the file to write.
        engine: the model, which decides the columns of a prediction.
        columns: the input columns.
        header: whether a CSV file starts with the names of the columns.
        options: what to write of a prediction. In a table, the probabilities that they leave out are empty.
    """
    with _open(path, compressed=kind.endswith(".gz")) as file:
        if kind.startswith(".jsonl"):
            yield _JsonlWriter(file, engine, columns, options)
        elif kind.startswith((".csv", ".tsv")):
            separator = "\t" if kind.startswith(".tsv") else ","
            with io.TextIOWrapper(file, encoding="utf-8", newline="", write_through=True) as text:
                yield _CsvWriter(text, engine, columns, options, header, separator)
        else:
            fields = _prediction_fields(engine, options)
            names = _free_names(columns, fields)
            schema = pa.schema([*((names[column.name], column.type) for column in columns), *fields.items()])
            with open_table(file, schema) as table:
                yield _ParquetWriter(table, schema, engine, columns, options)


@contextmanager
def _open(path: Path, *, compressed: bool) -> Iterator[BinaryIO]:
    with path.open("wb") as file:
        if not compressed:
            yield file
            return
        # The gzip header holds neither name nor time, so that the same rows give the same bytes.
        with gzip.GzipFile("", "wb", fileobj=file, mtime=0) as packed:
            yield cast(BinaryIO, packed)


class _JsonlWriter:
    def __init__(self, file: BinaryIO, engine: Engine, columns: Sequence[Column], options: PredictionOptions) -> None:
        self._file = file
        self._engine = engine
        self._options = options
        names = _free_names(columns, _object_fields(engine))
        self._renamed = {old: new for old, new in names.items() if old != new}

    def write(
        self, chunk: InputChunk, indices: Sequence[int], texts: Sequence[str], predictions: Sequence[Prediction]
    ) -> Mapping[int, str]:
        lines = [
            to_json(self._renamed_row(row) | as_object(text, prediction, self._engine, self._options))
            for row, text, prediction in zip(chunk.rows(indices), texts, predictions, strict=True)
        ]
        self._file.write("".join(f"{line}\n" for line in lines).encode("utf-8"))
        return {}

    def _renamed_row(self, row: Values) -> Values:
        renamed = self._renamed
        return {renamed.get(name, name): value for name, value in row.items()} if renamed else row


class _CsvWriter:
    def __init__(
        self,
        file: io.TextIOWrapper,
        engine: Engine,
        columns: Sequence[Column],
        options: PredictionOptions,
        header: bool,
        separator: str,
    ) -> None:
        self._engine = engine
        self._options = options
        self._columns = [column.name for column in columns]
        self._csv = csv.writer(file, delimiter=separator, lineterminator="\n")
        self._fields = _prediction_fields(engine, options)
        self._separator = label_separator(engine.row_labels)
        if header:
            self._csv.writerow([*_free_names(columns, self._fields).values(), *self._fields])

    def write(
        self, chunk: InputChunk, indices: Sequence[int], texts: Sequence[str], predictions: Sequence[Prediction]
    ) -> Mapping[int, str]:
        for row, text, prediction in zip(chunk.rows(indices), texts, predictions, strict=True):
            values = as_object(text, prediction, self._engine, self._options)
            values = _flat(values, self._engine.decisions, self._separator)
            predicted = [values.get(name) for name in self._fields]
            self._csv.writerow(map(_cell, [*(row.get(name) for name in self._columns), *predicted]))
        return {}


class _ParquetWriter:
    def __init__(
        self,
        table: RowGroups,
        schema: pa.Schema,
        engine: Engine,
        columns: Sequence[Column],
        options: PredictionOptions,
    ) -> None:
        self._options = options
        self._table = table
        self._schema = schema
        self._engine = engine
        self._columns = columns

    def write(
        self, chunk: InputChunk, indices: Sequence[int], texts: Sequence[str], predictions: Sequence[Prediction]
    ) -> Mapping[int, str]:
        input_arrays = chunk.arrays(indices, self._columns)
        arrays = [*input_arrays, *_prediction_arrays(self._engine, texts, predictions, self._options)]
        self._table.add(pa.RecordBatch.from_arrays(arrays, schema=self._schema))
        return {}


def _prediction_arrays(
    engine: Engine, texts: Sequence[str], predictions: Sequence[Prediction], options: PredictionOptions
) -> list[pa.Array]:
    """Return the predictions as columns, in the order of `_prediction_fields`."""
    arrays = []
    if engine.labels:
        arrays.append(pa.array([options.label(prediction) for prediction in predictions], pa.string()))
        if not options.labels_only:
            arrays += _probability_arrays([one.probabilities for one in predictions], options.top_k)
    if engine.row_labels:
        lists = [label_lists(label_objects(one, engine, options), engine.decisions) for one in predictions]
        names = label_list_names(engine.decisions)
        arrays += [pa.array([row[name] for row in lists], pa.list_(pa.string())) for name in names]
        if not options.labels_only:
            arrays += _probability_arrays([one.label_probabilities for one in predictions], None)
    if engine.tags:
        pairs = zip(texts, predictions, strict=True)
        entities = [_entities(text, prediction, engine, options) for text, prediction in pairs]
        arrays.append(pa.array(entities, _entities_type(engine)))
    for name in abstention_names(engine.decisions):
        arrays.append(pa.array([getattr(prediction, name) for prediction in predictions], pa.bool_()))
    return [*arrays, pa.array([prediction.truncated for prediction in predictions], pa.bool_())]


def _probability_arrays(probabilities: Sequence[Sequence[float]], top_k: int | None) -> list[pa.Array]:
    scores = np.array(probabilities, dtype=np.float32)
    if top_k is None:
        return [*map(pa.array, scores.T)]
    left_out = np.ones_like(scores, dtype=bool)
    np.put_along_axis(left_out, np.argsort(-scores, axis=1, kind="stable")[:, :top_k], False, axis=1)
    return [pa.array(column, mask=mask) for column, mask in zip(scores.T, left_out.T, strict=True)]


def _entities(text: str, prediction: Prediction, engine: Engine, options: PredictionOptions) -> Any:
    entities = entity_objects(text, prediction, engine, options)
    return entities if text.isascii() else plain(entities)


def _entities_type(engine: Engine) -> pa.DataType:
    return pa.list_(pa.struct([*_ENTITY, *([_ABSTAINED] if "tokens" in engine.decisions else [])]))


def _prediction_fields(engine: Engine, options: PredictionOptions) -> dict[str, pa.DataType]:
    """Return the columns of a prediction in a table."""
    fields: dict[str, pa.DataType] = {}
    if engine.labels:
        fields["label"] = pa.string()
        if not options.labels_only:
            fields |= {f"probability.{label}": pa.float32() for label in engine.labels}
    if engine.row_labels:
        fields |= {name: pa.list_(pa.string()) for name in label_list_names(engine.decisions)}
        if not options.labels_only:
            fields |= {f"label_probability.{label}": pa.float32() for label in engine.row_labels}
    if engine.tags:
        fields["entities"] = _entities_type(engine)
    return fields | {name: pa.bool_() for name in abstention_names(engine.decisions)} | {"truncated": pa.bool_()}


def _flat(values: Values, decisions: Collection[str], separator: str) -> Values:
    """Return the columns of a prediction in a table of text; labels are joined by the separator."""
    flat: Values = {}
    for name, value in values.items():
        if name in ("probabilities", "label_probabilities"):
            column = "probability" if name == "probabilities" else "label_probability"
            flat |= {f"{column}.{label}": probability for label, probability in value.items()}
        elif name == "labels":
            flat |= {column: separator.join(names) for column, names in label_lists(value, decisions).items()}
        else:
            flat[name] = value
    return flat


def label_separator(names: Sequence[str]) -> str:
    """Return what joins labels in a cell: the first of a few characters that no label holds."""
    return next((sign for sign in LABEL_SEPARATORS if not any(sign in name for name in names)), LABEL_SEPARATORS[-1])


def _object_fields(engine: Engine) -> list[str]:
    """Return the keys of a prediction in JSONL."""
    names = ["label", "probabilities"] if engine.labels else []
    names += ["labels", "label_probabilities"] if engine.row_labels else []
    names += ["entities"] if engine.tags else []
    return [*names, *abstention_names(engine.decisions), "truncated"]


def _free_names(columns: Sequence[Column], prediction_fields: Collection[str]) -> dict[str, str]:
    """Return the name of each input column in the output: unique, and none that the prediction needs."""
    taken = {column.name for column in columns} | set(prediction_fields)
    names = {}
    for column in columns:
        name = column.name
        if name in prediction_fields:
            while name in taken:
                name = f"input.{name}"
            taken.add(name)
        names[column.name] = name
    return names


def _cell(value: Any) -> Any:
    if isinstance(value, bool):
        return "true" if value else "false"
    return to_json(value) if isinstance(value, list | dict) else plain(value)
