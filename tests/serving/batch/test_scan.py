import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from assay.corpus.errors import AssayError
from assay.corpus.sources.recognition import describe_file
from assay.serving.batch.row_sources import UNCHANGED
from assay.serving.batch.scan import Column, Scan, ScanRecord, line_position, plain, scan_file


def _scan(path: Path, shard_rows: int = 2, *, with_types: bool = True) -> Scan:
    return scan_file(path, describe_file(path, UNCHANGED), shard_rows, with_types=with_types)


def _lines(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def test_scan_file_counts_invalid_rows_and_starts_each_shard_at_its_line(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b'{"text": "a"}\n[1]\n{"text": "b"}\nno json\n{"text": "c"}\n')

    scan = _scan(path)

    assert (scan.rows, scan.names, scan.shard_rows) == (5, ["text"], 2)
    positions = [line_position(start) for start in scan.starts]
    assert [position.line for position in positions] == [0, 2, 4]
    assert [path.read_bytes()[position.offset :][:13] for position in positions] == [
        b'{"text": "a"}',
        b'{"text": "b"}',
        b'{"text": "c"}',
    ]


@pytest.mark.parametrize(
    ("values", "kind", "as_json"),
    [
        ([1, 2], pa.int64(), False),
        ([1, 2.5], pa.float64(), False),
        ([None, True], pa.bool_(), False),
        ([None, None], pa.string(), False),
        ([1, "one"], pa.string(), True),
        (["one", 1, 2], pa.string(), True),
        ([{}, {"a": 1}], pa.string(), True),
        ([[{}], None], pa.string(), True),
        ([10**30, 1], pa.string(), True),
        ([["a"], []], pa.list_(pa.string()), False),
    ],
)
def test_scan_file_finds_the_common_type_of_a_column(
    tmp_path: Path, values: list[Any], kind: pa.DataType, as_json: bool
) -> None:
    scan = _scan(_lines(tmp_path / "rows.jsonl", [{"x": value} for value in values]), shard_rows=1)
    assert scan.columns == [Column("x", kind, as_json)]


def test_scan_file_names_columns_in_the_order_of_their_first_occurrence(tmp_path: Path) -> None:
    path = _lines(tmp_path / "rows.jsonl", [{"b": 1}, {"a": "x", "b": 2}, {"late \ud83d": 1}])
    assert _scan(path).names == ["b", "a", "late \ufffd"]
    without = _scan(path, with_types=False)
    assert [column.type for column in without.columns] == [pa.string()] * 3


def test_scan_file_gives_an_empty_file_one_shard(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text("")
    assert _scan(tmp_path / "rows.jsonl") == Scan(0, [], 2, ["0:0"])
    pq.write_table(pa.table({"text": pa.array([], pa.string())}), tmp_path / "rows.parquet")
    assert _scan(tmp_path / "rows.parquet") == Scan(0, [Column("text", pa.string())], 2, ["0"])


def test_scan_file_reads_only_the_footer_of_a_parquet_file(tmp_path: Path) -> None:
    table = pa.table({"text": ["a"] * 5, "n": pa.array(range(5), pa.int8())})
    pq.write_table(table, tmp_path / "rows.parquet")
    scan = _scan(tmp_path / "rows.parquet")
    assert scan == Scan(5, [Column("text", pa.string()), Column("n", pa.int8())], 2, ["0", "2", "4"])


def test_scan_file_names_a_damaged_parquet_file(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    pq.write_table(pa.table({"text": ["a"]}), path)
    path.write_bytes(path.read_bytes()[:-20] + b"\xff" * 16 + b"PAR1")
    with pytest.raises(AssayError, match=r"rows\.parquet"):
        _scan(path)


def test_scan_record_returns_the_scan_that_it_stored() -> None:
    columns = [Column("text", pa.string()), Column("at", pa.timestamp("ms", "UTC")), Column("x", pa.string(), True)]
    scan = Scan(7, columns, 3, ["0:0", "90:3", "180:6"])
    record = ScanRecord.model_validate_json(ScanRecord.of(scan).model_dump_json())
    assert record.scan() == scan


def test_plain_replaces_what_a_format_cannot_hold_at_any_depth() -> None:
    values = {"\ud83d": [float("nan"), float("-inf"), 1.5, ("k\udc00", None)], "ok": "Süß 🎉", "n": 10**30}
    assert plain(values) == {"\ufffd": [None, None, 1.5, ("k\ufffd", None)], "ok": "Süß 🎉", "n": 10**30}
