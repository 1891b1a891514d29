import math
from pathlib import Path
from typing import Any

import pytest

from assay.flows.api import RunRequest
from assay.flows.overrides import ALLOWED, FaultyParametersError, override
from assay.recipes.recipe import Training
from tests.flows.tiny import make_recipe
from tests.numbers import unbounded_numbers

RECIPE = make_recipe(Path("rows.jsonl")).model_dump(mode="json")


def test_override_changes_only_training_settings() -> None:
    changes = {"epochs": 4, "learning_rate": 1e-4, "head_learning_rate": None, "precision": "fp32"}
    changed = override(RECIPE, {f"training.{name}": value for name, value in changes.items()})
    assert {name: changed["training"][name] for name in changes} == changes
    assert {**changed, "training": None} == {**RECIPE, "training": None}
    assert override(RECIPE, {}) == RECIPE


def test_override_allows_only_existing_settings() -> None:
    assert set(ALLOWED) <= set(Training.model_fields)


@pytest.mark.parametrize(
    ("overrides", "parameter", "reason"),
    [
        ({"training.epoch": 3}, "training.epoch", "did you mean training.epochs?"),
        ({"model.encoder": "/etc"}, "model.encoder", "cannot be changed by clients; choose from training.epochs, "),
        ({"source.uri": "mongodb://evil"}, "source.uri", "cannot be changed by clients"),
        ({"training": {}}, "training", "cannot be changed by clients"),
        (
            {"training.batch_size": "8"},
            "training.batch_size",
            "must be a whole number (allowed: at least 1, at most 65,536)",
        ),
        (
            {"training.batch_size": 8.5},
            "training.batch_size",
            "must be a whole number (allowed: at least 1, at most 65,536)",
        ),
        (
            {"training.batch_size": True},
            "training.batch_size",
            "must be a whole number (allowed: at least 1, at most 65,536)",
        ),
        (
            {"training.batch_size": 0},
            "training.batch_size",
            "must be a whole number (allowed: at least 1, at most 65,536)",
        ),
        ({"training.epochs": math.inf}, "training.epochs", "must be a number (allowed: above 0, at most 10,000)"),
        (
            {"training.learning_rate": [1e-4]},
            "training.learning_rate",
            "must be a number (allowed: above 0, at most 1)",
        ),
        ({"training.class_weights": "some"}, "training.class_weights", "must be one of none, balanced"),
    ],
)
def test_override_names_a_refused_parameter(overrides: dict[str, Any], parameter: str, reason: str) -> None:
    with pytest.raises(FaultyParametersError) as raised:
        override(RECIPE, overrides)
    [fault] = raised.value.faults
    assert fault.parameter == parameter
    assert reason in fault.reason


def test_override_names_every_faulty_parameter() -> None:
    with pytest.raises(FaultyParametersError) as raised:
        override(RECIPE, {"training.epochs": 0, "training.batch_size": -1})
    assert {fault.parameter for fault in raised.value.faults} == {"training.epochs", "training.batch_size"}


@pytest.mark.parametrize(
    ("key", "value", "allowed"),
    [
        ("seed", -5, "at least 0, at most 4,294,967,295"),
        ("epochs", 1e300, "above 0, at most 10,000"),
        ("epochs", math.nan, "above 0, at most 10,000"),
        ("learning_rate", 5.0, "above 0, at most 1"),
        ("early_stopping", 10**12, "at least 1, at most 10,000"),
    ],
)
def test_override_names_the_range_of_a_number(key: str, value: float, allowed: str) -> None:
    with pytest.raises(FaultyParametersError) as raised:
        override(RECIPE, {f"training.{key}": value})
    [fault] = raised.value.faults
    assert fault.parameter == f"training.{key}"
    assert fault.reason.endswith(f"(allowed: {allowed})")


def test_override_bounds_every_number() -> None:
    assert list(unbounded_numbers(Training.model_json_schema())) == []
    assert list(unbounded_numbers(RunRequest.model_json_schema())) == []
