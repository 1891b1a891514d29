"""Parquet files with row groups of a size that suits readers, whatever the size of the batches."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

ROWS_PER_GROUP = 64 * 1024
BYTES_PER_GROUP = 64 * 1024 * 1024


class RowGroups:
    """A buffer that collects batches into row groups."""

    def __init__(self, writer: Any, schema: pa.Schema) -> None:
        self._writer = writer
        self._schema = schema
        self._batches: list[pa.RecordBatch] = []
        self._rows = self._bytes = 0

    def add(self, batch: pa.RecordBatch) -> None:
        """Add a batch, and write a row group if the buffer is large enough."""
        self._batches.append(batch)
        self._rows += len(batch)
        self._bytes += batch.nbytes
        if self._rows >= ROWS_PER_GROUP or self._bytes >= BYTES_PER_GROUP:
            self.flush()

    def flush(self) -> None:
        """Write the collected batches as one row group."""
        if self._rows:
            table = pa.Table.from_batches(self._batches, self._schema)
            self._writer.write_table(table, row_group_size=self._rows)
        self._batches, self._rows, self._bytes = [], 0, 0


@contextmanager
def open_table(file: BinaryIO, schema: pa.Schema) -> Iterator[RowGroups]:
    """Open a Parquet file of this schema; its footer is written when the block ends without an exception."""
    writer = pq.ParquetWriter(file, schema, compression="zstd")
    try:
        groups = RowGroups(writer, schema)
        yield groups
        groups.flush()
        writer.close()
    finally:
        # Otherwise the destructor would write the footer into a file that is closed by then.
        writer.is_open = False
