"""Entity spans from the annotations of a source: offsets, and names without offsets."""

import itertools
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal

from assay.corpus.documents.fields import EntityFields
from assay.corpus.documents.label_values import LabelValues
from assay.corpus.documents.offset_units import to_characters
from assay.corpus.documents.values import MISSING, UnreadableError, get_path, is_missing, plain_text, whole_number
from assay.corpus.example import Entity
from assay.corpus.plural import counted
from assay.corpus.scripts import KINDS, ZERO_WIDTH_JOINER, Kind, after_joiners, base_kind, is_invisible

Occurrences = Literal["all", "first"]


def read_entities(text: str, items: Any, fields: EntityFields, labels: LabelValues | None = None) -> tuple[Entity, ...]:
    """Return the entities of a text, sorted by offset.

    Args:
        text: the text.
        items: its entities, each an object, or [start, end, label].
        fields: where an object holds its parts.
        labels: names the types that are numbers; None refuses them.

    Raises:
        UnreadableError: an entity cannot be located (`locate_entities`), or two overlap.
    """
    entities = locate_entities(text, items, fields, labels)
    check_apart(text, entities)
    return entities


def check_apart(text: str, entities: Sequence[Entity]) -> None:
    """Check that no entities of a text overlap, which one tag per word cannot express.

    Args:
        text: the text.
        entities: its entities, sorted by offset.

    Raises:
        UnreadableError: two overlap.
    """
    for left, right in itertools.pairwise(entities):
        if right.start < left.end:
            words = f"{text[left.start : left.end]} and {text[right.start : right.end]}"
            raise UnreadableError("entities overlap", words)


def locate_entities(
    text: str, items: Any, fields: EntityFields, labels: LabelValues | None = None
) -> tuple[Entity, ...]:
    """Return the entities of a text, sorted by offset, as `read_entities` does; some may overlap.

    Entities with offsets are used as given, but without white space and other invisible characters at their edges.
    Names without offsets are located as whole words in the remaining text, the longest name first.

    Raises:
        UnreadableError: an entity is malformed, its offsets are outside the text, do not match its name or cover only
            white space, or its name is not in the text as a word.
    """
    if not isinstance(items, list):
        items = _rows_of_columns(items)
    placed: list[Entity] = []
    names: dict[str, str] = {}
    start, end = fields.start, fields.end
    for item in items:
        if isinstance(item, list | tuple):
            item = _from_triple(item, fields)
        # Readers of databases give dicts, for which isinstance is faster than for other mappings.
        if not isinstance(item, dict) and not isinstance(item, Mapping):
            raise UnreadableError("entity is not an object", item)
        if fields.offsets is not None:
            item = _with_offsets(item, fields.offsets, fields)
        label = _label(item, fields, labels)
        for span in (item,) if fields.spans is None else _spans(item, fields.spans):
            if is_missing(get_path(span, start)) and is_missing(get_path(span, end)):
                name = stripped(plain_text(get_path(span, fields.name), f"entity.{fields.name}"))
                if not name:
                    raise UnreadableError("entity covers white space alone", "a name without offsets")
                if names.setdefault(name, label) != label:
                    raise UnreadableError("entity has two types", f"{name} is {names[name]} and {label}")
            else:
                placed.append(_placed(text, span, label, fields))
    if names:
        placed += find_names(text, names, placed, occurrences=fields.occurrences, ignore_case=fields.ignore_case)
    return tuple(sorted(placed, key=_order) if len(placed) > 1 else placed)


def find_names(
    text: str,
    names: Mapping[str, str],
    taken: Iterable[Entity] = (),
    *,
    occurrences: Occurrences = "all",
    ignore_case: bool = False,
) -> list[Entity]:
    """Locate names (`{name: type}`) as whole words, longest first, where no longer name was found before.

    A name that occurs only inside longer names or `taken` spans gives no entity and no error.

    Raises:
        UnreadableError: a name does not occur in the text as a whole word.
    """
    used = bytearray(len(text))
    for entity in taken:
        used[entity.start : entity.end] = b"\1" * (entity.end - entity.start)
    entities: list[Entity] = []
    for name in sorted(names, key=lambda name: (-len(name), name)) if len(names) > 1 else names:
        spans = whole_words(text, name, ignore_case=ignore_case)
        if not spans:
            raise UnreadableError(*_not_found(text, name, ignore_case=ignore_case))
        for start, end in spans:
            if used.find(1, start, end) < 0:
                used[start:end] = b"\1" * (end - start)
                entities.append(Entity(start, end, names[name]))
                if occurrences == "first":
                    break
    return entities


def whole_words(text: str, name: str, *, ignore_case: bool = False) -> list[tuple[int, int]]:
    """Return the spans of `name` in `text` that do not cut a word, overlapping ones included.

    In scripts without spaces, words can begin and end at any letter.
    """
    return [(start, end) for start, end in _spans_of(text, name, ignore_case) if stands_alone(text, start, end)]


def _rows_of_columns(items: Any) -> list[dict[str, Any]]:
    """Return entities that are given as an object of lists, as `datasets` writes a sequence of objects."""
    if not isinstance(items, Mapping) or not items or not all(isinstance(values, list) for values in items.values()):
        raise UnreadableError("entities are not a list", items)
    if len({len(values) for values in items.values()}) > 1:
        raise UnreadableError("lists of entities differ in length", items)
    return [dict(zip(items, values, strict=True)) for values in zip(*items.values(), strict=True)]


def _from_triple(item: Sequence[Any], fields: EntityFields) -> dict[str, Any]:
    """Return an entity that is written as [start, end, label]."""
    match item:
        case [int() as start, int() as end, str() as label]:
            return {fields.start: start, fields.end: end, fields.label: label}
    raise UnreadableError("entity is not [start, end, label]", item)


def _with_offsets(item: Mapping[str, Any], name: str, fields: EntityFields) -> dict[str, Any]:
    """Return an entity with start and end from its list of offsets, and its words from a list of one part."""
    parts = get_path(item, name)
    if not isinstance(parts, list) or not parts:
        raise UnreadableError(f"entity.{name} is not a list of offsets", "missing" if parts is MISSING else parts)
    if isinstance(parts[0], list) and len(parts) > 1:
        raise UnreadableError("entity is discontinuous", parts)
    pair = parts[0] if isinstance(parts[0], list) else parts
    if len(pair) != 2:
        raise UnreadableError(f"entity.{name} is not a list of offsets", parts)
    words = get_path(item, fields.name)
    words = words[0] if isinstance(words, list) and len(words) == 1 else words
    return {**item, fields.start: pair[0], fields.end: pair[1], **({} if words is MISSING else {fields.name: words})}


def _label(item: Mapping[str, Any], fields: EntityFields, labels: LabelValues | None) -> str:
    """Return the type of an entity; the lists of some annotation tools must hold one type only."""
    label = get_path(item, fields.label)
    if isinstance(label, list):
        if len(label) > 1:
            raise UnreadableError("entity has several types", label)
        label = label[0] if label else None
    label = None if is_missing(label) else label
    if labels is not None and whole_number(label) is not None:
        return labels.read_number(label, f"entity.{fields.label}")
    return plain_text(label, f"entity.{fields.label}", default=fields.default_label)


def _spans(item: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    """Return the objects in an entity's list of spans, which hold name and offsets."""
    spans = get_path(item, name)
    if not isinstance(spans, list) or not all(isinstance(span, Mapping) for span in spans):
        raise UnreadableError(f"entity.{name} is not a list of objects", spans)
    return spans


def _order(entity: Entity) -> tuple[int, int, str]:
    return entity.start, entity.end, entity.label


def _placed(text: str, item: Mapping[str, Any], label: str, fields: EntityFields) -> Entity:
    start, end = (_offset(get_path(item, name), f"entity.{name}") for name in (fields.start, fields.end))
    end += fields.end_inclusive
    if fields.offset_unit != "characters":
        start, end = (to_characters(text, offset, fields.offset_unit) for offset in (start, end))
    if start >= end:
        fault = "entity is empty" if start == end else "entity ends before it begins"
        raise UnreadableError(fault, f"{start}:{end}")
    if not 0 <= start < end <= len(text):
        raise UnreadableError("entity lies outside the text", f"{start}:{end} in {counted(len(text), 'character')}")
    name = get_path(item, fields.name)
    if not is_missing(name) and text[start:end] != name and _composed(text[start:end]) != _composed(name):
        raise UnreadableError("entity differs from the text", f"{name!r} against {text[start:end]!r} at {start}:{end}")
    return bare(text, Entity(start, end, label))


def bare(text: str, entity: Entity) -> Entity:
    """Return the entity without invisible characters at its edges, which no tag can express."""
    start, end = without_space(text, entity.start, entity.end)
    if start == end:
        raise UnreadableError("entity covers white space alone", f"{entity.start}:{entity.end}")
    return entity if (start, end) == (entity.start, entity.end) else Entity(start, end, entity.label)


def without_space(text: str, start: int, end: int) -> tuple[int, int]:
    """Return a span without white space and other invisible characters at its edges; empty if nothing remains."""
    while start < end and is_invisible(text[end - 1]):
        end -= 1
    while start < end and is_invisible(text[start]):
        start += 1
    return start, end


def stripped(name: str) -> str:
    """Return a name without white space and other invisible characters at its edges."""
    start, end = without_space(name, 0, len(name))
    return name[start:end]


def _composed(name: Any) -> Any:
    """Return a name without white space at its edges, its accents composed: tools write either form (NFC, NFD)."""
    return unicodedata.normalize("NFC", stripped(name)) if isinstance(name, str) else name


def _offset(value: Any, name: str) -> int:
    number = whole_number(value)
    if number is None:
        raise UnreadableError(f"{name} is not a whole number", "missing" if value is MISSING else value)
    return number


def _not_found(text: str, name: str, *, ignore_case: bool) -> tuple[str, str]:
    """Return why a name gives no entity: the text lacks it, or it is part of longer words."""
    span = next(_spans_of(text, name, ignore_case), None)
    if span is None:
        return "entity is not in the text", name
    start, end = span
    while start > 0 and _joined(text, start, start - 1, start):
        start -= 1
    while end < len(text) and _joined(text, end, end, end - 1):
        end += 1
    return "entity stands only inside a longer word", f"{name} in {text[start:end]}"


def _spans_of(text: str, name: str, ignore_case: bool) -> Iterator[tuple[int, int]]:
    return _in_any_case(text, name) if ignore_case else _exact(text, name)


def _exact(text: str, name: str) -> Iterator[tuple[int, int]]:
    # No regular expression per name: sources hold more names than `re` caches.
    start = text.find(name)
    while start >= 0:
        yield start, start + len(name)
        start = text.find(name, start + 1)


def _in_any_case(text: str, name: str) -> Iterator[tuple[int, int]]:
    return (match.span(1) for match in re.finditer(f"(?=({re.escape(name)}))", text, re.IGNORECASE))


def stands_alone(text: str, start: int, end: int) -> bool:
    """Return whether a span cuts no word at its edges."""
    return not (
        (start > 0 and _joined(text, start, start - 1, start)) or (end < len(text) and _joined(text, end, end, end - 1))
    )


def _joined(text: str, at: int, outer: int, inner: int) -> bool:
    """Return whether the characters on both sides of an offset belong to one word; `outer` is outside the span."""
    if text[outer].isascii() and text[inner].isascii():
        return text[outer].isalnum() or text[outer] == "_"
    if outer == at and text[at] == ZERO_WIDTH_JOINER:
        at = outer = after_joiners(text, at)
        if at == len(text):
            return False
    if KINDS[text[at]] is Kind.MARK:
        return True
    outside = base_kind(text, at) if outer < at else KINDS[text[outer]]
    inside = base_kind(text, at) if inner < at else KINDS[text[inner]]
    return (outside is Kind.LETTER or text[outer] == "_") and inside is not Kind.SIGN
