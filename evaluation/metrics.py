"""Figures of a model on labelled rows: by head, by class, calibration, ranking.

What cannot be computed is left out, and the reason kept.
"""

from collections.abc import Iterable, Sequence

import numpy as np
from pydantic import BaseModel, Field
from sklearn.metrics import confusion_matrix, roc_auc_score

from assay.evaluation.labelled_predictions import LabelledPrediction, classes_of, outcomes_of, rows_of
from assay.evaluation.statistics import Bools, Floats
from assay.models.scores import Score, entity_scores, frame_accuracy, sentence_scores
from assay.recipes.recipe import Head

BINS = 15
# The figure that stands for a head: in the gate, in the champion's comparison, in plots.
HEAD_F1: dict[Head, str] = {"sentence": "sentence.macro_f1", "tokens": "tokens.f1"}


class ClassMetrics(BaseModel):
    """A line of the classification report: one class, or one entity type. `support` counts gold ones."""

    name: str
    precision: float
    recall: float
    f1: float
    support: int


class Confusion(BaseModel):
    """`counts[i][j]`: rows of class `labels[i]` that were answered as `labels[j]`."""

    labels: list[str]
    counts: list[list[int]]


class CalibrationBin(BaseModel):
    """Rows answered with a similar confidence, and how often these answers were right."""

    confidence: float
    accuracy: float
    rows: int


class Metrics(BaseModel):
    """Figures of all heads. `figures` is flat, for MLflow; `left_out` says why one of them is not there."""

    metrics: dict[str, float] = Field(default_factory=dict)
    left_out: dict[str, str] = Field(default_factory=dict)
    report: dict[Head, list[ClassMetrics]] = Field(default_factory=dict)
    confusion: Confusion | None = None
    calibration: list[CalibrationBin] = Field(default_factory=list)


def compute_metrics(answers: Sequence[LabelledPrediction], heads: Sequence[Head], labels: Sequence[str]) -> Metrics:
    """All figures of a model.

    Args:
        answers: its answers to labelled rows.
        heads: the heads it has.
        labels: its classes, in the order of the probabilities.
    """
    result = Metrics(metrics={"rows": len(answers), "truncated": sum(answer.truncated for answer in answers)})
    if "sentence" in heads:
        _add_sentence(result, rows_of(answers, "sentence"), labels)
    if "tokens" in heads:
        _add_tokens(result, rows_of(answers, "tokens"))
    if len(heads) == 2:
        _add_frames(result, [answer for answer in rows_of(answers, "tokens") if answer.gold is not None])
    return result


def gold_and_predicted(rows: Sequence[LabelledPrediction]) -> tuple[list[str], list[str]]:
    """The right and the answered classes of rows of the sentence head."""
    return [str(row.gold) for row in rows], [str(row.predicted) for row in rows]


def expected_calibration_error(bins: Sequence[CalibrationBin]) -> float:
    """Mean distance between confidence and accuracy, weighted by rows (Guo et al. 2017)."""
    total = sum(one.rows for one in bins)
    return sum(one.rows * abs(one.confidence - one.accuracy) for one in bins) / total


def calibration_bins(confidence: Floats, right: Bools, bins: int = BINS) -> list[CalibrationBin]:
    """Rows in bins of equal width over the confidence of their answer; empty bins are left out."""
    place = np.clip(np.ceil(confidence * bins).astype(int) - 1, 0, bins - 1)
    return [
        CalibrationBin(
            confidence=float(confidence[place == one].mean()),
            accuracy=float(right[place == one].mean()),
            rows=int((place == one).sum()),
        )
        for one in np.unique(place)
    ]


def _add_sentence(result: Metrics, rows: Sequence[LabelledPrediction], labels: Sequence[str]) -> None:
    if not rows:
        result.left_out["sentence"] = "no row has a class"
        return
    gold, predicted = gold_and_predicted(rows)
    classes = [*labels, *sorted(set(classes_of(rows)) - set(labels))]
    scores = sentence_scores(gold, predicted, classes)
    present = [score for score in scores.by_label.values() if score.support]
    result.metrics |= {
        "sentence.macro_f1": outcomes_of(rows, "sentence").f1(),
        "sentence.accuracy": scores.accuracy,
        "sentence.precision": _mean(score.precision for score in present),
        "sentence.recall": _mean(score.recall for score in present),
    }
    result.report["sentence"] = _lines(scores.by_label)
    result.confusion = Confusion(
        labels=classes, counts=confusion_matrix(gold, predicted, labels=classes).astype(int).tolist()
    )
    probabilities = np.array([row.probabilities for row in rows])
    _add_roc_auc(result, gold, probabilities, labels)
    result.calibration = calibration_bins(probabilities.max(axis=1), np.array(gold) == np.array(predicted))
    result.metrics["sentence.ece"] = expected_calibration_error(result.calibration)


def _add_roc_auc(result: Metrics, gold: Sequence[str], probabilities: Floats, labels: Sequence[str]) -> None:
    """Area under the ROC curve, each class against the others, mean over the classes."""
    split_of = [np.array(gold) == label for label in labels]
    undefined = [
        label for label, split_name in zip(labels, split_of, strict=True) if split_name.all() or not split_name.any()
    ]
    if undefined:
        result.left_out["sentence.roc_auc"] = f"all rows or none are of the class {undefined[0]!r}"
        return
    areas = (float(roc_auc_score(split_name, probabilities[:, column])) for column, split_name in enumerate(split_of))
    result.metrics["sentence.roc_auc"] = _mean(areas)


def _add_tokens(result: Metrics, rows: Sequence[LabelledPrediction]) -> None:
    scores = entity_scores([row.gold_entities or () for row in rows], [sorted(row.found) for row in rows])
    result.report["tokens"] = _lines(scores.by_type)
    if not scores.overall.support:
        result.left_out["tokens"] = "no row holds an entity"
        return
    result.metrics |= {
        "tokens.f1": scores.overall.f1,
        "tokens.precision": scores.overall.precision,
        "tokens.recall": scores.overall.recall,
    }


def _add_frames(result: Metrics, rows: Sequence[LabelledPrediction]) -> None:
    if not rows:
        result.left_out["frame_accuracy"] = "no row has both a class and entities"
        return
    gold, predicted = gold_and_predicted(rows)
    result.metrics["frame_accuracy"] = frame_accuracy(
        gold, predicted, [row.gold_entities or () for row in rows], [sorted(row.found) for row in rows]
    )


def _lines(scores: dict[str, Score]) -> list[ClassMetrics]:
    return [
        ClassMetrics(name=name, precision=one.precision, recall=one.recall, f1=one.f1, support=one.support)
        for name, one in scores.items()
    ]


def _mean(values: Iterable[float]) -> float:
    return float(np.mean(list(values)))
