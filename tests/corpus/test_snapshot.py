import json
from pathlib import Path

import pytest

from assay.corpus import snapshot as snapshot_module
from assay.corpus.errors import AssayError
from assay.corpus.example import Entity, Example
from assay.corpus.snapshot import Snapshot, SnapshotWriter
from tests.snapshots import write_snapshot

ROWS = [
    Example("a", "Rome is old", label="yes", entities=(Entity(0, 4, "CITY"),), slices={"year": "2024"}),
    Example("b", "  spaces and\nlines are verbatim ", text_pair="ja – „süß“", label="no", entities=()),
    Example("c", "no label", split="test", group="g", time="2024-01-01", slices={"year": None}),
]


def test_snapshot_returns_rows_as_written(tmp_path: Path) -> None:
    snapshot = Snapshot.load(write_snapshot(tmp_path / "s", ROWS, ["year"]).path)
    examples = list(snapshot.examples())
    # a row that lacks a slice column reads as one whose value is empty
    assert examples[0] == ROWS[0]
    assert examples[1].entities == ()
    assert examples[1].text == ROWS[1].text
    assert examples[1].text_pair == ROWS[1].text_pair
    assert examples[2].entities is None
    assert examples[2].slices == {"year": None}
    assert len(snapshot) == 3


def test_snapshot_manifest_counts_labels_and_documents(tmp_path: Path) -> None:
    (tmp_path / "s").mkdir()
    writer = SnapshotWriter(tmp_path / "s", [], {"kind": "test"})
    writer.add(ROWS[:2], [("a.3", "no text", {"text": None})])
    writer.add([], [("b", "not an object", "nonsense")])
    writer.add([])
    manifest = writer.finish()
    # then documents = used + filtered + rejected, and every rejected part has a line
    assert manifest.counts.model_dump() == {
        "documents": 3,
        "used": 1,
        "filtered": 1,
        "rejected": 1,
        "rows": 2,
        "rejects": 2,
        "no_label": 0,
    }
    assert manifest.labels == {"no": 1, "yes": 1}
    assert manifest.entity_labels == {"CITY": 1}
    lines = Snapshot.load(tmp_path / "s").rejects_path.read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["reason"] for line in lines] == ["no text", "not an object"]


def test_snapshot_digest_depends_on_rows_and_order_only(tmp_path: Path) -> None:
    plain = write_snapshot(tmp_path / "a", ROWS[:2])
    same = write_snapshot(tmp_path / "b", ROWS[:2])
    turned = write_snapshot(tmp_path / "c", ROWS[1::-1])
    changed = write_snapshot(tmp_path / "d", [ROWS[0], Example("b", "another text")])
    assert plain.digest == same.digest
    assert len({plain.digest, turned.digest, changed.digest}) == 3


def test_snapshot_writer_divides_rows_into_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshot_module, "ROWS_PER_BATCH", 10)
    monkeypatch.setattr(snapshot_module, "ROWS_PER_PART", 30)
    rows = [Example(f"r{number}", f"text {number}") for number in range(75)]
    snapshot = Snapshot.load(write_snapshot(tmp_path / "s", rows).path)
    assert [part.rows for part in snapshot.manifest.parts] == [30, 30, 15]
    assert [row.id for row in snapshot.examples()] == [row.id for row in rows]
    snapshot.verify()


def test_snapshot_may_be_empty(tmp_path: Path) -> None:
    snapshot = Snapshot.load(write_snapshot(tmp_path / "s", []).path)
    assert list(snapshot.examples()) == []
    assert len(snapshot) == 0


def test_snapshot_load_rejects_an_unfinished_folder(tmp_path: Path) -> None:
    writer = SnapshotWriter(tmp_path, [], {})
    writer.add(ROWS[:1])
    with pytest.raises(AssayError, match="not a finished snapshot; run the extraction again"):
        Snapshot.load(tmp_path)
    writer.finish()


@pytest.mark.parametrize("fault", ["changed", "missing"])
def test_snapshot_verify_names_a_changed_or_missing_part(tmp_path: Path, fault: str) -> None:
    snapshot = Snapshot.load(write_snapshot(tmp_path / "s", ROWS[:2]).path)
    part = snapshot.part_paths()[0]
    if fault == "missing":
        part.unlink()
    else:
        part.write_bytes(part.read_bytes() + b" ")
    with pytest.raises(AssayError, match=r"part-00000\.parquet is missing or has changed"):
        snapshot.verify()


def test_snapshot_writer_takes_a_lone_surrogate(tmp_path: Path) -> None:
    (tmp_path / "s").mkdir()
    writer = SnapshotWriter(tmp_path / "s", [], {})
    writer.add([], [("a", "text is not valid UTF-8", "bad \ud800 end")])
    assert writer.finish().counts.rejects == 1
