import pytest

from assay.corpus.example import Entity
from assay.evaluation.counterfactuals.text_replacement import (
    Replacement,
    SharedSpan,
    entities_outside,
    in_case_of,
    replace_words,
)


def test_replace_words_returns_text_and_shared_spans() -> None:
    text = "Emily met Emily."
    new_text, shared_spans = replace_words(text, [Replacement(10, 15, "Jo"), Replacement(0, 5, "Lakisha")])
    assert new_text == "Lakisha met Jo."
    assert shared_spans == (SharedSpan(5, 7, 5), SharedSpan(15, 14, 1))
    assert all(text[k.first : k.first + k.length] == new_text[k.second : k.second + k.length] for k in shared_spans)


@pytest.mark.parametrize(
    ("original", "listed", "term", "expected"),
    [
        ("emily", "Emily", "Lakisha", "lakisha"),
        ("Emily", "Emily", "Lakisha", "Lakisha"),
        ("EMILY", "Emily", "Lakisha", "LAKISHA"),
        ("He", "he", "she", "She"),
        ("he", "he", "she", "she"),
        ("priest", "priest", "Imam", "Imam"),
        ("A", "a", "an", "An"),
    ],
)
def test_in_case_of_the_original(original: str, listed: str, term: str, expected: str) -> None:
    assert in_case_of(original, listed, term) == expected


SWAPPED = "Lakisha Blunt left Acme"
KEPT = (SharedSpan(5, 7, 16),)  # of "Emily Blunt left Acme"


@pytest.mark.parametrize(
    ("entities", "pieces"),
    [
        # a span that holds the swapped word counts by the part after the word, wherever it starts
        ([Entity(0, 13, "PER")], {Entity(6, 11, "PER")}),
        ([Entity(8, 13, "PER")], {Entity(6, 11, "PER")}),
        ([Entity(0, 13, "ORG")], {Entity(6, 11, "ORG")}),
        # what lies in the swapped word alone does not count
        ([Entity(0, 7, "PER")], set()),
        # later offsets are shifted back
        ([Entity(19, 23, "ORG")], {Entity(17, 21, "ORG")}),
    ],
)
def test_entities_outside_are_in_the_offsets_of_the_original(entities: list[Entity], pieces: set[Entity]) -> None:
    assert entities_outside(SWAPPED, entities, KEPT) == pieces
