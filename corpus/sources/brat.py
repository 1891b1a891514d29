"""Documents of brat folders: a text, and its annotations beside it in the standoff format."""

import itertools
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from assay.corpus.documents.raw_document import InvalidRow, shorten
from assay.corpus.errors import AssayError
from assay.corpus.sources.lines import NumberedRow
from assay.corpus.sources.text_stream import open_stream

# What else a file of annotations holds, by the first character of a line.
OTHER = {
    "R": "relations",
    "*": "relations",
    "E": "events",
    "A": "attributes",
    "M": "attributes",
    "N": "normalisations",
    "#": "notes",
}


def brat_rows(folder: Path) -> Iterator[NumberedRow]:
    """Yield the documents of a folder in the order of their names, each with its number, and entities that are refused.

    A document has `id` (its file's name), `text`, and `entities` with start, end, label and text. An entity of several
    pieces with words between them is an invalid row of its own, and its document comes without it.

    Raises:
        AssayError: a text is missing or cannot be read.
    """
    for number, annotations in enumerate(sorted(folder.glob("*.ann")), start=1):
        text = annotations.with_suffix(".txt")
        if not text.is_file():
            raise AssayError(f"{annotations} has no text beside it; put {text.name} there, or remove it")
        name = annotations.stem
        try:
            lines = _read(annotations).split("\n")
            content = _without_mark(_read(text), lines)
        except UnicodeDecodeError as error:
            yield number, InvalidRow(f"{folder.name}:{name}", f"not valid UTF-8: byte {error.start}", None)
            continue
        entities = []
        for line in lines:
            entity = _entity(f"{folder.name}:{name}", line, content)
            if isinstance(entity, InvalidRow):
                yield number, entity
            elif entity:
                entities.append(entity)
        yield number, {"id": name, "text": content, "entities": entities}


def brat_notes(folder: Path) -> tuple[str, ...]:
    """Return the number of documents of a folder, and how many annotations are not read."""
    paths = sorted(folder.glob("*.ann"))
    counts: Counter[str] = Counter()
    for path in paths:
        with open_stream(path) as file:
            counts.update(OTHER[mark] for line in file if (mark := chr(line[0])) in OTHER)
    documents = f"{len(paths)} document{'s' if len(paths) != 1 else ''}"
    if others := len({path.stem for path in folder.glob("*.txt")} - {path.stem for path in paths}):
        documents += f", {others} text{'s' if others != 1 else ''} without annotations left out"
    unread = ", ".join(f"{name} ({count})" for name, count in sorted(counts.items()))
    return (documents, f"not read: {unread}") if unread else (documents,)


def _entity(document: str, line: str, content: str) -> dict[str, Any] | InvalidRow | None:
    """Return the entity of a line; None for a line of another kind.

    brat splits an entity at line ends, and writes a space in place of each.
    """
    if not line.startswith("T"):
        return None
    mark, _, rest = line.rstrip("\r").partition("\t")
    place, _, text = rest.partition("\t")
    label, _, offsets = place.partition(" ")
    try:
        pieces = [(int(start), int(end)) for start, end in (piece.split() for piece in offsets.split(";"))]
    except ValueError:
        return InvalidRow(f"{document}:{mark}", "not a line of brat: it needs a label, start and end", shorten(line))
    gaps = [content[left[1] : right[0]] for left, right in itertools.pairwise(pieces)]
    if not all(gap.isspace() for gap in gaps):
        return InvalidRow(f"{document}:{mark}", f"entity is discontinuous: {label} {offsets}", shorten(line))
    start, end = pieces[0][0], pieces[-1][1]
    words = content[start:end]
    return {"start": start, "end": end, "label": label, "text": words if words.split() == text.split() else text}


def _without_mark(content: str, lines: Sequence[str]) -> str:
    """Return a text without the mark of UTF-8, unless the offsets of its entities count that, as brat's own do."""
    bare = content.removeprefix("\ufeff")
    if bare == content:
        return content
    fits = [_fits(line, content) for line in lines if line.startswith("T")]
    return content if fits and all(fits) else bare


def _fits(line: str, content: str) -> bool:
    entity = _entity("", line, content)
    return isinstance(entity, dict) and entity["text"] == content[entity["start"] : entity["end"]]


def _read(path: Path) -> str:
    """Return the text of a file with its line ends, which offsets count."""
    with open_stream(path) as file:
        return file.read().decode("utf-8")
