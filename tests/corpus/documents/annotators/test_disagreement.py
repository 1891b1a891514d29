from typing import Any

import pytest

from assay.corpus.documents.annotators.disagreement import in_words
from assay.corpus.documents.values import MISSING
from assay.corpus.entity import Entity

ORG, LOC = {"start": 0, "end": 6, "label": ["ORG"], "text": "Globex"}, {"start": 20, "end": 24, "label": "LOC"}
MANY = [Entity(number, number + 1, "X") for number in range(5)]


@pytest.mark.parametrize(
    ("anna", "ben", "words"),
    [
        (("good", None), ("bad", None), "anna says 'good', ben says 'bad'"),
        ((MISSING, None), ("bad", None), "anna says nothing, ben says 'bad'"),
        (("good", [ORG, LOC]), ("good", [ORG]), "anna says LOC 20:24, ben says nothing more"),
        (("good", [ORG]), ("good", []), "anna says ORG 0:6 'Globex', ben says nothing"),
        (("good", [ORG]), ("bad", [LOC]), "anna says 'good' and ORG 0:6 'Globex', ben says 'bad' and LOC 20:24"),
        ((None, MANY), (None, ()), "anna says X 0:1, X 1:2, X 2:3 and 2 more, ben says nothing"),
        (("a" * 99,), ("b",), f"anna says '{'a' * 38}…, ben says 'b'"),
    ],
)
def test_in_words_says_what_people_differ_in(anna: tuple[Any, ...], ben: tuple[Any, ...], words: str) -> None:
    assert in_words(["anna", "ben"], [anna, ben]) == words


def test_in_words_names_one_person_for_each_opinion() -> None:
    people = ["anna", None, "carl", "dora", "emil"]

    assert in_words(people, [("a",), ("b",), ("a",), ("b",), ("a",)]) == "anna says 'a', annotator 2 says 'b'"
    assert in_words(people, [(name,) for name in "abcde"]) == (
        "anna says 'a', annotator 2 says 'b', carl says 'c' and 2 more"
    )
