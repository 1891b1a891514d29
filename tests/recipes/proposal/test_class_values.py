import json
from collections.abc import Sequence

import pytest

from assay.recipes.proposal.class_values import check_class
from assay.recipes.proposal.document_layout import find_layout
from assay.recipes.proposal.field_profile import FieldProfile, profile_fields
from assay.recipes.proposal.field_roles import Choices
from assay.recipes.proposal.questions import AmbiguousError


def profile(values: Sequence[str]) -> FieldProfile:
    """The profile of a class with 120 rows."""
    return profile_fields([{"label": values[row % len(values)]} for row in range(120)])["label"]


@pytest.mark.parametrize("values", [["good", "bad"], ["none", "other"], ["A, B", "C"], ["1", "2"], ["Sci/Tech", "Biz"]])
def test_check_class_accepts_values_with_one_meaning(values: list[str]) -> None:
    check_class(profile(values), Choices())


@pytest.mark.parametrize("value", ["NA", "n/a", "NaN", "null", "#N/A", "?", "\\N", "Unlabelled"])
def test_check_class_asks_what_a_missing_value_means(value: str) -> None:
    asked = profile(["good", "bad", value])
    with pytest.raises(AmbiguousError) as error:
        check_class(asked, Choices())
    assert str(error.value) == (
        f"40 rows with {value} in label: is that a class, or no class? Add --set 'source.no_label="
        f"[{json.dumps(value)}]' to leave these rows out, or --set 'source.no_label=[]' if it is a class"
    )
    check_class(asked, Choices(settings={"no_label": []}))


def test_check_class_leaves_empty_classes_out_where_a_missing_value_is_a_class() -> None:
    rows = [{"text": f"text {row} of the day", "label": ("good", "bad", "NA", "")[row % 4]} for row in range(120)]
    with pytest.raises(AmbiguousError, match=r"or --set 'source\.no_label=\[\"\"\]' if it is a class$"):
        find_layout(rows, Choices())
    assert find_layout(rows, Choices(settings={"no_label": [""]})).format.no_label == [""]


def test_check_class_asks_whether_values_that_differ_in_case_are_one_class() -> None:
    asked = profile(["good", "bad", "Good "])
    with pytest.raises(AmbiguousError, match=r"^values of label differ .*: 'good' \(40\), 'Good ' \(40\)\. Are they"):
        check_class(asked, Choices())
    check_class(asked, Choices(settings={"fold_labels": False}))


@pytest.mark.parametrize("separator", [",", ";", "|", ", "])
def test_check_class_asks_whether_cells_hold_several_labels(separator: str) -> None:
    asked = profile(["sport", "money", separator.join(["sport", "money"])])
    with pytest.raises(AmbiguousError, match=r"may hold several labels, or one class.*--labels label or --label"):
        check_class(asked, Choices())
    check_class(asked, Choices(label="label"))


def test_check_class_asks_about_minus_one_beside_numbers_alone() -> None:
    with pytest.raises(AmbiguousError, match=r"^40 rows with -1 in label"):
        check_class(profile(["0", "1", "-1"]), Choices())
    check_class(profile(["1", "-1"]), Choices())
    check_class(profile(["good", "bad", "-1"]), Choices())
