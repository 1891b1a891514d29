"""Parquet files written in row groups that readers like: not one for each small batch."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

ROWS_A_GROUP = 64 * 1024
BYTES_A_GROUP = 64 * 1024 * 1024


class RowGroups:
    """Gathers batches until they make a row group."""

    def __init__(self, writer: Any, schema: pa.Schema) -> None:
        self._writer = writer
        self._schema = schema
        self._batches: list[pa.RecordBatch] = []
        self._rows = self._bytes = 0

    def add(self, batch: pa.RecordBatch) -> None:
        """Write a batch, now or with those to come."""
        self._batches.append(batch)
        self._rows += len(batch)
        self._bytes += batch.nbytes
        if self._rows >= ROWS_A_GROUP or self._bytes >= BYTES_A_GROUP:
            self.flush()

    def flush(self) -> None:
        """Write what was gathered."""
        if self._rows:
            table = pa.Table.from_batches(self._batches, self._schema)
            self._writer.write_table(table, row_group_size=self._rows)
        self._batches, self._rows, self._bytes = [], 0, 0


@contextmanager
def open_table(file: BinaryIO, schema: pa.Schema) -> Iterator[RowGroups]:
    """A Parquet file of this schema; it gets its footer when the block ends well."""
    writer = pq.ParquetWriter(file, schema, compression="zstd")
    try:
        groups = RowGroups(writer, schema)
        yield groups
        groups.flush()
        writer.close()
    finally:
        # Else its destructor would write the footer, into a file that is closed by then.
        writer.is_open = False
