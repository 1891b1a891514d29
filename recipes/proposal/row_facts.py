"""Facts about the rows of a sample that the settings of a recipe depend on."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from assay.corpus.example import Example
from assay.corpus.scripts import plain_words

_HTML = re.compile(r"<(?:br|p|b|i|a|div|span|li|ul)\b[^<>]*>|&(?:amp|lt|gt|quot|nbsp|#\d+);", re.IGNORECASE)
_URL = re.compile(r"(?:https?://|www\.)\S")


@dataclass(frozen=True)
class RowFacts:
    """Facts about the rows of a sample: `words` is the 99th percentile of the words and signs of a row."""

    rows: int
    classes: Counter[str]
    entity_types: Counter[str]
    words: int
    characters: int
    html: float
    urls: float
    splits: Counter[str]

    @property
    def largest_share(self) -> float:
        """Share of the rows in the largest class."""
        return max(self.classes.values()) / self.classes.total() if self.classes else 0.0


def facts_of(rows: Sequence[Example]) -> RowFacts:
    """Return the facts about rows, of which there is at least one."""
    texts = [f"{row.text} {row.text_pair or ''}" for row in rows]
    words = [len(plain_words(text)) for text in texts]
    return RowFacts(
        rows=len(rows),
        classes=Counter(row.label for row in rows if row.label is not None),
        entity_types=Counter(entity.label for row in rows for entity in row.entities or ()),
        words=int(np.percentile(words, 99)),
        characters=max(max(len(row.text), len(row.text_pair or "")) for row in rows),
        html=_share(_HTML, texts),
        urls=_share(_URL, texts),
        splits=Counter(row.split for row in rows if row.split is not None),
    )


def _share(pattern: re.Pattern[str], texts: Sequence[str]) -> float:
    return sum(pattern.search(text) is not None for text in texts) / len(texts)
