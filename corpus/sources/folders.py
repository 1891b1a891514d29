"""Folders that are one set of rows: JointBERT's seq.in, seq.out and label, brat's pairs, a dump of one collection."""

from collections.abc import Iterator, Sequence
from itertools import zip_longest
from pathlib import Path

from assay.corpus.documents.raw_document import SPLIT_ALIASES, InvalidRow
from assay.corpus.errors import AssayError
from assay.corpus.sources.brat import brat_notes
from assay.corpus.sources.file_description import FileDescription
from assay.corpus.sources.lines import NumberedRow
from assay.corpus.sources.mongodump import dumped_collection
from assay.corpus.sources.saved_dataset import is_saved
from assay.corpus.sources.text_stream import lines_of, open_stream

TOKENS, TAGS, LABEL = "seq.in", "seq.out", "label"


def describe_folder(folder: Path) -> FileDescription:
    """Return what a folder is.

    Raises:
        AssayError: it is none of the folders that are read.
    """
    if is_jointbert(folder):
        return FileDescription(kind="jointbert", notes=() if (folder / LABEL).is_file() else ("without label",))
    if is_brat(folder):
        return FileDescription(kind="brat", notes=brat_notes(folder))
    if is_saved(folder):
        raise AssayError(
            f"{folder} is a data set that datasets saved; read it with source.kind: hub and source.path: {folder}, or "
            f"name its files, such as {folder}/*.arrow"
        )
    names = sorted(path.name for path in folder.iterdir() if path.is_file() and not path.name.startswith("."))
    holds = f"it holds {', '.join(names[:3])}" if names else "it holds no files"
    raise AssayError(
        f"{folder} is neither a JointBERT nor a brat folder: {holds}; name its files, such as {folder}/*.jsonl"
    )


def is_hidden(path: Path) -> bool:
    """Return whether a path is hidden, or what programs leave beside files: locks of Office, copies of macOS."""
    return any(part.startswith((".", "~$")) or part == "__MACOSX" for part in path.parts if part not in (".", ".."))


def is_jointbert(folder: Path) -> bool:
    """Return whether a folder holds the words and the tags of JointBERT's data."""
    return (folder / TOKENS).is_file() and (folder / TAGS).is_file()


def is_brat(folder: Path) -> bool:
    """Return whether a folder holds annotations of brat."""
    return folder.is_dir() and any(folder.glob("*.ann"))


def parts_of(folder: Path, split_name: str) -> dict[Path, str]:
    """Return the sets of rows that a folder stands for, each with its split.

    The sub-folders `train`, `dev` and `test` of JointBERT's data and of brat's are splits; a dump by mongodump stands
    for its collection.

    Args:
        folder: a folder of a source.
        split_name: the split that the recipe gives the folder.

    Raises:
        AssayError: the sub-folders contradict the split, or the dump holds several collections.
    """
    if is_jointbert(folder) or is_brat(folder):
        return {folder: split_name}
    parts = {path: SPLIT_ALIASES[path.name] for path in sorted(folder.iterdir()) if path.name in SPLIT_ALIASES}
    parts = {path: name for path, name in parts.items() if is_jointbert(path) or is_brat(path)}
    if parts and split_name != "all":
        raise AssayError(
            f"source.paths names {folder} as {split_name}, but it holds {', '.join(path.name for path in parts)}; "
            "map it to all, or name one of these"
        )
    if not parts and (collection := dumped_collection(folder)) is not None:
        return {collection: split_name}
    return parts or {folder: split_name}


def jointbert_rows(folder: Path) -> Iterator[NumberedRow]:
    """Yield the rows of a JointBERT folder, each with the number of its line.

    Raises:
        AssayError: the files cannot be read, or have different numbers of lines.
    """
    names = [TOKENS, TAGS] + ([LABEL] if (folder / LABEL).is_file() else [])
    for number, lines in enumerate(zip_longest(*(_lines(folder / name) for name in names)), start=1):
        if None in lines:
            counts = ", ".join(f"{name} {sum(1 for _ in _lines(folder / name))}" for name in names)
            raise AssayError(f"the files in {folder} differ in the number of lines: {counts}; export them again")
        if any(line.strip() for line in lines):
            yield number, _row(f"{folder.name}:{number}", lines)


def _row(row_id: str, lines: Sequence[bytes]) -> dict[str, object] | InvalidRow:
    try:
        tokens, tags, *label = (line.decode("utf-8-sig").strip() for line in lines)
    except UnicodeDecodeError:
        return InvalidRow(row_id, "not valid UTF-8", repr(lines[0])[:200])
    return {"tokens": tokens.split(), "tags": tags.split(), **({"label": label[0]} if label else {})}


def _lines(path: Path) -> Iterator[bytes]:
    with open_stream(path) as file:
        yield from lines_of(file, path)
