"""What answers are written to: a file that is made of shards and appears whole or not at all."""

import shutil
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import pyarrow.parquet as pq

from assay.corpus.sources.files import file_kind
from assay.corpus.sources.parquet import read_batches
from assay.corpus.storage.atomic import atomic_path
from assay.serving.batch.output import Writer, open_writer
from assay.serving.batch.row_groups import open_table
from assay.serving.batch.row_sources import Layout
from assay.serving.batch.scan import Column
from assay.serving.engine import Engine

COPY_BLOCK = 1 << 20
ROWS_A_JOIN = 8_192


class Target(Protocol):
    """Where answers go."""

    @property
    def name(self) -> str:
        """For people."""

    @property
    def layout(self) -> Layout:
        """In which layout it wants rows."""

    @property
    def suffix(self) -> str | None:
        """Of the file of a shard; none: it has none."""

    def identity(self) -> dict[str, Any]:
        """What shards that were written for it depend on; as JSON."""

    def open(
        self, path: Path | None, engine: Engine, columns: Sequence[Column], shard: int
    ) -> AbstractContextManager[Writer]:
        """A writer of one shard, into a file of its own if there are such files."""

    def publish(self) -> AbstractContextManager[Path | None]:
        """Where to write the whole of it, if that is a file; it gets its name when the block ends well."""

    def join(self, parts: Sequence[Path], folder: Path) -> None:
        """Make one of the files of all shards, in their order; what is unfinished lies in `folder`."""


@dataclass(frozen=True)
class FileTarget:
    """One JSONL, CSV or Parquet file."""

    path: Path

    @property
    def name(self) -> str:
        """The path."""
        return self.path.as_posix()

    @property
    def layout(self) -> Layout:
        """Parquet has typed columns."""
        return "table" if self.suffix == ".parquet" else "json"

    @property
    def suffix(self) -> str:
        """A shard has the format of the whole."""
        return file_kind(self.path)

    def identity(self) -> dict[str, Any]:
        """The format; the name is free."""
        return {"kind": self.suffix}

    def open(
        self, path: Path | None, engine: Engine, columns: Sequence[Column], shard: int
    ) -> AbstractContextManager[Writer]:
        """A writer of one shard; only the first begins with the names of columns."""
        return open_writer(self.suffix, path or self.path, engine, columns, header=shard == 0)

    def publish(self) -> AbstractContextManager[Path]:
        """Beside the path."""
        return atomic_path(self.path)

    def join(self, parts: Sequence[Path], folder: Path) -> None:
        """Stream the shards behind each other."""
        with atomic_path(self.path, folder) as partial:
            if self.suffix == ".parquet":
                _join_tables(parts, partial)
            else:
                # Members of gzip that follow each other are one gzip file.
                join_bytes(parts, partial)


def join_bytes(parts: Sequence[Path], target: Path) -> None:
    """Write files behind each other."""
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
        yield from read_batches(part, rows_a_batch=ROWS_A_JOIN)
