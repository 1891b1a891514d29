"""Which row is on which side: train, validation or test."""

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
    """`splits.json`, written last.

    `withheld` counts rows on no side, by the reason (for example a duplicate of a test row). `ledger` is the
    id of the ledger of sides that was asked and told; `seen_in_training` counts test rows which that ledger
    knows as training rows of an earlier run, or in a group or document of such rows, so that an earlier model cannot be
    compared on them. `warnings` are lines for people.
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
    """The rows of one side, read from the snapshot anew by each loop over them: memory holds a batch."""

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
        return any(one == example for one in self)


class Splits:
    """Row ids of a snapshot by side. An id that is on no side was withheld.

    `clusters` names the cluster of each of these rows: rows of one document, group or chain of near-duplicates, which
    are not independent of each other. The name is the id of the cluster's first row in the snapshot.
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
        """Build splits from `{row id: side}` and `{row id: cluster}`; rows without a cluster are one of their own.

        The digest covers ids, sides and clusters whatever their order.
        """
        counts = Counter(split_of.values())
        of_row = {row: (clusters or {}).get(row, row) for row in split_of}
        manifest = SplitsManifest(
            digest=digest_json({"sides": split_of, "clusters": of_row}),
            snapshot=snapshot,
            counts={split_name: counts[split_name] for split_name in SPLIT_NAMES},
            excluded=excluded or {},
            method=method,
            ledger=ledger,
            seen_in_training=seen_in_training,
            warnings=warnings or [],
        )
        return cls(split_of, of_row, manifest)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Open finished splits.

        Raises:
            AssayError: there is no manifest.
        """
        marker = read_manifest(folder, MANIFEST, "finished splits", "run with --from split")
        table = pq.read_table(folder / ROWS)
        ids, split_of, clusters = (table[name].to_pylist() for name in ("id", "side", "cluster"))
        by_id = dict(zip(ids, split_of, strict=True)), dict(zip(ids, clusters, strict=True))
        return cls(*by_id, SplitsManifest.model_validate_json(marker))

    def save(self, folder: Path) -> None:
        """Write rows, then the manifest, into an existing folder."""
        clusters = [self.clusters[row] for row in self.split_of]
        table = pa.table({"id": list(self.split_of), "side": list(self.split_of.values()), "cluster": clusters})
        pq.write_table(table, folder / ROWS, compression="zstd")
        (folder / MANIFEST).write_text(self.manifest.model_dump_json(indent=2), encoding="utf-8")

    @property
    def digest(self) -> str:
        """SHA-256 over ids, sides and clusters."""
        return self.manifest.digest

    def ids(self, split_name: SplitName) -> list[str]:
        """The row ids of one side."""
        return [row for row, own in self.split_of.items() if own == split_name]

    def rows(self, snapshot: Snapshot, split_name: SplitName) -> list[Example]:
        """The examples of one side, in the snapshot's order, all in memory."""
        return list(self.stream(snapshot, split_name))

    def stream(self, snapshot: Snapshot, split_name: SplitName) -> SplitRows:
        """The same, read as they are asked for."""
        return SplitRows(snapshot, self.split_of, split_name, self.manifest.counts[split_name])
