"""The calibration of a model's confidences on test rows, before and after their correction."""

from collections.abc import Sequence

import numpy as np
from pydantic import BaseModel, ConfigDict

from assay.evaluation.calibration_error import CalibrationError, calibration_error
from assay.evaluation.label_decisions import label_table
from assay.evaluation.labelled_predictions import LabelledPrediction, rows_of
from assay.evaluation.scored_predictions import scored_predictions
from assay.evaluation.statistics import Bools, Floats, Interval, cluster_codes
from assay.recipes.recipe import Head
from assay.serving.calibration import Calibration

# Fewer predictions say nothing about calibration.
LEAST = 20


class HeadReliability(BaseModel):
    """The calibration of one head: of the predicted class, of all labels, or of the predicted entities (span and type).

    Of a labels head it is that of the probability of every label for every row. `by_class` is the error of the
    probability of each class with enough rows, one class against the rest; of each entity type, of the entities
    predicted with it; of each row label, of its probability.
    """

    model_config = ConfigDict(frozen=True)

    head: Head
    uncalibrated: CalibrationError
    calibrated: CalibrationError
    by_class: dict[str, Interval]

    @property
    def metrics(self) -> dict[str, float]:
        """Return the metrics for MLflow."""
        return {
            f"{self.head}.ece": self.calibrated.error.value,
            f"{self.head}.ece_uncalibrated": self.uncalibrated.error.value,
            f"{self.head}.log_loss": self.calibrated.log_loss,
            f"{self.head}.log_loss_uncalibrated": self.uncalibrated.log_loss,
        }


def reliability_of(
    predictions: Sequence[LabelledPrediction],
    heads: Sequence[Head],
    labels: Sequence[str],
    calibration: Calibration,
    row_labels: Sequence[str] = (),
) -> list[HeadReliability]:
    """Measure the calibration of each head with enough predictions.

    Args:
        predictions: predictions for labelled rows, calibrated.
        heads: heads of the model.
        labels: classes of the model, in the order of the probabilities.
        calibration: the correction in these predictions.
        row_labels: labels of the labels head, in the order of its probabilities.
    """
    measured = [
        _of_classes(rows_of(predictions, "sentence"), labels, calibration) if "sentence" in heads else None,
        _of_labels(rows_of(predictions, "labels"), row_labels, calibration) if "labels" in heads else None,
        _of_entities(rows_of(predictions, "tokens"), calibration) if "tokens" in heads else None,
    ]
    return [reliability for reliability in measured if reliability is not None]


def _of_classes(
    rows: Sequence[LabelledPrediction], labels: Sequence[str], calibration: Calibration
) -> HeadReliability | None:
    known = [row for row in rows if row.gold in labels]
    if len(known) < LEAST:
        return None
    probabilities = np.array([row.probabilities for row in known])
    gold = np.array([labels.index(str(row.gold)) for row in known])
    clusters = cluster_codes([row.own_cluster for row in known])

    def measure(values: Floats) -> CalibrationError:
        best = values.argmax(axis=1)
        log_loss = float(-np.log(np.clip(values[np.arange(len(gold)), gold], 1e-12, None)).mean())
        return calibration_error(values.max(axis=1), best == gold, clusters, log_loss)

    by_class = {
        label: calibration_error(probabilities[:, number], gold == number, clusters).error
        for number, label in enumerate(labels)
        if np.count_nonzero(gold == number) >= LEAST
    }
    return HeadReliability(
        head="sentence",
        uncalibrated=measure(calibration.uncalibrated_probabilities(probabilities)),
        calibrated=measure(probabilities),
        by_class=by_class,
    )


def _of_labels(
    rows: Sequence[LabelledPrediction], names: Sequence[str], calibration: Calibration
) -> HeadReliability | None:
    if len(rows) < LEAST:
        return None
    probabilities, gold = label_table(rows, names)
    clusters = np.array([row.own_cluster for row in rows])

    def measure(values: Floats) -> CalibrationError:
        # The labels of one row are not independent of each other.
        return calibration_error(values.ravel(), gold.ravel(), cluster_codes(clusters.repeat(len(names)).tolist()))

    return HeadReliability(
        head="labels",
        uncalibrated=measure(calibration.uncalibrated_label_probabilities(probabilities)),
        calibrated=measure(probabilities),
        by_class={
            name: calibration_error(probabilities[:, number], gold[:, number], cluster_codes(clusters.tolist())).error
            for number, name in enumerate(names)
            if np.count_nonzero(gold[:, number]) >= LEAST
        },
    )


def _of_entities(rows: Sequence[LabelledPrediction], calibration: Calibration) -> HeadReliability | None:
    entities = scored_predictions(rows, "tokens")
    if len(entities) < LEAST:
        return None
    confidence, types = entities.confidence, np.array(entities.labels)
    clusters = np.array([row.own_cluster for row in rows for _ in row.predicted_entities])

    def measure(values: Floats, members: Bools) -> CalibrationError:
        return calibration_error(values[members], entities.right[members], cluster_codes(clusters[members].tolist()))

    every = np.ones(len(confidence), dtype=np.bool_)
    of_type = {str(name): types == name for name in np.unique(types)}
    return HeadReliability(
        head="tokens",
        uncalibrated=measure(calibration.uncalibrated_entity_confidence(confidence), every),
        calibrated=measure(confidence, every),
        by_class={
            name: measure(confidence, members).error
            for name, members in of_type.items()
            if np.count_nonzero(members) >= LEAST
        },
    )
