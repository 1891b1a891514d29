from typing import Any

import pytest
from pydantic import ValidationError

from assay.recipes.gate_section import CounterfactualRule, Gate, SliceRule
from assay.recipes.term_lists import shipped_list


@pytest.mark.parametrize(
    ("rule", "active"),
    [
        ({"columns": [], "text_length": False, "label": False}, False),
        ({"columns": ["year"], "text_length": False, "label": False}, True),
        ({"columns": [], "text_length": True, "label": False}, True),
        ({"columns": [], "text_length": False, "label": True}, True),
        ({"columns": [], "text_length": False, "label": False, "expressions": {"new": "year > 1"}}, True),
    ],
)
def test_slice_rule_is_active_if_any_slice_is_tested(rule: dict[str, Any], active: bool) -> None:
    assert SliceRule.model_validate(rule).active is active


def test_slice_rule_names_the_expression_that_cannot_be_read() -> None:
    with pytest.raises(ValidationError, match=r"gate\.slices\.expressions\.new: "):
        SliceRule(expressions={"new": "year >"})


@pytest.mark.parametrize(
    ("rule", "heads", "reason"),
    [
        ({"columns": ["shop"]}, ["sentence"], "gate.slices.columns names 'shop', which source.fields.slices does not"),
        (
            {"label": True},
            ["tokens"],
            "gate.slices.label needs the sentence or labels head, but model.heads is ['tokens']",
        ),
        ({"expressions": {"n": "label == 'a'"}}, ["tokens"], "expressions.n names the class, but model.heads is"),
        (
            {"expressions": {"n": "shop == x"}},
            ["sentence"],
            "gate.slices.expressions.n: 'shop == x' names 'shop', which source.fields.slices does not define",
        ),
    ],
)
def test_slice_rule_refuses_slices_that_the_rows_cannot_have(
    rule: dict[str, Any], heads: list[Any], reason: str
) -> None:
    with pytest.raises(ValueError, match=r"gate\.slices") as caught:
        SliceRule.model_validate(rule).check_against(["year"], heads)
    assert reason in str(caught.value)


def test_slice_rule_refuses_a_column_named_like_what_every_row_has() -> None:
    rule = SliceRule(expressions={"long": "text_length > 9"})
    rule.check_against(["year"], ["tokens"])
    with pytest.raises(ValueError, match="names 'text_length', which every row has; rename the column"):
        rule.check_against(["year", "text_length"], ["tokens"])


def test_slice_rule_accepts_slices_of_the_rows() -> None:
    rule = SliceRule(columns=["year"], label=True, expressions={"new": "year > 2020 and label == 'a'"})
    rule.check_against(["year"], ["sentence", "tokens"])


def test_counterfactual_rule_needs_a_list() -> None:
    with pytest.raises(ValidationError, match="has neither lists nor terms; name some, or set it to null"):
        CounterfactualRule(lists=[])
    with pytest.raises(ValidationError, match="terms names 'names', which is a shipped list; rename it"):
        CounterfactualRule(terms={"names": [["a", "b"]]})


def test_counterfactual_rule_returns_shipped_lists_before_own_ones() -> None:
    rule = CounterfactualRule(lists=["religions"], terms={"towns": [["Rome", "Oslo"]]}, templates=["in {towns}"])
    lists = rule.term_lists()
    assert list(lists) == ["religions", "towns"]
    assert lists["religions"] == shipped_list("religions")
    assert lists["towns"].terms() == ["Rome", "Oslo"]


def test_gate_reads_a_bare_off_of_yaml_1_1() -> None:
    assert Gate.model_validate({"min_f1": {"sentence": 0.5}, "baseline": False}).baseline == "off"
    with pytest.raises(ValidationError):
        Gate.model_validate({"min_f1": {"sentence": 0.5}, "baseline": True})


@pytest.mark.parametrize("limit", [0, 1.5, float("nan")])
def test_gate_bounds_the_calibration_error(limit: float) -> None:
    with pytest.raises(ValidationError):
        Gate.model_validate({"min_f1": {"sentence": 0.5}, "max_ece": {"sentence": limit}})


@pytest.mark.parametrize("min_f1", [{"sentence": 0}, {"sentence": 1.01}, {"words": 0.5}])
def test_gate_refuses_thresholds_that_no_model_misses_or_reaches(min_f1: dict[str, float]) -> None:
    with pytest.raises(ValidationError):
        Gate.model_validate({"min_f1": min_f1})
