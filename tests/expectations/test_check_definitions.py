from typing import Any

import pytest

from assay.expectations.check_definitions import (
    CheckText,
    class_checks,
    label_checks,
    length_checks,
    no_faults,
    schema_checks,
    text_checks,
    total_checks,
    values_between,
    values_in,
    values_present,
)
from assay.expectations.runner import meta_of
from tests.expectations.conftest import MakeRecipe

TEXT = CheckText("rows", "at least 4", "row {key}: {value}", "add rows", "warning")


def names(expectations: list[Any]) -> list[str]:
    return [meta_of(expectation)["name"] for expectation in expectations]


def test_check_text_is_the_meta_of_every_kind_of_expectation() -> None:
    made: list[Any] = [
        values_between("n", TEXT, low=4),
        values_present("n", TEXT),
        no_faults("n", TEXT),
        values_in("n", ["a"], TEXT),
    ]
    for expectation in made:
        assert meta_of(expectation) == {
            "name": "rows",
            "required": "at least 4",
            "fault": "row {key}: {value}",
            "remedy": "add rows",
        }
        assert (expectation.column, expectation.severity) == ("n", "warning")
        assert expectation.description == "rows: at least 4"


def test_values_between_has_one_bound_or_two() -> None:
    low: Any = values_between("n", TEXT, low=4)
    both: Any = values_between("n", TEXT, low=0, high=1)
    assert (low.min_value, low.max_value) == (4, None)
    assert (both.min_value, both.max_value) == (0, 1)


def test_schema_checks_stop_before_all_others() -> None:
    [check] = schema_checks()
    assert check.severity == "critical"
    assert "--from extract" in meta_of(check)["remedy"]


@pytest.mark.parametrize(
    ("parts", "added"),
    [
        ({}, []),
        ({"split": {"method": "published"}}, ["published split"]),
        ({"split": {"method": "time"}, "fields": {"time": "at"}}, ["time"]),
    ],
)
def test_text_checks_need_what_the_split_needs(
    make_recipe: MakeRecipe, parts: dict[str, Any], added: list[str]
) -> None:
    assert names(text_checks(make_recipe(**parts))) == ["blank text", "text length", *added]


def test_length_checks_name_the_limit_of_the_recipe(make_recipe: MakeRecipe) -> None:
    recipe = make_recipe(validation={"max_text_length": 77})
    checks: list[Any] = length_checks(recipe, "pair_length", "fault.pair", "second text")
    assert names(checks) == ["blank second text", "second text length"]
    assert [check.column for check in checks] == ["fault.pair", "pair_length"]
    assert (checks[1].min_value, checks[1].max_value) == (1, 77)
    fault = meta_of(checks[1])["fault"].format(key="r7", value=99.0)
    assert fault == "row r7: the second text has 99 characters"


def test_label_checks_allow_the_labels_of_the_recipe(make_recipe: MakeRecipe) -> None:
    assert names(label_checks(make_recipe())) == ["missing label"]
    checks: list[Any] = label_checks(make_recipe(validation={"labels": ["up", "down"]}))
    assert checks[1].value_set == ["up", "down"]
    assert meta_of(checks[1])["required"] == "one of up, down (validation.labels)"


def test_total_checks_stop_for_too_few_rows_and_repeated_ids_alone(make_recipe: MakeRecipe) -> None:
    checks: list[Any] = total_checks(make_recipe(validation={"min_rows": 9}))
    assert [(meta_of(check)["name"], check.severity) for check in checks] == [
        ("few rows", "warning"),
        ("rows", "critical"),
        ("unique ids", "critical"),
        ("duplicates", "warning"),
        ("contradictions", "warning"),
        ("rejects", "info"),
    ]
    assert (checks[0].min_value, checks[1].min_value) == (20, 9)
    assert "few rows" not in {
        meta_of(check)["name"] for check in total_checks(make_recipe(validation={"min_rows": 20}))
    }


def test_class_checks_of_published_splits_need_every_class_in_train(make_recipe: MakeRecipe) -> None:
    assert names(class_checks(make_recipe())) == ["classes", "rows of a class", "class balance"]
    published = class_checks(make_recipe(split={"method": "published"}))
    assert names(published)[-1] == "unseen classes"
