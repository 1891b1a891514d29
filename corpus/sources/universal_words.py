"""The words of a sentence of CoNLL-U, whose last column (MISC) may hold tags of entities, such as `NER=B-PER`."""

from collections.abc import Sequence

from assay.corpus.documents.raw_document import shorten
from assay.corpus.sources.lines import Row

# Attributes that hold tags, in the order of preference.
TAG_ATTRIBUTES = ("NER", "ner")
NEW_DOCUMENT = "# newdoc"
SPACE_AFTER = "space_after"
FORM = 1
_ID, _MISC = 0, 9


def misc_of(cells: Sequence[str]) -> dict[str, str]:
    """Return the attributes of a line."""
    pairs = (part.partition("=") for part in cells[_MISC].split("|"))
    return {name.strip(): value.strip() for name, _, value in pairs}


def universal_row(lines: Sequence[Sequence[str]], attribute: str) -> Row:
    """Return tokens, tags, and what follows each token, as lists.

    A token is what stands in the text: `zum`, of which the lines below (`1-2`) give the words `zu` and `dem`. It has
    its own tag, else the first of its words that is part of an entity. Empty nodes (`1.1`) are not in the text. A token
    without the attribute is outside of entities.

    Args:
        lines: cells of the lines of a sentence.
        attribute: the attribute of the last column that holds the tags.
    """
    tokens: list[str] = []
    tags: list[str] = []
    spaces: list[str] = []
    last = -1  # number of the last word of the token above, where it has several
    for cells in lines:
        first, _, end = cells[_ID].partition("-")
        if "." in first:
            continue
        misc = misc_of(cells)
        tag = misc.get(attribute) or "O"
        if int(first) <= last:
            tags[-1] = tag if tags[-1] == "O" else tags[-1]
            continue
        last = int(end) if end else -1
        tokens.append(cells[FORM])
        tags.append(tag)
        spaces.append("No" if misc.get("SpaceAfter") == "No" else "Yes")
    return {"tokens": tokens, "tags": tags, SPACE_AFTER: spaces}


def fault_of_numbers(lines: Sequence[Sequence[str]]) -> str | None:
    """Return why the numbers of a sentence do not say which words a token has; None if they do.

    Args:
        lines: cells of the lines of a sentence.
    """
    word, last, token = -1, -1, ""  # the last word, and the end of the last range
    for cells in lines:
        first, _, end = cells[_ID].partition("-")
        if "." in first:
            continue
        number = int(first)
        if number <= max(word, last if end else -1) or (end and int(end) < number):
            return f"number of a word repeats or falls: {cells[_ID]!r} ({shorten(cells[FORM])})"
        if word < last < number:
            break
        if end:
            last, token = int(end), cells[_ID]
        else:
            word = number
    return f"words of a token are missing: {token!r} without word {last}" if word < last else None
