"""Facts about the rows of a sample that the settings of a recipe depend on."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from assay.corpus.example import Example
from assay.corpus.scripts import plain_words

_HTML = re.compile(r"<(?:br|p|b|i|a|div|span|li|ul)\b[^<>]*>|&(?:amp|lt|gt|quot|nbsp|#\d+);", re.IGNORECASE)
_URL = re.compile(r"(?:https?://|www\.)\S")


@dataclass(frozen=True)
class RowFacts:
    """Facts about the rows of a sample.

    `words` is the number of words and signs that `words_share` of the rows do not exceed, and `mean_words` their mean.
    """

    rows: int
    classes: Counter[str]
    entity_types: Counter[str]
    words: int
    words_share: float
    mean_words: float
    characters: int
    html: float
    urls: float
    splits: Counter[str]
    row_labels: Counter[str] = field(default_factory=Counter)


def facts_of(rows: Sequence[Example]) -> RowFacts:
    """Return the facts about rows, of which there is at least one."""
    texts = [f"{row.text} {row.text_pair or ''}" for row in rows]
    words = [len(plain_words(text)) for text in texts]
    entity_types = Counter(entity.label for row in rows for entity in row.entities or ())
    # Truncation loses entities, but rarely the class of a long text.
    share = 0.99 if entity_types else 0.95
    return RowFacts(
        rows=len(rows),
        classes=Counter(row.label for row in rows if row.label is not None),
        entity_types=entity_types,
        words=int(np.quantile(words, share)),
        words_share=share,
        mean_words=float(np.mean(words)),
        characters=max(max(len(row.text), len(row.text_pair or "")) for row in rows),
        html=_share(_HTML, texts),
        urls=_share(_URL, texts),
        splits=Counter(row.split for row in rows if row.split is not None),
        row_labels=Counter(name for row in rows for name in row.labels or ()),
    )


def _share(pattern: re.Pattern[str], texts: Sequence[str]) -> float:
    return sum(pattern.search(text) is not None for text in texts) / len(texts)
