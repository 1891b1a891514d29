"""Words of a text, and which of them no training row holds."""

import re
from collections.abc import Iterable, Set

_WORD = re.compile(r"[^\W\d_]+|\d+|[^\w\s]")


def words(text: str) -> list[str]:
    """Words, numbers and signs of a text in lower case; a number stands for its digits: `2024` is `0000`."""
    return [re.sub(r"\d", "0", word) for word in _WORD.findall(text.lower())]


def vocabulary_of(texts: Iterable[str]) -> set[str]:
    """Every word of the texts."""
    return {word for text in texts for word in words(text)}


def unknown_share(text: str, known: Set[str]) -> float:
    """Share of a text's words that are not known; 0 where it has none."""
    found = words(text)
    return sum(word not in known for word in found) / len(found) if found else 0.0
