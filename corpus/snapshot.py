"""A snapshot: what a source held when it was read, as Parquet parts with a digest of their content."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Self

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict

from corpus.digest import canonical_json, digest_file
from corpus.errors import AssayError
from corpus.example import Example, arrow_schema, from_record, to_record
from corpus.finished import read_marker

MANIFEST = "snapshot.json"
REJECTS = "rejects.jsonl"
ROWS_A_PART = 50_000
ROWS_A_BATCH = 2_000


class Part(BaseModel):
    """One Parquet file of a snapshot."""

    name: str
    rows: int
    sha256: str


class Counts(BaseModel):
    """What became of everything that was there: documents = used + filtered + rejected.

    A document is `used` when it gave at least one row, `filtered` when the recipe leaves it out,
    `rejected` when none of it could be read. `rejects` counts lines of `rejects.jsonl`: a document
    may give good rows and rejects as well.
    """

    documents: int = 0
    used: int = 0
    filtered: int = 0
    rejected: int = 0
    rows: int = 0
    rejects: int = 0


class SnapshotManifest(BaseModel):
    """`snapshot.json`, written last: a folder without it is not a snapshot."""

    model_config = ConfigDict(extra="forbid")

    digest: str
    counts: Counts
    parts: list[Part]
    slices: list[str]
    labels: dict[str, int]
    entity_labels: dict[str, int]
    source: dict[str, Any]


class Snapshot:
    """A finished snapshot on disk. Rows are read part by part; no method holds them all but `to_table`."""

    def __init__(self, folder: Path, manifest: SnapshotManifest) -> None:
        self.folder = folder
        self.manifest = manifest

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Open a snapshot.

        Raises:
            AssayError: there is no manifest, so the snapshot was never finished.
        """
        marker = read_marker(folder, MANIFEST, "a finished snapshot", "run the extraction again")
        return cls(folder, SnapshotManifest.model_validate_json(marker))

    @property
    def digest(self) -> str:
        """SHA-256 over the canonical JSON of every row, in order."""
        return self.manifest.digest

    @property
    def rejects_path(self) -> Path:
        """Lines of `{"id", "reason", "row"}`: what could not be read."""
        return self.folder / REJECTS

    def __len__(self) -> int:
        return self.manifest.counts.rows

    def part_paths(self) -> list[Path]:
        """The Parquet files, in order."""
        return [self.folder / part.name for part in self.manifest.parts]

    def batches(self, columns: list[str] | None = None, rows: int = ROWS_A_BATCH) -> Iterator[pa.RecordBatch]:
        """Rows in order, a record batch at a time."""
        for path in self.part_paths():
            with pq.ParquetFile(path) as file:
                yield from file.iter_batches(batch_size=rows, columns=columns)

    def examples(self) -> Iterator[Example]:
        """Rows in order, one at a time."""
        for batch in self.batches():
            yield from map(from_record, batch.to_pylist())

    def to_table(self, columns: list[str] | None = None) -> pa.Table:
        """The asked-for columns of all rows: memory grows with the rows, so ask for few."""
        return pq.read_table(self.part_paths(), columns=columns)

    def verify(self) -> None:
        """Compare every part with its digest.

        Raises:
            AssayError: a part is missing or its bytes have changed.
        """
        for part in self.manifest.parts:
            path = self.folder / part.name
            if not path.is_file() or digest_file(path) != part.sha256:
                raise AssayError(f"{path} is missing or has changed since extraction; run with --from extract")


class SnapshotWriter:
    """Writes rows and rejects into an empty folder; `finish` writes the manifest that makes it a snapshot.

    Memory holds one batch of rows. As a context manager it closes its files also when reading fails half-way.
    """

    def __init__(self, folder: Path, slices: Iterable[str], source: dict[str, Any]) -> None:
        self._folder = folder
        self._slices = list(slices)
        self._schema = arrow_schema(self._slices)
        self._source = source
        self._counts = Counts()
        self._parts: list[Part] = []
        self._labels: Counter[str] = Counter()
        self._entity_labels: Counter[str] = Counter()
        self._hash = hashlib.sha256()
        self._batch: list[dict[str, Any]] = []
        self._part: pq.ParquetWriter | None = None
        self._part_rows = 0
        self._rejects = (folder / REJECTS).open("w", encoding="utf-8", errors="backslashreplace")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._rejects.close()
        if self._part is not None:
            self._part.close()

    def add(self, examples: Iterable[Example], rejects: Iterable[tuple[str, str, Any]] = ()) -> None:
        """Take one document: its rows, and (id, reason, what was there) for each part that could not be read.

        A document with neither was filtered out.
        """
        examples, rejects = list(examples), list(rejects)
        for example in examples:
            self._add_row(example)
        for row_id, reason, row in rejects:
            line = {"id": row_id, "reason": reason, "row": row}
            self._rejects.write(json.dumps(line, ensure_ascii=False, default=repr) + "\n")
        counts = self._counts
        counts.documents += 1
        counts.rows += len(examples)
        counts.rejects += len(rejects)
        counts.used += bool(examples)
        counts.rejected += bool(rejects and not examples)
        counts.filtered += not examples and not rejects

    @property
    def counts(self) -> Counts:
        """What was taken so far."""
        return self._counts

    def finish(self) -> SnapshotManifest:
        """Close the last part and write the manifest."""
        self._end_part()
        self._rejects.close()
        manifest = SnapshotManifest(
            digest=self._hash.hexdigest(),
            counts=self._counts,
            parts=self._parts,
            slices=self._slices,
            labels=dict(sorted(self._labels.items())),
            entity_labels=dict(sorted(self._entity_labels.items())),
            source=self._source,
        )
        (self._folder / MANIFEST).write_text(manifest.model_dump_json(indent=2), encoding="utf-8")
        return manifest

    def _add_row(self, example: Example) -> None:
        record = to_record(example)
        self._hash.update(canonical_json(record) + b"\n")
        if example.label is not None:
            self._labels[example.label] += 1
        self._entity_labels.update(entity.label for entity in example.entities or ())
        self._batch.append(record)
        if len(self._batch) >= ROWS_A_BATCH:
            self._write_batch()

    def _write_batch(self) -> None:
        if not self._batch:
            return
        if self._part is None:
            self._part = pq.ParquetWriter(self._next_path(), self._schema, compression="zstd")
        self._part.write_batch(pa.RecordBatch.from_pylist(self._batch, schema=self._schema))
        self._part_rows += len(self._batch)
        self._batch = []
        if self._part_rows >= ROWS_A_PART:
            self._end_part()

    def _end_part(self) -> None:
        self._write_batch()
        if self._part is None:
            return
        self._part.close()
        path = self._next_path()
        self._parts.append(Part(name=path.name, rows=self._part_rows, sha256=digest_file(path)))
        self._part, self._part_rows = None, 0

    def _next_path(self) -> Path:
        return self._folder / f"part-{len(self._parts):05d}.parquet"
