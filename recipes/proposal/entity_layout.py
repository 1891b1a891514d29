"""Where the objects of an entity list hold type, offsets and words: found by name, confirmed by reading them."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from assay.corpus.documents.entity_spans import locate_entities, stands_alone
from assay.corpus.documents.fields import EntityFields
from assay.corpus.documents.values import UnreadableError, get_path, whole_number

STARTS = ("start", "start_offset", "start_char", "char_start", "begin", "from", "startOffset", "startPos", "offset")
ENDS = ("end", "end_offset", "end_char", "char_end", "stop", "to", "endOffset", "endPos")
TYPES = ("label", "type", "entity_type", "tag", "ner", "entity_group", "labels", "entity", "category", "class")
# Parts of other names of types, such as displayName and entityClass.
TYPE_PARTS = ("type", "label", "class", "categ", "displayname", "tag", "kind")
WORDS = ("text", "word", "name", "mention", "surface", "value", "EntityName", "entity_name", "entity", "quote")

Item = Mapping[str, Any]
Items = Sequence[tuple[str, Sequence[Item]]]


def entity_settings(items: Items, given: Mapping[str, Any]) -> EntityFields | None:
    """Return the layout that reads the most entities of a sample, or None if none reads half of the texts.

    Args:
        items: text and entity objects of each document.
        given: keys of the layout that the user has set.
    """
    filled = [(text, objects) for text, objects in items if objects]
    found = _layouts([item for _, objects in filled for item in objects])
    layouts = [EntityFields.model_validate({**layout.model_dump(), **given}) for layout in found]
    scores = {layout: _score(filled, layout) for layout in layouts}
    best = max(layouts, key=lambda layout: scores[layout], default=None)
    return best if best is not None and scores[best][0] >= 0.5 * len(filled) else None


def why_unread(items: Items) -> str:
    """Return why the first objects that cannot be read as entities cannot."""
    layout = next(_layouts([item for _, objects in items for item in objects]), EntityFields())
    for text, objects in items:
        try:
            locate_entities(text, list(objects), layout)
        except UnreadableError as error:
            return str(error)
    return "too few of them are in the text"


def _layouts(objects: Sequence[Item]) -> Iterator[EntityFields]:
    """Yield the layouts that the names of the keys allow, the most usual first."""
    spans = _nested_list(objects)
    inner = [span for item in objects for span in (item[spans] if spans else [item])]
    start, end = _named_number(inner, STARTS), _named_number(inner, ENDS)
    label = _first(objects, TYPES, _is_type)
    word = _first(inner, tuple(name for name in WORDS if name != label), lambda value: isinstance(value, str))
    if (start is None or end is None) and word is None:
        return
    label = label or _other_type(objects, known=(start, end, word, spans))
    keys = {"start": start, "end": end, "label": label, "name": word, "spans": spans}
    settings = {key: name for key, name in keys.items() if name is not None}
    yield EntityFields.model_validate(settings)
    if label is None and word is not None and start is not None and end is not None:  # "name": "ORG"
        yield EntityFields.model_validate({"start": start, "end": end, "label": word})
    if end is not None:
        yield EntityFields.model_validate({**settings, "end_inclusive": True})
    if word is not None and start is not None and end is not None:  # the words show what offsets count
        yield EntityFields.model_validate({**settings, "offset_unit": "utf16"})
        yield EntityFields.model_validate({**settings, "offset_unit": "bytes"})


def _score(items: Items, layout: EntityFields) -> tuple[int, int]:
    """Return the number of texts whose entities can be read, and of entities that end where a word ends."""
    read = whole = 0
    for text, objects in items:
        try:
            entities = locate_entities(text, list(objects), layout)
        except UnreadableError:
            continue
        read += 1
        whole += sum(stands_alone(text, entity.start, entity.end) for entity in entities)
    return read, whole


def _nested_list(objects: Sequence[Item]) -> str | None:
    """Return the key whose values are lists of objects with offsets."""
    for key, value in (pair for item in objects[:100] for pair in item.items()):
        if isinstance(value, list) and value and all(isinstance(span, Mapping) for span in value):
            complete = all(isinstance(item.get(key), list) for item in objects)
            if complete and _named_number(value, STARTS) and _named_number(value, ENDS):
                return key
    return None


def _named_number(objects: Sequence[Item], names: Sequence[str]) -> str | None:
    return _first(objects, names, lambda value: whole_number(value) is not None)


def _first(objects: Sequence[Item], names: Sequence[str], suits: Any) -> str | None:
    """Return the first name whose values suit in nine of ten objects; it may be dotted."""
    for name in names:
        if objects and sum(suits(get_path(item, name)) for item in objects) >= 0.9 * len(objects):
            return name
    return None


def _other_type(objects: Sequence[Item], known: Sequence[str | None]) -> str | None:
    """Return the key of a type that has no usual name: by a part of its name, else by several values that repeat."""
    keys = [key for key in objects[0] if key not in known and all(_is_type(item.get(key)) for item in objects)]
    named = (key for key in keys if any(part in key.lower() for part in TYPE_PARTS))
    repeated = (key for key in keys if 1 < len({str(item[key]) for item in objects}) <= len(objects) // 2)
    return next(named, None) or next(repeated, None)


def _is_type(value: Any) -> bool:
    if isinstance(value, list):
        return len(value) == 1 and isinstance(value[0], str)
    return isinstance(value, str) and 0 < len(value) <= 60
