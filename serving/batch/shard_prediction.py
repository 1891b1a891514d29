"""Rows of a shard through the engine to a writer, in their order; memory holds a few portions."""

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
    """What is read of a row: the texts for the model, and what names it in the errors file."""

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
    """Answer all rows of these portions; bad ones are noted in the shard_writer, which also counts."""
    waiting: deque[ValidRows] = deque()

    def rows() -> Iterator[Row]:
        for chunk in chunks:
            checked = check_rows(chunk, columns.texts, columns.id, shard_writer.rejects)
            waiting.append(checked)
            yield from checked.rows

    answers: list[Prediction] = []
    for answer in engine.predict_stream(rows()):
        while not waiting[0].rows:
            _put(waiting.popleft(), [], columns, shard_writer, writer, progress)
        answers.append(answer)
        if len(answers) == len(waiting[0].rows):
            _put(waiting.popleft(), answers, columns, shard_writer, writer, progress)
            answers = []
    for checked in waiting:
        _put(checked, [], columns, shard_writer, writer, progress)


def _put(
    checked: ValidRows,
    answers: list[Prediction],
    columns: Columns,
    shard_writer: ShardWriter,
    writer: Writer,
    progress: ProgressReporter,
) -> None:
    """Write the answers to one portion, and count."""
    chunk = checked.chunk
    refused = writer.write(chunk, checked.indices, checked.texts, answers) if answers else {}
    ids = chunk.column(columns.id) if refused else []
    for index, reason in refused.items():
        shard_writer.rejects.add(chunk.number(index), ids[index], reason)
    shard_writer.rows += len(chunk)
    shard_writer.answered += len(answers) - len(refused)
    shard_writer.truncated += sum(answer.truncated for answer in answers)
    progress.advance(len(chunk))
