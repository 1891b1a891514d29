"""Check that every number has bounds, and that an error names them."""

import math
from typing import Any

import pytest
from pydantic import BaseModel, Field

from assay.corpus.errors import AssayError
from assay.recipes.bounds import allowed_range
from assay.recipes.loader import load_recipe
from assay.recipes.recipe import Recipe
from tests.numbers import unbounded_numbers


def test_recipe_bounds_every_number() -> None:
    assert list(unbounded_numbers(Recipe.model_json_schema())) == []


def test_unbounded_numbers_finds_nested_numbers() -> None:
    class Part(BaseModel):
        low: float = Field(ge=0)

    class Whole(BaseModel):
        part: Part | None
        parts: dict[str, list[Part | int]]
        kept: float = Field(gt=0, lt=1)

    found = list(unbounded_numbers(Whole.model_json_schema()))
    assert found == [".$defs.Part.properties.low", ".properties.parts.additionalProperties.items.anyOf.1"]


@pytest.mark.parametrize(
    ("override", "line"),
    [
        ("gate.min_f1={sentence: 0, tokens: 0.5}", "'gate.min_f1.sentence' is 0, .*allowed: above 0, at most 1"),
        ("gate.min_f1={sentence: -1, tokens: 0.5}", "'gate.min_f1.sentence' is -1, .*allowed: above 0, at most 1"),
        ("gate.min_f1={sentence: 75, tokens: 0.5}", "'gate.min_f1.sentence' is 75, .*allowed: above 0, at most 1"),
        ("gate.min_f1={sentence: .nan, tokens: 0.5}", "'gate.min_f1.sentence' is nan, .*allowed: above 0, at most 1"),
        ("gate.approval_hours=1.0e+9", "'gate.approval_hours' is 1000000000.0, .*allowed: above 0, at most 8,760"),
        ("gate.slices.min_share=.nan", "'gate.slices.min_share' is nan, .*allowed: at least 0, at most 1"),
        ("gate.slices.alpha=1.0e-300", "'gate.slices.alpha' is 1e-300, .*allowed: at least 0.001, below 1"),
        ("monitoring.alpha=1.0e-300", "'monitoring.alpha' is 1e-300, .*allowed: at least 0.001, below 0.5"),
        ("monitoring.max_rows=1000000000", "'monitoring.max_rows' is 1000000000, .*at least 100, at most 100,000"),
        ("training.seed=-5", "'training.seed' is -5, .*allowed: at least 0, at most 4,294,967,295"),
        ("training.epochs=1.0e+300", "'training.epochs' is 1e\\+300, .*allowed: above 0, at most 10,000"),
        ("training.learning_rate=.inf", "'training.learning_rate' is inf, .*allowed: above 0, at most 1"),
        ("source.limit=0", "'source.limit' is 0, .*allowed: at least 1, at most 1,000,000,000"),
        ("tuning={trials: 0, space: {training.seed: [1]}}", "'tuning.trials' is 0, .*allowed: at least 1"),
        (
            "tuning={space: {training.epochs: [1.0e+300]}}",
            "'tuning.space.training.epochs.0' is 1e\\+300, [^;]*allowed: at least -1,000,000,000[^;]*$",
        ),
        (
            "tuning={space: {training.epochs: {low: 1, high: .inf}}}",
            "'tuning.space.training.epochs.high' is inf, [^;]*allowed: at least -1,000,000,000[^;]*$",
        ),
        ("tuning={space: {training.epochs: [1, 20000]}}", "tuning.space.training.epochs would try 20000"),
    ],
)
def test_load_recipe_reports_key_value_and_range_of_a_number_out_of_bounds(override: str, line: str) -> None:
    with pytest.raises(AssayError, match=line) as caught:
        load_recipe("news-joint", [override])
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 1e300, -1e300])
def test_recipe_refuses_huge_and_non_finite_numbers(value: float) -> None:
    # Given each number that stands in a recipe, when it is replaced, then the recipe is refused.
    values = load_recipe("product-reviews").model_dump(mode="json")
    places = list(numbers_in(values))
    assert len(places) > 30
    for holder, key in places:
        kept, holder[key] = holder[key], value
        with pytest.raises(ValueError, match="validation error"):
            Recipe.model_validate(values)
        holder[key] = kept


def numbers_in(node: Any) -> Any:
    """Yield the container and the key of every number."""
    for key, child in node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ():
        if isinstance(child, int | float) and not isinstance(child, bool):
            yield node, key
        yield from numbers_in(child)


def test_allowed_range_is_none_without_bounds() -> None:
    assert allowed_range(Recipe.model_json_schema(), ("name",)) is None
