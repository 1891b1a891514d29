"""Generated predictions whose confidences are right, too high or too low."""

import numpy as np

from assay.corpus.entity import Entity
from assay.evaluation.labelled_predictions import LabelledPrediction
from assay.serving.engine import ScoredEntity

LABELS = ("bad", "fair", "good")


def predictions(
    rows: int, *, sharpness: float = 1.0, seed: int = 0, rows_per_cluster: int = 1
) -> list[LabelledPrediction]:
    """Return predictions of both heads; a sharpness above 1 makes them more confident than right."""
    random = np.random.default_rng(seed)
    made: list[LabelledPrediction] = []
    for number in range(rows):
        true = random.dirichlet(np.full(len(LABELS), 0.6))
        claimed = true**sharpness / (true**sharpness).sum()
        if number % rows_per_cluster == 0:
            gold = str(random.choice(LABELS, p=true))
        odds = random.normal(1, 1.5)
        score, is_right = 1 / (1 + np.exp(-odds * sharpness)), random.random() < 1 / (1 + np.exp(-odds))
        made.append(
            LabelledPrediction(
                id=f"r{number}",
                gold=gold,
                predicted=LABELS[int(claimed.argmax())],
                probabilities=tuple(claimed.tolist()),
                gold_entities=(Entity(0, 4, "ORG"),) if is_right else (),
                predicted_entities=(ScoredEntity(0, 4, "ORG", float(score)),),
                characters=10,
                truncated=False,
                slices={},
                cluster=f"c{number // rows_per_cluster}" if rows_per_cluster > 1 else "",
            )
        )
    return made
