"""Documents of brat folders: a text, and its annotations beside it in the standoff format."""

import itertools
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from assay.corpus.documents.annotators.annotated_row import check_relations
from assay.corpus.documents.fields import AnnotationRules
from assay.corpus.documents.raw_document import InvalidRow, shorten
from assay.corpus.documents.values import UnreadableError
from assay.corpus.errors import AssayError
from assay.corpus.plural import counted
from assay.corpus.sources.lines import NumberedRow
from assay.corpus.sources.text_stream import open_stream

MARK = "\ufeff"  # of UTF-8, as Windows writes it
# The first character of a line says what it is: an entity, or anything else.
ENTITY = "T"
OTHER = {
    "R": "relations",
    "*": "relations",
    "E": "events",
    "A": "attributes",
    "M": "attributes",
    "N": "normalisations",
    "#": "notes",
}
# What relates entities to each other.
RELATIONS = ("R", "*", "E")


def brat_rows(folder: Path, rules: AnnotationRules) -> Iterator[NumberedRow]:
    """Yield the documents of a folder in the order of their names, each with its number.

    A document has `id` (its file's name), `text`, and `entities` with start, end, label and text. A document with an
    annotation that cannot be read or represented is an invalid row: without it, its text would train the model that
    nothing stands there.

    Raises:
        AssayError: a text is missing or cannot be read.
    """
    for number, annotations in enumerate(sorted(folder.glob("*.ann")), start=1):
        text = annotations.with_suffix(".txt")
        if not text.is_file():
            raise AssayError(f"{annotations} has no text beside it; put {text.name} there, or remove it")
        name = annotations.stem
        row_id, lines = f"{folder.name}:{name}", []
        try:
            lines = _read(annotations).removeprefix(MARK).split("\n")
            content = _without_mark(_read(text), lines)
            entities = _entities(lines, content, rules)
        except UnicodeDecodeError as error:
            yield number, InvalidRow(row_id, f"not valid UTF-8: byte {error.start}", None)
        except UnreadableError as error:
            yield number, InvalidRow(row_id, str(error), shorten(lines))
        else:
            yield number, {"id": name, "text": content, "entities": entities}


def brat_notes(folder: Path) -> tuple[str, ...]:
    """Return the number of documents of a folder, and how many annotations are not read."""
    paths = sorted(folder.glob("*.ann"))
    counts: Counter[str] = Counter()
    for path in paths:
        with open_stream(path) as file:
            counts.update(OTHER[mark] for line in file if (mark := chr(line[0])) in OTHER)
    documents = counted(len(paths), "document")
    if others := len({path.stem for path in folder.glob("*.txt")} - {path.stem for path in paths}):
        documents += f", {counted(others, 'text')} without annotations left out"
    unread = ", ".join(f"{name} ({count})" for name, count in sorted(counts.items()))
    return (documents, f"not read: {unread}") if unread else (documents,)


def _entities(lines: Sequence[str], content: str, rules: AnnotationRules) -> list[dict[str, Any]]:
    """Return the entities of a document.

    Raises:
        UnreadableError: a line is none of brat, an entity is in several pieces, or relations and events are not to be
            left out.
    """
    for number, line in enumerate(lines, start=1):
        if line.strip() and line[0] != ENTITY and line[0] not in OTHER:
            raise UnreadableError("not a line of brat", f"line {number}, {line}")
    check_relations([line for line in lines if line.startswith(RELATIONS)], rules)
    return [_entity(line, number, content) for number, line in enumerate(lines, 1) if line.startswith(ENTITY)]


def _entity(line: str, number: int, content: str) -> dict[str, Any]:
    """Return the entity of a line.

    brat splits an entity at line ends, and writes a space in place of each.

    Raises:
        UnreadableError: the line is malformed, or the entity in several pieces.
    """
    _, _, rest = line.rstrip("\r").partition("\t")
    place, _, text = rest.partition("\t")
    label, _, offsets = place.partition(" ")
    try:
        pieces = [(int(start), int(end)) for start, end in (piece.split() for piece in offsets.split(";"))]
    except ValueError:
        raise UnreadableError("not a line of brat", f"line {number}, {line}") from None
    gaps = [content[left[1] : right[0]] for left, right in itertools.pairwise(pieces)]
    if not all(gap.isspace() for gap in gaps):
        raise UnreadableError("entity is discontinuous", f"line {number}, {label} {offsets}")
    start, end = pieces[0][0], pieces[-1][1]
    words = content[start:end]
    return {"start": start, "end": end, "label": label, "text": words if words.split() == text.split() else text}


def _without_mark(content: str, lines: Sequence[str]) -> str:
    """Return a text without the mark of UTF-8, unless the offsets of its entities count that, as brat's own do."""
    bare = content.removeprefix(MARK)
    if bare == content:
        return content
    fits = [_fits(line, content) for line in lines if line.startswith(ENTITY)]
    return content if fits and all(fits) else bare


def _fits(line: str, content: str) -> bool:
    try:
        entity = _entity(line, 0, content)
    except UnreadableError:
        return False
    return bool(entity["text"] == content[entity["start"] : entity["end"]])


def _read(path: Path) -> str:
    """Return the text of a file with its line ends, which offsets count."""
    with open_stream(path) as file:
        return file.read().decode("utf-8")
