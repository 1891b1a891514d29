"""Spans from what a source states: offsets, names without offsets, BIO tags."""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal

from corpus.example import Entity
from corpus.fields import EntityFields
from corpus.values import MISSING, UnreadableError, pick, plain_text

Occurrences = Literal["all", "first"]


def read_entities(text: str, items: Any, fields: EntityFields) -> tuple[Entity, ...]:
    """The entities of a text, sorted by offset.

    Entities with offsets are taken as they are, even where they overlap. Names without offsets are found as
    whole words in what those leave free, the longest name first.

    Raises:
        UnreadableError: an entity is malformed, its offsets are outside the text or do not fit its name, or its
            name is not in the text.
    """
    if not isinstance(items, list):
        raise UnreadableError("entities are not a list", items)
    placed: list[Entity] = []
    names: dict[str, str] = {}
    start, end = fields.start, fields.end
    for item in items:
        # Readers of databases give dicts, which are told faster than other mappings.
        if not isinstance(item, dict) and not isinstance(item, Mapping):
            raise UnreadableError("entity is not an object", item)
        label = _label(item, fields)
        for span in (item,) if fields.spans is None else _spans(item, fields.spans):
            if _is_none(pick(span, start)) and _is_none(pick(span, end)):
                name = plain_text(pick(span, fields.name), f"entity.{fields.name}").strip()
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
    """Find names (`{name: type}`) as whole words, longest first, where nothing longer was found before.

    A name that stands only inside longer names or `taken` spans gives no entity and is no fault.

    Raises:
        UnreadableError: a name does not stand in the text as a whole word.
    """
    used = bytearray(len(text))
    for entity in taken:
        used[entity.start : entity.end] = b"\1" * (entity.end - entity.start)
    found: list[Entity] = []
    for name in sorted(names, key=lambda name: (-len(name), name)) if len(names) > 1 else names:
        spans = whole_words(text, name, ignore_case=ignore_case)
        if not spans:
            raise UnreadableError("entity is not in the text", name)
        for start, end in spans:
            if used.find(1, start, end) < 0:
                used[start:end] = b"\1" * (end - start)
                found.append(Entity(start, end, names[name]))
                if occurrences == "first":
                    break
    return found


def whole_words(text: str, name: str, *, ignore_case: bool = False) -> list[tuple[int, int]]:
    """Spans of `name` in `text`, overlapping ones too, with no word character right beside them."""
    found = _in_any_case(text, name) if ignore_case else _exact(text, name)
    return [(start, end) for start, end in found if stands_alone(text, start, end)]


def bio_entities(tokens: Sequence[str], tags: Sequence[str]) -> tuple[Entity, ...]:
    """Spans over the tokens joined with single spaces.

    An `I-` tag that continues nothing of its type begins an entity, as in seqeval's default mode.

    Raises:
        UnreadableError: a tag is neither `O` nor `B-TYPE` nor `I-TYPE`.
    """
    entities: list[Entity] = []
    open_label = None
    start = 0
    for token, tag in zip(tokens, tags, strict=True):
        prefix, _, label = tag.partition("-")
        if tag != "O" and (prefix not in ("B", "I") or not label):
            raise UnreadableError("tag is neither O nor B-TYPE nor I-TYPE", tag)
        end = start + len(token)
        if prefix == "I" and label == open_label:
            entities[-1] = Entity(entities[-1].start, end, label)
        elif tag != "O":
            entities.append(Entity(start, end, label))
        open_label = label or None
        start = end + 1
    return tuple(entities)


def _label(item: Mapping[str, Any], fields: EntityFields) -> str:
    """The type of an entity. Some annotation tools write a list, which then must hold one type only."""
    label = pick(item, fields.label)
    if isinstance(label, list):
        if len(label) > 1:
            raise UnreadableError("entity has several types", label)
        label = label[0] if label else None
    return plain_text(label, f"entity.{fields.label}", default=fields.default_label)


def _spans(item: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    """The objects of an entity's list of spans, which hold name and offsets."""
    spans = pick(item, name)
    if not isinstance(spans, list) or not all(isinstance(span, Mapping) for span in spans):
        raise UnreadableError(f"entity.{name} is not a list of objects", spans)
    return spans


def _is_none(value: Any) -> bool:
    return value is MISSING or value is None


def _order(entity: Entity) -> tuple[int, int, str]:
    return entity.start, entity.end, entity.label


def _placed(text: str, item: Mapping[str, Any], label: str, fields: EntityFields) -> Entity:
    start, end = (_offset(pick(item, name), f"entity.{name}") for name in (fields.start, fields.end))
    end += fields.end_inclusive
    if not 0 <= start < end <= len(text):
        raise UnreadableError("entity lies outside the text", f"{start}:{end} in {len(text)} characters")
    name = pick(item, fields.name)
    if not _is_none(name) and text[start:end] != name:
        raise UnreadableError("entity differs from the text", f"{name!r} against {text[start:end]!r} at {start}:{end}")
    return Entity(start, end, label)


def _offset(value: Any, name: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise UnreadableError(f"{name} is not a whole number", "missing" if value is MISSING else value)
    return value


def _exact(text: str, name: str) -> Iterator[tuple[int, int]]:
    # Not a pattern for each name: sources hold more names than `re` keeps compiled.
    start = text.find(name)
    while start >= 0:
        yield start, start + len(name)
        start = text.find(name, start + 1)


def _in_any_case(text: str, name: str) -> Iterator[tuple[int, int]]:
    return (match.span(1) for match in re.finditer(f"(?=({re.escape(name)}))", text, re.IGNORECASE))


def stands_alone(text: str, start: int, end: int) -> bool:
    """Whether no word character is right beside a span."""
    return not (start > 0 and _in_word(text[start - 1])) and not (end < len(text) and _in_word(text[end]))


def _in_word(character: str) -> bool:
    """Letters, digits, the underscore, and the marks that combine with the letter before them."""
    if character.isascii():
        return character.isalnum() or character == "_"
    return character.isalnum() or unicodedata.category(character).startswith("M")
