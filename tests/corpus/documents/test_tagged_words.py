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
        ([True], "spaces does not match tokens: 1 space, 4 tokens"),
        (["x"] * 4, "spaces holds no spacing: x"),
        (None, "spaces is null"),
    ],
)
def test_tagged_words_rejects_other_spacing(spaces: object, reason: str) -> None:
    assert reject_of({**SOURCE, "tagging": {"space_after": "spaces"}}, {**WORDS, "spaces": spaces}) == reason


NAMES = {**SOURCE, "tagging": {"names": ["O", "B-LOC", "E-LOC"]}}


@pytest.mark.parametrize(
    ("source", "tokens", "tags"),
    [
        (SOURCE, '["New", "York", ",", "now"]', '["B-LOC", "E-LOC", "O", "O"]'),
        (SOURCE, "['New', 'York', ',', 'now']", "['B-LOC' 'E-LOC' 'O' 'O']"),
        (SOURCE, WORDS["tokens"], "['B-LOC', 'E-LOC', 'O', 'O']"),
        (NAMES, "['New', 'York', ',', 'now']", "[1, 2, 0, 0]"),
        (NAMES, "['New' 'York' ',' 'now']", "[1 2 0 0]"),
        (SOURCE, "New York , now", "B-LOC E-LOC O O"),
        (NAMES, "New York  ,\tnow", "1 2 0 0"),
    ],
)
def test_tagged_words_reads_cells_of_a_table(source: dict[str, Any], tokens: Any, tags: Any) -> None:
    document = {"tokens": tokens, "tags": tags}
    assert [row.text for row in rows_of(source, document)] == ["New York , now"]
    assert entities_of(source, document) == [[("New York", "LOC")]]


@pytest.mark.parametrize(
    ("tokens", "tags", "text"),
    [
        ("[ 1 ]", "O O O", "[ 1 ]"),
        ("[ a , b ]", "O O O O O", "[ a , b ]"),
        ("10\u00a0000 EU", "O B-ORG", "10\u00a0000 EU"),
    ],
)
def test_tagged_words_takes_words_between_blanks_as_they_stand(tokens: str, tags: str, text: str) -> None:
    assert [row.text for row in rows_of(SOURCE, {"tokens": tokens, "tags": tags})] == [text]


@pytest.mark.parametrize(
    ("tokens", "tags", "reason"),
    [
        ("['EU', 'rejects']", "['B-ORG']", "tags do not match tokens: 1 tag, 2 tokens"),
        ("EU rejects", "B-ORG", "tags do not match tokens: 1 tag, 2 tokens"),
        ("EU rejects", "", "tags do not match tokens: 0 tags, 2 tokens"),
        ("EU rejects", None, "tags is null"),
        ("EU rejects", "['B-ORG', 'O']", "tokens is not a list: EU rejects"),
        ("['EU', 'rejects']", "B-ORG O", "tags is not a list: B-ORG O"),
        ("['EU', 'rejects'", "['B-ORG', 'O'", "tokens is not a list: ['EU', 'rejects'"),
        ("['EU' ... 'it']", "['O' ... 'O']", "tokens is a shortened list: ['EU' ... 'it']"),
        ("[3]", "['O']", "token is not text: 3 (int)"),
        ("", "", "tokens is empty"),
        ("EU", "3", "tag is a number: 3"),
    ],
)
def test_tagged_words_rejects_cells_that_do_not_agree(tokens: Any, tags: Any, reason: str) -> None:
    assert reject_of(SOURCE, {"tokens": tokens, "tags": tags}) == reason


def test_tagged_words_reads_words_between_blanks_without_tags() -> None:
    source = {**SOURCE, "fields": {"label": "label"}}
    assert [row.text for row in rows_of(source, {"tokens": "EU  rejects", "label": "a"}, label=True)] == ["EU rejects"]
    assert [row.text for row in rows_of(source, {"tokens": "[ EU ]", "label": "a"}, label=True)] == ["[ EU ]"]
    broken = {"tokens": "['EU', 'rejects'", "label": "a"}
    assert reject_of(source, broken, label=True) == "tokens is not a list: ['EU', 'rejects'"
