"""What several people say about one text, in words: what they differ in, shortened."""

from collections.abc import Mapping, Sequence
from typing import Any

from assay.corpus.documents.values import MISSING
from assay.corpus.entity import Entity

MOST_PEOPLE = MOST_ITEMS = 3
LONGEST = 40
NOTHING = "nothing"  # of a person who left the class open, or marked no entity


def in_words(people: Sequence[str | None], decisions: Sequence[Sequence[Any]]) -> str:
    """Return who says what, one person for each opinion.

    Args:
        people: who decided, in the order of the decisions; None where the tool names nobody.
        decisions: the parts of what each decided (class, entities, labels), in the same order for all.
    """
    differing = [parts for parts in zip(*decisions, strict=True) if any(part != parts[0] for part in parts)]
    by_phrase: dict[str, str] = {}
    for number, person in enumerate(people):
        phrases = [_phrase(parts[number], parts) for parts in differing]
        by_phrase.setdefault(" and ".join(phrases), _name(person, number))
    opinions = [f"{person} says {phrase}" for phrase, person in by_phrase.items()]
    return ", ".join(opinions[:MOST_PEOPLE]) + _more(len(opinions) - MOST_PEOPLE)


def _name(person: str | None, number: int) -> str:
    """Return what to call a person whom the tool may know by a number, or not at all."""
    if person is None:
        return f"annotator {number + 1}"
    return f"annotator {person}" if person.isdecimal() else person


def _phrase(part: Any, parts: Sequence[Any]) -> str:
    """Return what one person says; of lists, the items that not everybody has."""
    if not isinstance(part, list | tuple):
        return NOTHING if part in (MISSING, None, "") else _item(part)
    lists = [other if isinstance(other, list | tuple) else () for other in parts]
    own = [item for item in part if not all(item in other for other in lists)]
    if not own:
        return f"{NOTHING} more" if part else NOTHING
    return ", ".join(map(_item, own[:MOST_ITEMS])) + _more(len(own) - MOST_ITEMS)


def _item(item: Any) -> str:
    """Return a class, a label, or an entity with its type, offsets and words."""
    if isinstance(item, Entity):
        return f"{item.label} {item.start}:{item.end}"
    if isinstance(item, Mapping) and {"start", "end"} <= item.keys():
        label = item.get("label")
        label = label[0] if isinstance(label, list) and len(label) == 1 else label
        words = f" {_shortened(item['text'])}" if isinstance(item.get("text"), str) else ""
        return f"{label} {item['start']}:{item['end']}{words}"
    return _shortened(item)


def _shortened(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


def _more(number: int) -> str:
    return f" and {number} more" if number > 0 else ""
