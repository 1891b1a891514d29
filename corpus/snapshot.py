"""Snapshots: the rows of a source as of one extraction, as Parquet parts with a content digest."""

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Self

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict

from assay.corpus.documents.chunk import ChunkBuilder, Counts, DocumentChunk
from assay.corpus.documents.tag_uses import TagUse, merged
from assay.corpus.errors import AssayError
from assay.corpus.example import Example, arrow_schema, from_batch
from assay.corpus.storage.completion_manifest import read_manifest
from assay.corpus.storage.content_hash import ContentHash
from assay.corpus.storage.digest import digest_file

MANIFEST = "snapshot.json"
REJECTS = "rejects.jsonl"
ROWS_PER_PART = 50_000
ROWS_PER_BATCH = 2_000


class SnapshotPart(BaseModel):
    """One Parquet file of a snapshot."""

    name: str
    rows: int
    sha256: str


class CorrectionCounts(BaseModel):
    """What the corrections of people did to the rows of a snapshot.

    `overlay` is the digest of the corrections. `corrected` and `added` count rows; `stale` counts corrections of rows
    whose text has changed since, `absent` those of rows that the source no longer holds, `incomplete` added rows of
    which people have not labelled everything that the recipe reads: none of these is used.
    """

    model_config = ConfigDict(frozen=True)

    overlay: str
    corrected: int = 0
    added: int = 0
    stale: int = 0
    absent: int = 0
    incomplete: int = 0


class SnapshotManifest(BaseModel):
    """Content of `snapshot.json`, which is written last: a folder without it is not a snapshot.

    `labels` counts the rows of each class, `row_labels` those of each label of which several may apply.
    `label_keys` are the keys of the source's label map that matched a label, `tag_uses` show the scheme of its tags.
    `corrections` is None where people have corrected nothing (`assay.corpus.overlay`).
    `erased` counts rows that were erased later on request; the other counts in `counts` are as of extraction.
    """

    model_config = ConfigDict(extra="forbid")

    digest: str
    counts: Counts
    parts: list[SnapshotPart]
    slices: list[str]
    labels: dict[str, int]
    entity_labels: dict[str, int]
    row_labels: dict[str, int] = {}
    source: dict[str, Any]
    label_keys: list[str] = []
    tag_uses: list[TagUse] = []
    corrections: CorrectionCounts | None = None
    erased: int = 0


class Snapshot:
    """A complete snapshot on disk. Rows are read part by part; only `to_table` holds all of them."""

    def __init__(self, folder: Path, manifest: SnapshotManifest) -> None:
        self.folder = folder
        self.manifest = manifest

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Open a snapshot.

        Raises:
            AssayError: the folder has no manifest, so extraction did not finish.
        """
        manifest = read_manifest(folder, MANIFEST, "a finished snapshot", "run the extraction again")
        return cls(folder, SnapshotManifest.model_validate_json(manifest))

    @property
    def digest(self) -> str:
        """SHA-256 of the content of all rows, in order (`assay.corpus.storage.content_hash`)."""
        return self.manifest.digest

    @property
    def rejects_path(self) -> Path:
        """Path of the rejects: lines of `{"id", "reason", "remedy", "row"}`, one per unreadable row or sentence."""
        return self.folder / REJECTS

    def __len__(self) -> int:
        return self.manifest.counts.rows

    def part_paths(self) -> list[Path]:
        """Return the paths of the Parquet files, in order."""
        return [self.folder / part.name for part in self.manifest.parts]

    def batches(self, columns: list[str] | None = None, rows: int = ROWS_PER_BATCH) -> Iterator[pa.RecordBatch]:
        """Yield all rows in order as record batches."""
        for path in self.part_paths():
            with pq.ParquetFile(path) as file:
                yield from file.iter_batches(batch_size=rows, columns=columns)

    def examples(self) -> Iterator[Example]:
        """Yield all rows in order."""
        for batch in self.batches():
            yield from from_batch(batch)

    def to_table(self, columns: list[str] | None = None) -> pa.Table:
        """Return the given columns of all rows: memory grows with the rows, so ask for few columns."""
        return pq.read_table(self.part_paths(), columns=columns)

    def verify(self) -> None:
        """Compare every part with its digest.

        Raises:
            AssayError: a part is missing or its bytes have changed.
        """
        for part in self.manifest.parts:
            path = self.folder / part.name
            if not path.is_file() or digest_file(path) != part.sha256:
                raise AssayError(f"{path} is missing or has changed since extraction; run again with --from extract")


class SnapshotWriter:
    """Writer of rows and rejects into an empty folder; `finish` writes the manifest that makes it a snapshot.

    Memory holds one batch of rows. As a context manager it also closes its files when reading fails.
    """

    def __init__(self, folder: Path, slices: Iterable[str], source: dict[str, Any]) -> None:
        self._folder = folder
        self._slices = list(slices)
        self._schema = arrow_schema(self._slices)
        self._source = source
        self._counts = Counts()
        self._parts: list[SnapshotPart] = []
        self._labels: Counter[str] = Counter()
        self._entity_labels: Counter[str] = Counter()
        self._row_labels: Counter[str] = Counter()
        self._label_keys: set[str] = set()
        self._tag_uses: list[TagUse] = []
        self._hash = ContentHash()
        self._chunk = ChunkBuilder()
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
        """Add one document: its rows, and (id, reason, excerpt) for each part that could not be read.

        A document with neither counts as filtered out.
        """
        self._chunk.add(list(examples), rejects)
        if len(self._chunk.examples) >= ROWS_PER_BATCH:
            self._flush()

    def add_chunk(self, chunk: DocumentChunk) -> None:
        """Add the rows, rejects and counts of many documents."""
        self._flush()
        self._write_chunk(chunk)

    def finish(self, corrections: CorrectionCounts | None = None) -> SnapshotManifest:
        """Close the last part and write the manifest, with what corrections did to the rows."""
        self._flush()
        self._end_part()
        self._rejects.close()
        manifest = SnapshotManifest(
            digest=self._hash.hexdigest(),
            counts=self._counts,
            parts=self._parts,
            slices=self._slices,
            labels=dict(sorted(self._labels.items())),
            entity_labels=dict(sorted(self._entity_labels.items())),
            row_labels=dict(sorted(self._row_labels.items())),
            source=self._source,
            label_keys=sorted(self._label_keys),
            tag_uses=self._tag_uses,
            corrections=corrections,
        )
        (self._folder / MANIFEST).write_text(manifest.model_dump_json(indent=2), encoding="utf-8")
        return manifest

    def _flush(self) -> None:
        """Write the buffered documents."""
        chunk, self._chunk = self._chunk, ChunkBuilder()
        self._write_chunk(chunk.build(self._schema))

    def _write_chunk(self, chunk: DocumentChunk) -> None:
        self._rejects.writelines(chunk.reject_lines)
        self._counts += chunk.counts
        self._label_keys |= chunk.label_keys
        self._tag_uses = merged([*self._tag_uses, *chunk.tag_uses])
        batch = chunk.batch
        if not len(batch):
            return
        self._hash.update(batch)
        self._labels.update(_value_counts(batch["label"]))
        self._entity_labels.update(_value_counts(batch["entities"].flatten().field("label")))
        self._row_labels.update(_value_counts(batch["labels"].flatten()))
        if self._part is None:
            self._part = pq.ParquetWriter(self._next_path(), self._schema, compression="zstd")
        self._part.write_batch(batch)
        self._part_rows += len(batch)
        if self._part_rows >= ROWS_PER_PART:
            self._end_part()

    def _end_part(self) -> None:
        if self._part is None:
            return
        self._part.close()
        path = self._next_path()
        self._parts.append(SnapshotPart(name=path.name, rows=self._part_rows, sha256=digest_file(path)))
        self._part, self._part_rows = None, 0

    def _next_path(self) -> Path:
        return self._folder / f"part-{len(self._parts):05d}.parquet"


def _value_counts(values: pa.Array) -> dict[str, int]:
    return {pair["values"]: pair["counts"] for pair in values.drop_null().value_counts().to_pylist()}
