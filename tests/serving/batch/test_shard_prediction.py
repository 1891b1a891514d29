import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from assay.corpus.documents.raw_document import InvalidRow
from assay.corpus.sources.lines import Row as InputRow
from assay.serving.batch.chunks import InputChunk, RowChunk
from assay.serving.batch.output import Writer, open_writer
from assay.serving.batch.scan import Column
from assay.serving.batch.shard_prediction import Columns, predict_chunks
from assay.serving.batch.shards import ShardFolder, ShardManifest
from assay.serving.engine import Engine, Prediction

COLUMNS = Columns(texts=["text"], id="id")
TEXTS = {"up": "good", "down": "bad"}
COLUMN_TYPES = [Column("id", pa.string()), Column("text", pa.string())]


class Counted:
    """A receiver of progress that keeps each count."""

    def __init__(self) -> None:
        self.counts: list[int] = []

    def resume(self, rows: int) -> None:
        raise AssertionError("a shard is predicted as a whole")

    def advance(self, rows: int) -> None:
        self.counts.append(rows)


class Collected:
    """A writer that collects ids and classes, and refuses some ids."""

    def __init__(self, *refused: str) -> None:
        self.rows: list[tuple[str, str | None]] = []
        self._refused = refused

    def write(
        self, chunk: InputChunk, indices: Sequence[int], texts: Sequence[str], predictions: Sequence[Prediction]
    ) -> Mapping[int, str]:
        ids = [chunk.column("id")[index] for index in indices]
        self.rows += [(row, one.label) for row, one in zip(ids, predictions, strict=True) if row not in self._refused]
        return {index: "too large" for row, index in zip(ids, indices, strict=True) if row in self._refused}


def row(row_id: str, text: Any) -> InputRow:
    return {"id": row_id, "text": text}


def chunk(first: int, *rows: InputRow | InvalidRow) -> RowChunk:
    return RowChunk(list(enumerate(rows, first)))


def predict(engine: Engine, folder: Path, chunks: Any, writer: Writer, progress: Counted) -> ShardManifest:
    shards = ShardFolder(folder, None)
    with shards.write(0) as shard_writer:
        predict_chunks(engine, COLUMNS, chunks, shard_writer, writer, progress)
    return shards.finished()[0]


def errors(folder: Path) -> list[dict[str, Any]]:
    path = ShardFolder(folder, None).errors_path(0)
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_predict_chunks_writes_valid_rows_in_their_order_and_records_the_others(engine: Engine, tmp_path: Path) -> None:
    # given chunks without a valid row at the start, in between and at the end
    chunks = [
        chunk(1, row("a", None)),
        chunk(2, row("b", "good"), row("c", " "), row("d", "bad")),
        chunk(5, row("e", 3), InvalidRow("in.jsonl:6", "not valid JSON", "{")),
        chunk(7),
        chunk(7, row("f", "bad"), row("g", "good " * 600)),
        chunk(9, row("h", "")),
    ]
    writer, progress = Collected(), Counted()
    counts = predict(engine, tmp_path, chunks, writer, progress)
    assert writer.rows == [("b", "up"), ("d", "down"), ("f", "down"), ("g", "up")]
    assert (counts.rows, counts.predicted, counts.errors, counts.truncated) == (9, 4, 5, 1)
    assert progress.counts == [1, 3, 2, 0, 2, 1]
    assert [(error["row"], error["id"]) for error in errors(tmp_path)] == [
        (1, "a"),
        (3, "c"),
        (5, "e"),
        (6, "in.jsonl:6"),
        (9, "h"),
    ]


def test_predict_chunks_counts_rows_that_the_writer_refuses_as_errors(engine: Engine, tmp_path: Path) -> None:
    writer = Collected("b", "d")
    chunks = [chunk(11, row("a", "good"), row("b", "bad")), chunk(13, row("c", None), row("d", "good"))]
    counts = predict(engine, tmp_path, chunks, writer, Counted())
    assert writer.rows == [("a", "up")]
    assert (counts.rows, counts.predicted, counts.errors) == (4, 1, 3)
    refused = [(error["row"], error["id"]) for error in errors(tmp_path) if error["reason"] == "too large"]
    assert refused == [(12, "b"), (14, "d")]


def test_predict_chunks_without_a_valid_row_writes_nothing(engine: Engine, tmp_path: Path) -> None:
    writer, progress = Collected(), Counted()
    counts = predict(engine, tmp_path, [chunk(1, row("a", None)), chunk(2, row("b", " "))], writer, progress)
    assert (counts.rows, counts.predicted, counts.errors, progress.counts) == (2, 0, 2, [1, 1])
    assert writer.rows == []


def test_predict_chunks_holds_a_few_chunks_at_a_time(engine: Engine, tmp_path: Path) -> None:
    progress, ahead = Counted(), []

    def chunks() -> Iterator[RowChunk]:
        for number in range(20):
            ahead.append(number - len(progress.counts))
            yield chunk(1 + number * 512, *(row(f"{number}.{index}", "good") for index in range(512)))

    counts = predict(engine, tmp_path, chunks(), Collected(), progress)
    assert (counts.predicted, len(progress.counts)) == (20 * 512, 20)
    assert max(ahead) <= 6


def test_predict_chunks_writes_a_file_of_the_chunks_columns(engine: Engine, tmp_path: Path) -> None:
    shards = ShardFolder(tmp_path, ".jsonl")
    chunks = [chunk(1, row("a", "good"), row("b", None)), chunk(3, row("c", "bad"))]
    with shards.write(0) as shard_writer:
        assert shard_writer.path is not None
        with open_writer(".jsonl", shard_writer.path, engine, COLUMN_TYPES) as writer:
            predict_chunks(engine, COLUMNS, chunks, shard_writer, writer, Counted())
    lines = [json.loads(line) for line in shards.predictions_path(0).read_text().splitlines()]
    assert [(line["id"], TEXTS[line["label"]]) for line in lines] == [("a", "good"), ("c", "bad")]
