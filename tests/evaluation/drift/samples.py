"""Statistics of windows whose predictions and texts are drawn, for tests that need no model."""

from random import Random

from assay.evaluation.drift.window_statistics import WindowStatistics
from assay.evaluation.labelled_predictions import LabelledPrediction
from assay.serving.engine import ScoredEntity

TEXT = "the battery of this card lasts long and works well in any phone or camera that I own"
WORDS = TEXT.split()


def statistics(
    count: int, seed: int, up: float = 0.5, words: list[str] | None = None, texts: bool = True
) -> WindowStatistics:
    """Return texts of eight words, predicted with a share of `up`; each holds an entity."""
    draw = Random(seed)
    made = [" ".join(draw.choices(words or WORDS, k=8)) for _ in range(count)]
    predictions = []
    for number, text in enumerate(made):
        sure = draw.uniform(0.6, 1)
        label = "up" if draw.random() < up else "down"
        kind = draw.choice(["ORG", "PLACE"])
        entity = ScoredEntity(0, 3, kind, draw.random())
        predictions.append(
            LabelledPrediction(str(number), None, label, (sure, 1 - sure), None, (entity,), len(text), False, {})
        )
    return WindowStatistics(predictions, made if texts else None)
