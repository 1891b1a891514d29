"""Tag schemes of tagged words: IOB1, IOB2, BIOES, BILOU, BMEWO and IO, and which of them a source uses."""

from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence
from enum import Enum
from typing import Any

from assay.corpus.documents.entity_spans import bare
from assay.corpus.documents.fields import TagScheme
from assay.corpus.documents.values import UnreadableError, plain_text, whole_number
from assay.corpus.example import Entity

OUTSIDE = "O"


class Place(Enum):
    """Where in an entity a word stands."""

    OUTSIDE = "outside"
    FIRST = "first"
    INSIDE = "inside"
    LAST = "last"
    SINGLE = "single"


PREFIXES = {
    "B": Place.FIRST,
    "I": Place.INSIDE,
    "M": Place.INSIDE,
    "E": Place.LAST,
    "L": Place.LAST,
    "S": Place.SINGLE,
    "U": Place.SINGLE,
    "W": Place.SINGLE,
}
SCHEMES: Mapping[str, str] = {"iob1": "BI", "iob2": "BI", "bioes": "BIES", "bilou": "BILU", "bmewo": "BMEW"}
# Marks of a source beside its prefixes: how entities begin.
I_BEGINS = "I begins"
B_BEGINS = "B begins"  # not directly after an entity of its type, where IOB1 writes I
BARE = "bare"  # a type without a prefix
# Names of the module are looked up faster than members of an enumeration.
_OUTSIDE = Place.OUTSIDE
_CONTINUES = (Place.INSIDE, Place.LAST)
_ENDS = (Place.LAST, Place.SINGLE)


class TagDecoder:
    """Decoder of tags to entities; `marks` receives what shows their scheme.

    Without a scheme, the prefixes of all are read, whose meanings do not clash. A tag that does not continue an entity
    of its type begins one, as in seqeval's default mode.
    """

    def __init__(self, scheme: TagScheme | None = None, names: Sequence[str] | Mapping[str, str] = ()) -> None:
        """Take the scheme, or None, and the names of tags that are numbers or have other names in the source."""
        self._scheme = scheme
        self._names = dict(names) if isinstance(names, Mapping) else {str(i): name for i, name in enumerate(names)}
        self._known: dict[Hashable, tuple[Place, str]] = {}
        self.marks: set[str] = set()

    def entities(
        self, text: str, tokens: Sequence[str], starts: Iterable[int], tags: Sequence[Any]
    ) -> tuple[Entity, ...]:
        """Return the entities of tagged words as spans of the text, without white space at their edges.

        Args:
            text: the text that the words make up.
            tokens: the words.
            starts: offset of each word.
            tags: tag of each word.

        Raises:
            UnreadableError: a tag is not of the scheme, or an entity is only white space.
        """
        entities: list[Entity] = []
        open_label = last_label = None
        known = self._known
        for token, start, tag in zip(tokens, starts, tags, strict=True):
            try:
                place, label = known[tag]
            except (KeyError, TypeError):  # a new tag, or a list
                place, label = self._decode(tag)
            if place is _OUTSIDE:
                open_label = last_label = None
                continue
            end = start + len(token)
            if place in _CONTINUES and label == open_label:
                entities[-1] = Entity(entities[-1].start, end, label)
            else:
                entities.append(Entity(start, end, label))
                if place is Place.INSIDE:
                    self.marks.add(I_BEGINS)
                elif place is Place.FIRST and label != last_label:
                    self.marks.add(B_BEGINS)
            last_label = label
            open_label = None if place in _ENDS else label
        return tuple([bare(text, entity) for entity in entities])

    def _decode(self, tag: Any) -> tuple[Place, str]:
        decoded = self._read(self._named(tag))
        self._known[tag] = decoded
        return decoded

    def _named(self, tag: Any) -> str:
        """Return the tag as text, by the names of the recipe where it gives some."""
        number = None if isinstance(tag, str) else whole_number(tag)
        if number is None:
            tag = plain_text(tag, "tag")
        elif not self._names:
            raise UnreadableError("tag is a number", tag)
        key = tag if number is None else str(number)
        if self._names and key not in self._names and key not in self._names.values():
            raise UnreadableError("tag is not in source.tagging.names", tag)
        return self._names.get(key, key)

    def _read(self, tag: str) -> tuple[Place, str]:
        if tag == OUTSIDE:
            return Place.OUTSIDE, ""
        prefix, dash, label = tag.partition("-")
        if self._scheme == "io":
            self.marks.add(BARE)
            return Place.INSIDE, label if prefix == "I" and label else tag
        place = PREFIXES.get(prefix)
        if not dash and tag[:1] in PREFIXES and tag[1:2] == "_":
            raise UnreadableError("tag is neither O nor PREFIX-TYPE", tag)
        if not dash:
            raise UnreadableError("tag has no prefix", tag)
        if place is None or not label:
            raise UnreadableError("tag is neither O nor PREFIX-TYPE", tag)
        if self._scheme is not None and prefix not in SCHEMES[self._scheme]:
            raise UnreadableError("tag is not of source.tagging.scheme", f"{tag} in {self._scheme}")
        self.marks.add(prefix)
        return place, label


def scheme_of(marks: Collection[str]) -> str | None:
    """Return the scheme that marks show, in words; None where they show more than one."""
    prefixes = {mark for mark in marks if mark in PREFIXES}
    if BARE in marks:
        return "IO, in which adjacent entities of one type are read as one"
    if prefixes <= {"I"}:
        return "IO or IOB1, which are read alike: no tag begins with B, so adjacent entities of one type are one"
    if prefixes <= {"B", "I"}:
        if I_BEGINS in marks and B_BEGINS in marks:
            return None
        return "IOB1" if I_BEGINS in marks else "IOB2"
    return next((name.upper() for name in ("bioes", "bilou", "bmewo") if prefixes <= set(SCHEMES[name])), None)
