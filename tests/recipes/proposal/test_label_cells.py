from collections.abc import Sequence

import pytest

from assay.recipes.proposal.field_profile import FieldProfile, profile_fields
from assay.recipes.proposal.label_cells import are_labels, combines, separator_of


def profile(cells: Sequence[str]) -> FieldProfile:
    return profile_fields([{"labels": cells[row % len(cells)]} for row in range(60)])["labels"]


@pytest.mark.parametrize(
    ("cells", "separator"),
    [(["a;b", "a", "b"], ";"), (["a|b", "a"], "|"), (["a, b", "b"], ","), (["a", "b"], None), (["a b", "b"], None)],
)
def test_separator_of(cells: list[str], separator: str | None) -> None:
    assert separator_of(profile(cells)) == separator


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (["a,b", "a", "b"], True),
        (["a,b", "b,c", "c,a", "a,b,c"], True),
        (["Ulm, DE", "Rome"], False),
        (["a,b", "b"], True),
    ],
)
def test_combines_needs_parts_that_stand_in_several_cells(cells: list[str], expected: bool) -> None:
    assert combines(profile(cells), ",") is expected


def test_are_labels_needs_labels_that_repeat() -> None:
    assert are_labels(["a", "b", "a", "b"])
    assert not are_labels(["a", "b", "c"])
    assert not are_labels([])
