import gzip
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from assay.corpus.errors import AssayError
from assay.serving.batch.chunks import RowChunk
from assay.serving.batch.scan import Column
from assay.serving.batch.targets import FileTarget, join_bytes
from assay.serving.engine import Engine, Row
from assay.serving.prediction_options import PredictionOptions

TEXTS = ["good Apple", "bad", "fine"]


def _shards(target: FileTarget, engine: Engine, folder: Path) -> list[Path]:
    """Write a row per shard."""
    paths = []
    for shard, text in enumerate(TEXTS):
        paths.append(folder / f"{shard}{target.suffix}")
        with target.open(paths[-1], engine, [Column("text", pa.string())], shard) as writer:
            writer.write(RowChunk([(1, {"text": text})]), [0], [text], engine.predict([Row(text)]))
    return paths


@pytest.mark.parametrize("name", ["out.jsonl", "out.jsonl.gz", "out.csv", "out.tsv.gz", "out.parquet"])
def test_file_target_joins_shards_in_their_order(engine: Engine, tmp_path: Path, name: str) -> None:
    target = FileTarget(tmp_path / name)
    (tmp_path / "shards").mkdir()
    parts = _shards(target, engine, tmp_path / "shards")

    target.join(parts, tmp_path / "shards")

    if name.endswith("parquet"):
        table = pq.read_table(target.path)
        assert (table["text"].to_pylist(), table["label"].to_pylist()) == (TEXTS, ["up", "down", "up"])
        assert pq.ParquetFile(target.path).num_row_groups == 1
    else:
        data = target.path.read_bytes()
        lines = (gzip.decompress(data) if name.endswith("gz") else data).decode().splitlines()
        # only the first shard of a table has a header
        assert len(lines) == 3 + ("jsonl" not in name)
        found = [next(text for text in TEXTS if text in line) for line in lines[-3:]]
        assert found == TEXTS
    assert sorted(path.name for path in (tmp_path / "shards").iterdir()) == [path.name for path in parts]


def test_file_target_keeps_the_old_file_when_a_shard_cannot_be_read(engine: Engine, tmp_path: Path) -> None:
    target = FileTarget(tmp_path / "out.jsonl")
    target.path.write_text("old")
    (tmp_path / "shards").mkdir()
    parts = _shards(target, engine, tmp_path / "shards")
    with pytest.raises(FileNotFoundError):
        target.join([*parts, tmp_path / "gone"], tmp_path / "shards")
    assert target.path.read_text() == "old"
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_file()) == ["out.jsonl"]


def test_file_target_publishes_a_file_when_the_block_ends(tmp_path: Path) -> None:
    target = FileTarget(tmp_path / "out.jsonl")
    with target.publish() as partial:
        partial.write_text("new")
        assert not target.path.exists()
    assert target.path.read_text() == "new"


def test_file_target_has_an_identity_of_its_format_and_options_but_not_of_its_name() -> None:
    target = FileTarget(Path("a.CSV"))
    assert (target.name, target.suffix, target.layout) == ("a.CSV", ".csv", "json")
    assert FileTarget(Path("a.parquet")).layout == "table"
    assert target.identity() == FileTarget(Path("other/b.csv")).identity()
    assert target.identity() != FileTarget(Path("a.tsv")).identity()
    assert target.identity() != FileTarget(Path("a.csv"), PredictionOptions(threshold=0.5)).identity()


def test_file_target_names_a_file_that_it_cannot_write() -> None:
    with pytest.raises(AssayError, match=r"out\.xlsx cannot be written; end its name with one of"):
        _ = FileTarget(Path("out.xlsx")).suffix


def test_join_bytes_of_no_files_is_an_empty_file(tmp_path: Path) -> None:
    join_bytes([], tmp_path / "joined")
    assert (tmp_path / "joined").read_bytes() == b""
