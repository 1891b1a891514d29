from typing import Any

import pytest

from tests.corpus.documents.reading import entities_of, reject_of, rows_of

SOURCE: dict[str, Any] = {"format": "tokens"}
WORDS = {"tokens": ["New", "York", ",", "now"], "tags": ["B-LOC", "E-LOC", "O", "O"]}


def test_tagged_words_reads_words_and_tags() -> None:
    assert [row.text for row in rows_of(SOURCE, WORDS)] == ["New York , now"]
    assert entities_of(SOURCE, WORDS) == [[("New York", "LOC")]]


def test_tagged_words_joins_words_without_a_space() -> None:
    source = {**SOURCE, "tagging": {"join": ""}}
    document = {"tokens": list("我在北京"), "tags": ["O", "O", "B-LOC", "I-LOC"]}

    assert [row.text for row in rows_of(source, document)] == ["我在北京"]
    assert entities_of(source, document) == [[("北京", "LOC")]]


@pytest.mark.parametrize(
    "spaces",
    [
        [True, False, True, False],
        ["Yes", "No", "Yes", "No"],
        [" ", "", " ", " "],
        ["_", "SpaceAfter=No", "_", "_"],
    ],
)
def test_tagged_words_takes_the_spacing_of_the_source(spaces: list[Any]) -> None:
    source = {**SOURCE, "tagging": {"space_after": "spaces"}}
    [row] = rows_of(source, {**WORDS, "spaces": spaces})

    assert row.text == "New York, now"
    assert entities_of(source, {**WORDS, "spaces": spaces}) == [[("New York", "LOC")]]


@pytest.mark.parametrize(
    ("spaces", "reason"),
    [
        ([True], "spaces does not match tokens: 1 spaces, 4 tokens"),
        (["x"] * 4, "spaces holds no spacing: x"),
        (None, "spaces is null"),
    ],
)
def test_tagged_words_rejects_other_spacing(spaces: object, reason: str) -> None:
    assert reject_of({**SOURCE, "tagging": {"space_after": "spaces"}}, {**WORDS, "spaces": spaces}) == reason
