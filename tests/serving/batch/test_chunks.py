import json
from datetime import date
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from assay.corpus.documents.raw_document import InvalidRow
from assay.serving.batch.chunks import BatchChunk, InputChunk, RowChunk, to_json
from assay.serving.batch.scan import Column

ROWS: list[dict[str, Any]] = [
    {"text": "a", "doc": {"body": {"text": "x"}}, "n": 1},
    {"text": None, "doc": None, "n": 2},
    {"text": "c", "doc": {"body": None}, "n": 3},
]


def _chunks() -> list[InputChunk]:
    batch = pa.RecordBatch.from_pylist(ROWS)
    return [RowChunk(list(enumerate(ROWS, 11))), BatchChunk(batch, 10, "in.parquet")]


@pytest.mark.parametrize("chunk", _chunks(), ids=["rows", "batch"])
def test_chunk_reads_columns_and_values_within_objects(chunk: InputChunk) -> None:
    assert (len(chunk), chunk.number(0), chunk.number(2)) == (3, 11, 13)
    assert chunk.column("text") == ["a", None, "c"]
    assert chunk.column("doc.body.text") == ["x", None, None]
    for missing in ("body", "doc.text", "doc.body.text.deeper", "text.length"):
        assert chunk.column(missing) == [None, None, None]


@pytest.mark.parametrize("chunk", _chunks(), ids=["rows", "batch"])
def test_chunk_takes_rows_and_arrays_by_their_indices(chunk: InputChunk) -> None:
    assert [row["n"] for row in chunk.rows([2, 0])] == [3, 1]
    (array,) = chunk.arrays([0, 2], [Column("n", pa.int64())])
    assert array.to_pylist() == [1, 3]
    assert list(chunk.rows([])) == []


def test_chunk_prefers_a_column_whose_name_has_a_dot_to_a_value_within_an_object() -> None:
    row = {"a.b": "column", "a": {"b": "within"}}
    assert RowChunk([(1, row)]).column("a.b") == ["column"]
    assert BatchChunk(pa.RecordBatch.from_pylist([row]), 0, "in.parquet").column("a.b") == ["column"]


def test_row_chunk_passes_invalid_rows_on_in_columns_and_leaves_them_out_of_rows() -> None:
    invalid = InvalidRow("in.jsonl:2", "not valid JSON", "{")
    chunk = RowChunk([(1, {"text": "a"}), (2, invalid)])
    assert chunk.column("text") == ["a", invalid]
    assert chunk.rows([0, 1]) == [{"text": "a"}]


def test_batch_chunk_marks_values_that_python_cannot_hold() -> None:
    times = pa.array([0, 2**60], pa.timestamp("s"))
    chunk = BatchChunk(pa.RecordBatch.from_arrays([times], names=["id"]), 10, "in.parquet")
    ids = chunk.column("id")
    assert isinstance(ids[1], InvalidRow)
    assert (ids[0].year, ids[1].id, ids[1].reason.partition(":")[0]) == (
        1970,
        "in.parquet:12",
        "time is outside the calendar",
    )
    assert len(list(chunk.rows([0, 1]))) == 1


def test_row_chunk_writes_mixed_values_as_json_and_leaves_missing_ones_empty() -> None:
    rows: list[dict[str, Any]] = [{"x": 1}, {"x": "\ud83d"}, {}, {"x": None}]
    chunk = RowChunk([*enumerate(rows, 1)])
    (array,) = chunk.arrays(range(4), [Column("x", pa.string(), as_json=True)])
    assert array.to_pylist() == ["1", '"\ufffd"', None, None]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"a": "Süß 🎉"}, '{"a": "Süß 🎉"}'),
        ([1.5, float("nan"), float("inf")], "[1.5, null, null]"),
        ("\ud83d", '"\ufffd"'),
        ({"d": date(2026, 1, 2), "p": Decimal("1.50")}, '{"d": "2026-01-02", "p": "1.50"}'),
        ("two\nlines\u2028", '"two\\nlines\u2028"'),
        ({1: "a", None: "b"}, '{"1": "a", "null": "b"}'),
    ],
)
def test_to_json_returns_one_line_that_every_tool_reads(value: Any, text: str) -> None:
    assert to_json(value) == text
    assert "\n" not in text
    json.loads(text)
