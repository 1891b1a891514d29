"""The attribute of CoNLL-U that holds the tags, wherever in a file its first one stands."""

from pathlib import Path

from assay.corpus.choice import nearest
from assay.corpus.errors import AssayError
from assay.corpus.sources.conll_layout import is_comment, split_line
from assay.corpus.sources.file_description import ConllLayout
from assay.corpus.sources.text_stream import lines_of, open_stream
from assay.corpus.sources.universal_words import TAG_ATTRIBUTES, misc_of

# Attributes of Universal Dependencies that hold no tags.
WITHOUT_TAGS = {"SpaceAfter", "SpacesAfter", "SpacesBefore", "Translit", "LTranslit", "Gloss", "Lang"}


def tag_attribute(path: Path, layout: ConllLayout, named: str | None, *, packed: bool, encoding: str) -> str:
    """Return the attribute of the first tag of a file.

    Args:
        path: the file.
        layout: its columns.
        named: the attribute that the settings name; a file without entities may lack it.
        packed: whether it is compressed by gzip.
        encoding: its encoding.

    Raises:
        AssayError: no line has the attribute, or one that is nearly the named one, or the file cannot be read.
    """
    searched = TAG_ATTRIBUTES if named is None else (named,)
    names: set[str] = set()
    with open_stream(path, packed=packed, encoding=encoding) as file:
        for content in lines_of(file, path):
            line = content.decode("utf-8", "replace")
            cells = split_line(line, layout.tabs)
            if len(cells) != layout.width or is_comment(line, layout):
                continue
            held = misc_of(cells)
            if (attribute := next((name for name in searched if name in held), None)) is not None:
                return attribute
            names |= held.keys()
    if named is None:
        raise _no_attribute(path, names - {"", "_"})
    if meant := nearest(named, sorted(names - WITHOUT_TAGS)):
        raise AssayError(
            f"source.file.tag_attribute is {named!r}, which no line of {path} has in its last column; "
            f"name an attribute of the file{meant}"
        )
    return named


def _no_attribute(path: Path, names: set[str]) -> AssayError:
    remedy = "name the attribute that holds tags such as B-PER in source.file.tag_attribute"
    if names <= WITHOUT_TAGS:
        remedy = (
            f"set source.file.tag_attribute to {TAG_ATTRIBUTES[0]} if the file is one without entities beside others, "
            f"else add {TAG_ATTRIBUTES[0]}=B-PER and the like to it"
        )
    held = ", ".join(sorted(names)) or "nothing"
    return AssayError(
        f"{path} is CoNLL-U without {TAG_ATTRIBUTES[0]}= in its last column, which holds {held}; {remedy}"
    )
