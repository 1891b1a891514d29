"""Splits: the assignment of each row to train, validation or test."""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Literal, Self, get_args

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict

from assay.corpus.example import Example
from assay.corpus.snapshot import Snapshot
from assay.corpus.storage.completion_manifest import read_manifest
from assay.corpus.storage.digest import digest_json

SplitName = Literal["train", "validation", "test"]
SPLIT_NAMES: tuple[SplitName, ...] = get_args(SplitName)
MANIFEST = "splits.json"
ROWS = "splits.parquet"


class SplitsManifest(BaseModel):
    """Content of `splits.json`, which is written last.

    `excluded` counts rows without a split by reason (for example a duplicate of a test row). `ledger` is the
    id of the split ledger that supplied previous assignments and recorded these; `seen_in_training` counts test rows
    that the ledger knows as training rows of an earlier run, or that share a group or document with such rows, so that
    an earlier model cannot be compared on them. `warnings` are lines for people.
    """

    model_config = ConfigDict(extra="forbid")

    digest: str
    snapshot: str
    counts: dict[SplitName, int]
    excluded: dict[str, int]
    method: str
    ledger: str | None = None
    seen_in_training: int = 0
    warnings: list[str] = []


class SplitRows(Collection[Example]):
    """The rows of one split, read from the snapshot again by each loop: memory holds one batch."""

    def __init__(
        self, snapshot: Snapshot, split_of: Mapping[str, SplitName], split_name: SplitName, count: int
    ) -> None:
        self._snapshot = snapshot
        self._split_of = split_of
        self._split_name = split_name
        self._count = count

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Example]:
        return (example for example in self._snapshot.examples() if self._split_of.get(example.id) == self._split_name)

    def __contains__(self, example: object) -> bool:
        return any(row == example for row in self)


class Splits:
    """Splits of a snapshot's rows by row id; ids without a split were excluded.

    `clusters` maps each of these rows to its cluster: rows of one document, group or chain of near-duplicates, which
    are not independent of each other. A cluster is named after its first row in the snapshot.
    """

    def __init__(self, split_of: dict[str, SplitName], clusters: dict[str, str], manifest: SplitsManifest) -> None:
        self.split_of = split_of
        self.clusters = clusters
        self.manifest = manifest

    @classmethod
    def create(
        cls,
        split_of: dict[str, SplitName],
        *,
        snapshot: str,
        method: str,
        clusters: Mapping[str, str] | None = None,
        excluded: dict[str, int] | None = None,
        ledger: str | None = None,
        seen_in_training: int = 0,
        warnings: list[str] | None = None,
    ) -> Self:
        """Build splits from `{row id: split}` and `{row id: cluster}`; a row without a cluster forms its own.

        The digest covers ids, splits and clusters regardless of their order.
        """
        counts = Counter(split_of.values())
        cluster_of = {row: (clusters or {}).get(row, row) for row in split_of}
        manifest = SplitsManifest(
            digest=digest_json({"splits": split_of, "clusters": cluster_of}),
            snapshot=snapshot,
            counts={split_name: counts[split_name] for split_name in SPLIT_NAMES},
            excluded=excluded or {},
            method=method,
            ledger=ledger,
            seen_in_training=seen_in_training,
            warnings=warnings or [],
        )
        return cls(split_of, cluster_of, manifest)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Open finished splits.

        Raises:
            AssayError: the folder has no manifest.
        """
        manifest = read_manifest(folder, MANIFEST, "finished splits", "run with --from split")
        table = pq.read_table(folder / ROWS)
        ids, split_of, clusters = (table[name].to_pylist() for name in ("id", "split", "cluster"))
        by_id = dict(zip(ids, split_of, strict=True)), dict(zip(ids, clusters, strict=True))
        return cls(*by_id, SplitsManifest.model_validate_json(manifest))

    def save(self, folder: Path) -> None:
        """Write rows, then the manifest, to an existing folder."""
        clusters = [self.clusters[row] for row in self.split_of]
        table = pa.table({"id": list(self.split_of), "split": list(self.split_of.values()), "cluster": clusters})
        pq.write_table(table, folder / ROWS, compression="zstd")
        (folder / MANIFEST).write_text(self.manifest.model_dump_json(indent=2), encoding="utf-8")

    @property
    def digest(self) -> str:
        """SHA-256 of ids, splits and clusters."""
        return self.manifest.digest

    def ids(self, split_name: SplitName) -> list[str]:
        """Return the row ids of one split."""
        return [row for row, name in self.split_of.items() if name == split_name]

    def rows(self, snapshot: Snapshot, split_name: SplitName) -> list[Example]:
        """Return the examples of one split in the order of the snapshot, all in memory."""
        return list(self.stream(snapshot, split_name))

    def stream(self, snapshot: Snapshot, split_name: SplitName) -> SplitRows:
        """Return the examples of one split as a collection that reads them on each loop."""
        return SplitRows(snapshot, self.split_of, split_name, self.manifest.counts[split_name])
