"""Targets of predictions. A target file is joined from shards, and appears when it is complete."""

import shutil
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import pyarrow.parquet as pq

from assay.corpus.sources.parquet import read_batches
from assay.corpus.storage.atomic import atomic_path
from assay.serving.batch.output import Writer, open_writer, output_suffix
from assay.serving.batch.row_groups import open_table
from assay.serving.batch.row_sources import Layout
from assay.serving.batch.scan import Column
from assay.serving.engine import Engine
from assay.serving.prediction_options import ALL, PredictionOptions

COPY_BLOCK = 1 << 20
ROWS_PER_BATCH = 8_192


class Target(Protocol):
    """A target of predictions."""

    @property
    def name(self) -> str:
        """Return the name for messages."""

    @property
    def layout(self) -> Layout:
        """Return the layout in which the target takes rows."""

    @property
    def suffix(self) -> str | None:
        """Return the suffix of the file of a shard; None if a shard has no file."""

    def identity(self) -> dict[str, Any]:
        """Return the properties of the target that its shards depend on, as JSON."""

    def open(
        self, path: Path | None, engine: Engine, columns: Sequence[Column], shard: int
    ) -> AbstractContextManager[Writer]:
        """Open a writer of one shard, into its own file if the target has files."""

    def publish(self) -> AbstractContextManager[Path | None]:
        """Return the path to write the complete output to, or None; the file gets its name when the block ends."""

    def join(self, parts: Sequence[Path], folder: Path) -> None:
        """Join the files of all shards in their order; temporary files go into `folder`."""


@dataclass(frozen=True)
class FileTarget:
    """One JSONL, CSV or Parquet file."""

    path: Path
    options: PredictionOptions = ALL

    @property
    def name(self) -> str:
        """Return the path."""
        return self.path.as_posix()

    @property
    def layout(self) -> Layout:
        """Return `table` for Parquet, which has typed columns, else `json`."""
        return "table" if self.suffix == ".parquet" else "json"

    @property
    def suffix(self) -> str:
        """Return the suffix of the file, which its shards share."""
        return output_suffix(self.path)

    def identity(self) -> dict[str, Any]:
        """Return the format and the options; the name of the file may change."""
        return {"kind": self.suffix, "options": asdict(self.options)}

    def open(
        self, path: Path | None, engine: Engine, columns: Sequence[Column], shard: int
    ) -> AbstractContextManager[Writer]:
        """Open a writer of one shard; only the first shard has a CSV header."""
        return open_writer(self.suffix, path or self.path, engine, columns, header=shard == 0, options=self.options)

    def publish(self) -> AbstractContextManager[Path]:
        """Return a temporary path beside the file."""
        return atomic_path(self.path)

    def join(self, parts: Sequence[Path], folder: Path) -> None:
        """Write the shards one after the other."""
        with atomic_path(self.path, folder) as partial:
            if self.suffix == ".parquet":
                _join_tables(parts, partial)
            else:
                # Consecutive gzip members form one gzip file.
                join_bytes(parts, partial)


def join_bytes(parts: Sequence[Path], target: Path) -> None:
    """Write files one after the other."""
    with target.open("wb") as joined:
        for part in parts:
            with part.open("rb") as file:
                shutil.copyfileobj(file, joined, COPY_BLOCK)


def _join_tables(parts: Sequence[Path], target: Path) -> None:
    with target.open("wb") as file, open_table(file, pq.read_schema(parts[0])) as table:
        for batch in _all_batches(parts):
            table.add(batch)


def _all_batches(parts: Sequence[Path]) -> Iterator[Any]:
    for part in parts:
        yield from read_batches(part, rows_per_batch=ROWS_PER_BATCH)
