from typing import Any

import pytest

from assay.corpus.documents.annotators.disagreement import in_words
from assay.corpus.entity import Entity

TEXT = "Globex buys land in Rome"
ORG, LOC = Entity(0, 6, "ORG"), Entity(20, 24, "LOC")
MANY = [Entity(number, number + 1, "X") for number in range(5)]


@pytest.mark.parametrize(
    ("anna", "ben", "words"),
    [
        (("good", None), ("bad", None), "anna says 'good', ben says 'bad'"),
        (("", None), ("bad", None), "anna says nothing, ben says 'bad'"),
        (("good", [ORG, LOC]), ("good", [ORG]), "anna says LOC 20:24 'Rome', ben says nothing more"),
        (("good", [ORG]), ("good", []), "anna says ORG 0:6 'Globex', ben says nothing"),
        (("good", [ORG]), ("bad", [LOC]), "anna says 'good' and ORG 0:6 'Globex', ben says 'bad' and LOC 20:24 'Rome'"),
        ((None, MANY), (None, ()), "anna says X 0:1 'G', X 1:2 'l', X 2:3 'o' and 2 more, ben says nothing"),
        (("a" * 99,), ("b",), f"anna says '{'a' * 38}…, ben says 'b'"),
    ],
)
def test_in_words_says_what_people_differ_in(anna: tuple[Any, ...], ben: tuple[Any, ...], words: str) -> None:
    assert in_words(["anna", "ben"], [anna, ben], TEXT) == words


def test_in_words_leaves_out_the_words_of_entities_without_a_text() -> None:
    assert in_words(["anna", "ben"], [([ORG],), ([],)]) == "anna says ORG 0:6, ben says nothing"


def test_in_words_names_one_person_for_each_opinion() -> None:
    people = ["anna", None, "carl", "dora", "emil"]

    assert in_words(people, [("a",), ("b",), ("a",), ("b",), ("a",)]) == "anna says 'a', annotator 2 says 'b'"
    assert in_words(people, [(name,) for name in "abcde"]) == (
        "anna says 'a', annotator 2 says 'b', carl says 'c' and 2 more"
    )
