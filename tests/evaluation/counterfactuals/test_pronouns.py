import pytest

from assay.evaluation.counterfactuals.pronouns import swap_pronouns
from assay.evaluation.counterfactuals.term_matching import TermFinder
from assay.evaluation.counterfactuals.text_replacement import replace_words
from assay.recipes.term_lists import shipped_list

PRONOUNS = shipped_list("pronouns")
FINDER = TermFinder(PRONOUNS)


def all_swaps(text: str) -> set[str]:
    """Return every counterfactual that some row id leads to."""
    assert PRONOUNS.grammar is not None
    counterfactuals = set()
    for key in map(str, range(30)):
        changes = swap_pronouns([text], PRONOUNS, PRONOUNS.grammar, FINDER, key)
        if changes is not None:
            counterfactuals.add(replace_words(text, changes[0])[0])
    return counterfactuals


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # forms agree with each other
        ("He sold his car himself.", {"She sold her car herself.", "They sold their car themself."}),
        ("SHE SAID IT IS HERS", {"HE SAID IT IS HIS", "THEY SAID IT IS THEIRS"}),
        ("He'll buy it", {"She'll buy it", "They'll buy it"}),
        # a verb that does not go with `they` leaves one choice
        ("he is happy", {"she is happy"}),
        ("He's happy", {"She's happy"}),
        ("he always liked it", {"she always liked it"}),
        # `her` and `his` stand for two forms each, resolved by the next word
        ("I know her and like her.", {"I know him and like him.", "I know them and like them."}),
        ("her dog", {"his dog", "their dog"}),
        ("a friend of his, not theirs", {"a friend of hers, not theirs", "a friend of theirs, not theirs"}),
        ("with his dog", {"with her dog", "with their dog"}),
        # words for people go along
        ("My wife said she liked it", {"My husband said he liked it", "My spouse said they liked it"}),
        ("my mom", {"my dad"}),
        # both in one text change places
        ("He told his wife that she won", {"She told her husband that he won"}),
    ],
)
def test_swap_pronouns_changes_forms_together(text: str, expected: set[str]) -> None:
    assert all_swaps(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "I gave her books",  # books to her, or books of hers
        "I like her very much",
        "they are good batteries",
        "the queen and her dog",
        "nothing here",
        "Sheila and the chef",
    ],
)
def test_swap_pronouns_leaves_ambiguous_texts_unchanged(text: str) -> None:
    assert all_swaps(text) == set()


def test_swap_pronouns_changes_both_texts_of_a_pair() -> None:
    assert PRONOUNS.grammar is not None
    first, second = swap_pronouns(["is he tall", "He is tall"], PRONOUNS, PRONOUNS.grammar, FINDER, "k") or ([], [])
    assert [replacement.text for replacement in first + second] == ["she", "She"]
