import pytest

from assay.corpus.errors import AssayError
from assay.corpus.example import Example
from assay.evaluation.labelled_predictions import LabelledPrediction
from assay.evaluation.slice_membership import (
    MISSING,
    OTHER,
    SliceKey,
    column_values,
    label_of,
    slice_members,
)

ROWS = [
    Example("0", "abc", label="a", slices={"year": "2020", "shop": "x"}),
    Example("1", "abcdef", "ghi", label="b", slices={"year": "2021"}),
    Example("2", "", label=None, slices={"year": ""}),
]


def members(key: SliceKey) -> list[bool]:
    result: list[bool] = slice_members(ROWS, key).tolist()
    predictions = [
        LabelledPrediction(row.id, row.label, None, (), None, (), row.characters, False, row.slices) for row in ROWS
    ]
    assert slice_members(predictions, key).tolist() == result
    return result


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        (SliceKey(column="year", value="2020"), [True, False, False]),
        (SliceKey(column="year", value=MISSING), [False, False, True]),
        (SliceKey(column="shop", value=MISSING), [False, True, True]),
        (SliceKey(column="unknown", value=MISSING), [True, True, True]),
        (SliceKey(column="year", value=OTHER, others=("2020", MISSING)), [False, True, False]),
        (SliceKey(kind="length", column="text_length", value="short", high=3), [True, False, True]),
        (SliceKey(kind="length", column="text_length", value="long", low=4), [False, True, False]),
        (SliceKey(kind="length", column="text_length", value="9", low=9, high=9), [False, True, False]),
        (SliceKey(kind="label", column="label", value="b"), [False, True, False]),
        (
            SliceKey(kind="expression", column="new", value="x", condition="year >= 2021 and text_length > 3"),
            [False, True, False],
        ),
    ],
    ids=lambda value: value.name if isinstance(value, SliceKey) else None,
)
def test_slice_members_are_those_of_the_key(key: SliceKey, expected: list[bool]) -> None:
    assert members(key) == expected


def test_slice_members_of_no_rows_are_an_empty_mask() -> None:
    empty = slice_members([], SliceKey(column="year", value="2020"))
    assert (empty.shape, empty.dtype.name) == ((0,), "bool")


def test_slice_members_name_a_column_that_the_rows_lack() -> None:
    key = SliceKey(kind="expression", column="new", value="x", condition="country == 'DE'")
    with pytest.raises(AssayError, match="country"):
        slice_members(ROWS, key)


def test_column_values_are_missing_where_empty() -> None:
    assert column_values(ROWS, "year") == ["2020", "2021", MISSING]


def test_label_of_is_the_gold_class() -> None:
    assert [label_of(row) for row in ROWS] == ["a", "b", None]


def test_slice_key_survives_its_json_and_can_be_a_key() -> None:
    key = SliceKey(column="year", value=OTHER, others=("2020", "2021"))
    assert SliceKey.model_validate_json(key.model_dump_json()) == key
    assert len({key, SliceKey.model_validate(key.model_dump())}) == 1
    assert key.name == f"year={OTHER}"
