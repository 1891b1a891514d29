"""Rows of Arrow files: the stream that `datasets` saves, and the file format, which Feather 2 is another name of."""

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from assay.corpus.errors import AssayError
from assay.corpus.sources.lines import NumberedRow
from assay.corpus.sources.parquet import ROWS_PER_BATCH, batch_rows, check_columns

FILE = b"ARROW1"
STREAM = b"\xff\xff\xff\xff"  # marks the length of a message, of which the schema is the first


def is_arrow(content: bytes) -> bool:
    """Return whether the first bytes of a file are those of an Arrow file or stream."""
    return content.startswith((FILE, STREAM))


def arrow_rows(path: Path) -> Iterator[NumberedRow]:
    """Yield the rows of a file, each with its number, from 1. Memory holds one of its batches.

    Columns that `datasets` wrote as ClassLabel give names instead of numbers.

    Raises:
        AssayError: during iteration: the file is damaged, not Arrow, or has two columns of one name.
    """
    number = 0
    for batch in _batches(path):
        for first in range(0, batch.num_rows, ROWS_PER_BATCH):
            for row in batch_rows(path, number, batch.slice(first, ROWS_PER_BATCH)):
                number += 1
                yield number, row


def _batches(path: Path) -> Iterator[pa.RecordBatch]:
    try:
        with pa.memory_map(str(path)) as source:
            if source.read(len(FILE)) == FILE:
                reader = pa.ipc.open_file(source)
                check_columns(path, reader.schema.names)
                yield from map(reader.get_batch, range(reader.num_record_batches))
            else:
                source.seek(0)
                stream = pa.ipc.open_stream(source)
                check_columns(path, stream.schema.names)
                yield from stream
    except (pa.ArrowInvalid, OSError) as error:
        raise AssayError(f"{path} is damaged or not Arrow: {' '.join(str(error).split())}; write it again") from error
