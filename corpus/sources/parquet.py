"""Record batches and rows of Parquet files from any row on; memory holds pages, not row groups."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from assay.corpus.documents.raw_document import InvalidRow
from assay.corpus.errors import AssayError
from assay.corpus.sources.arrow_values import python_values
from assay.corpus.sources.class_names import features_of, renamers, with_names
from assay.corpus.sources.lines import NumberedRow

ROWS_PER_BATCH = 1_024
PAGE_BUFFER = 1 << 20


def read_batches(path: Path, start: int = 0, rows_per_batch: int = ROWS_PER_BATCH) -> Iterator[pa.RecordBatch]:
    """Yield the batches of a file from row `start` (counted from 0) on. Earlier row groups are not opened.

    Raises:
        AssayError: during iteration: the file is damaged, not Parquet, or has two columns of one name.
    """
    try:
        # Without pre_buffer and with a small buffer, a row group of many GB is read page by page.
        with pq.ParquetFile(path, pre_buffer=False, buffer_size=PAGE_BUFFER) as file:
            check_columns(path, file.schema_arrow.names)
            first, groups = _groups_from(file.metadata, start)
            for batch in file.iter_batches(rows_per_batch, row_groups=groups):
                if first + batch.num_rows > start:
                    yield batch.slice(max(0, start - first))
                first += batch.num_rows
    except (pa.ArrowInvalid, OSError) as error:
        raise AssayError(f"{path} is damaged or not Parquet: {' '.join(str(error).split())}; write it again") from error


def parquet_rows(path: Path) -> Iterator[NumberedRow]:
    """Yield the rows of a file, each with its number, from 1.

    Raises:
        AssayError: see `read_batches`.
    """
    number = 0
    for batch in read_batches(path):
        for row in batch_rows(path, number, batch):
            number += 1
            yield number, row


def batch_rows(path: Path, before: int, batch: pa.RecordBatch) -> list[dict[str, Any] | InvalidRow]:
    """Return the rows of a batch that starts `before` rows after the beginning of its file, see `python_values`.

    Columns that `datasets` wrote as ClassLabel give names instead of numbers.
    """
    rows = python_values(batch, lambda index: f"{path.name}:{before + index + 1}")
    return list(with_names(rows, renamers(features_of(batch.schema.metadata))))


def _groups_from(metadata: Any, start: int) -> tuple[int, list[int]]:
    """Return the first row of the row group that holds row `start`, and the numbers of that and all later groups."""
    first = 0
    for number in range(metadata.num_row_groups):
        rows = metadata.row_group(number).num_rows
        if first + rows > start:
            return first, list(range(number, metadata.num_row_groups))
        first += rows
    return first, []


def check_columns(path: Path, names: list[str]) -> None:
    """Refuse two columns of one name, of which rows would hold the last.

    Raises:
        AssayError: there are two.
    """
    duplicates = [name for name, count in Counter(names).items() if count > 1]
    if duplicates:
        raise AssayError(f"{path} has the column {duplicates[0]!r} more than once; rename one")
