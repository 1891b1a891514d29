"""Prediction of the rows of a shard in their order. Memory holds a few chunks of rows."""

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from assay.serving.batch.chunks import InputChunk
from assay.serving.batch.output import Writer
from assay.serving.batch.progress import ProgressReporter
from assay.serving.batch.shards import ShardWriter
from assay.serving.batch.valid_rows import ValidRows, check_rows
from assay.serving.engine import Engine, Prediction, Row


@dataclass(frozen=True)
class Columns:
    """The columns to read: those of the texts, and the one that identifies a row in the errors file."""

    texts: list[str]
    id: str


def predict_chunks(
    engine: Engine,
    columns: Columns,
    chunks: Iterable[InputChunk],
    shard_writer: ShardWriter,
    writer: Writer,
    progress: ProgressReporter,
) -> None:
    """Predict the rows of the chunks. The shard writer counts rows and records the invalid ones."""
    pending: deque[ValidRows] = deque()

    def rows() -> Iterator[Row]:
        for chunk in chunks:
            valid_rows = check_rows(chunk, columns.texts, columns.id, shard_writer.rejects)
            pending.append(valid_rows)
            yield from valid_rows.rows

    predictions: list[Prediction] = []
    for prediction in engine.predict_stream(rows()):
        while not pending[0].rows:
            _write(pending.popleft(), [], columns, shard_writer, writer, progress)
        predictions.append(prediction)
        if len(predictions) == len(pending[0].rows):
            _write(pending.popleft(), predictions, columns, shard_writer, writer, progress)
            predictions = []
    for valid_rows in pending:
        _write(valid_rows, [], columns, shard_writer, writer, progress)


def _write(
    valid_rows: ValidRows,
    predictions: list[Prediction],
    columns: Columns,
    shard_writer: ShardWriter,
    writer: Writer,
    progress: ProgressReporter,
) -> None:
    """Write the predictions of one chunk, and count its rows."""
    chunk = valid_rows.chunk
    refused = writer.write(chunk, valid_rows.indices, valid_rows.texts, predictions) if predictions else {}
    ids = chunk.column(columns.id) if refused else []
    for index, reason in refused.items():
        shard_writer.rejects.add(chunk.number(index), ids[index], reason)
    shard_writer.rows += len(chunk)
    shard_writer.predicted += len(predictions) - len(refused)
    shard_writer.truncated += sum(prediction.truncated for prediction in predictions)
    progress.advance(len(chunk))
