"""Whether a table escapes characters by a backslash: its first records show it."""

import io
from pathlib import Path

from assay.corpus.sources.file_description import TableLayout
from assay.corpus.sources.file_settings import FileSettings
from assay.corpus.sources.table_layout import recognise_table
from assay.corpus.sources.table_lines import TableLines
from assay.corpus.sources.table_quotes import BACKSLASH
from assay.corpus.sources.table_records import InvalidRecord, TableRecords


def recognise_escaped_table(path: Path, text: str, settings: FileSettings, *, whole: bool) -> TableLayout:
    """Return the layout of a table, with a backslash as escape where more records are valid with it, and fewer invalid.

    Args:
        path: the file, for messages.
        text: whole lines from its start.
        settings: what the user has set.
        whole: whether the text is the whole file.

    Raises:
        AssayError: the first line holds no column names, or one of them twice.
    """
    layout = recognise_table(path, text, settings, whole=whole)
    if settings.escape is not None or BACKSLASH not in text:
        return layout
    escaped = recognise_table(path, text, settings.model_copy(update={"escape": BACKSLASH}), whole=whole)
    valid, invalid = _counts(path, text, layout, whole=whole)
    valid_escaped, invalid_escaped = _counts(path, text, escaped, whole=whole)
    return escaped if valid_escaped > valid and invalid_escaped < invalid else layout


def _counts(path: Path, text: str, layout: TableLayout, *, whole: bool) -> tuple[int, int]:
    """Return the numbers of valid and of invalid records."""
    lines = TableLines(io.BytesIO(text.encode("utf-8", "surrogateescape")), path)
    if layout.separator_line:
        next(iter(lines))
    records = list(TableRecords(lines, layout, len(layout.columns)))
    records = records if whole else records[:-1]  # the text may end inside the last one
    invalid = sum(isinstance(record, InvalidRecord) for record in records)
    return len(records) - invalid, invalid
