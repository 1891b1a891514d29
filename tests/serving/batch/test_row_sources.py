import json
import os
import re
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from assay.corpus.documents.raw_document import InvalidRow
from assay.corpus.errors import AssayError
from assay.corpus.sources.file_settings import FileSettings
from assay.serving.batch import row_sources
from assay.serving.batch.chunks import BatchChunk, RowChunk
from assay.serving.batch.row_sources import FileSource


@pytest.mark.parametrize(
    ("name", "data", "settings"),
    [
        ("in.csv", "text;n\n" + "".join(f'"ä\n{n}";{n}\n' for n in range(9)), {"encoding": "windows-1252"}),
        ("in.tsv", "text\tn\n" + "".join(f"ä\t{n}\n" for n in range(9)), {"encoding": "utf-16"}),
        ("in.json", json.dumps([{"text": f"ä {n}"} for n in range(9)]), {}),
    ],
)
def test_file_source_reads_each_shard_alone(tmp_path: Path, name: str, data: str, settings: dict[str, str]) -> None:
    (tmp_path / name).write_bytes(data.encode(settings.get("encoding", "utf-8")))
    source = FileSource(tmp_path / name, FileSettings.model_validate(settings))
    scan = source.scan(4, "json")

    whole = [text for _, chunk in source.chunks(scan, range(3), "json") for text in chunk.column("text")]
    single = [
        text
        for shard in range(3)
        for _, chunk in source.chunks(scan, range(shard, shard + 1), "json")
        for text in chunk.column("text")
    ]

    assert (scan.rows, len(scan.starts)) == (9, 3)
    assert whole == single
    assert whole[8].startswith("ä")
    changed = FileSource(tmp_path / name, source.settings.model_copy(update={"quotes": True}))
    assert source.identity() != changed.identity()


def test_file_source_refuses_columns_of_a_file_that_names_its_fields(tmp_path: Path) -> None:
    path = tmp_path / "in.jsonl"
    path.write_text('{"text": "good"}\n')

    with pytest.raises(AssayError, match=r"^--columns names .*, but .*in\.jsonl is JSON lines; leave it out$"):
        FileSource(path, FileSettings(columns={"text": 1})).scan(4, "json")


def test_file_source_yields_shards_of_parquet_across_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(row_sources, "ROWS_PER_CHUNK", 4)
    pq.write_table(pa.table({"n": range(11)}), tmp_path / "in.parquet", row_group_size=5)
    source = FileSource(tmp_path / "in.parquet")
    scan = source.scan(3, "table")

    def read(shards: range) -> dict[int, list[int]]:
        found: dict[int, list[int]] = {}
        for shard, chunk in source.chunks(scan, shards, "table"):
            assert isinstance(chunk, BatchChunk)
            values = list(chunk.column("n"))
            assert [chunk.number(index) for index in range(len(chunk))] == [value + 1 for value in values]
            found.setdefault(shard, []).extend(values)
        return found

    assert read(range(4)) == {0: [0, 1, 2], 1: [3, 4, 5], 2: [6, 7, 8], 3: [9, 10]}
    assert read(range(1, 3)) == {1: [3, 4, 5], 2: [6, 7, 8]}
    assert read(range(3, 4)) == {3: [9, 10]}


def test_file_source_reads_parquet_as_objects_where_the_target_holds_json(tmp_path: Path) -> None:
    pq.write_table(pa.table({"text": ["good"]}), tmp_path / "in.parquet")
    source = FileSource(tmp_path / "in.parquet")
    ((shard, chunk),) = source.chunks(source.scan(3, "json"), range(1), "json")
    assert isinstance(chunk, RowChunk)
    assert (shard, chunk.numbered) == (0, [(1, {"text": "good"})])


def test_file_source_sets_aside_parquet_texts_that_are_not_utf8(tmp_path: Path) -> None:
    texts = pa.Array.from_buffers(
        pa.string(), 2, [None, pa.py_buffer(b"\0\0\0\0\1\0\0\0\2\0\0\0"), pa.py_buffer(b"a\xff")]
    )
    pq.write_table(pa.table({"text": texts}), tmp_path / "in.parquet")
    source = FileSource(tmp_path / "in.parquet")
    ((_, chunk),) = source.chunks(source.scan(3, "table"), range(1), "table")
    valid, invalid = chunk.column("text")
    assert valid == "a"
    assert isinstance(invalid, InvalidRow)


def test_file_source_has_another_identity_when_its_file_changes(tmp_path: Path) -> None:
    path = tmp_path / "in.jsonl"
    path.write_text('{"text": "good"}\n')
    source = FileSource(path)
    first = source.identity()
    assert first == json.loads(json.dumps(first)) == FileSource(path).identity()
    status = path.stat()
    path.write_text('{"text": "fine"}\n')
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert source.identity() != first


def test_file_source_of_an_empty_file_has_one_shard_without_rows(tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_text("")
    source = FileSource(tmp_path / "in.jsonl")
    scan = source.scan(3, "json")
    assert (scan.rows, scan.names, len(scan.starts)) == (0, [], 1)
    assert list(source.chunks(scan, range(1), "json")) == []


def test_file_source_names_a_path_that_is_no_file(tmp_path: Path) -> None:
    for path, message in ((tmp_path, f"{tmp_path} is not a file; check the path"), (tmp_path / "gone.csv", "gone.csv")):
        for call in (FileSource(path).identity, lambda path=path: FileSource(path).scan(3, "json")):
            with pytest.raises(AssayError, match=re.escape(message)):
                call()
