"""Metrics of a model on labelled rows: per head, per class, and ranking.

A metric that is undefined on the rows is left out, and the reason is recorded.
"""

from collections.abc import Iterable, Sequence

import numpy as np
from pydantic import BaseModel, Field

from assay.evaluation.labelled_predictions import LabelledPrediction, classes_of, outcomes_of, row_labels_of, rows_of
from assay.evaluation.statistics import Floats
from assay.models.scores import Score, entity_scores, frame_accuracy, label_scores, sentence_scores
from assay.recipes.recipe import Head

# The main metric of each head, for the gate, the comparison with the champion and the plots.
HEAD_F1: dict[Head, str] = {"sentence": "sentence.macro_f1", "labels": "labels.macro_f1", "tokens": "tokens.f1"}


# What a head predicts, for headings.
HEAD_NOUNS: dict[Head, str] = {"sentence": "classes", "labels": "labels", "tokens": "entities"}


class ClassMetrics(BaseModel):
    """A line of the classification report: one class or entity type. `support` is its number of gold labels."""

    name: str
    precision: float
    recall: float
    f1: float
    support: int


class Confusion(BaseModel):
    """Confusion matrix: `counts[i][j]` is the number of rows of class `labels[i]` predicted as `labels[j]`."""

    labels: list[str]
    counts: list[list[int]]


class Metrics(BaseModel):
    """Metrics of all heads. `metrics` is flat, for MLflow; `left_out` gives the reason for each undefined metric."""

    metrics: dict[str, float] = Field(default_factory=dict)
    left_out: dict[str, str] = Field(default_factory=dict)
    report: dict[Head, list[ClassMetrics]] = Field(default_factory=dict)
    confusion: Confusion | None = None


def compute_metrics(
    predictions: Sequence[LabelledPrediction],
    heads: Sequence[Head],
    labels: Sequence[str],
    row_labels: Sequence[str] = (),
) -> Metrics:
    """Compute all metrics of a model.

    Args:
        predictions: predictions for labelled rows.
        heads: heads of the model.
        labels: classes of the model, in the order of the probabilities.
        row_labels: labels of the labels head, in the order of its probabilities.
    """
    result = Metrics(
        metrics={"rows": len(predictions), "truncated": sum(prediction.truncated for prediction in predictions)}
    )
    if "sentence" in heads:
        _add_sentence(result, rows_of(predictions, "sentence"), labels)
    if "labels" in heads:
        _add_labels(result, rows_of(predictions, "labels"), row_labels)
    if "tokens" in heads:
        _add_tokens(result, rows_of(predictions, "tokens"))
    if {"sentence", "tokens"} <= set(heads):
        _add_frames(
            result, [prediction for prediction in rows_of(predictions, "tokens") if prediction.gold is not None]
        )
    return result


def gold_and_predicted(rows: Sequence[LabelledPrediction]) -> tuple[list[str], list[str]]:
    """Return the gold and the predicted classes of rows of the sentence head."""
    return [str(row.gold) for row in rows], [str(row.predicted) for row in rows]


def _add_sentence(result: Metrics, rows: Sequence[LabelledPrediction], labels: Sequence[str]) -> None:
    if not rows:
        result.left_out["sentence"] = "no row has a class"
        return
    from sklearn.metrics import confusion_matrix  # scikit-learn takes seconds to import

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


def _add_roc_auc(result: Metrics, gold: Sequence[str], probabilities: Floats, labels: Sequence[str]) -> None:
    """Add the area under the ROC curve: one class against the rest, averaged over the classes."""
    members = [np.array(gold) == label for label in labels]
    undefined = [label for label, member in zip(labels, members, strict=True) if member.all() or not member.any()]
    if undefined:
        result.left_out["sentence.roc_auc"] = f"all rows or no rows have the class {undefined[0]!r}"
        return
    from sklearn.metrics import roc_auc_score

    areas = (float(roc_auc_score(member, probabilities[:, column])) for column, member in enumerate(members))
    result.metrics["sentence.roc_auc"] = _mean(areas)


def _add_labels(result: Metrics, rows: Sequence[LabelledPrediction], row_labels: Sequence[str]) -> None:
    gold = [row.gold_labels or () for row in rows]
    if not any(gold):
        result.left_out["labels"] = "no row has a label" if rows else "no row is labelled"
        return
    names = [*row_labels, *sorted(set(row_labels_of(rows)) - set(row_labels))]
    scores = label_scores(gold, [row.applied for row in rows], names)
    result.report["labels"] = _lines(scores.by_label)
    result.metrics |= {
        "labels.macro_f1": outcomes_of(rows, "labels").f1(),
        "labels.micro_f1": scores.micro_f1,
        "labels.precision": scores.macro_precision,
        "labels.recall": scores.macro_recall,
        "labels.subset_accuracy": scores.subset_accuracy,
    }


def _add_tokens(result: Metrics, rows: Sequence[LabelledPrediction]) -> None:
    scores = entity_scores([row.gold_entities or () for row in rows], [sorted(row.predicted_spans) for row in rows])
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
        gold, predicted, [row.gold_entities or () for row in rows], [sorted(row.predicted_spans) for row in rows]
    )


def _lines(scores: dict[str, Score]) -> list[ClassMetrics]:
    return [
        ClassMetrics(name=name, precision=score.precision, recall=score.recall, f1=score.f1, support=score.support)
        for name, score in scores.items()
    ]


def _mean(values: Iterable[float]) -> float:
    return float(np.mean(list(values)))
