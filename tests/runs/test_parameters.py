"""Words of users never become keys of MLflow: every recipe that validates can be logged."""

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mlflow.entities import Param
from mlflow.utils.validation import (
    MAX_DATASET_SOURCE_SIZE,
    MAX_PARAM_VAL_LENGTH,
    _validate_batch_log_data,
    _validate_dataset,
)
from pydantic import ValidationError

from assay.recipes.recipe import Recipe
from assay.runs.parameters import dataset_input, parameter, recipe_parameters
from tests.snapshots import recipe_values

# What MLflow's client and server check; it declares no types here.
check_batch: Any = _validate_batch_log_data
check_dataset: Any = _validate_dataset
HOSTILE = [":)", ":(", "", " ", ".", "..", "a/../b", "old/", "/lead", "a//b", "short & old", "short + old", "x" * 300]
HOSTILE += ["O'Brien's", "both \" and '", "`", "%", "\\", "a\nb", "\0", "ü 😀", "名", "a.b", "mlflow.runName", "a:b"]
WORDS = st.sampled_from(HOSTILE) | st.text(max_size=20)
LONG = st.sampled_from(["short", "x" * 7_000])


def words_of(values: st.SearchStrategy[Any], *, fewest: int = 0) -> st.SearchStrategy[dict[str, Any]]:
    return st.dictionaries(WORDS, values, min_size=fewest, max_size=8)


@st.composite
def hostile_recipes(draw: st.DrawFn) -> dict[str, Any]:
    """Draw the values of a recipe with any words at every place that takes the words of a user."""
    form = {"fields": {"label": "label", "slices": {"year": "year"} | draw(words_of(WORDS))}}
    form |= {"label_map": draw(words_of(LONG | WORDS))}
    sources: list[dict[str, Any]] = [
        {"kind": "files", "paths": draw(words_of(st.just("all"), fewest=1))},
        {"kind": "hub", "path": "a/b", "revision": "c", "splits": draw(words_of(st.just("all"))), "files": {}},
        {"kind": "mongo", "database": "d", "collection": draw(WORDS), "filter": {"tag": draw(LONG | WORDS)}},
    ]
    expressions = draw(words_of(st.sampled_from(["text_length < 10", "year < 2010", "label == 'x'"])))
    terms = {f"own {name}": [["Anna", "Ben"]] for name in draw(st.lists(WORDS, max_size=4))}
    return recipe_values(
        description=draw(LONG | WORDS),
        source=form | draw(st.sampled_from(sources)),
        validation={"labels": draw(st.lists(LONG | WORDS, max_size=9))},
        gate={
            "min_f1": {"sentence": 0.6},
            "slices": {"expressions": expressions},
            "counterfactual": {"terms": terms},
        },
    )


def validated(values: Mapping[str, Any]) -> Recipe | None:
    try:
        return Recipe.model_validate(values)
    except ValidationError:
        return None


def keys(parameters: list[Param]) -> set[str]:
    return {one.key for one in parameters if not one.key.startswith("source.")}


@given(hostile_recipes())
def test_recipe_parameters_of_any_recipe_are_taken_by_mlflow(values: dict[str, Any]) -> None:
    recipe = validated(values)
    if recipe is None:
        return
    logged = recipe_parameters(recipe)
    check_batch([], logged, [])
    assert len({one.key for one in logged}) == len(logged)
    assert keys(logged) == keys(
        recipe_parameters(Recipe.model_validate(recipe_values(gate={"min_f1": {"sentence": 1}, "counterfactual": {}})))
    )


def test_recipe_parameters_keep_every_entry_of_a_mapping() -> None:
    values = recipe_values()
    values["source"]["label_map"] = {":)": "good", ":(": "bad"}
    logged = {one.key: one.value for one in recipe_parameters(Recipe.model_validate(values))}
    assert logged["source.label_map"] == '{":(": "bad", ":)": "good"}'
    assert logged["gate.min_f1.sentence"] == "0.6"
    assert logged["training.batch_size"] == "32"
    assert logged["tuning"] == "None"


@pytest.mark.parametrize("value", ["x" * 6_001, {"key": "x" * 6_000}, ["x" * 6_000], {str(n): "x" for n in range(999)}])
def test_parameter_that_is_too_long_is_named_by_its_digest(value: Any) -> None:
    logged, other = parameter("key", value), parameter("key", [value])
    assert len(logged.value) <= MAX_PARAM_VAL_LENGTH
    assert "see recipe.json" in logged.value
    assert logged.value != other.value


def test_parameter_holds_neither_nul_nor_lone_surrogates() -> None:
    assert parameter("key", "a\0b\ud800").value == "a\\x00b\\ud800"


def test_dataset_input_of_many_files_is_taken_by_mlflow() -> None:
    source = {"files": [f"{number:06}.jsonl" for number in range(9_999)]}
    dataset = dataset_input("tiny", "files", "d" * 64, source, {"rows": 3})
    check_dataset(dataset)
    assert len(dataset.source) <= MAX_DATASET_SOURCE_SIZE
    assert dataset.source != dataset_input("tiny", "files", "d" * 64, {"files": "x" * 99_999}, {}).source


@pytest.mark.parametrize(
    "changes",
    [
        {"description": "half a pair \ud800"},
        {"name": "x" * 101},
        {"registry": {"name": "x" * 201}},
        {"registry": {"name": "tiny", "experiment": ""}},
        {"registry": {"name": "tiny", "experiment": "x" * 501}},
        {"registry": {"name": "tiny", "experiment": "a\0b"}},
    ],
)
def test_recipe_that_cannot_be_stored_does_not_validate(changes: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Recipe.model_validate(recipe_values(**changes))
