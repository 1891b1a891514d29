"""Columns of a table whose cells hold lists as text: a sample with the lists in their place."""

from collections.abc import Sequence
from typing import Any

from assay.corpus.documents.tagged_words import words_between_blanks
from assay.corpus.documents.written_lists import written_list
from assay.corpus.sources.conll_layout import is_tag
from assay.recipes.proposal.layout_parts import MOST, Documents

Cells = Sequence[Any]


def with_lists(documents: Documents) -> Documents:
    """Return the documents with lists in place of the texts of columns that hold lists.

    They are written in JSON or as Python prints them. Words stand between blanks where the tags of another column do.
    """
    columns = {name: [document.get(name) for document in documents] for name in _texts(documents)}
    lists = {name: [_list_in(cell) for cell in cells] for name, cells in columns.items() if _hold_lists(cells)}
    rest = {name: cells for name, cells in columns.items() if name not in lists}
    divided = {name: [cell and words_between_blanks(cell) for cell in cells] for name, cells in rest.items()}
    tags = [name for name, words in divided.items() if are_tags(words)]
    beside = [name for name in divided if any(_same_lengths(divided[name], divided[other]) for other in tags)]
    lists |= {name: divided[name] for name in {*tags, *beside}}
    return [
        {**document, **{name: items[index] for name, items in lists.items() if name in document}}
        for index, document in enumerate(documents)
    ]


def with_objects(documents: Documents) -> Documents:
    """Return the documents with lists of objects in place of objects of lists that hold starts, ends and types."""
    names = dict.fromkeys(name for document in documents for name, value in document.items() if isinstance(value, dict))
    found = {name for name in names if _hold_entities([document.get(name) for document in documents])}
    return [
        {name: _objects(value) if name in found and value else value for name, value in document.items()}
        for document in documents
    ]


def _hold_entities(cells: Cells) -> bool:
    """Return whether cells are objects of lists of one length, of which two hold numbers, and one holds texts."""
    filled = [cell for cell in cells if cell]
    if not filled or not all(
        isinstance(cell, dict) and all(isinstance(items, list) for items in cell.values()) for cell in filled
    ):
        return False
    if any(len(set(map(len, cell.values()))) > 1 or cell.keys() != filled[0].keys() for cell in filled):
        return False
    columns = [[item for cell in filled for item in cell[name]] for name in filled[0]]
    numbers = sum(bool(items) and all(type(item) is int for item in items) for items in columns)
    return numbers >= 2 and any(items and all(isinstance(item, str) for item in items) for items in columns)


def _objects(cell: dict[str, list[Any]]) -> list[dict[str, Any]]:
    return [dict(zip(cell, values, strict=True)) for values in zip(*cell.values(), strict=True)]


def _texts(documents: Documents) -> list[str]:
    """Return the fields whose values are texts, where they have one."""
    names = dict.fromkeys(name for document in documents for name in document)
    return [name for name in names if all(isinstance(document.get(name), str | None) for document in documents)]


def _list_in(cell: str | None) -> Any:
    items = None if cell is None else written_list(cell)
    return cell if items is None else items


def _hold_lists(cells: Sequence[str | None]) -> bool:
    filled = [cell for cell in cells if cell and cell.strip()]
    # The first cells show it: a column of texts need not be read to its end.
    return bool(filled) and _share(filled[:20]) >= MOST and _share(filled) >= MOST


def _share(cells: Sequence[str]) -> float:
    return sum(written_list(cell) is not None for cell in cells) / len(cells)


def are_tags(cells: Cells) -> bool:
    """Return whether lists of words are tags such as O and B-PER."""
    filled = [words for words in cells if isinstance(words, list) and words]
    tagged = sum(all(isinstance(word, str) and is_tag(word) for word in words) for words in filled)
    return (
        bool(filled)
        and tagged >= MOST * len(filled)
        and any(len(words) > 1 for words in filled)
        and any("-" in tag for tags in filled for tag in tags)
    )


def _same_lengths(cells: Cells, tags: Cells) -> bool:
    pairs = [(len(words), len(several)) for words, several in zip(cells, tags, strict=True) if words and several]
    return bool(pairs) and sum(words == several for words, several in pairs) >= MOST * len(pairs)
