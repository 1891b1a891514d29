"""What rows are read from: a file, cut into shards that can be read one by one."""

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Literal, Protocol

import pyarrow as pa

from assay.corpus.errors import AssayError
from assay.corpus.sources.files import check_file
from assay.corpus.sources.lines import LineRows
from assay.corpus.sources.parquet import batch_rows, read_batches
from assay.serving.batch.chunks import ROWS_PER_CHUNK, BatchChunk, InputChunk, RowChunk
from assay.serving.batch.scan import Scan, place_of, scan_file

END = 1 << 20

Layout = Literal["json", "table", "raw"]
"""What a target writes: values as JSON holds them, typed columns, or documents as they are."""


class Source(Protocol):
    """Rows in an order that does not change."""

    @property
    def name(self) -> str:
        """For people."""

    @property
    def id_field(self) -> str:
        """The column that names a row in the errors file."""

    def identity(self) -> dict[str, Any]:
        """What changes when the rows may have changed; as JSON."""

    def scan(self, shard_rows: int, layout: Layout) -> Scan:
        """Look through it."""

    def chunks(self, scan: Scan, shards: range, layout: Layout) -> Iterator[tuple[int, InputChunk]]:
        """The rows of consecutive shards in one pass, each portion with the number of its shard."""


@dataclass(frozen=True)
class FileSource:
    """One JSONL, CSV or Parquet file."""

    path: Path

    @property
    def name(self) -> str:
        """The path."""
        return self.path.as_posix()

    @property
    def id_field(self) -> str:
        """`id`, where there is such a column."""
        return "id"

    def identity(self) -> dict[str, Any]:
        """Size, time of change, and a digest of both ends: the whole of a file of 100 GB takes minutes to digest."""
        check_file(self.path)
        try:
            with self.path.open("rb") as file:
                status = os.fstat(file.fileno())
                digest = hashlib.sha256(file.read(END))
                file.seek(max(0, status.st_size - END))
                digest.update(file.read(END))
        except OSError as error:
            raise AssayError(f"{self.path} cannot be read: {error.strerror}; check its rights and its disk") from error
        return {"size": status.st_size, "changed": status.st_mtime_ns, "ends": digest.hexdigest()}

    def scan(self, shard_rows: int, layout: Layout) -> Scan:
        """Look through the file; of a Parquet file its footer is enough."""
        return scan_file(self.path, shard_rows, with_types=layout == "table")

    def chunks(self, scan: Scan, shards: range, layout: Layout) -> Iterator[tuple[int, InputChunk]]:
        """Read from the beginning of the first shard to the end of the last."""
        kind = check_file(self.path)
        if kind == ".parquet":
            return self._batches(scan, shards, layout)
        return self._lines(kind, scan, shards)

    def _lines(self, kind: str, scan: Scan, shards: range) -> Iterator[tuple[int, InputChunk]]:
        rows = iter(LineRows(self.path, kind, place_of(scan.starts[shards.start])))
        for shard in shards:
            left = scan.shard_rows
            while left and (numbered := list(islice(rows, min(ROWS_PER_CHUNK, left)))):
                left -= len(numbered)
                yield shard, RowChunk(numbered)

    def _batches(self, scan: Scan, shards: range, layout: Layout) -> Iterator[tuple[int, InputChunk]]:
        at, end = shards.start * scan.shard_rows, shards.stop * scan.shard_rows
        for batch in read_batches(self.path, at, ROWS_PER_CHUNK):
            while len(batch) and at < end:
                shard, into = divmod(at, scan.shard_rows)
                own = batch.slice(0, scan.shard_rows - into)
                yield shard, self._chunk(own, at, layout)
                at, batch = at + len(own), batch.slice(len(own))
            if at >= end:
                return

    def _chunk(self, batch: pa.RecordBatch, before: int, layout: Layout) -> InputChunk:
        if layout == "table" and _is_valid(batch):
            return BatchChunk(batch, before)
        return RowChunk(list(enumerate(batch_rows(self.path, before, batch), before + 1)))


def _is_valid(batch: pa.RecordBatch) -> bool:
    """Whether all its texts are UTF-8, which Parquet does not check."""
    try:
        batch.validate(full=True)
    except pa.ArrowInvalid:
        return False
    return True
