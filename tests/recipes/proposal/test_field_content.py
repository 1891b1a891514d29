from collections.abc import Sequence
from typing import Any

import pytest

from assay.recipes.proposal.field_content import content, described, listed
from assay.recipes.proposal.field_profile import FieldProfile, profile_fields


def profile(values: Sequence[Any], name: str = "field") -> FieldProfile:
    return profile_fields([{name: value} for value in values])[name]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["a", "b"], "a, b"),
        (["a", None], "a, 50% empty"),
        (["a"] * 999 + [None], "a, under 1% empty"),
        ([None, ""], "nothing"),
        ([[{"a": 1}]], "lists of objects"),
        (list(range(30)), "30 different numbers"),
        ([f"class {number}" for number in range(30)], "30 different values"),
        ([f"a text of words {number}" for number in range(30)], "texts of 18 characters"),
        (["x" * 200], "1 different values"),
    ],
)
def test_content(values: list[Any], expected: str) -> None:
    assert content(profile(values)) == expected


def test_described_names_the_column_without_a_name_and_counts_the_rest() -> None:
    profiles = [profile(["a"], name) for name in ("", "b", "c", "d", "e", "f", "g")]
    assert described(profiles) == "a column without a name (a); b (a); c (a); d (a); e (a); and 2 more"


def test_listed_shortens_many_names() -> None:
    assert listed(["a", "b"]) == "a, b"
    assert listed([str(number) for number in range(50)]).endswith("10, 11, and 38 more")
