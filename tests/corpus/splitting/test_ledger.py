import threading
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from assay.corpus.errors import AssayError
from assay.corpus.splitting.duplicates import NO_KEY, HashArray
from assay.corpus.splitting.ledger import ledger_path, open_ledger
from assay.corpus.splitting.stratify import NO_SPLIT, TEST, TRAIN, VALIDATION, SplitArray
from assay.corpus.storage.object_store import SharedStore


def keys(*names: str) -> HashArray:
    return np.array([name.encode().ljust(16, b"k") for name in names], dtype="S16")


def split_of(*values: int) -> SplitArray:
    return np.array(values, dtype=np.int8)


def record(path: Path, names: HashArray, values: SplitArray, *, remember: bool = True) -> None:
    with open_ledger(path) as ledger:
        ledger.record(names, values, remember=remember)


def test_ledger_returns_the_splits_of_known_keys_only(tmp_path: Path) -> None:
    path = ledger_path(tmp_path, "tiny")
    record(path, keys("b", "a", "c"), split_of(TEST, TRAIN, VALIDATION))
    with open_ledger(path) as ledger:
        assert ledger.split_of(keys("a", "b", "c", "d", "0")).tolist() == [TRAIN, TEST, VALIDATION, NO_SPLIT, NO_SPLIT]
        assert ledger.trained(keys("a", "b", "d")).tolist() == [True, False, False]
        assert len(ledger) == 3


def test_ledger_may_be_empty(tmp_path: Path) -> None:
    with open_ledger(tmp_path / "new.parquet") as ledger:
        assert ledger.split_of(keys("a")).tolist() == [NO_SPLIT]
        assert ledger.trained(keys("a")).tolist() == [False]


def test_ledger_skips_rows_without_split_or_key(tmp_path: Path) -> None:
    path = tmp_path / "l.parquet"
    names = np.array([keys("a")[0], keys("b")[0], NO_KEY], dtype="S16")
    record(path, names, split_of(TRAIN, NO_SPLIT, TEST))
    with open_ledger(path) as ledger:
        assert ledger.split_of(names).tolist() == [TRAIN, NO_SPLIT, NO_SPLIT]


def test_ledger_keeps_id_and_revision_when_nothing_changes(tmp_path: Path) -> None:
    path = tmp_path / "l.parquet"
    record(path, keys("a"), split_of(TRAIN))
    with open_ledger(path) as ledger:
        first = ledger.id
    before = path.read_bytes()
    # when the same is recorded again, then more
    record(path, keys("a"), split_of(TRAIN))
    assert path.read_bytes() == before
    record(path, keys("b"), split_of(TEST))
    with open_ledger(path) as ledger:
        assert (ledger.id, ledger.revision) == (first, 2)
        assert ledger.split_of(keys("a", "b")).tolist() == [TRAIN, TEST]


def test_ledger_keeps_the_split_that_is_held_out_most(tmp_path: Path) -> None:
    path = tmp_path / "l.parquet"
    record(path, keys("group", "group", "a", "b"), split_of(TRAIN, TEST, TEST, TRAIN))
    record(path, keys("a", "b", "group"), split_of(TRAIN, VALIDATION, VALIDATION))
    with open_ledger(path) as ledger:
        assert ledger.split_of(keys("group", "a", "b")).tolist() == [TEST, TEST, VALIDATION]
        assert ledger.trained(keys("group", "a", "b")).tolist() == [True, True, True]


def test_open_ledger_rejects_keys_of_another_version(tmp_path: Path) -> None:
    path = tmp_path / "l.parquet"
    record(path, keys("a"), split_of(TEST))
    table = pq.read_table(path)
    metadata = {name: value for name, value in table.schema.metadata.items() if name != b"keys"}
    for version, metadata_changes in (("1", {}), ("99", {b"keys": b"99"})):
        pq.write_table(table.replace_schema_metadata({**metadata, **metadata_changes}), path)
        with pytest.raises(AssayError, match=rf"l\.parquet holds keys of version {version}.* or delete it") as caught:
            record(path, keys("b"), split_of(TRAIN))
        assert "\n" not in str(caught.value)


def test_ledger_keeps_trained_keys_without_remembering(tmp_path: Path) -> None:
    path = tmp_path / "l.parquet"
    record(path, keys("a"), split_of(TRAIN))
    record(path, keys("a"), split_of(TEST), remember=False)
    with open_ledger(path) as ledger:
        assert ledger.split_of(keys("a")).tolist() == [TEST]
        assert ledger.trained(keys("a")).tolist() == [True]


def test_ledger_distinguishes_keys_that_end_in_zero_bytes(tmp_path: Path) -> None:
    path = tmp_path / "l.parquet"
    names = np.frombuffer(b"a" * 14 + b"\0\0" + b"a" * 15 + b"\0" + b"\0" * 15 + b"a", dtype="S16")
    record(path, names, split_of(TRAIN, TEST, VALIDATION))
    with open_ledger(path) as ledger:
        assert ledger.split_of(names).tolist() == [TRAIN, TEST, VALIDATION]


@pytest.mark.parametrize("damage", ["truncated", "not parquet", "empty"])
def test_open_ledger_rejects_a_damaged_file(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "l.parquet"
    record(path, keys("a", "b"), split_of(TRAIN, TEST))
    whole = path.read_bytes()
    path.write_bytes({"truncated": whole[:-20], "not parquet": b"hello", "empty": b""}[damage])
    with (
        pytest.raises(AssayError, match=r"l\.parquet is damaged: .* restore it from a backup"),
        open_ledger(path),
    ):
        pass


def test_open_ledger_rejects_a_changed_file(tmp_path: Path) -> None:
    # given a ledger in which somebody turned a test row into a training row
    path = tmp_path / "l.parquet"
    record(path, keys("a", "b"), split_of(TRAIN, TEST))
    table = pq.read_table(path)
    changed = table.set_column(1, "split", pa.array([TRAIN, TRAIN], pa.int8()))
    pq.write_table(changed.replace_schema_metadata(table.schema.metadata), path)
    with pytest.raises(AssayError, match="is not the split ledger that Assay wrote"), open_ledger(path):
        pass


def test_open_ledger_serves_one_run_at_a_time(tmp_path: Path) -> None:
    path = tmp_path / "l.parquet"
    recorded = threading.Event()

    def wait_and_record() -> None:
        record(path, keys("a"), split_of(TEST))
        recorded.set()

    with open_ledger(path):
        waiting = threading.Thread(target=wait_and_record)
        waiting.start()
        # then the other waits, and one without patience names the holder
        assert not recorded.wait(0.3)
        with (
            pytest.raises(AssayError, match=r"has been held by another run for 0\.05 s"),
            open_ledger(path, timeout=0.05),
        ):
            pass
    waiting.join(300)
    assert recorded.is_set()


def test_ledger_survives_a_failed_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "l.parquet"
    record(path, keys("a"), split_of(TRAIN))

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched, pytest.raises(OSError, match="No space"):
        patched.setattr(pq, "write_table", full)
        record(path, keys("b"), split_of(TEST))
    with open_ledger(path) as ledger:
        assert ledger.split_of(keys("a", "b")).tolist() == [TRAIN, NO_SPLIT]
    assert sorted(file.name for file in tmp_path.iterdir()) == ["l.parquet", "l.parquet.lock"]


def test_save_part_keeps_the_entries_of_its_keys(tmp_path: Path) -> None:
    path, part = tmp_path / "l.parquet", tmp_path / "part.parquet"
    record(path, keys("b", "a", "c"), split_of(TEST, TRAIN, VALIDATION))
    with open_ledger(path) as ledger:
        ledger.save_part(keys("c", "a", "a", "new"), part)
        ledger.record(keys("a"), split_of(TEST), remember=False)
    with open_ledger(part) as then:
        assert (then.id, then.revision) == (ledger.id, 1)
        assert then.split_of(keys("a", "b", "c", "new")).tolist() == [TRAIN, NO_SPLIT, VALIDATION, NO_SPLIT]
        assert then.trained(keys("a", "c")).tolist() == [True, False]


def test_save_part_of_a_new_ledger_has_its_id(tmp_path: Path) -> None:
    with open_ledger(tmp_path / "l.parquet") as ledger:
        ledger.save_part(keys("a"), tmp_path / "part.parquet")
    with open_ledger(tmp_path / "part.parquet") as then:
        assert (then.id, len(then)) == (ledger.id, 0)


def test_erase_removes_known_keys_alone(tmp_path: Path) -> None:
    path = tmp_path / "l.parquet"
    record(path, keys("a", "b"), split_of(TRAIN, TEST))
    before = path.read_bytes()
    with open_ledger(path) as ledger:
        assert ledger.erase(keys("c")) == 0
        assert path.read_bytes() == before
        assert ledger.erase(keys("a", "a", "c")) == 1
    with open_ledger(path) as ledger:
        assert ledger.split_of(keys("a", "b")).tolist() == [NO_SPLIT, TEST]


def test_ledger_of_a_run_without_rows_to_record_is_empty(tmp_path: Path) -> None:
    path = tmp_path / "l.parquet"
    record(path, keys("a"), split_of(NO_SPLIT))
    with open_ledger(path) as ledger:
        assert len(ledger) == 0


def test_ledger_is_shared_with_other_machines(tmp_path: Path, bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    shared, written = SharedStore(f"{bucket}/team"), list[str]()
    write = SharedStore.write

    def noted(store: SharedStore, name: str, content: bytes) -> None:
        written.append(name)
        write(store, name, content)

    monkeypatch.setattr(SharedStore, "write", noted)
    here, there = (ledger_path(tmp_path / machine, "news") for machine in ("here", "there"))
    with open_ledger(here, shared) as ledger:
        ledger.record(keys("a"), split_of(TEST), remember=True)
    with open_ledger(there, shared) as ledger:
        assert ledger.split_of(keys("a")).tolist() == [TEST]
    assert shared.read("ledger/news.parquet") == here.read_bytes()
    # A block that changes nothing writes nothing, and a failed one shares nothing.
    assert [name for name in written if not name.startswith("locks/")] == ["ledger/news.parquet"]
    with pytest.raises(RuntimeError), open_ledger(there, shared) as ledger:
        ledger.record(keys("b"), split_of(TRAIN), remember=True)
        raise RuntimeError
    with open_ledger(here, shared) as ledger:
        assert ledger.split_of(keys("a", "b")).tolist() == [TEST, NO_SPLIT]
