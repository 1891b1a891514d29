"""Scores of the heads. An entity is correct only if start, end and type match (strict, as CoNLL-2003)."""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from assay.corpus.example import Entity


@dataclass(frozen=True, slots=True)
class Score:
    """Precision, recall and F1 of one class or entity type; `support` is the number of gold labels."""

    precision: float
    recall: float
    f1: float
    support: int


@dataclass(frozen=True, slots=True)
class SentenceScores:
    """Metrics of the sentence head; macro averages cover the classes in gold labels or predictions."""

    accuracy: float
    macro_precision: float
    macro_recall: float
    macro_f1: float
    by_label: dict[str, Score]


@dataclass(frozen=True, slots=True)
class EntityScores:
    """Metrics of the token head: micro average over all entities, and per type."""

    overall: Score
    by_type: dict[str, Score]


def sentence_scores(gold: Sequence[str], predicted: Sequence[str], labels: Sequence[str]) -> SentenceScores:
    """Score classes row by row; `labels` fixes the order of the breakdown."""
    from sklearn.metrics import accuracy_score, precision_recall_fscore_support  # scikit-learn takes seconds

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


@dataclass(frozen=True, slots=True)
class LabelScores:
    """Metrics of the labels head; the macro average covers the labels with gold rows.

    `subset_accuracy` is the share of rows whose labels are exactly right.
    """

    macro_f1: float
    micro_f1: float
    macro_precision: float
    macro_recall: float
    subset_accuracy: float
    by_label: dict[str, Score]


def label_scores(
    gold: Sequence[Collection[str]], predicted: Sequence[Collection[str]], labels: Sequence[str]
) -> LabelScores:
    """Score the labels of rows, of which any number may apply; `labels` fixes the order of the breakdown."""
    counts = {name: [0, 0, 0] for name in labels}  # right, predicted, gold
    for truth, prediction in zip(map(set, gold), map(set, predicted), strict=True):
        for position, names in enumerate((truth & prediction, prediction, truth)):
            for name in names:
                counts[name][position] += 1
    by_label = {name: _score(*count) for name, count in counts.items()}
    present = [score for score in by_label.values() if score.support]
    overall = _score(*(sum(count[position] for count in counts.values()) for position in range(3)))
    return LabelScores(
        macro_f1=_mean(score.f1 for score in present),
        micro_f1=overall.f1,
        macro_precision=_mean(score.precision for score in present),
        macro_recall=_mean(score.recall for score in present),
        subset_accuracy=_mean(float(set(a) == set(b)) for a, b in zip(gold, predicted, strict=True)),
        by_label=by_label,
    )


def entity_scores(gold: Sequence[Sequence[Entity]], predicted: Sequence[Sequence[Entity]]) -> EntityScores:
    """Score entities row by row."""
    gold_counts: Counter[str] = Counter()
    predicted_counts: Counter[str] = Counter()
    correct: Counter[str] = Counter()
    for truth, prediction in zip(gold, predicted, strict=True):
        gold_counts.update(entity.label for entity in set(truth))
        predicted_counts.update(entity.label for entity in set(prediction))
        correct.update(entity.label for entity in set(truth) & set(prediction))
    return EntityScores(
        overall=_score(correct.total(), predicted_counts.total(), gold_counts.total()),
        by_type={
            label: _score(correct[label], predicted_counts[label], gold_counts[label])
            for label in sorted(gold_counts | predicted_counts)
        },
    )


def frame_accuracy(
    gold_labels: Sequence[str],
    predicted_labels: Sequence[str],
    gold: Sequence[Sequence[Entity]],
    predicted: Sequence[Sequence[Entity]],
) -> float:
    """Return the share of rows with correct class and correct entities (semantic frame accuracy)."""
    rows = zip(gold_labels, predicted_labels, gold, predicted, strict=True)
    return _mean(
        float(label == predicted_label and set(truth) == set(prediction))
        for label, predicted_label, truth, prediction in rows
    )


def _score(correct: int, predicted: int, gold: int) -> Score:
    precision = correct / predicted if predicted else 0.0
    recall = correct / gold if gold else 0.0
    f1 = 2 * correct / (predicted + gold) if correct else 0.0
    return Score(precision, recall, f1, gold)


def _mean(values: Iterable[float]) -> float:
    numbers = list(values)
    return sum(numbers) / len(numbers) if numbers else 0.0
