from typing import Any

import pytest
from pydantic import ValidationError

from assay.recipes.monitoring_section import SIGNALS, DriftLimits, Monitoring
from assay.recipes.recipe import Recipe
from tests.snapshots import recipe_values

BOUNDS = {
    "alpha": (0.001, 0.499),
    "min_rows": (10, 1_000_000_000),
    "max_rows": (100, 100_000),
    "seed": (0, 2**32 - 1),
}
OUTSIDE = [
    ("alpha", 0.0009),
    ("alpha", 0.5),
    ("min_rows", 9),
    ("min_rows", 1_000_000_001),
    ("max_rows", 99),
    ("max_rows", 100_001),
    ("seed", -1),
    ("seed", 2**32),
]


def test_drift_limits_have_one_limit_per_signal() -> None:
    assert tuple(DriftLimits.model_fields) == SIGNALS


@pytest.mark.parametrize("signal", SIGNALS)
def test_drift_limits_are_shares_or_none(signal: str) -> None:
    for limit in (None, 0.0, 0.999):
        assert getattr(DriftLimits.model_validate({signal: limit}), signal) == limit
    for limit in (-0.001, 1.0, float("nan"), float("inf")):
        with pytest.raises(ValidationError, match=signal):
            DriftLimits.model_validate({signal: limit})
    # every signal is tested unless the recipe says otherwise, and its measure is explained
    assert 0 < getattr(DriftLimits(), signal) < 1
    assert DriftLimits.model_fields[signal].description


@pytest.mark.parametrize("key", BOUNDS)
def test_monitoring_accepts_the_bounds(key: str) -> None:
    for value in BOUNDS[key]:
        assert getattr(Monitoring.model_validate({key: value}), key) == value


@pytest.mark.parametrize(("key", "value"), OUTSIDE)
def test_monitoring_refuses_values_outside_the_bounds(key: str, value: Any) -> None:
    with pytest.raises(ValidationError, match=key):
        Monitoring.model_validate({key: value})


@pytest.mark.parametrize("section", [{"limit": {}}, {"limits": {"class": 0.1}}])
def test_monitoring_refuses_unknown_keys(section: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="Extra inputs"):
        Monitoring.model_validate(section)


def test_monitoring_of_a_recipe_without_the_section_never_trains_by_itself() -> None:
    recipe = Recipe.model_validate(recipe_values())
    assert recipe.monitoring == Monitoring()
    assert recipe.monitoring.retrain is False
    changed = Recipe.model_validate(recipe_values(monitoring={"limits": {"f1": None}, "retrain": True}))
    assert (changed.monitoring.limits.f1, changed.monitoring.limits.classes) == (None, 0.1)
    assert changed.monitoring.retrain is True
