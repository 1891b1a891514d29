"""Sources of rows, cut into shards that can be read one by one."""

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Literal, Protocol

import pyarrow as pa

from assay.corpus.errors import AssayError
from assay.corpus.sources.file_description import FileDescription
from assay.corpus.sources.file_settings import FileSettings
from assay.corpus.sources.files import open_rows
from assay.corpus.sources.parquet import batch_rows, read_batches
from assay.corpus.sources.recognition import describe_file
from assay.serving.batch.chunks import ROWS_PER_CHUNK, BatchChunk, InputChunk, RowChunk
from assay.serving.batch.scan import Scan, line_position, scan_file

EDGE_BYTES = 1 << 20
# Input columns go into the output as they are, decimal commas included.
UNCHANGED = FileSettings(decimal=".")

Layout = Literal["json", "table", "raw"]
"""How a target wants the values: as JSON types, as typed columns, or as unchanged documents."""


class Source(Protocol):
    """A source of rows in a fixed order."""

    @property
    def name(self) -> str:
        """Return the name for messages."""

    @property
    def id_field(self) -> str:
        """Return the column that identifies a row in the errors file."""

    def identity(self) -> dict[str, Any]:
        """Return values that change if the rows may have changed, as JSON."""

    def scan(self, shard_rows: int, layout: Layout) -> Scan:
        """Count the rows, and find the columns and the start of each shard."""

    def chunks(self, scan: Scan, shards: range, layout: Layout) -> Iterator[tuple[int, InputChunk]]:
        """Yield the rows of consecutive shards in one pass, each chunk with the number of its shard."""


@dataclass(frozen=True)
class FileSource:
    """One file of any kind that is read, and how it is read."""

    path: Path
    settings: FileSettings = UNCHANGED

    @property
    def name(self) -> str:
        """Return the path."""
        return self.path.as_posix()

    @property
    def id_field(self) -> str:
        """Return `id`, a column that the file may have."""
        return "id"

    def identity(self) -> dict[str, Any]:
        """Return the size, the time of change, and a digest of the first and last MiB.

        A digest of all bytes would take minutes for a file of 100 GB.
        """
        self._describe()
        try:
            with self.path.open("rb") as file:
                status = os.fstat(file.fileno())
                digest = hashlib.sha256(file.read(EDGE_BYTES))
                file.seek(max(0, status.st_size - EDGE_BYTES))
                digest.update(file.read(EDGE_BYTES))
        except OSError as error:
            raise AssayError(
                f"{self.path} cannot be read: {error.strerror}; check its permissions and its disk"
            ) from error
        settings = self.settings.model_dump(exclude_none=True)
        return {"size": status.st_size, "changed": status.st_mtime_ns, "ends": digest.hexdigest(), "file": settings}

    def scan(self, shard_rows: int, layout: Layout) -> Scan:
        """Read the file once; of a Parquet file, read only the footer."""
        return scan_file(self.path, self._describe(), shard_rows, with_types=layout == "table")

    def chunks(self, scan: Scan, shards: range, layout: Layout) -> Iterator[tuple[int, InputChunk]]:
        """Read from the start of the first shard to the end of the last one."""
        description = self._describe()
        if description.kind == "parquet":
            return self._batches(scan, shards, layout)
        return self._rows(description, scan, shards)

    def _describe(self) -> FileDescription:
        """Return what the file is.

        Raises:
            AssayError: see `describe_file`; also for a folder, which is predicted file by file, and for columns of a
                file that names its fields itself.
        """
        if self.path.is_dir():
            raise AssayError(f"{self.path} is not a file; check the path")
        description = describe_file(self.path, self.settings)
        if self.settings.columns and not description.is_table:
            raise AssayError(
                f"--columns names the columns of a table without a line of names, but {self.path} is {description}; "
                "leave it out"
            )
        return description

    def _rows(self, description: FileDescription, scan: Scan, shards: range) -> Iterator[tuple[int, InputChunk]]:
        rows = iter(open_rows(self.path, description, line_position(scan.starts[shards.start])))
        for shard in shards:
            remaining = scan.shard_rows
            while remaining and (numbered := list(islice(rows, min(ROWS_PER_CHUNK, remaining)))):
                remaining -= len(numbered)
                yield shard, RowChunk(numbered)

    def _batches(self, scan: Scan, shards: range, layout: Layout) -> Iterator[tuple[int, InputChunk]]:
        row, end = shards.start * scan.shard_rows, shards.stop * scan.shard_rows
        for batch in read_batches(self.path, row, ROWS_PER_CHUNK):
            while len(batch) and row < end:
                shard, offset = divmod(row, scan.shard_rows)
                part = batch.slice(0, scan.shard_rows - offset)
                yield shard, self._chunk(part, row, layout)
                row, batch = row + len(part), batch.slice(len(part))
            if row >= end:
                return

    def _chunk(self, batch: pa.RecordBatch, before: int, layout: Layout) -> InputChunk:
        if layout == "table" and _is_valid(batch):
            return BatchChunk(batch, before, self.path.name)
        return RowChunk(list(enumerate(batch_rows(self.path, before, batch), before + 1)))


def _is_valid(batch: pa.RecordBatch) -> bool:
    """Return whether all texts of the batch are UTF-8, which Parquet does not check."""
    try:
        batch.validate(full=True)
    except pa.ArrowInvalid:
        return False
    return True
