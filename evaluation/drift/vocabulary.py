"""Words of a text, and the share of them that the training rows do not contain."""

import re
from collections.abc import Iterable, Set

_WORD = re.compile(r"[^\W\d_]+|\d+|[^\w\s]")


def words(text: str) -> list[str]:
    """Return the words, numbers and signs of a text in lower case; digits become 0, so that `2024` is `0000`."""
    return [re.sub(r"\d", "0", word) for word in _WORD.findall(text.lower())]


def vocabulary_of(texts: Iterable[str]) -> set[str]:
    """Return all words of the texts."""
    return {word for text in texts for word in words(text)}


def unknown_share(text: str, known: Set[str]) -> float:
    """Return the share of unknown words of a text; 0 if it has no words."""
    text_words = words(text)
    return sum(word not in known for word in text_words) / len(text_words) if text_words else 0.0
