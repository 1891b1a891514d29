"""The layout of a CoNLL file from its first lines: columns, separator, where tokens and tags stand."""

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from assay.corpus.sources.file_description import ConllLayout
from assay.corpus.sources.file_settings import FileSettings, column_index

DOCUMENT_LINE = "-DOCSTART-"
COMMENT = re.compile(r"#\s*([\w.-]+) = (.*)")
TAG = re.compile(r"O|[BIESLUMW]-\S+")
SUFFIXES = (".conll", ".conllu", ".bio", ".iob", ".iob2", ".bioes")
# Names of the column of words in a line of column names.
TOKEN_NAMES = ("token", "tokens", "word", "words", "form")
# Number of a word in CoNLL-U, of several words that are one token, or of a word that is left out.
UNIVERSAL_ID, UNIVERSAL_WIDTH = re.compile(r"\d{1,9}([-.]\d{1,9})?"), 10
# Between sentences, and at the start of one, which may have comments.
BLANK_LINE, FIRST_WORD = re.compile(r"\n[ \t\r]*\n"), re.compile(r"#|[01]([-.]\d+)?\s")
# Attribute of the tags where the settings do not name it.
UNKNOWN = ""
NUMBER = re.compile(r"[-+]?(\d+([.,]\d*)?|[.,]\d+)([eE][-+]?\d+)?")
NEARLY_ALL = 0.95
# Tags without a prefix: names, most of them O.
TYPE = re.compile(r"[A-Za-z][\w.-]*")
LEAST_LINES, LEAST_OUTSIDE, MOST_TYPES = 10, 0.3, 50


def recognise_conll(path: Path, text: str, settings: FileSettings, *, required: bool) -> ConllLayout | None:
    """Return the layout of a CoNLL file; None if the lines are none of one. CoNLL-U may hold its tags further below.

    Args:
        path: the file, for messages.
        text: whole lines from its start.
        settings: what the user has set.
        required: whether the name or the settings say that the file is one, so that the tags need not look like tags.

    Raises:
        AssayError: the settings name a column that the file lacks.
    """
    lines = [line for line in text.split("\n") if _is_token_line(line)]
    if not lines:
        return None
    tabs = all("\t" in line for line in lines)
    rows = [split_line(line, tabs) for line in lines]
    width, count = Counter(map(len, rows)).most_common(1)[0]
    rows = [row for row in rows if len(row) == width]
    if width < 2 or count < NEARLY_ALL * len(lines):
        return None
    while len(rows[0]) > 2 and not any(row[-1].strip() for row in rows):  # a tab at the end of each line
        rows = [row[:-1] for row in rows]
    has_header = _has_header(rows, text)
    rows = rows[1:] if has_header else rows
    is_universal = _are_universal(rows, text) or (width == UNIVERSAL_WIDTH and ".conllu" in path.name.lower())
    if not settings.columns and is_universal and not _are_tags(rows, -1):
        return ConllLayout(width=width, columns={}, tabs=tabs, attribute=UNKNOWN)
    if not required and not _shows_tags(rows):
        return None
    columns = _columns(path, rows, settings)
    has_tags = "tags" in columns and _are_tags(rows, columns["tags"])
    return ConllLayout(width=width, columns=columns, tabs=tabs, has_tags=has_tags, header=has_header)


def split_line(line: str, tabs: bool) -> list[str]:
    """Return the cells of a line."""
    return line.rstrip("\r\n").split("\t") if tabs else line.split()


def is_comment(line: str, layout: ConllLayout) -> bool:
    """Return whether a line is a comment: `# name = value`, or `#` and not what stands in a line of a token."""
    if not line.startswith("#") or layout.attribute is not None:
        return line.startswith("#")
    cells = split_line(line, layout.tabs)
    if len(cells) != layout.width or COMMENT.match(line):
        return True
    return layout.has_tags and not is_tag(cells[layout.columns["tags"]])


def _is_token_line(line: str) -> bool:
    return bool(line.strip()) and not line.startswith(("#", DOCUMENT_LINE))


def _columns(path: Path, rows: Sequence[Sequence[str]], settings: FileSettings) -> dict[str, int]:
    width = len(rows[0])
    if settings.columns:
        return {name: column_index(path, name, number, width) for name, number in settings.columns.items()}
    numbered = width > 2 and rows[0][0] in ("0", "1") and all(row[0].isdecimal() for row in rows)
    tagged = [index for index in range(1, width) if _are_tags(rows, index)]
    if not numbered and not tagged and _are_prefixed(rows, 0):
        return {"tokens": width - 1, "tags": 0}
    # GermEval numbers its tokens, and gives nested entities a second column of tags.
    nested = numbered and width == 4 and _are_tags(rows, 2) and _are_tags(rows, 3)
    return {"tokens": 1 if numbered else 0, "tags": 2 if nested else max(tagged, default=width - 1)}


def _has_header(rows: Sequence[Sequence[str]], text: str) -> bool:
    """Return whether a first line names the columns. Without a blank line after it, the file is a table of words."""
    names, below = [cell.strip().lower() for cell in rows[0]], rows[1:]
    is_named = not set(names).isdisjoint(TOKEN_NAMES) and not any(map(is_tag, rows[0]))
    has_sentences = bool(below) and "\n\n" in text.strip().replace("\r", "")
    return (
        is_named
        and has_sentences
        and (_shows_tags(below) or any(_are_tags(below, index) for index in range(len(names))))
    )


def _are_universal(rows: Sequence[Sequence[str]], text: str) -> bool:
    """Return whether rows are words of CoNLL-U: ten columns: a number, a word, a head as the seventh, and attributes.

    A table may have such columns, too, but no sentences: the first word of each is 0 or 1.
    """
    if len(rows[0]) != UNIVERSAL_WIDTH or all(NUMBER.fullmatch(row[1]) for row in rows):
        return False
    with_attributes = sum(row[-1].strip() in ("", "_") or "=" in row[-1] for row in rows)
    if with_attributes < NEARLY_ALL * len(rows) or not all(map(_is_word, rows)):
        return False
    return all(FIRST_WORD.match(part.lstrip()) for part in BLANK_LINE.split(text) if part.strip())


def _is_word(row: Sequence[str]) -> bool:
    return UNIVERSAL_ID.fullmatch(row[0]) is not None and (row[6] == "_" or row[6].isdecimal())


def _shows_tags(rows: Sequence[Sequence[str]]) -> bool:
    """Return whether the last or first column of lines holds tags, or names of types (scheme IO) among many O."""
    if is_tag(rows[0][-1]) and _are_tags(rows, -1):
        return True
    types = Counter(row[-1].strip() for row in rows)
    many = len(rows) >= LEAST_LINES and types["O"] >= LEAST_OUTSIDE * len(rows)
    bare = many and 1 < len(types) <= MOST_TYPES and all(map(TYPE.fullmatch, types))
    return bare or _are_prefixed(rows, 0)


def _are_prefixed(rows: Sequence[Sequence[str]], index: int) -> bool:
    """Return whether a column holds tags, some of which name a type."""
    return _are_tags(rows, index) and any("-" in row[index] for row in rows)


def is_tag(cell: str) -> bool:
    """Return whether a cell holds a tag, such as O or B-PER."""
    return TAG.fullmatch(cell.strip()) is not None


def _are_tags(rows: Sequence[Sequence[str]], index: int) -> bool:
    return sum(is_tag(row[index]) for row in rows) >= NEARLY_ALL * len(rows)
