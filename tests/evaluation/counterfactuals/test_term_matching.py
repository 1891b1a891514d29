import pytest

from assay.evaluation.counterfactuals.term_matching import (
    TermFinder,
    TermMatch,
    TermPosition,
    choose,
    choose_some,
    word_after,
    word_before,
)
from assay.recipes.term_lists import Grammar, TermList, own_list

TOWNS = own_list("towns", [["York", "Oslo"], ["New York", "Austin"]])


def found(text: str, terms: TermList = TOWNS) -> list[str]:
    return [text[match.start : match.end] for match in TermFinder(terms).find(text)]


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("from New York to york", ["New York", "york"]),  # the longest first
        ("OSLO, Oslo's and Oslo-based", ["OSLO", "Oslo", "Oslo"]),
        ("Yorkshire, newYork, York_1, Yorks", []),
        ("Oslo\u0301 and Oslo", ["Oslo"]),  # a combining mark makes another letter
        ("Oslo", ["Oslo"]),
        ("", []),
    ],
)
def test_find_matches_whole_words_in_any_case(text: str, terms: list[str]) -> None:
    assert found(text) == terms


def test_find_returns_every_position_of_a_form() -> None:
    terms = TermList(groups={"object": {"he": ["him"], "she": ["her"]}, "possessive": {"he": ["his"], "she": ["her"]}})
    assert TermFinder(terms).find("to Her") == [
        TermMatch(3, 6, (TermPosition("object", "she", "her"), TermPosition("possessive", "she", "her")))
    ]


def test_find_reads_special_characters_literally() -> None:
    terms = own_list("marks", [["C++", "C#"], ["a.b", "c|d"]])
    assert found("C++ and axb and a.b or c|d", terms) == ["C++", "a.b", "c|d"]


def test_find_leaves_out_kinds_that_are_only_put_in() -> None:
    empty: frozenset[str] = frozenset()
    grammar = Grammar(
        replacement_only=frozenset({"they"}),
        plural_verbs=empty,
        not_before_noun=empty,
        unclear=empty,
        ditransitive=empty,
        same_in_plural=empty,
        unsupported=empty,
    )
    terms = TermList(groups={"subject": {"he": ["he"], "they": ["they"]}}, grammar=grammar)
    assert found("he and they", terms) == ["he"]


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("a Christian went home", ["Christian"]),
        ("Christian Bale went home", []),
        ("we met Hans Christian today", []),
        ("He left. The Christian went", ["Christian"]),  # The begins a sentence
        ('"A Christian', ["Christian"]),
        ("we met Christian  and", ["Christian"]),
    ],
)
def test_find_leaves_out_parts_of_proper_names_where_the_list_says_so(text: str, terms: list[str]) -> None:
    religions = TermList(groups={"faith": ["Christian", "Hindu"]}, within_names=False)
    assert found(text, religions) == terms
    assert found(text, religions.model_copy(update={"within_names": True})) == ["Christian"]


@pytest.mark.parametrize(
    ("text", "before", "after"),
    [
        ("an X apple", "an", "apple"),
        ("an\t X\napple", "an", "apple"),
        ("X", None, None),
        ("an, X, apple", None, None),
        ("anX apple", None, "apple"),
    ],
)
def test_word_before_and_after_are_separated_by_white_space_alone(
    text: str, before: str | None, after: str | None
) -> None:
    position = text.index("X")
    assert word_before(text, position) == before
    assert word_after(text, position + 1) == after


def test_choose_depends_on_the_key_alone() -> None:
    choices = ["a", "b", "c"]
    assert choose(choices, "row", "1") == choose(choices, "row", "1")
    assert {choose(choices, "row", str(number)) for number in range(50)} == set(choices)
    assert choose(["only"], "row") == "only"


def test_choose_some_keeps_the_order_and_depends_on_the_keys_alone() -> None:
    items = list(range(100))
    chosen = choose_some(items, 10, lambda item: (str(item),))
    assert chosen == sorted(chosen)
    assert len(set(chosen)) == 10
    assert sorted(choose_some(items[::-1], 10, lambda item: (str(item),))) == chosen
    assert choose_some(items, 100, lambda item: (str(item),)) == items
    assert choose_some([], 3, lambda item: (str(item),)) == []
