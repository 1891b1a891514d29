import tracemalloc
from pathlib import Path

import pytest

from assay.corpus.errors import AssayError
from assay.corpus.example import Example
from assay.corpus.snapshot import Snapshot
from assay.corpus.splits import SplitName, Splits
from tests.snapshots import write_snapshot

SPLIT_NAMES: dict[str, SplitName] = {"a": "train", "b": "test", "d": "train"}


def test_splits_load_what_was_saved(tmp_path: Path) -> None:
    splits = Splits.create(
        SPLIT_NAMES,
        snapshot="s",
        method="stratified",
        clusters={"d": "a", "excluded": "a"},
        excluded={"because": 1},
        ledger="l",
        seen_in_training=2,
    )
    splits.save(tmp_path)
    loaded = Splits.load(tmp_path)
    assert loaded.split_of == SPLIT_NAMES
    assert loaded.clusters == {"a": "a", "b": "b", "d": "a"}
    assert loaded.manifest == splits.manifest
    assert loaded.manifest.counts == {"train": 2, "validation": 0, "test": 1}


def test_splits_digest_covers_ids_and_splits_in_any_order() -> None:
    turned = dict(reversed(SPLIT_NAMES.items()))
    moved: dict[str, SplitName] = {**SPLIT_NAMES, "a": "test"}
    digests = [Splits.create(split_of, snapshot="s", method="m").digest for split_of in (SPLIT_NAMES, turned, moved)]
    assert digests[0] == digests[1] != digests[2]


def test_splits_digest_covers_clusters() -> None:
    joined = Splits.create(SPLIT_NAMES, snapshot="s", method="m", clusters={"d": "a"})
    alone = Splits.create(SPLIT_NAMES, snapshot="s", method="m", clusters={"a": "a"})
    assert joined.digest != alone.digest == Splits.create(SPLIT_NAMES, snapshot="s", method="m").digest


def test_splits_rows_are_in_snapshot_order(tmp_path: Path) -> None:
    examples = [Example(name, f"text {name}") for name in "dcba"]
    snapshot = Snapshot.load(write_snapshot(tmp_path / "s", examples).path)
    splits = Splits.create(SPLIT_NAMES, snapshot=snapshot.digest, method="m")
    assert [row.id for row in splits.rows(snapshot, "train")] == ["d", "a"]
    assert splits.rows(snapshot, "validation") == []


def test_splits_stream_rows_in_constant_memory(tmp_path: Path) -> None:
    examples = [Example(str(number), f"text {number} of many" * 5, label="up") for number in range(20_000)]
    snapshot = Snapshot.load(write_snapshot(tmp_path / "s", examples).path)
    split_of: dict[str, SplitName] = {
        example.id: "test" if example.id.endswith("7") else "train" for example in examples
    }
    splits = Splits.create(split_of, snapshot=snapshot.digest, method="m")
    del examples

    streamed = splits.stream(snapshot, "train")
    tracemalloc.start()
    count = sum(len(row.text) > 0 for row in streamed)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.reset_peak()
    listed = splits.rows(snapshot, "train")
    _, whole = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert count == len(streamed) == len(listed) == 18_000
    assert list(streamed) == listed  # a second loop finds them all again
    assert listed[5] in streamed
    assert peak < whole / 4


def test_splits_load_rejects_an_unfinished_folder(tmp_path: Path) -> None:
    with pytest.raises(AssayError, match=r"holds no splits\.json: not finished splits; run with --from split"):
        Splits.load(tmp_path)
