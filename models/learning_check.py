"""Warnings about a training that learned nothing, each with its remedy."""

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

from pydantic import BaseModel, ConfigDict

from assay.corpus.example import Example, Head
from assay.recipes.recipe import ModelSection, Training
from assay.recipes.training_section import DEFAULTS

# A loss that falls by less than this share of its first value has not fallen: batches differ by as much.
LEAST_FALL = 0.05
# A learning rate that differs from the default by this factor is the likely cause.
FAR_OFF = 3.0

_Fault = tuple[Head | None, str]


class LearningWarning(BaseModel):
    """A warning about a training in one line, and the head that it is about; None if it is about all heads."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    head: Head | None
    text: str


def learning_warnings(
    history: Mapping[str, Any], validation_rows: Sequence[Example], model: ModelSection, training: Training
) -> list[LearningWarning]:
    """Return the warnings about a training; empty if the model learned.

    Args:
        history: `loss`, `epochs` and `kept_epoch` of the training, see `assay.models.checkpoint.Checkpoint`.
        validation_rows: rows that the epochs were scored on.
        model: section `model` of the recipe.
        training: section `training` of the recipe.
    """
    faults = [*_loss_faults(history["loss"]), *_prediction_faults(_kept_epoch(history), validation_rows)]
    return [LearningWarning(head=head, text=f"{fault}; {_remedy(model, training)}") for head, fault in faults]


def _loss_faults(loss: Sequence[tuple[int, float]]) -> list[_Fault]:
    values = [value for _, value in loss]
    if len(values) < 2:
        return []
    tenth = max(len(values) // 10, 1)
    first, last = fmean(values[:tenth]), fmean(values[-tenth:])
    if last <= first * (1 - LEAST_FALL):
        return []
    return [(None, f"the training loss does not fall: {first:.3f} at first, {last:.3f} after {loss[-1][0]} steps")]


def _prediction_faults(epoch: Mapping[str, float], rows: Sequence[Example]) -> list[_Fault]:
    faults: list[_Fault] = []
    classes = {row.label for row in rows if row.label is not None}
    if len(classes) > 1 and epoch.get("sentence.predicted_classes") == 1:
        faults.append(("sentence", f"the model predicts one class only for validation rows of {len(classes)} classes"))
    entities = sum(len(row.entities or ()) for row in rows)
    if entities and epoch.get("tokens.predicted_entities") == 0:
        faults.append(("tokens", f"the model finds none of the {entities} entities of the validation rows"))
    return faults


def _kept_epoch(history: Mapping[str, Any]) -> Mapping[str, float]:
    """Return the metrics of the epoch that became the checkpoint."""
    epochs: list[dict[str, float]] = history["epochs"]
    return next((epoch for epoch in epochs if epoch["epoch"] == history["kept_epoch"]), epochs[-1] if epochs else {})


def _remedy(model: ModelSection, training: Training) -> str:
    rate, default = training.learning_rate, DEFAULTS[model.kind]["learning_rate"]
    if rate * FAR_OFF <= default:
        return f"raise training.learning_rate ({rate:g}) to about {default:g}"
    if rate >= default * FAR_OFF:
        return f"lower training.learning_rate ({rate:g}) to about {default:g}"
    return f"raise training.epochs ({training.epochs:g}), add training rows, or check the labels"
