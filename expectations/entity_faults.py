"""Faults of the entities of one text. Each function yields the faulty entities."""

import re
from collections.abc import Iterator, Sequence

from assay.corpus.documents.entity_spans import stripped
from assay.corpus.example import Entity
from assay.corpus.scripts import inside_word, is_invisible, split_signs
from assay.serving.decoding import bio_tags, spans, tag_words
from assay.serving.encoding import Word

Entities = Sequence[Entity]
# Runs of letters and digits, and every other character alone: the finest words of any tokenizer.
_RUN = re.compile(r"[^\W_]+|\S")


def in_order(text: str, entities: Entities) -> bool:
    """Return whether a quick scan finds no fault; then no other function of this module yields anything.

    Without fault, entities are sorted, apart, typed, inside the text, on word boundaries and without invisible
    characters at their edges. False only means that a complete check is needed.
    """
    previous_end, length = 0, len(text)
    for entity in entities:
        start, end = entity.start, entity.end
        if not previous_end <= start < end <= length or not entity.label or entity.label.isspace():
            return False
        first, last = text[start], text[end - 1]
        if is_invisible(first) or is_invisible(last):
            return False
        if inside_word(text, start) or inside_word(text, end):
            return False
        previous_end = end
    return True


def outside(text: str, entities: Entities) -> Iterator[Entity]:
    """Yield entities that begin before or end after the text."""
    return (entity for entity in entities if entity.start < 0 or max(entity.start, entity.end) > len(text))


def empty(text: str, entities: Entities) -> Iterator[Entity]:
    """Yield entities without a visible character."""
    sized = ((entity, _covered(text, entity)) for entity in entities)
    return (entity for entity, covered in sized if entity.end <= entity.start or (covered and not stripped(covered)))


def untyped(text: str, entities: Entities) -> Iterator[Entity]:
    """Yield entities without a type."""
    return (entity for entity in entities if not (entity.label or "").strip())


def padded(text: str, entities: Entities) -> Iterator[Entity]:
    """Yield entities that begin or end with white space or another invisible character."""
    return (entity for entity in _in_text(text, entities) if _is_padded(text, entity))


def overlapping(text: str, entities: Entities) -> Iterator[Entity]:
    """Yield entities that begin before an earlier one has ended."""
    previous_end = 0
    for entity in sorted(entities, key=lambda entity: (entity.start, entity.end)):
        if entity.start < previous_end and entity.end > entity.start:
            yield entity
        previous_end = max(previous_end, entity.end)


def cutting_words(text: str, entities: Entities) -> Iterator[Entity]:
    """Yield entities that begin or end inside a word: tags belong to words, so the model learns the whole word."""
    return (entity for entity in _in_text(text, entities) if cuts_word(text, entity))


def cuts_word(text: str, entity: Entity) -> bool:
    """Return whether an entity begins or ends inside a word."""
    return inside_word(text, entity.start) or inside_word(text, entity.end)


def lost_in_tags(text: str, entities: Entities) -> Iterator[Entity]:
    """Yield entities on word boundaries that cannot be decoded from the BIO tags of the words."""
    whole = [entity for entity in _in_text(text, entities) if _on_boundaries(text, entity)]
    if not whole:
        return iter(())
    # Words before the first entity and after the last are tagged O in any case.
    begin, end = max(0, min(entity.start for entity in entities)), max(entity.end for entity in entities)
    words = [Word(0, *span) for span in _words(text, begin, end)]
    tags = tag_words(entities, words)
    decoded = set(spans(tags, words)) if is_valid_bio(tags, {entity.label for entity in entities}) else set()
    return (entity for entity in whole if entity not in decoded)


def _words(text: str, begin: int, end: int) -> Iterator[tuple[int, int]]:
    """Yield the words of a part of the text; in scripts without spaces, each letter with its marks."""
    for run in _RUN.finditer(text, begin, end):
        yield from split_signs(text, *run.span())


def is_valid_bio(tags: Sequence[str], labels: set[str]) -> bool:
    """Return whether the tags are those of `labels` and each `I-` continues an entity of its type."""
    known = set(bio_tags(list(labels)))
    pairs = zip(["O", *tags], tags, strict=False)
    return all(tag in known and (tag[0] != "I" or before[2:] == tag[2:]) for before, tag in pairs)


def _in_text(text: str, entities: Entities) -> Iterator[Entity]:
    return (entity for entity in entities if 0 <= entity.start < entity.end <= len(text))


def _on_boundaries(text: str, entity: Entity) -> bool:
    return not _is_padded(text, entity) and not cuts_word(text, entity)


def _is_padded(text: str, entity: Entity) -> bool:
    return is_invisible(text[entity.start]) or is_invisible(text[entity.end - 1])


def _covered(text: str, entity: Entity) -> str:
    return text[max(entity.start, 0) : max(entity.end, 0)]
