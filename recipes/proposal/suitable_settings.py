"""Settings of model, training, split and gate that suit the rows of a sample."""

import math
from dataclasses import dataclass

from assay.recipes.proposal.row_facts import RowFacts

LENGTHS = (32, 64, 128, 256, 512)
# Tokens per word of a vocabulary of sub-words, and the tokens at both ends.
TOKENS_PER_WORD, SPECIAL_TOKENS = 1.3, 2
# Words that a small model from scratch reads in all: minutes on two cores.
WORDS_READ = 1_000_000
FEWEST_EPOCHS, MOST_EPOCHS = 3, 30
SMALL = 2_000  # with fewer rows, a tenth is too small a test split
LEAST_SHARE = 0.01  # of texts with HTML or URLs, from which on they are cleaned
BALANCE_RATIO = 3.0
THRESHOLD_STEP = 0.05


@dataclass(frozen=True)
class SampleScores:
    """F1 of simple models on the sample; None where it could not be computed."""

    most_frequent: float | None = None
    tfidf: float | None = None
    majority_tags: float | None = None
    every_label: float | None = None
    tfidf_labels: float | None = None


def max_length(facts: RowFacts) -> int:
    """Return the smallest usual length, in tokens, that nearly all rows fit into."""
    tokens = facts.words * TOKENS_PER_WORD + SPECIAL_TOKENS
    return next((length for length in LENGTHS if tokens <= length), LENGTHS[-1])


def epochs(facts: RowFacts) -> int:
    """Return the passes over the rows that a model from scratch needs: more of them where there are few words."""
    passes = round(WORDS_READ / (facts.rows * max(1.0, facts.mean_words)))
    return max(FEWEST_EPOCHS, min(MOST_EPOCHS, passes))


def shares(rows: int) -> dict[str, float]:
    """Return the shares of the splits: few rows need a larger share for the test."""
    if rows < SMALL:
        return {"train": 0.7, "validation": 0.1, "test": 0.2}
    return {"train": 0.8, "validation": 0.1, "test": 0.1}


def is_unbalanced(facts: RowFacts) -> bool:
    """Return whether the largest class has several times the rows of the smallest."""
    counts = facts.classes.values()
    return bool(counts) and max(counts) > BALANCE_RATIO * min(counts)


def cleaning(facts: RowFacts) -> dict[str, object]:
    """Return the cleaning that the texts need: of HTML and URLs where some texts hold them."""
    settings: dict[str, object] = {"html": True} if facts.html >= LEAST_SHARE else {}
    return settings | ({"urls": "token"} if facts.urls >= LEAST_SHARE else {})


def sentence_threshold(scores: SampleScores) -> float:
    """Return a macro-F1 half-way from the most frequent class to TF-IDF, or 0.5 where there are no scores."""
    if scores.most_frequent is None or scores.tfidf is None:
        return 0.5
    return _rounded_down((scores.most_frequent + scores.tfidf) / 2)


def label_threshold(scores: SampleScores) -> float:
    """Return a macro-F1 half-way from every label for all rows to TF-IDF, or 0.5 where there are no scores."""
    if scores.every_label is None or scores.tfidf_labels is None:
        return 0.5
    return _rounded_down((scores.every_label + scores.tfidf_labels) / 2)


def entity_threshold(scores: SampleScores) -> float:
    """Return four fifths of the F1 of the majority tags, since near-duplicates raise it, or 0.5 without one."""
    return 0.5 if scores.majority_tags is None else _rounded_down(0.8 * scores.majority_tags)


def _rounded_down(score: float) -> float:
    return max(THRESHOLD_STEP, round(math.floor(score / THRESHOLD_STEP + 1e-9) * THRESHOLD_STEP, 2))
