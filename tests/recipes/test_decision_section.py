from typing import Any

import pytest

from assay.corpus.errors import AssayError
from assay.recipes.decision_section import DecisionRule
from assay.recipes.loader import parse_recipe
from tests.snapshots import recipe_values


def refused(**parts: Any) -> str:
    with pytest.raises(AssayError) as caught:
        parse_recipe(recipe_values(**parts), "recipe.yaml")
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("rule", "line"),
    [
        ({}, "neither of precision and costs is set; set exactly one, such as precision: 0.95"),
        (
            {"precision": 0.9, "costs": {"wrong": 9, "abstain": 1}},
            "both of precision and costs is set; set exactly one",
        ),
        ({"precision": 95}, "'decision.sentence.precision' is 95, .*allowed: at least 0.01, at most 0.9999"),
        ({"precision": 1}, "'decision.sentence.precision' is 1, .*at most 0.9999"),
        ({"precision": "high"}, "'decision.sentence.precision' is 'high', .*a number"),
        ({"precision": 0.9, "confidence": 0.5}, "'decision.sentence.confidence' is 0.5, .*above 0.5"),
        ({"costs": {"wrong": 0, "abstain": 1}}, "'decision.sentence.costs.wrong' is 0, .*above 0"),
        ({"costs": {"wrong": 9}}, "'decision.sentence.costs.abstain' is missing"),
        (
            {"costs": {"wrong": 1, "abstain": 1}},
            r"costs.abstain is 1, at least the cost of a wrong prediction \(1\), so that every prediction",
        ),
        ({"costs": {"wrong": 9, "abstain": 1, "wrong_by_class": {"x": -1}}}, "wrong_by_class.x' is -1, .*above 0"),
        ({"precisions": 0.9}, "unknown key 'decision.sentence.precisions'.*did you mean 'decision.*precision'"),
    ],
)
def test_decision_rule_names_what_cannot_be(rule: dict[str, Any], line: str) -> None:
    import re

    message = refused(decision={"sentence": rule})
    assert re.search(line, message), message


def test_decision_is_of_a_head_of_the_model() -> None:
    assert "decision.tokens is set, but model.heads is ['sentence']; remove it" in refused(
        decision={"tokens": {"precision": 0.9}}
    )


def test_max_abstain_needs_a_decision() -> None:
    message = refused(gate={"min_f1": {"sentence": 0.5}, "max_abstain": {"sentence": 0.3}})
    assert "gate.max_abstain.sentence is set, but decision.sentence is not; set it, or remove the key" in message


@pytest.mark.parametrize(
    ("name", "classes", "remedy"),
    [
        ("upp", ["up", "down"], "; did you mean 'up'?"),
        ("other", ["up", "down"], " (it has 'up', 'down')"),
        ("other", [f"c{number}" for number in range(300)], ", 'c19', …)"),
        (False, ["yes", "no"], "; 'no' without quotes is false in YAML 1.1; put it in quotes"),
    ],
)
def test_costs_name_allowed_classes(name: object, classes: list[str], remedy: str) -> None:
    costs = {"wrong": 9, "abstain": 1, "wrong_by_class": {name: 20}}
    message = refused(decision={"sentence": {"costs": costs}}, validation={"labels": classes})
    assert "decision.sentence.costs.wrong_by_class names the class" in message
    assert "which validation.labels does not have" in message
    assert message.endswith(remedy)


@pytest.mark.parametrize("value", [0, 1, 1.5, float("nan"), float("inf"), "95%", True, [0.9], {}, 10**400])
def test_decision_numbers_are_refused_in_one_line_that_says_it_once(value: object) -> None:
    for rule in ({"precision": value}, {"precision": 0.9, "confidence": value}):
        key = f"decision.sentence.{[*rule][-1]}"
        message = refused(decision={"sentence": rule})
        assert message.count(key) == 1
        assert "must be a number" in message
        assert len(message) < 300


def test_costs_of_a_class_replace_the_cost_of_all() -> None:
    rule = DecisionRule.model_validate({"costs": {"wrong": 5, "abstain": 1, "wrong_by_class": {"fraud": 50}}})
    assert rule.costs is not None
    assert (rule.costs.of("fraud"), rule.costs.of("other"), rule.costs.largest) == (50, 5, 50)
    assert rule.limit == 1 / 50
    assert DecisionRule(precision=0.9).limit == pytest.approx(0.1)
