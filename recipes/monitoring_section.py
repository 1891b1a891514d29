"""When what comes in has moved away from what the champion was trained on."""

from typing import Literal, get_args

from pydantic import Field

from assay.corpus.settings import Closed, Seed
from assay.recipes.bounds import MOST_ROWS

Signal = Literal[
    "text_length",
    "unknown_words",
    "vocabulary",
    "embedding",
    "classes",
    "entity_types",
    "entity_count",
    "confidence",
    "f1",
]
SIGNALS: tuple[Signal, ...] = get_args(Signal)
_DISTANCE = "largest distance between the two cumulative distributions (Kolmogorov-Smirnov)"
_TELLING = "2 AUC - 1 of a classifier that tells window from reference on rows it has not seen"
_MOVED = "share that would have to move for the shares to be equal (total variation)"


class DriftLimits(Closed):
    """Least effect that is drift, from 0 (the same) to 1 (nothing in common); none: reported, not tested."""

    text_length: float | None = Field(0.15, ge=0, lt=1, description=f"Characters of a text: {_DISTANCE}")
    unknown_words: float | None = Field(
        0.15, ge=0, lt=1, description=f"Share of a text's words that no training row holds: {_DISTANCE}"
    )
    vocabulary: float | None = Field(0.25, ge=0, lt=1, description=f"Words of the texts: {_TELLING}")
    embedding: float | None = Field(0.25, ge=0, lt=1, description=f"What the champion's head reads: {_TELLING}")
    classes: float | None = Field(0.1, ge=0, lt=1, description=f"Classes answered: {_MOVED}")
    entity_types: float | None = Field(0.15, ge=0, lt=1, description=f"Types of the entities found: {_MOVED}")
    entity_count: float | None = Field(0.15, ge=0, lt=1, description=f"Entities found in a text: {_DISTANCE}")
    confidence: float | None = Field(0.15, ge=0, lt=1, description=f"Confidence of the answers: {_DISTANCE}")
    f1: float | None = Field(0.05, ge=0, lt=1, description="Fall of F1, where rows of the window carry labels")


class Monitoring(Closed):
    """When the drift of a window is an alarm: the effect passes its limit, and chance does not explain it."""

    limits: DriftLimits = DriftLimits()
    alpha: float = Field(
        0.01, ge=0.001, lt=0.5, description="Chance of any alarm where nothing has changed (Holm's correction)"
    )
    min_rows: int = Field(30, ge=10, le=MOST_ROWS, description="With fewer rows, nothing of a window is judged")
    max_rows: int = Field(
        2000, ge=100, le=100_000, description="At most so many rows of window and reference, drawn at random"
    )
    seed: Seed = Field(13, description="Seed of what is drawn")
    retrain: bool = Field(
        False,
        description="Train the recipe anew in the same flow run when a limit is passed, through the same gate; leave "
        "it off where an automation does so on the event assay.drift",
    )
