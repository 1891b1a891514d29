from collections import Counter

import pytest

from assay.corpus.example import Entity, Example
from assay.recipes.proposal.row_facts import RowFacts, facts_of
from assay.recipes.proposal.suitable_settings import (
    SMALL,
    SampleScores,
    cleaning,
    entity_threshold,
    epochs,
    is_unbalanced,
    label_threshold,
    max_length,
    sentence_threshold,
    shares,
)


def facts(*texts: str, labels: str = "ab") -> RowFacts:
    return facts_of([Example(str(row), text, label=labels[row % len(labels)]) for row, text in enumerate(texts)])


def test_facts_of_counts_classes_types_and_words() -> None:
    rows = [
        Example("1", "Acme opens.", label="good", entities=(Entity(0, 4, "ORG"),), split="train"),
        Example("2", "我在北京", label="bad", entities=(), split="test"),
    ]
    result = facts_of(rows)
    assert (result.classes, result.entity_types) == (Counter(good=1, bad=1), Counter(ORG=1))
    assert (result.mean_words, result.characters, result.splits) == (3.5, 11, Counter(train=1, test=1))


@pytest.mark.parametrize(("words", "length"), [(5, 32), (23, 32), (24, 64), (300, 512), (5000, 512)])
def test_max_length(words: int, length: int) -> None:
    assert max_length(facts("word " * words)) == length


def test_epochs_are_more_for_fewer_words() -> None:
    assert epochs(facts(*["a b c"] * 100)) == 30
    assert epochs(facts(*["word " * 100] * 2000)) == 5
    assert epochs(facts(*["word " * 1000] * 2000)) == 3


def test_cleaning_only_where_texts_need_it() -> None:
    assert cleaning(facts("a < b & c", "x")) == {}
    assert cleaning(facts("a<br>b", "x")) == {"html": True}
    assert cleaning(facts("see https://example.org", "&amp;")) == {"html": True, "urls": "token"}


def test_is_unbalanced() -> None:
    assert not is_unbalanced(facts(*"abcd"))
    assert is_unbalanced(facts(*"abcde", labels="aaaab"))


@pytest.mark.parametrize(
    ("scores", "threshold"),
    [
        (SampleScores(0.2, 0.7), 0.45),
        (SampleScores(0.2, 0.58), 0.35),
        (SampleScores(0.0, 0.02), 0.05),
        (SampleScores(), 0.5),
    ],
)
def test_sentence_threshold(scores: SampleScores, threshold: float) -> None:
    assert sentence_threshold(scores) == threshold


def test_entity_threshold() -> None:
    assert entity_threshold(SampleScores(majority_tags=0.77)) == 0.6
    assert entity_threshold(SampleScores()) == 0.5


@pytest.mark.parametrize(
    ("scores", "threshold"),
    [
        (SampleScores(every_label=0.3, tfidf_labels=0.62), 0.45),
        (SampleScores(every_label=0.3), 0.5),
        (SampleScores(), 0.5),
    ],
)
def test_label_threshold(scores: SampleScores, threshold: float) -> None:
    assert label_threshold(scores) == threshold


def test_shares_give_few_rows_a_larger_test_split() -> None:
    assert shares(SMALL - 1) == {"train": 0.7, "validation": 0.1, "test": 0.2}
    assert shares(SMALL) == {"train": 0.8, "validation": 0.1, "test": 0.1}
