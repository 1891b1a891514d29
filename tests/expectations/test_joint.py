from typing import Any

import pytest

from assay.expectations.check_definitions import Suite
from assay.expectations.joint import entity_checks, entity_type_checks, joint_suite, token_suite
from assay.expectations.runner import meta_of
from assay.expectations.sentences import sentence_suite
from tests.expectations.conftest import MakeRecipe

HEADS = ("sentence", "tokens")


def names(expectations: list[Any]) -> list[str]:
    return [meta_of(expectation)["name"] for expectation in expectations]


def columns(suite: Suite) -> set[str]:
    rows: list[Any] = suite.rows
    return {expectation.column for expectation in rows}


def test_joint_suite_adds_the_checks_of_entities_to_those_of_sentences(make_recipe: MakeRecipe) -> None:
    recipe = make_recipe(HEADS)
    suite, sentences = joint_suite(recipe), sentence_suite(recipe)
    assert names(suite.rows) == names(sentences.rows) + names(entity_checks(recipe))
    assert names(suite.totals) == names(sentences.totals) + names(entity_type_checks(recipe))


def test_token_suite_checks_no_class(make_recipe: MakeRecipe) -> None:
    suite = token_suite(make_recipe(("tokens",)))
    assert "label" not in columns(suite)
    assert {"text_length", "entities", "fault.bio"} <= columns(suite)
    assert "classes" not in names(suite.totals)


@pytest.mark.parametrize(
    ("name", "severity"),
    [
        ("missing entities", "critical"),
        ("entity offsets", "critical"),
        ("empty entities", "critical"),
        ("entity types", "critical"),
        ("overlapping entities", "critical"),
        ("BIO tags", "critical"),
        ("white space at entities", "warning"),
        ("entities that cut a word", "warning"),
    ],
)
def test_entity_checks_stop_the_run_where_tags_would_lose_entities(
    make_recipe: MakeRecipe, name: str, severity: str
) -> None:
    checks = entity_checks(make_recipe(HEADS))
    [check] = [check for check in checks if meta_of(check)["name"] == name]
    assert check.severity == severity


def test_entity_checks_name_the_allowed_types_only_if_the_recipe_does(make_recipe: MakeRecipe) -> None:
    assert "unknown tags" not in names(entity_checks(make_recipe(HEADS)))
    checks = entity_checks(make_recipe(HEADS, validation={"entity_labels": ["ORG", "LOC"]}))
    assert meta_of(checks[-1])["required"] == "types out of ORG, LOC (validation.entity_labels)"


def test_entity_type_checks_need_types_with_enough_entities(make_recipe: MakeRecipe) -> None:
    checks = entity_type_checks(make_recipe(HEADS, validation={"min_class_rows": 7}))
    assert names(checks) == ["any entities", "entities of a type"]
    assert [meta_of(check)["required"] for check in checks] == [
        "at least 1 entity type",
        "at least 7 (validation.min_class_rows)",
    ]
    published = entity_type_checks(make_recipe(HEADS, split={"method": "published"}))
    assert names(published)[-1] == "unseen types"
