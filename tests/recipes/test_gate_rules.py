from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from assay.corpus.errors import AssayError
from assay.recipes.gate_rules import unknown_names
from assay.recipes.loader import parse_recipe
from assay.recipes.recipe import Recipe
from tests.snapshots import recipe_values


def recipe_with(rules: dict[str, Any], **parts: Any) -> Recipe:
    return Recipe.model_validate(recipe_values(gate={"min_f1": {"sentence": 0.5}, **rules}, **parts))


@pytest.mark.parametrize("value", [0, 1.01, -0.5, float("nan"), float("inf")])
def test_gate_rules_bound_every_number(value: float) -> None:
    recalls = {"min_recall": {"sentence": {"good": value}}}
    at = [{"coverage": value, "precision": 0.9}, {"coverage": 0.9, "precision": value}]
    for rule in (recalls, *({"min_precision_at": {"sentence": one}} for one in at)):
        with pytest.raises(ValidationError):
            recipe_with(rule)


@pytest.mark.parametrize(
    "rule",
    [
        {"min_recall": {"sentence": {}}},
        {"min_precision_at": {"sentence": {"coverage": 0.8}}},
        {"min_precision_at": {"sentence": {"coverage": 0.8, "precision": 0.9, "recall": 0.9}}},
        {"min_recall": {"words": {"good": 0.9}}},
    ],
)
def test_gate_rules_refuse_what_requires_nothing_or_is_unknown(rule: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        recipe_with(rule)


@pytest.mark.parametrize(
    "rule",
    [{"min_recall": {"tokens": {"ORG": 0.9}}}, {"min_precision_at": {"tokens": {"coverage": 1, "precision": 1}}}],
)
def test_gate_rules_refuse_a_head_that_the_model_does_not_have(rule: dict[str, Any]) -> None:
    key = next(iter(rule))
    with pytest.raises(ValidationError, match=rf"gate\.{key}\.tokens is set, but model\.heads is \['sentence'\]"):
        recipe_with(rule)


def test_gate_rules_refuse_a_class_that_the_recipe_does_not_allow() -> None:
    labels = {"labels": ["good", "bad"]}
    recipe_with({"min_recall": {"sentence": {"good": 0.9}}}, validation=labels)
    with pytest.raises(
        ValidationError, match=r"names the class 'god', which validation\.labels does not have; did you mean 'good'\?"
    ):
        recipe_with({"min_recall": {"sentence": {"god": 0.9}}}, validation=labels)


def test_unknown_names_ask_for_quotes_where_yaml_has_read_a_boolean() -> None:
    # as a loader of YAML 1.1 reads {sentence: {yes: 0.9}}
    rules = yaml.safe_load("{min_f1: {sentence: 0.5}, min_recall: {sentence: {yes: 0.9}}}")
    with pytest.raises(AssayError, match=r"the class 'true', which validation\.labels does not have; 'yes' without"):
        parse_recipe(recipe_values(gate=rules, validation={"labels": ["yes", "no"]}), "test")


def test_unknown_names_list_what_there_is_if_nothing_is_near() -> None:
    [line] = unknown_names("gate.min_recall.tokens", ["DRUG", "ORG"], "tokens", ["ORG", "PLACE"], "the data")
    assert line == (
        "gate.min_recall.tokens names the entity type 'DRUG', which the data does not have (it has 'ORG', 'PLACE')"
    )
    [line] = unknown_names("gate.min_recall.tokens", ["DRUG"], "tokens", [], "the data")
    assert line.endswith("(it has none)")
