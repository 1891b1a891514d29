from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from bson import Decimal128, Int64

from assay.corpus.documents.values import class_label, column, row_id, whole_number, year

FIVES: list[Any] = [5, 5.0, Decimal(5), Decimal("5.00"), np.int8(5), np.float32(5), Int64(5), Decimal128("5.0")]
NO_NUMBERS: list[Any] = ["5", "5.0", True, np.True_, None, [5], 5 + 0j, float("nan"), float("inf"), Decimal("sNaN")]
NO_NUMBERS += [Decimal("1E+1000000"), Decimal128("Infinity"), 5.5, Decimal("5.5"), np.float64(0.1)]


@pytest.mark.parametrize("value", FIVES, ids=repr)
def test_whole_number_takes_any_numeric_type(value: Any) -> None:
    assert (whole_number(value), type(whole_number(value))) == (5, int)
    assert {class_label(value, "f", {}), column(value, "f"), row_id(value, "f")} == {"5"}
    assert class_label(value, "f", {"5": "five"}) == "five"


@pytest.mark.parametrize("value", FIVES, ids=repr)
@pytest.mark.parametrize(("names", "key"), [({"5": "five"}, "5"), ({"5.0": "five"}, "5.0")])
def test_class_label_finds_a_whole_number_however_its_key_is_written(
    value: Any, names: dict[str, str], key: str
) -> None:
    used: set[str] = set()
    assert (class_label(value, "f", names, used), used) == ("five", {key})


@pytest.mark.parametrize(
    ("value", "names", "label", "used"),
    [
        (5.0, {"5": "whole", "5.0": "double"}, "whole", {"5"}),
        (-0.0, {"0.0": "none"}, "none", {"0.0"}),
        ("5.0", {"5.0": "double"}, "double", {"5.0"}),
        ("5.0", {"5": "whole"}, "5.0", set()),
        ("5", {"5.0": "double"}, "5", set()),
        (True, {"1": "one", "1.0": "one"}, "true", set()),
        (6.0, {"5.0": "double"}, "6", set()),
    ],
)
def test_class_label_takes_texts_as_they_are(value: Any, names: dict[str, str], label: str, used: set[str]) -> None:
    used_keys: set[str] = set()
    assert (class_label(value, "f", names, used_keys), used_keys) == (label, used)


@pytest.mark.parametrize("value", NO_NUMBERS, ids=repr)
def test_whole_number_is_none_for_other_values(value: Any) -> None:
    assert whole_number(value) is None


@pytest.mark.parametrize(
    "value", [float("nan"), np.float32("nan"), Decimal("nan"), Decimal128("NaN"), None, ""], ids=repr
)
def test_column_is_none_for_empty_values(value: Any) -> None:
    assert column(value, "f") is None


@pytest.mark.parametrize(("value", "text"), [(-0.0, "0"), (5.5, "5.5"), (Decimal("5.50"), "5.50"), ("5.0", "5.0")])
def test_column_leaves_other_numbers_and_texts_as_they_are(value: Any, text: str) -> None:
    assert column(value, "f") == text


@pytest.mark.parametrize("value", [1700000000, 1.7e9, Decimal(1700000000), np.int64(1700000000), Int64(1700000000000)])
def test_year_takes_a_unix_time_of_any_numeric_type(value: Any) -> None:
    assert year(value, "f") == "2023"
