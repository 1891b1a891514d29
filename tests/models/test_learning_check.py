"""Warnings about trainings that learned nothing."""

from typing import Any

import pytest

from assay.corpus.example import Entity, Example
from assay.models.learning_check import learning_warnings
from assay.recipes.model_section import Lora, ModelSection, Scratch
from assay.recipes.training_section import Training

SCRATCH = ModelSection(scratch=Scratch(), heads=["sentence", "tokens"])
FULL = ModelSection(encoder=".", heads=["sentence"])
ROWS = [
    Example("1", "Acme rises", None, "up", (Entity(0, 4, "ORG"),), None, None, None, {}),
    Example("2", "Acme falls", None, "down", (Entity(0, 4, "ORG"),), None, None, None, {}),
]


def history(losses: list[float], **metrics: float) -> dict[str, Any]:
    return {
        "loss": [[step, loss] for step, loss in enumerate(losses, 1)],
        "epochs": [{"epoch": 1.0, **metrics}],
        "kept_epoch": 1.0,
    }


GOOD = {"sentence.predicted_classes": 2, "tokens.predicted_entities": 2}


def test_learning_warnings_are_empty_if_the_loss_falls_and_all_classes_are_predicted() -> None:
    assert learning_warnings(history([2.0, 1.5, 1.0], **GOOD), ROWS, SCRATCH, Training(learning_rate=1e-3)) == []


@pytest.mark.parametrize(
    ("found", "line"),
    [
        (history([2.0, 1.99, 1.98], **GOOD), "the training loss does not fall: 2.000 at first, 1.980 after 3 steps"),
        (history([2.0, 3.0], **GOOD), "the training loss does not fall"),
        (history([2.0, 1.0], **{**GOOD, "sentence.predicted_classes": 1}), "predicts one class only"),
        (history([2.0, 1.0], **{**GOOD, "tokens.predicted_entities": 0}), "finds none of the 2 entities"),
    ],
)
def test_learning_warnings_name_the_fault(found: dict[str, Any], line: str) -> None:
    [warning] = learning_warnings(found, ROWS, SCRATCH, Training(learning_rate=1e-3))
    assert line in warning.text


def test_learning_warnings_name_the_head_that_they_are_about() -> None:
    poor = history([2.0, 2.0], **{"sentence.predicted_classes": 1, "tokens.predicted_entities": 0})
    warnings = learning_warnings(poor, ROWS, SCRATCH, Training(learning_rate=1e-3))
    assert [warning.head for warning in warnings] == [None, "sentence", "tokens"]


@pytest.mark.parametrize(
    ("model", "rate", "remedy"),
    [
        (SCRATCH, 5e-5, "raise training.learning_rate (5e-05) to about 0.001"),
        (FULL, 1e-3, "lower training.learning_rate (0.001) to about 5e-05"),
        (
            ModelSection(encoder=".", heads=["sentence"], lora=Lora()),
            3e-5,
            "raise training.learning_rate (3e-05) to about",
        ),
        (SCRATCH, 1e-3, "raise training.epochs (3), add training rows, or check the labels"),
    ],
)
def test_learning_warnings_give_the_remedy_for_the_kind_of_model(model: ModelSection, rate: float, remedy: str) -> None:
    [warning] = learning_warnings(history([1.0, 1.0], **GOOD), ROWS, model, Training(learning_rate=rate))
    assert remedy in warning.text


def test_learning_warnings_accept_one_class_if_the_rows_have_one() -> None:
    metrics = {"sentence.predicted_classes": 1, "tokens.predicted_entities": 1}
    assert learning_warnings(history([2.0, 1.0], **metrics), ROWS[:1], SCRATCH, Training(learning_rate=1e-3)) == []
