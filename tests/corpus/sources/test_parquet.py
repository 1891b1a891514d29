from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from assay.corpus.documents.raw_document import InvalidRow
from assay.corpus.errors import AssayError
from assay.corpus.sources.parquet import batch_rows, parquet_rows, read_batches

ROWS = 25


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """25 rows in row groups of 10, 10 and 5."""
    file = tmp_path / "rows.parquet"
    pq.write_table(pa.table({"n": range(ROWS)}), file, row_group_size=10)
    return file


@pytest.mark.parametrize("start", [0, 1, 7, 9, 10, 11, 20, 24, ROWS, ROWS + 9])
@pytest.mark.parametrize("size", [3, 10, 1_024])
def test_read_batches_begins_at_any_row(path: Path, start: int, size: int) -> None:
    batches = list(read_batches(path, start, size))
    assert [number for batch in batches for number in batch["n"].to_pylist()] == list(range(start, ROWS))
    assert all(0 < len(batch) <= size for batch in batches)


def test_read_batches_of_an_empty_table_is_empty(tmp_path: Path) -> None:
    pq.write_table(pa.table({"n": pa.array([], pa.int64())}), tmp_path / "rows.parquet")
    assert list(parquet_rows(tmp_path / "rows.parquet")) == []


@pytest.mark.parametrize("content", [b"", b"text,label\n", b"PAR1", b"PAR1" + b"\0" * 99 + b"PAR1"])
def test_read_batches_names_a_damaged_file(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "rows.parquet").write_bytes(content)
    with pytest.raises(AssayError, match=r"rows\.parquet is damaged or not Parquet: ") as caught:
        list(read_batches(tmp_path / "rows.parquet"))
    assert "\n" not in str(caught.value)


def test_read_batches_names_a_file_damaged_in_the_middle(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[4:40] = b"x" * 36  # the first page, while the footer is whole
    path.write_bytes(content)
    with pytest.raises(AssayError, match=r"rows\.parquet is damaged or not Parquet: "):
        list(read_batches(path))
    assert sum(len(batch) for batch in read_batches(path, 10)) == 15


def test_read_batches_refuses_two_columns_of_one_name(tmp_path: Path) -> None:
    table = pa.table([pa.array([1]), pa.array([2])], names=["n", "n"])
    pq.write_table(table, tmp_path / "rows.parquet")
    with pytest.raises(AssayError, match=r"rows\.parquet has the column 'n' more than once; rename one"):
        list(read_batches(tmp_path / "rows.parquet"))


def test_parquet_rows_are_numbered_across_row_groups(path: Path) -> None:
    assert list(parquet_rows(path)) == [(number + 1, {"n": number}) for number in range(ROWS)]


def test_batch_rows_loses_only_the_rows_that_python_cannot_hold() -> None:
    text = pa.array([b"good", b"b\xffd", b"fine", b"last"]).view(pa.string())
    time = pa.array([0, 0, 2**60, 1], pa.timestamp("s"))
    batch = pa.RecordBatch.from_arrays([text, time], names=["text", "time"])
    rows = batch_rows(Path("folder/rows.parquet"), 40, batch)
    assert [row["text"] for row in rows if isinstance(row, dict)] == ["good", "last"]
    assert rows[1:3] == [
        InvalidRow("rows.parquet:42", "not valid UTF-8", None),
        InvalidRow("rows.parquet:43", "time is outside the calendar: Python holds the years 1 to 9999", None),
    ]


@pytest.mark.parametrize(
    "value",
    [
        pa.array([-(2**62)], pa.timestamp("us")),
        pa.array([2**62], pa.timestamp("ms", tz="Europe/Berlin")),
        pa.array([2**30], pa.date32()),
        pa.array([2**60], pa.duration("s")),
        pa.array([1], pa.timestamp("us", tz="Mars/Olympus")),
    ],
    ids=lambda value: str(value.type),
)
def test_batch_rows_rejects_times_that_python_cannot_hold(value: pa.Array) -> None:
    (row,) = batch_rows(Path("rows.parquet"), 0, pa.RecordBatch.from_arrays([value], names=["time"]))
    assert isinstance(row, InvalidRow)
    assert row.reason.startswith(("time is outside the calendar: ", "not readable: "))
