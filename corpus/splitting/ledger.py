"""The split ledger: the split of each row of a recipe in earlier runs.

One Parquet file per recipe holds hashes of rows, duplicates, groups and documents, never text. Id, revision, digest and
the version of the keys are in the file's metadata, so that one rename replaces all of it at once.

A key that was in several splits counts for the one that is held out most: test before validation before train.
"""

import hashlib
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from filelock import FileLock, Timeout
from numpy.typing import NDArray

from assay.corpus.errors import AssayError
from assay.corpus.near_duplicates import VERSION
from assay.corpus.splitting.duplicates import HASH_BYTES, NO_KEY, HashArray
from assay.corpus.splitting.stratify import NO_SPLIT, TRAIN, SplitArray
from assay.corpus.storage.atomic import atomic_path
from assay.corpus.storage.leases import hold_shared_lease
from assay.corpus.storage.object_store import SharedStore

LEDGER = "ledger.parquet"  # beside the splits: previous assignments of their rows
LOCK_TIMEOUT_S = 600.0
_SCHEMA = pa.schema([("key", pa.binary(HASH_BYTES)), ("split", pa.int8()), ("trained", pa.bool_())])


class Ledger:
    """Previous assignments, sorted by key. `trained` stays true once a key, or a key joined with it, was in train."""

    def __init__(self, path: Path, ledger_id: str, revision: int, table: pa.Table) -> None:
        self.id = ledger_id
        self.revision = revision
        self._path = path
        self._keys: HashArray = np.frombuffer(_key_bytes(table), dtype=f"S{HASH_BYTES}")
        self._split_of = table["split"].to_numpy().astype(np.int8)
        self._trained = table["trained"].to_numpy().astype(bool)

    def __len__(self) -> int:
        return len(self._keys)

    def split_of(self, keys: HashArray) -> SplitArray:
        """Return the previous split of each key: train 0, validation 1, test 2, or `NO_SPLIT` for unknown keys."""
        positions, known = self._find(keys)
        splits = np.full(len(keys), NO_SPLIT, dtype=np.int8)
        splits[known] = self._split_of[positions[known]]
        return splits

    def trained(self, keys: HashArray) -> NDArray[np.bool_]:
        """Return whether the row of each key, or a row joined with it, was ever in train."""
        positions, known = self._find(keys)
        trained = np.zeros(len(keys), dtype=bool)
        trained[known] = self._trained[positions[known]]
        return trained

    def record(
        self, keys: HashArray, split_of: SplitArray, *, remember: bool, seen: NDArray[np.bool_] | None = None
    ) -> None:
        """Record the splits of this run. Recording the same splits again changes nothing.

        Args:
            keys: hashes; `NO_KEY` is skipped, and a key may occur several times.
            split_of: splits of the keys; rows without a split are skipped.
            remember: a key keeps the earlier or new split, whichever is held out more; otherwise the new one counts.
            seen: keys that count as trained whatever their split, since a training row of an earlier run shares them
                or a group with them.
        """
        trained = (split_of == TRAIN) if seen is None else (split_of == TRAIN) | seen
        recorded = (split_of != NO_SPLIT) & (keys != NO_KEY)
        new_keys, new_splits, new_trained = _fold(keys[recorded], split_of[recorded], trained[recorded])
        positions, known = self._find(new_keys)
        before = positions[known]
        if remember:
            new_splits[known] = np.maximum(new_splits[known], self._split_of[before])
        changed = self._split_of[before] != new_splits[known]
        new_trained[known] |= self._trained[before]
        same = not changed.any() and np.array_equal(new_trained[known], self._trained[before])
        if same and known.all() and self.revision:
            return
        unchanged = np.ones(len(self._keys), dtype=bool)
        unchanged[before] = False
        self._keys = np.concatenate([self._keys[unchanged], new_keys])
        order = np.argsort(self._keys)
        self._keys = self._keys[order]
        self._split_of = np.concatenate([self._split_of[unchanged], new_splits])[order]
        self._trained = np.concatenate([self._trained[unchanged], new_trained])[order]
        self.revision += 1
        self._write(self._path, np.arange(len(self._keys)))

    def erase(self, keys: HashArray) -> int:
        """Erase keys; return how many were in the ledger."""
        positions, known = self._find(np.unique(keys))
        if not known.any():
            return 0
        rest = np.ones(len(self._keys), dtype=bool)
        rest[positions[known]] = False
        self._keys, self._split_of, self._trained = self._keys[rest], self._split_of[rest], self._trained[rest]
        self.revision += 1
        self._write(self._path, np.arange(len(self._keys)))
        return int(known.sum())

    def save_part(self, keys: HashArray, path: Path) -> None:
        """Write the entries of some keys as a ledger of the same id: enough to assign their rows again."""
        positions, known = self._find(np.unique(keys))
        self._write(path, positions[known])

    def _find(self, keys: HashArray) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """Return the position of each key, and whether it is in the ledger."""
        positions = np.searchsorted(self._keys, keys)
        known = positions < len(self._keys)
        known[known] = self._keys[positions[known]] == keys[known]
        return positions, known & (keys != NO_KEY)

    def _write(self, path: Path, chosen: NDArray[np.int64]) -> None:
        keys = np.ascontiguousarray(self._keys[chosen])
        packed = pa.FixedSizeBinaryArray.from_buffers(pa.binary(HASH_BYTES), len(keys), [None, pa.py_buffer(keys)])
        split_of, trained = pa.array(self._split_of[chosen]), pa.array(self._trained[chosen])
        table = pa.table([packed, split_of, trained], schema=_SCHEMA)
        metadata = {"id": self.id, "revision": str(self.revision), "digest": _digest(table), "keys": str(VERSION)}
        with atomic_path(path) as partial:
            pq.write_table(table.replace_schema_metadata(metadata), partial, compression="zstd")


def ledger_path(store: Path, recipe: str) -> Path:
    """Return the path of a recipe's ledger."""
    return store / "ledger" / f"{recipe}.parquet"


@contextmanager
def open_ledger(path: Path, shared: SharedStore | None = None, *, timeout: float = LOCK_TIMEOUT_S) -> Iterator[Ledger]:
    """Open a ledger, or create one, and lock it until the block ends.

    Args:
        path: file of the ledger.
        shared: the store that shares the ledger with other machines.
        timeout: seconds to wait for another run that holds it.

    Raises:
        AssayError: another run holds it for longer than `timeout` seconds, the file is damaged, or its keys are of
            another version.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path.with_name(path.name + ".lock"), timeout=timeout)
    try:
        lock.acquire()
    except Timeout as error:
        raise AssayError(
            f"{path} has been held by another run for {timeout:g} s; wait until it ends, then start this one again"
        ) from error
    try:
        with _synced(path, shared, timeout):
            yield _read(path)
    finally:
        lock.release()


@contextmanager
def _synced(path: Path, shared: SharedStore | None, timeout: float) -> Iterator[None]:
    """Download the ledger from the shared store, lock it for other machines, and upload what the block recorded."""
    if shared is None:
        yield
        return
    name = f"ledger/{path.name}"
    with hold_shared_lease(shared, f"locks/ledger-{path.stem}", wait=timeout, seconds=timeout) as lease:
        before = shared.read(name)
        if before is not None:
            path.write_bytes(before)
        yield
        if path.exists() and (after := path.read_bytes()) != before:
            lease.renew()
            shared.write(name, after)


def _read(path: Path) -> Ledger:
    if not path.exists():
        return Ledger(path, uuid.uuid4().hex, 0, _SCHEMA.empty_table())
    try:
        table = pq.read_table(path)
    except (pa.ArrowException, OSError) as error:
        raise _damaged(path) from error
    metadata = {key.decode(): value.decode() for key, value in (table.schema.metadata or {}).items()}
    if not table.schema.equals(_SCHEMA) or metadata.get("digest") != _digest(table):
        raise _damaged(path)
    if (version := metadata.get("keys", "1")) != str(VERSION):
        raise AssayError(
            f"{path} holds keys of version {version}, but this version of Assay uses version {VERSION}: it would take "
            "every row for a new one; use the Assay that wrote it, or delete it to start a new ledger (models of "
            "earlier runs are then not comparable)"
        )
    return Ledger(path, metadata["id"], int(metadata["revision"]), table)


def _damaged(path: Path) -> AssayError:
    return AssayError(
        f"{path} is damaged: it is not the split ledger that Assay wrote; restore it from a backup, "
        "or delete it to start a new ledger (models of earlier runs are then not comparable)"
    )


def _digest(table: pa.Table) -> str:
    digest = hashlib.sha256(_key_bytes(table))
    for name in ("split", "trained"):
        digest.update(table[name].to_numpy().astype(np.int8).tobytes())
    return digest.hexdigest()


def _key_bytes(table: pa.Table) -> bytes:
    parts = ((chunk, memoryview(chunk.buffers()[1] or b"")) for chunk in table["key"].chunks)
    return b"".join(
        content[chunk.offset * HASH_BYTES : (chunk.offset + len(chunk)) * HASH_BYTES] for chunk, content in parts
    )


def _fold(
    keys: HashArray, split_of: SplitArray, trained: NDArray[np.bool_]
) -> tuple[HashArray, SplitArray, NDArray[np.bool_]]:
    """Return one entry per key: the split held out most, since TRAIN < VALIDATION < TEST; trained if any entry is."""
    order = np.argsort(keys)
    unique, first = np.unique(keys[order], return_index=True)
    if not first.size:
        return unique, split_of, trained
    return unique, np.maximum.reduceat(split_of[order], first), np.logical_or.reduceat(trained[order], first)
