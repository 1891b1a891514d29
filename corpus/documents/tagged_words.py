"""Words with tags: the text that the words make up, and its entities."""

import itertools
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from assay.corpus.documents.fields import DocumentFormat
from assay.corpus.documents.tag_schemes import TagDecoder
from assay.corpus.documents.values import UnreadableError, get_path, plain_text
from assay.corpus.documents.written_lists import list_of, written_list
from assay.corpus.example import Entity
from assay.corpus.plural import counted

# Values of a field of spacing that say whether a space follows a word: booleans, and the words of CoNLL-U.
_SPACES = {True: " ", False: "", "Yes": " ", "_": " ", "SpaceAfter=Yes": " ", "No": "", "SpaceAfter=No": ""}
_LIST_OF_TEXTS = re.compile(r"""\s*\[\s*(np\.|[uU]?['"])""")
_WORD = re.compile(r"[^ \t\r\n]+")


class TaggedWords:
    """Reader of the format `tokens`."""

    def __init__(self, document_format: DocumentFormat) -> None:
        """Take a format."""
        self._fields, self._tagging = document_format.fields, document_format.tagging
        self._decoder = TagDecoder(self._tagging.scheme, self._tagging.names)

    @property
    def marks(self) -> frozenset[str]:
        """What shows the scheme of the tags that were read last."""
        return self._decoder.marks

    def read(self, values: Mapping[str, Any], *, needs_entities: bool) -> tuple[str, tuple[Entity, ...] | None]:
        """Return text and entities; None in place of entities that are not needed.

        Raises:
            UnreadableError: words, tags or spaces are malformed, or their numbers differ.
        """
        fields = self._fields
        words, tags = get_path(values, fields.tokens), get_path(values, fields.tags) if needs_entities else ""
        if _are_between_blanks(words, tags):
            words, tags = words_between_blanks(words), _tags_between_blanks(tags)
        tokens = [plain_text(token, "token") for token in list_of(words, fields.tokens)]
        text, starts = self._join(tokens, values)
        if not needs_entities:
            return text, None
        tags = list_of(tags, fields.tags)
        if len(tags) != len(tokens):
            raise UnreadableError(
                f"{fields.tags} do not match {fields.tokens}",
                f"{counted(len(tags), 'tag')}, {counted(len(tokens), 'token')}",
            )
        return text, self._decoder.entities(text, tokens, starts, tags)

    def _join(self, tokens: Sequence[str], values: Mapping[str, Any]) -> tuple[str, Iterable[int]]:
        """Return the text of the words and the offset of each."""
        name, space = self._tagging.space_after, self._tagging.join
        if name is not None:
            return self._spaced(tokens, list_of(get_path(values, name), name), name)
        text = plain_text(space.join(tokens), self._fields.tokens)
        starts, start, gap = [], 0, len(space)
        for token in tokens:
            starts.append(start)
            start += len(token) + gap
        return text, starts

    def _spaced(self, tokens: Sequence[str], spaces: Sequence[Any], name: str) -> tuple[str, Iterable[int]]:
        if len(spaces) != len(tokens):
            raise UnreadableError(
                f"{name} does not match {self._fields.tokens}",
                f"{counted(len(spaces), 'space')}, {counted(len(tokens), 'token')}",
            )
        gaps = [_space(space, name) for space in spaces]
        parts = [token + gap for token, gap in zip(tokens, gaps, strict=True)]
        text = plain_text("".join(parts).removesuffix(gaps[-1] if gaps else ""), self._fields.tokens)
        return text, itertools.accumulate(map(len, parts[:-1]), initial=0)


def _are_between_blanks(words: Any, tags: Any) -> bool:
    """Return whether cells hold words and tags with blanks between them, as opposed to lists."""
    if not isinstance(words, str) or isinstance(tags, list):
        return False
    # A word may be a bracket, and a list may be cut off.
    holds_texts = any(isinstance(word, str) for word in written_list(words) or ())
    if isinstance(tags, str) and tags.strip():
        return not tags.lstrip().startswith("[") and not holds_texts
    return not holds_texts and _LIST_OF_TEXTS.match(words) is None


def words_between_blanks(cell: str) -> list[str]:
    """Return the words of a cell. Other white space, such as a no-break space, is part of a word."""
    return _WORD.findall(cell)


def _tags_between_blanks(cell: Any) -> Any:
    """Return the tags of a cell, of which some are numbers; a value that is no text as it is."""
    return (
        [int(tag) if tag.isdecimal() else tag for tag in words_between_blanks(cell)] if isinstance(cell, str) else cell
    )


def _space(value: Any, name: str) -> str:
    """Return what follows a word: white space as it stands, or by a word or boolean."""
    if isinstance(value, str) and not value.strip():
        return value
    if isinstance(value, str | bool) and value in _SPACES:
        return _SPACES[value]
    raise UnreadableError(f"{name} holds no spacing", value)
