import numpy as np
import pytest

from assay.corpus.entity import Entity
from assay.evaluation.labels.entity_issues import find_entity_issues, resolved
from assay.serving.decoding import spans
from assay.serving.words import Word

TAGS = ["O", "B-LOC", "I-LOC", "B-ORG", "I-ORG"]
TEXT = "Globex Corp opens in New York"
WORDS = [Word(0, match, match + len(word)) for word in TEXT.split() for match in [TEXT.index(word)]]
ORG, CITY = Entity(0, 11, "ORG"), Entity(21, 29, "LOC")


def probabilities(tags: list[str], sure: float = 0.9) -> np.ndarray:
    table = np.full((len(tags), len(TAGS)), (1 - sure) / (len(TAGS) - 1), dtype=np.float32)
    table[np.arange(len(tags)), [TAGS.index(tag) for tag in tags]] = sure
    return table


def issues(given: list[Entity], model_tags: list[str], sure: float = 0.9) -> list[tuple[str, str | None, str | None]]:
    found = find_entity_issues(TEXT, given, spans(model_tags, WORDS), WORDS, probabilities(model_tags, sure), TAGS)
    return [(issue.kind, issue.given, issue.proposed) for issue in found]


def test_entity_issues_name_what_is_wrong() -> None:
    model = ["B-ORG", "I-ORG", "O", "O", "B-LOC", "I-LOC"]
    assert issues([ORG, CITY], model) == []
    assert issues([CITY], model) == [("missed entity", None, "ORG 'Globex Corp'")]
    assert issues([ORG, CITY, Entity(12, 17, "ORG")], model) == [("extra entity", "ORG 'opens'", None)]
    assert issues([Entity(0, 6, "ORG"), CITY], model) == [("wrong boundary", "ORG 'Globex'", "ORG 'Globex Corp'")]
    assert issues([ORG, Entity(21, 29, "ORG")], model) == [("wrong type", "ORG 'New York'", "LOC 'New York'")]
    assert issues([ORG, Entity(21, 24, "LOC"), Entity(25, 29, "LOC")], model) == [
        ("wrong boundary", "LOC 'New', LOC 'York'", "LOC 'New York'")
    ]


def test_entity_issues_of_a_type_that_the_model_does_not_know_are_found() -> None:
    model = ["B-ORG", "I-ORG", "O", "O", "O", "O"]
    assert issues([Entity(0, 11, "PERSON")], model) == [("wrong type", "PERSON 'Globex Corp'", "ORG 'Globex Corp'")]


def test_resolved_keeps_entities_outside_of_issues() -> None:
    model = ["B-ORG", "I-ORG", "O", "O", "O", "O"]
    given = [Entity(0, 6, "ORG"), CITY]
    found = find_entity_issues(TEXT, given, [ORG], WORDS, probabilities(model), TAGS)
    boundary = [issue for issue in found if issue.kind == "wrong boundary"]
    assert resolved(given, [ORG], boundary) == (ORG, CITY)
    assert resolved(given, [ORG], found) == (ORG,)


def test_entity_issues_score_the_least_probable_word_that_differs() -> None:
    model = ["B-ORG", "I-ORG", "O", "O", "B-LOC", "I-LOC"]
    table = probabilities(model)
    # the model doubts Corp more than Globex, and is sure of the words on which both agree
    table[0] = [0.2, 0.0, 0.0, 0.8, 0.0]
    table[1] = [0.05, 0.0, 0.0, 0.0, 0.95]
    (issue,) = find_entity_issues(TEXT, [CITY], [ORG, CITY], WORDS, table, TAGS)
    assert issue.score == pytest.approx(0.95)
    assert (issue.start, issue.end) == (0, 11)


def test_entity_issues_of_entities_that_overlap_through_others_are_one() -> None:
    # given an entity that bridges two of the model
    model = ["B-ORG", "I-ORG", "O", "O", "B-LOC", "I-LOC"]
    bridge = Entity(7, 24, "ORG")
    (issue,) = find_entity_issues(TEXT, [bridge], [ORG, CITY], WORDS, probabilities(model), TAGS)
    assert (issue.kind, issue.start, issue.end) == ("wrong boundary", 0, 29)
    assert issue.proposed == "ORG 'Globex Corp', LOC 'New York'"


def test_entity_issues_without_words_are_none() -> None:
    empty = np.empty((0, len(TAGS)), dtype=np.float32)
    assert find_entity_issues("", [], [], [], empty, TAGS) == []
    # an entity that no word of the model reads, such as one behind its last token
    assert find_entity_issues(TEXT, [CITY], [], [], empty, TAGS) == []


def test_resolved_without_issues_keeps_the_given_entities_in_order() -> None:
    assert resolved([CITY, ORG], [Entity(12, 17, "ORG")], []) == (ORG, CITY)
