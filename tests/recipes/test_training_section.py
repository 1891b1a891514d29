from typing import Any

import pytest
from pydantic import ValidationError

from assay.recipes.training_section import Range, Training, Tuning


@pytest.mark.parametrize(
    ("low", "high", "bounds"),
    [(1, 8, (1, 8)), (1.0, 8.0, (1, 8)), (0.5, 8, (0.5, 8.0)), (-3, -1, (-3, -1))],
)
def test_range_searches_whole_numbers_between_whole_bounds(
    low: float, high: float, bounds: tuple[float, float]
) -> None:
    found = Range(low=low, high=high).bounds
    assert found == bounds
    assert [type(number) for number in found] == [type(number) for number in bounds]


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"low": 2, "high": 1}, "low 2 is not below high 1; swap or change them"),
        ({"low": 1, "high": 1}, "low 1 is not below high 1"),
        ({"low": 0, "high": 1, "log": True}, "low is 0; a logarithmic range starts above 0"),
        ({"low": -1, "high": 1, "log": True}, "low is -1; a logarithmic range starts above 0"),
    ],
)
def test_range_refuses_bounds_in_disorder(values: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValidationError, match=reason):
        Range.model_validate(values)


def test_training_needs_a_row_for_each_process() -> None:
    assert Training(batch_size=4, processes=4).processes == 4
    with pytest.raises(ValidationError, match=r"processes is 5 and batch_size 4: .*; raise batch_size or lower"):
        Training(batch_size=4, processes=5)


def test_training_refuses_early_stopping_that_discards_the_best_epoch() -> None:
    assert Training(early_stopping=2).keep == "best"
    with pytest.raises(ValidationError, match="early_stopping looks for the best epoch, but keep: last discards it"):
        Training(early_stopping=2, keep="last")


@pytest.mark.parametrize(
    ("key", "valid"),
    [
        ("training.learning_rate", True),
        ("model.dropout", True),
        ("training.seed", False),
        ("training.processes", False),
        ("model.heads", False),
        ("training.unknown", False),
        ("gate.min_f1", False),
        ("learning_rate", False),
        ("training", False),
        ("", False),
    ],
)
def test_tuning_takes_keys_of_training_and_model(key: str, valid: bool) -> None:
    if valid:
        assert Tuning.model_validate({"space": {key: [1]}}).space == {key: [1]}
        return
    with pytest.raises(ValidationError, match=f"tuning.space names '{key}'; it takes keys of training and model"):
        Tuning.model_validate({"space": {key: [1]}})


def test_tuning_refuses_choices_of_nothing_and_epochs_named_twice() -> None:
    with pytest.raises(ValidationError, match=r"tuning\.space\.training\.epochs has no choices; list some"):
        Tuning.model_validate({"space": {"training.epochs": []}})
    with pytest.raises(ValidationError, match=r"tuning\.epochs fixes what tuning\.space\.training\.epochs would"):
        Tuning.model_validate({"epochs": 2, "space": {"training.epochs": [1, 2]}})


def test_tuning_yields_every_choice_and_both_ends_of_a_range() -> None:
    space = {"training.batch_size": {"low": 8, "high": 64}, "model.crf": [True, False], "model.dropout": [None, 0.1]}
    assert list(Tuning.model_validate({"space": space}).edges()) == [
        ("training.batch_size", 8),
        ("training.batch_size", 64),
        ("model.crf", True),
        ("model.crf", False),
        ("model.dropout", None),
        ("model.dropout", 0.1),
    ]


def test_training_schema_leaves_defaults_by_kind_to_the_recipe() -> None:
    properties = Training.model_json_schema()["properties"]
    assert [name for name, value in properties.items() if "default" not in value] == ["epochs", "learning_rate"]
