"""What several people say about one text, in words: what they differ in, shortened."""

from collections.abc import Sequence
from typing import Any

from assay.corpus.entity import Entity

MOST_PEOPLE = MOST_ITEMS = 3
LONGEST = 40
NOTHING = "nothing"  # of a person who left the class open, or marked no entity


def in_words(people: Sequence[str | None], decisions: Sequence[Sequence[Any]], text: str = "") -> str:
    """Return who says what, one person for each opinion.

    Args:
        people: who decided, in the order of the decisions; None where the tool names nobody.
        decisions: the parts of what each decided (class, entities, labels), in the same order for all.
        text: the text of the entities, whose words are quoted; empty leaves them out.
    """
    differing = [parts for parts in zip(*decisions, strict=True) if any(part != parts[0] for part in parts)]
    by_phrase: dict[str, str] = {}
    for number, person in enumerate(people):
        phrases = [_phrase(parts[number], parts, text) for parts in differing]
        by_phrase.setdefault(" and ".join(phrases), _name(person, number))
    opinions = [f"{person} says {phrase}" for phrase, person in by_phrase.items()]
    return ", ".join(opinions[:MOST_PEOPLE]) + _more(len(opinions) - MOST_PEOPLE)


def _name(person: str | None, number: int) -> str:
    """Return what to call a person whom the tool may know by a number, or not at all."""
    if person is None:
        return f"annotator {number + 1}"
    return f"annotator {person}" if person.isdecimal() else person


def _phrase(part: Any, parts: Sequence[Any], text: str) -> str:
    """Return what one person says; of lists, the items that not everybody has."""
    if not isinstance(part, list | tuple):
        return NOTHING if part in (None, "") else _item(part, text)
    lists = [other if isinstance(other, list | tuple) else () for other in parts]
    own = [item for item in part if not all(item in other for other in lists)]
    if not own:
        return f"{NOTHING} more" if part else NOTHING
    return ", ".join(_item(item, text) for item in own[:MOST_ITEMS]) + _more(len(own) - MOST_ITEMS)


def _item(item: Any, text: str) -> str:
    """Return a class, a label, or an entity with its type, offsets and words."""
    if not isinstance(item, Entity):
        return _shortened(item)
    words = f" {_shortened(text[item.start : item.end])}" if text else ""
    return f"{item.label} {item.start}:{item.end}{words}"


def _shortened(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


def _more(number: int) -> str:
    return f" and {number} more" if number > 0 else ""
