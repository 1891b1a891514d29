import pytest

from assay.evaluation.counterfactuals.single_terms import swap_term
from assay.evaluation.counterfactuals.term_matching import TermFinder, choose_some
from assay.evaluation.counterfactuals.text_replacement import replace_words
from assay.recipes.term_lists import TermList, own_list, shipped_list

TOWNS = own_list("towns", [["Rome", "Oslo"], ["New York", "Austin"]])


def swapped(text: str, terms: TermList, key: str = "row") -> str | None:
    changes = swap_term([text], terms, TermFinder(terms), key)
    return None if changes is None else replace_words(text, changes[0])[0]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Rome, ROME and rome are in Romeo's Rome", "Oslo, OSLO and oslo are in Romeo's Oslo"),
        ("from new york to Rome", "from austin to Rome"),
        ("a Romeo in Newyork", None),
        ("Rome\u0301 is another word", None),
        ("", None),
    ],
)
def test_swap_term_replaces_one_term_as_whole_words_in_their_case(text: str, expected: str | None) -> None:
    assert swapped(text, TOWNS) == expected


def test_swap_term_keeps_the_gender_of_a_name_and_changes_its_association() -> None:
    names = shipped_list("names")
    women = names.kinds("women")
    counterfactuals = {swapped("Emily likes it", names, str(number)) for number in range(300)}
    assert counterfactuals == {
        f"{name} likes it" for kind, terms in women.items() if kind != "european american" for name in terms
    }


def test_swap_term_adapts_the_article() -> None:
    nationalities = shipped_list("nationalities")
    counterfactuals = {swapped("I met an Indian cook.", nationalities, str(number)) for number in range(300)}
    assert {"I met an Italian cook.", "I met a German cook.", "I met a Ukrainian cook."} <= counterfactuals
    assert not {text for text in counterfactuals if text and " an G" in text}
    # An article that was wrong, or no article at all, stays.
    assert str(swapped("plan a Indian trip", nationalities)).startswith("plan a ")


def test_swap_term_skips_parts_of_proper_names() -> None:
    nationalities = shipped_list("nationalities")
    for text in ("the American Express card", "Bank of the Great American people", "Los Angeles Italian food"):
        assert swapped(text, nationalities) is None
    for text in ("The American people", "It is late. American people sleep", "We like german food"):
        assert swapped(text, nationalities) is not None


def test_swap_term_changes_both_texts_of_a_pair() -> None:
    first, second = swap_term(["is Rome old", "Rome is old, Rome is."], TOWNS, TermFinder(TOWNS), "row") or ([], [])
    assert [len(first), len(second)] == [1, 2]
    assert {replacement.text for replacement in first + second} == {"Oslo"}


def test_swap_term_is_the_same_for_the_same_row() -> None:
    names = shipped_list("names")
    assert len({swapped("Emily likes it", names, "r7") for _ in range(3)}) == 1


def test_choose_some_chooses_the_same_items_in_order() -> None:
    items = [str(number) for number in range(50)]
    some = choose_some(items, 10, key=lambda item: (item,))
    assert some == sorted(some, key=int)
    assert len(some) == 10
    # Rows that were added elsewhere do not change which of the others are drawn before which.
    assert set(choose_some([*items, "more"], 10, key=lambda item: (item,))) - {"more"} <= set(some)
    assert choose_some(items, 50, key=lambda item: (item,)) == items
