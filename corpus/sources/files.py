"""Streams of rows from JSONL, CSV and Parquet files: memory holds one line or one record batch."""

import glob
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

from assay.corpus.documents.raw_document import Document, InvalidRow
from assay.corpus.errors import AssayError
from assay.corpus.sources.lines import LineRows, NumberedRow
from assay.corpus.sources.parquet import batch_rows, read_batches
from assay.corpus.storage.remote_files import address_of, fetch_files, is_remote

TEXT_SUFFIXES = (".jsonl", ".csv")
KNOWN_SUFFIXES = (*TEXT_SUFFIXES, *(suffix + ".gz" for suffix in TEXT_SUFFIXES), ".parquet")


def iter_rows(path: Path) -> Iterator[NumberedRow]:
    """Read one file row by row.

    A line that is not valid UTF-8 or not a JSON object, or a CSV row with more or fewer cells than the
    header, comes as an `InvalidRow`, and reading continues after it. Blank lines are skipped. CSV cells are text,
    and an empty cell is an empty text.

    Yields:
        Number of the line (JSONL; CSV: last line of the row) or row (Parquet), from 1, and the row.

    Raises:
        AssayError: the file is missing, unreadable, of an unknown kind, damaged as a whole, a CSV without a header,
            or has two columns of one name.
    """
    kind = check_file(path)
    if kind != ".parquet":
        yield from LineRows(path, kind)
        return
    number = 0
    for batch in read_batches(path):
        for row in batch_rows(path, number, batch):
            number += 1
            yield number, row


def check_file(path: Path) -> str:
    """Return `file_kind` of a file that must exist.

    Raises:
        AssayError: there is no such file, or it is of an unknown kind.
    """
    kind = file_kind(path)
    if not path.is_file():
        raise AssayError(f"{path} is not a file; check the path")
    return kind


def file_kind(path: Path) -> str:
    """Return the suffix that determines how a file is read, `.gz` included.

    Raises:
        AssayError: the suffix is not one of `KNOWN_SUFFIXES`.
    """
    name = path.name.lower()
    for suffix in KNOWN_SUFFIXES:
        if name.endswith(suffix):
            return suffix
    raise AssayError(f"{path} is of an unknown kind; the name must end with one of {', '.join(KNOWN_SUFFIXES)}")


def find_files(paths: Mapping[str, str]) -> dict[Path, str]:
    """Resolve `{file or glob: split}` to `{file: split}`, globs in sorted order; an address resolves to local copies.

    Raises:
        AssayError: no file matches, a kind is unknown, or two entries with different splits name one file.
    """
    splits: dict[Path, str] = {}
    for pattern, split_name in paths.items():
        for path in _matches(pattern):
            file_kind(path)
            if splits.setdefault(path, split_name) != split_name:
                raise AssayError(
                    f"source.paths names {path} as {splits[path]} and as {split_name}; a file has one split"
                )
    return splits


def read_files(files: Mapping[Path, str]) -> Iterator[Document | InvalidRow]:
    """Yield the documents of all files, in order; the position of a row is `STEM:NUMBER`."""
    names = _short_names(list(files))
    for path, split_name in files.items():
        for number, row in iter_rows(path):
            if isinstance(row, InvalidRow):
                yield row
            else:
                yield Document(f"{names[path]}:{number}", row, None if split_name == "all" else split_name)


def _matches(pattern: str) -> list[Path]:
    if is_remote(pattern):
        return _require_match(pattern, fetch_files(pattern))
    path = Path(pattern).expanduser()
    if path.is_file():
        return [path]
    # Path.glob rejects absolute patterns.
    names = glob.glob(str(path), recursive=True)  # noqa: PTH207
    return _require_match(pattern, sorted(file for file in map(Path, names) if file.is_file()))


def _require_match(pattern: str, paths: list[Path]) -> list[Path]:
    if not paths:
        raise AssayError(f"source.paths names {pattern!r}, but there is no such file; check the path or glob")
    return paths


def _short_names(files: list[Path]) -> dict[Path, str]:
    """Return the stem of each file, or the whole path where two files have the same stem."""
    stems = {path: path.name[: -len(file_kind(path))] for path in files}
    count = Counter(stems.values())
    return {path: stem if count[stem] == 1 else address_of(path) for path, stem in stems.items()}
