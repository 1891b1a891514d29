"""The rows of files of every kind that is read: `recognition` says what a file is, and a module per kind reads it."""

import glob
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from assay.corpus.documents.fields import AnnotationRules
from assay.corpus.documents.raw_document import Document, InvalidRow
from assay.corpus.errors import AssayError
from assay.corpus.sources.arrow_files import arrow_rows
from assay.corpus.sources.brat import brat_rows
from assay.corpus.sources.bson_files import bson_rows
from assay.corpus.sources.conll import DOCUMENT, check_length, conll_rows
from assay.corpus.sources.docbin import docbin_rows
from assay.corpus.sources.excel import excel_rows
from assay.corpus.sources.fasttext import fasttext_rows
from assay.corpus.sources.file_description import FileDescription
from assay.corpus.sources.file_settings import FileSettings
from assay.corpus.sources.folders import jointbert_rows, parts_of
from assay.corpus.sources.json_values import json_rows
from assay.corpus.sources.lines import START, CountedRows, JsonLines, LinePosition, NumberedRow, RowReader
from assay.corpus.sources.parquet import parquet_rows
from assay.corpus.sources.recognition import DEFAULT, describe_file
from assay.corpus.sources.row_filter import RowFilter
from assay.corpus.sources.tables import TableRows
from assay.corpus.storage.remote_files import address_of, fetch_files, is_remote

STRICT = AnnotationRules()
# A source of so many files has a file for each split, of which none is a single document.
MOST_SPLITS = 3


def iter_rows(path: Path, settings: FileSettings = DEFAULT) -> Iterator[NumberedRow]:
    """Read one file row by row.

    A row that cannot be read, such as a line that is not valid UTF-8 or not a JSON object, comes as an `InvalidRow`,
    and reading continues after it. Blank lines are skipped. The cells of a table of text are text, and an empty cell is
    an empty text.

    Yields:
        Number of the row, from 1, and the row. The number is that of a line (JSON lines; tables of text: last line of
        the row; CoNLL: first line of the sentence), else that of the row.

    Raises:
        AssayError: the file is missing, unreadable, of an unknown kind or damaged as a whole; see `describe_file`.
    """
    yield from open_rows(path, describe_file(path, settings))


def open_rows(
    path: Path,
    description: FileDescription,
    start: LinePosition = START,
    *,
    unwrap: bool = False,
    rules: AnnotationRules = STRICT,
) -> RowReader:
    """Return the reader of a file, from a position on.

    Args:
        path: a file or folder.
        description: what `describe_file` says of it.
        start: `place` of a reader of the same file.
        unwrap: whether to decode extended JSON, as mongoexport writes it.
        rules: what to do with relations between the entities of brat.
    """
    match description.kind:
        case "jsonl":
            return JsonLines(path, description, start, unwrap=unwrap)
        case "table":
            return TableRows(path, description, start)
    readers: dict[str, Callable[[], Iterable[NumberedRow]]] = {
        "json": partial(json_rows, path, description, unwrap=unwrap),
        "conll": partial(conll_rows, path, description),
        "fasttext": partial(fasttext_rows, path, description),
        "parquet": partial(parquet_rows, path),
        "arrow": partial(arrow_rows, path),
        "excel": partial(excel_rows, path, description.sheet, description.columns),
        "bson": partial(bson_rows, path, description),
        "docbin": partial(docbin_rows, path),
        "jointbert": partial(jointbert_rows, path),
        "brat": partial(brat_rows, path, rules),
    }
    return CountedRows(readers[description.kind], start)


def check_sentences(files: Sequence[Path], settings: FileSettings) -> None:
    """Refuse CoNLL files that lack the blank lines between sentences.

    Raises:
        AssayError: one lacks them, or cannot be read.
    """
    for path in files if len(files) <= MOST_SPLITS else ():
        description = describe_file(path, settings)
        if description.conll is not None:
            check_length(path, description)


def have_line_of_names(files: Iterable[Path], settings: FileSettings) -> bool:
    """Return whether the first line of every file names its columns: they are tables, and no settings name them.

    Raises:
        AssayError: a file cannot be read.
    """
    return not settings.columns and all(describe_file(path, settings).is_table for path in files)


def recognised_escape(files: Iterable[Path], settings: FileSettings) -> str | None:
    """Return the character that escapes others in the first table that has one; None if none has.

    Raises:
        AssayError: a file cannot be read.
    """
    tables = (describe_file(path, settings).table for path in files)
    return next((table.escape for table in tables if table is not None and table.escape is not None), None)


def find_files(paths: Mapping[str, str]) -> dict[Path, str]:
    """Resolve `{file, folder or glob: split}` to `{path: split}`, globs in sorted order.

    An address resolves to local copies, and a folder to the sets of rows that it stands for.

    Raises:
        AssayError: no file matches, or two entries with different splits name one file.
    """
    splits: dict[Path, str] = {}
    for pattern, split_name in paths.items():
        for path, split in _matches(pattern, split_name):
            if splits.setdefault(path, split) != split:
                raise AssayError(f"source.paths names {path} as {splits[path]} and as {split}; a file has one split")
    return splits


def read_files(
    files: Mapping[Path, str],
    settings: FileSettings = DEFAULT,
    filter_: Mapping[str, Any] | None = None,
    document_format: str | None = None,
    rules: AnnotationRules = STRICT,
) -> Iterator[Document | InvalidRow]:
    """Yield the documents of all files, in order; the position of a row is `STEM:NUMBER`.

    Args:
        files: path -> split.
        settings: how the files are read.
        filter_: filter on rows; a document that it leaves out is marked as filtered.
        document_format: format that the documents are read in; None checks nothing.
        rules: what to do with relations between the entities of brat.

    Raises:
        AssayError: a file cannot be read, or holds words and tags although the format is not `tokens`.
    """
    if document_format is not None:
        check_sentences(list(files), settings)
    names = _short_names(list(files))
    row_filter = RowFilter(filter_ or {})
    for path, split_name in files.items():
        description = describe_file(path, settings)
        if description.has_tokens and document_format not in (None, "tokens"):
            raise AssayError(
                f"{path} is {description}, whose rows are words and tags, but source.format is {document_format}; "
                "set source.format: tokens"
            )
        name, part = names[path], None if split_name == "all" else split_name
        has_groups = description.conll is not None and description.conll.documents
        for number, row in open_rows(path, description, unwrap=True, rules=rules):
            if isinstance(row, InvalidRow):
                yield row
            else:
                group = f"{name}:{row[DOCUMENT]}" if has_groups else None
                document = Document(f"{name}:{number}", row, part, group)
                yield row_filter.marked(document) if filter_ else document


def _matches(pattern: str, split_name: str) -> Iterator[tuple[Path, str]]:
    if is_remote(pattern):
        yield from ((path, split_name) for path in _require_match(pattern, fetch_files(pattern)))
        return
    path = Path(pattern).expanduser()
    if path.is_file():
        yield path, split_name
    elif path.is_dir():
        yield from parts_of(path, split_name).items()
    else:
        yield from ((path, split_name) for path in _require_match(pattern, glob_files(str(path))))


def glob_files(pattern: str) -> list[Path]:
    """Return the files that a pattern matches, sorted, without locks that a program holds on an open file."""
    # Path.glob rejects absolute patterns.
    files = map(Path, glob.glob(pattern, recursive=True))  # noqa: PTH207
    return sorted(file for file in files if file.is_file() and not file.name.startswith("~$"))


def _require_match(pattern: str, paths: list[Path]) -> list[Path]:
    if not paths:
        raise AssayError(f"source.paths names {pattern!r}, but there is no such file{_here(pattern)}; check the path")
    return paths


def _here(pattern: str) -> str:
    """Return the current folder, which a relative path starts from."""
    return "" if is_remote(pattern) or Path(pattern).expanduser().is_absolute() else f" below {Path.cwd()}"


def _short_names(files: list[Path]) -> dict[Path, str]:
    """Return the stem of each file, or the whole path where two files have the same stem."""
    stems = {path: path.name if path.is_dir() else _stem(path) for path in files}
    count = Counter(stems.values())
    return {path: stem if count[stem] == 1 else address_of(path) for path, stem in stems.items()}


def _stem(path: Path) -> str:
    name = path.name
    return Path(name[:-3] if name.lower().endswith(".gz") else name).stem
