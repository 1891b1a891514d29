"""Rows of fastText: a line per text, with labels such as `__label__good` before it."""

import re
from collections.abc import Iterator
from pathlib import Path

from assay.corpus.documents.raw_document import InvalidRow, shorten
from assay.corpus.errors import AssayError
from assay.corpus.sources.file_description import FileDescription
from assay.corpus.sources.lines import NumberedRow, Row, invalid_utf8
from assay.corpus.sources.text_stream import lines_of, open_stream

PREFIX = "__label__"
NEARLY_ALL = 0.95
# Separators of tables that are not in the names of labels: Sport|Football is one.
_CELL_ENDS = (",", ";")
_LABEL = re.compile(rf"(?<!\S){PREFIX}(\S*)")
# A label with the blanks around it; between words, one blank stays.
_WITH_BLANKS = re.compile(rf"\s*(?<!\S){PREFIX}\S*\s*")


def is_fasttext(text: str) -> bool:
    """Return whether the first line and nearly all others have a label."""
    labelled = [bool(_LABEL.search(line)) for line in text.split("\n") if line.strip()]
    return bool(labelled) and labelled[0] and sum(labelled) >= NEARLY_ALL * len(labelled)


def check_blanks(path: Path, text: str) -> None:
    """Refuse lines that end their label by the separator of a table: the first word of the text is not its end.

    Args:
        path: the file, for messages.
        text: whole lines from its start.

    Raises:
        AssayError: the first labels of nearly all lines hold the same separator.
    """
    labels = [label[1] for line in text.split("\n") if (label := _LABEL.search(line))]
    for separator in _CELL_ENDS if labels else ():
        if sum(separator in label for label in labels) >= NEARLY_ALL * len(labels):
            raise AssayError(
                f"{path} has {separator!r} after its labels, such as {PREFIX}{labels[0][:50]}; write a blank there "
                f"(fastText), or column names such as label{separator}text as the first line (table)"
            )


def fasttext_rows(path: Path, description: FileDescription) -> Iterator[NumberedRow]:
    """Yield the rows of a file: `text`, and the list of labels under `__label__`. Blank lines are skipped.

    Raises:
        AssayError: the file cannot be read.
    """
    with open_stream(path, packed=description.packed, encoding=description.encoding) as file:
        for number, line in enumerate(lines_of(file, path), start=1):
            try:
                text = line.decode("utf-8-sig" if number == 1 else "utf-8")
            except UnicodeDecodeError as error:
                yield number, invalid_utf8(f"{path.name}:{number}", line, error)
                continue
            if text.strip():
                yield number, _row(f"{path.name}:{number}", text)


def _row(row_id: str, line: str) -> Row | InvalidRow:
    labels = _LABEL.findall(line)
    for label in labels:
        if not label or PREFIX in label:
            return InvalidRow(row_id, f"not a label of fastText: {PREFIX}{label}", shorten(line))
    return {"text": _WITH_BLANKS.sub(" ", line).strip(), PREFIX: labels}
