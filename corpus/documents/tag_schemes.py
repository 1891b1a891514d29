"""Tag schemes of tagged words: IOB1, IOB2, BIOES, BILOU, BMEWO and IO."""

from collections.abc import Hashable, Iterable, Mapping, Sequence
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
# Marks of a scheme beside its prefixes: how entities begin and end.
I_BEGINS = "I begins"
OPEN_END = "open end"  # an entity ends with B or I, where BIOES and its like write another prefix
B_BEGINS = "B begins"  # not directly after an entity of its type, where IOB1 writes I
BARE = "bare"  # a type without a prefix
# Names of the module are looked up faster than members of an enumeration.
_OUTSIDE = Place.OUTSIDE
_CONTINUES = (Place.INSIDE, Place.LAST)
_ENDS = (Place.LAST, Place.SINGLE)


class TagDecoder:
    """Decoder of tags to entities; `marks` are what shows the scheme of the words that were decoded last.

    Without a scheme, the prefixes of all are read, whose meanings do not clash. A tag that does not continue an entity
    of its type begins one, as in seqeval's default mode.
    """

    def __init__(self, scheme: TagScheme | None = None, names: Sequence[str] | Mapping[str, str] = ()) -> None:
        """Take the scheme, or None, and the names of tags that are numbers or have other names in the source."""
        self._scheme = scheme
        self._names = dict(names) if isinstance(names, Mapping) else {str(i): name for i, name in enumerate(names)}
        self._known: dict[Hashable, tuple[Place, str, str]] = {}
        self.marks: frozenset[str] = frozenset()

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
        known, marks = self._known, set[str]()
        for token, start, tag in zip(tokens, starts, tags, strict=True):
            try:
                place, label, mark = known[tag]
            except (KeyError, TypeError):  # a new tag, or a list
                place, label, mark = self._decode(tag)
            if place is _OUTSIDE:
                if open_label is not None:
                    marks.add(OPEN_END)
                open_label = last_label = None
                continue
            marks.add(mark)
            end = start + len(token)
            if place in _CONTINUES and label == open_label:
                entities[-1] = Entity(entities[-1].start, end, label)
            else:
                if open_label is not None:
                    marks.add(OPEN_END)
                entities.append(Entity(start, end, label))
                if place is Place.INSIDE:
                    marks.add(I_BEGINS)
                elif place is Place.FIRST and label != last_label:
                    marks.add(B_BEGINS)
            last_label = label
            open_label = None if place in _ENDS else label
        if open_label is not None:
            marks.add(OPEN_END)
        self.marks = frozenset(marks)
        return tuple([bare(text, entity) for entity in entities])

    def _decode(self, tag: Any) -> tuple[Place, str, str]:
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

    def _read(self, tag: str) -> tuple[Place, str, str]:
        """Return the place of the word in an entity, the type, and the mark of the scheme."""
        if tag == OUTSIDE:
            return Place.OUTSIDE, "", ""
        prefix, dash, label = tag.partition("-")
        if self._scheme == "io":
            return Place.INSIDE, label if prefix == "I" and label else tag, BARE
        place = PREFIXES.get(prefix)
        if not dash and tag[:1] in PREFIXES and tag[1:2] == "_":
            raise UnreadableError("tag is neither O nor PREFIX-TYPE", tag)
        if not dash:
            raise UnreadableError("tag has no prefix", tag)
        if place is None or not label:
            raise UnreadableError("tag is neither O nor PREFIX-TYPE", tag)
        if self._scheme is not None and prefix not in SCHEMES[self._scheme]:
            raise UnreadableError("tag is not of source.tagging.scheme", f"{tag} in {self._scheme}")
        return place, label, prefix
