"""The monitoring section of a recipe: when new data has drifted away from the champion's data."""

from typing import Literal, get_args

from pydantic import Field

from assay.corpus.settings import Seed, StrictModel
from assay.recipes.bounds import MOST_ROWS

Signal = Literal[
    "text_length",
    "unknown_words",
    "vocabulary",
    "embedding",
    "classes",
    "labels",
    "label_count",
    "entity_types",
    "entity_count",
    "confidence",
    "abstained",
    "calibration",
    "f1",
]
SIGNALS: tuple[Signal, ...] = get_args(Signal)
_DISTANCE = "largest distance between the two cumulative distributions (Kolmogorov-Smirnov)"
_SEPARABLE = "2 AUC - 1 of a classifier that separates window and reference, on rows it was not trained on"
_MOVED = "total variation distance: the share that would have to move to make the shares equal"


class DriftLimits(StrictModel):
    """Smallest effect that counts as drift, from 0 (equal) to 1 (nothing in common). None: reported, not tested."""

    text_length: float | None = Field(0.15, ge=0, lt=1, description=f"Length of a text in characters: {_DISTANCE}")
    unknown_words: float | None = Field(
        0.15, ge=0, lt=1, description=f"Share of the words of a text that no training row holds: {_DISTANCE}"
    )
    vocabulary: float | None = Field(0.25, ge=0, lt=1, description=f"Words of the texts: {_SEPARABLE}")
    embedding: float | None = Field(0.25, ge=0, lt=1, description=f"Inputs of the champion's head: {_SEPARABLE}")
    classes: float | None = Field(0.1, ge=0, lt=1, description=f"Predicted classes: {_MOVED}")
    labels: float | None = Field(0.1, ge=0, lt=1, description=f"Predicted labels of a labels head: {_MOVED}")
    label_count: float | None = Field(0.15, ge=0, lt=1, description=f"Predicted labels per text: {_DISTANCE}")
    entity_types: float | None = Field(0.15, ge=0, lt=1, description=f"Types of the predicted entities: {_MOVED}")
    entity_count: float | None = Field(0.15, ge=0, lt=1, description=f"Predicted entities per text: {_DISTANCE}")
    confidence: float | None = Field(0.15, ge=0, lt=1, description=f"Confidence of the predictions: {_DISTANCE}")
    abstained: float | None = Field(
        0.1, ge=0, lt=1, description="Rows that the decision leaves to people: difference of the shares"
    )
    calibration: float | None = Field(
        0.1,
        ge=0,
        lt=1,
        description="Confidence minus the share of predictions that are right, if rows of the window have labels: "
        "difference of the means",
    )
    f1: float | None = Field(0.05, ge=0, lt=1, description="Drop of F1, if rows of the window have labels")


class Monitoring(StrictModel):
    """When the drift of a window is an alarm: an effect exceeds its limit and is statistically significant."""

    limits: DriftLimits = DriftLimits()
    alpha: float = Field(
        0.01,
        ge=0.001,
        lt=0.5,
        description="Probability of any false alarm when nothing has changed, with Holm's correction",
    )
    min_rows: int = Field(
        30, ge=10, le=MOST_ROWS, description="Minimum number of rows of a window; with fewer, no signal is tested"
    )
    max_rows: int = Field(
        2000, ge=100, le=100_000, description="Maximum number of rows of window and reference; more are sampled"
    )
    seed: Seed = Field(13, description="Seed of the sample")
    retrain: bool = Field(
        False,
        description="Train the recipe again in the same flow run if a limit is exceeded; the new model goes through "
        "the same gate. Leave it off if an automation starts the training on the event assay.drift",
    )
