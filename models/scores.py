"""Scores of both heads. Entities count only when start, end and type are all right (strict, as CoNLL-2003)."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sklearn.metrics import accuracy_score, precision_recall_fscore_support

from assay.corpus.example import Entity


@dataclass(frozen=True, slots=True)
class Score:
    """Precision, recall and F1 of one class or type; `support` counts what there was to find."""

    precision: float
    recall: float
    f1: float
    support: int


@dataclass(frozen=True, slots=True)
class SentenceScores:
    """Figures of the sentence head; the macro averages are over the classes that occur in gold or prediction."""

    accuracy: float
    macro_precision: float
    macro_recall: float
    macro_f1: float
    by_label: dict[str, Score]


@dataclass(frozen=True, slots=True)
class EntityScores:
    """Figures of the token head: all entities together (micro), and of each type."""

    overall: Score
    by_type: dict[str, Score]


def sentence_scores(gold: Sequence[str], predicted: Sequence[str], labels: Sequence[str]) -> SentenceScores:
    """Compare classes row by row; `labels` fixes the order of the breakdown."""
    values = precision_recall_fscore_support(gold, predicted, labels=list(labels), zero_division=0)
    by_label = {
        label: Score(float(precision), float(recall), float(f1), int(support))
        for label, precision, recall, f1, support in zip(labels, *values, strict=True)
    }
    seen = set(gold) | set(predicted)
    present = [score for label, score in by_label.items() if label in seen]
    return SentenceScores(
        accuracy=float(accuracy_score(gold, predicted)),
        macro_precision=_mean(score.precision for score in present),
        macro_recall=_mean(score.recall for score in present),
        macro_f1=_mean(score.f1 for score in present),
        by_label=by_label,
    )


def entity_scores(gold: Sequence[Sequence[Entity]], predicted: Sequence[Sequence[Entity]]) -> EntityScores:
    """Compare entities row by row."""
    wanted: Counter[str] = Counter()
    given: Counter[str] = Counter()
    right: Counter[str] = Counter()
    for truth, answer in zip(gold, predicted, strict=True):
        wanted.update(entity.label for entity in set(truth))
        given.update(entity.label for entity in set(answer))
        right.update(entity.label for entity in set(truth) & set(answer))
    return EntityScores(
        overall=_score(right.total(), given.total(), wanted.total()),
        by_type={label: _score(right[label], given[label], wanted[label]) for label in sorted(wanted | given)},
    )


def frame_accuracy(
    gold_labels: Sequence[str],
    predicted_labels: Sequence[str],
    gold: Sequence[Sequence[Entity]],
    predicted: Sequence[Sequence[Entity]],
) -> float:
    """Share of rows in which the sentence and every entity are right (semantic frame accuracy)."""
    rows = zip(gold_labels, predicted_labels, gold, predicted, strict=True)
    return _mean(float(label == answer and set(truth) == set(found)) for label, answer, truth, found in rows)


def _score(right: int, given: int, wanted: int) -> Score:
    precision = right / given if given else 0.0
    recall = right / wanted if wanted else 0.0
    f1 = 2 * right / (given + wanted) if right else 0.0
    return Score(precision, recall, f1, wanted)


def _mean(values: Iterable[float]) -> float:
    found = list(values)
    return sum(found) / len(found) if found else 0.0
