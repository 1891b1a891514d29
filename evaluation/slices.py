"""Slices: groups of rows by a column, by text length, by class or by a condition, and their F1."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from pydantic import BaseModel

from assay.evaluation.labelled_predictions import LabelledPrediction, classes_of, outcomes_of, rows_of
from assay.evaluation.slice_membership import MISSING, OTHER, SliceKey, column_values, label_of, slice_members
from assay.evaluation.statistics import Bools, Interval, Outcomes, class_p_value, f1_interval, slice_p_value
from assay.recipes.recipe import Head, SliceRule

__all__ = ["MISSING", "OTHER", "Slice", "SliceKey", "SliceMetric", "slice_members"]

LENGTH = "text length"
LABEL = "label"
EXPRESSION = "expression"
# A column of names or dates would otherwise fill the report with slices of one row.
MAX_VALUES = 20


@dataclass(frozen=True)
class Slice:
    """The rows (of one head) that meet a definition, and the number of clusters that they are in."""

    key: SliceKey
    member: Bools
    clusters: int

    @property
    def column(self) -> str:
        """What the rows are grouped by."""
        return self.key.column

    @property
    def value(self) -> str:
        """Which group it is."""
        return self.key.value

    @property
    def rows(self) -> int:
        """Number of rows."""
        return int(self.member.sum())

    @property
    def share(self) -> float:
        """Share of all rows."""
        return float(self.member.mean())

    def of(self, answers: Sequence[LabelledPrediction]) -> list[LabelledPrediction]:
        """The slice's rows."""
        return [answer for answer, inside in zip(answers, self.member, strict=True) if inside]


class SliceMetric(BaseModel):
    """F1 of one head on one slice with its 95 % bootstrap interval; None where the slice has nothing to find."""

    head: Head
    column: str
    value: str
    rows: int
    share: float
    f1: float | None
    low: float | None
    high: float | None


def slices_of(rows: Sequence[LabelledPrediction], rule: SliceRule) -> list[Slice]:
    """Every slice that the recipe wants judged, of the rows of one head."""
    if not rows:
        return []
    slices = [one for column in rule.columns for one in slices_by(rows, column, always=rule.min_share)]
    if rule.text_length:
        slices += slices_by_length(rows)
    if rule.label:
        slices += slices_by_label(rows)
    return slices + slices_by_expression(rows, rule)


def slices_by(answers: Sequence[LabelledPrediction], column: str, always: float = 1.0) -> list[Slice]:
    """The slices of a column, largest first.

    Of many values the largest `MAX_VALUES` are kept, and every one with at least the share `always` of the rows;
    the others are one slice together.
    """
    sizes = Counter(column_values(answers, column)).most_common()
    kept = [value for rank, (value, size) in enumerate(sizes) if rank < MAX_VALUES or size >= always * len(answers)]
    keys = [SliceKey(column=column, value=value) for value in kept]
    if len(kept) < len(sizes):
        keys.append(SliceKey(column=column, value=OTHER, others=tuple(kept)))
    return _slices(answers, keys)


def slices_by_length(answers: Sequence[LabelledPrediction]) -> list[Slice]:
    """Terciles of the text's length in characters."""
    lengths = [answer.characters for answer in answers]
    edges = np.unique(np.quantile(lengths, [0, 1 / 3, 2 / 3, 1], method="inverted_cdf")).tolist()
    first = [edges[0], *(edge + 1 for edge in edges[1:-1])]
    last = edges[1:] or edges
    keys = [
        SliceKey(
            kind="length",
            column=LENGTH,
            value=f"{low}-{high} characters",
            low=None if low == first[0] else low,
            high=None if high == last[-1] else high,
        )
        for low, high in zip(first, last, strict=True)
    ]
    return [one for one in _slices(answers, keys) if one.rows]


def slices_by_label(answers: Sequence[LabelledPrediction]) -> list[Slice]:
    """The rows of each class, largest first; rows without a class are in none."""
    sizes = Counter(label for answer in answers if (label := label_of(answer)) is not None)
    return _slices(answers, [SliceKey(kind="label", column=LABEL, value=value) for value, _ in sizes.most_common()])


def slices_by_expression(answers: Sequence[LabelledPrediction], rule: SliceRule) -> list[Slice]:
    """The rows that meet each of the recipe's conditions.

    Raises:
        AssayError: a condition names a column that the rows do not have.
    """
    keys = [
        SliceKey(kind="expression", column=EXPRESSION, value=name, condition=condition)
        for name, condition in rule.expressions.items()
    ]
    return _slices(answers, keys)


def slice_columns(answers: Iterable[LabelledPrediction]) -> list[str]:
    """Names of all slice columns, sorted."""
    return sorted({name for answer in answers for name in answer.slices})


def slice_outcomes(one: Slice, rows: Sequence[LabelledPrediction], head: Head) -> Outcomes:
    """What the F1 of a slice depends on.

    Where the slice is a class and the head is the one that tells classes apart, that is the F1 of the class over
    all rows: among the rows of one class alone none can be wrongly put into it, so that F1 there would be nothing
    but recall, and not comparable with the whole set's.
    """
    if one.key.kind == "label" and head == "sentence":
        classes = classes_of(rows)
        return outcomes_of(rows, head, classes).of_class(classes.index(one.value))
    return outcomes_of(one.of(rows), head)


def gap_p_value(one: Slice, rows: Sequence[LabelledPrediction], head: Head, min_ratio: float, replicas: int) -> float:
    """p-value of the null hypothesis that the slice keeps at least `min_ratio` of the whole set's F1."""
    if one.key.kind == "label" and head == "sentence":
        classes = classes_of(rows)
        outcomes = outcomes_of(rows, head, classes)
        return class_p_value(outcomes, classes.index(one.value), min_ratio, replicas=replicas)
    return slice_p_value(outcomes_of(rows, head), one.member, min_ratio, replicas=replicas)


def slice_interval(one: Slice, rows: Sequence[LabelledPrediction], head: Head) -> Interval | None:
    """F1 of a slice; None where it holds nothing to find."""
    outcomes = slice_outcomes(one, rows, head)
    return None if not len(outcomes) or np.isnan(outcomes.f1()) else f1_interval(outcomes)


def slice_metrics(answers: Sequence[LabelledPrediction], head: Head) -> list[SliceMetric]:
    """Figures of every slice column and of the text's length."""
    rows = rows_of(answers, head)
    if not rows:
        return []
    slices = [one for column in slice_columns(rows) for one in slices_by(rows, column)] + slices_by_length(rows)
    return [_metric(one, rows, head) for one in slices]


def requested_slices(answers: Sequence[LabelledPrediction], head: Head, rule: SliceRule) -> list[SliceMetric]:
    """Figures of the classes and conditions that a recipe judges; `slice_metrics` holds columns and text length.

    Raises:
        AssayError: a condition names a column that the rows do not have.
    """
    rows = rows_of(answers, head)
    if not rows:
        return []
    slices = (slices_by_label(rows) if rule.label else []) + slices_by_expression(rows, rule)
    return [_metric(one, rows, head) for one in slices]


def _slices(answers: Sequence[LabelledPrediction], keys: Iterable[SliceKey]) -> list[Slice]:
    return [_slice(answers, key) for key in keys]


def _slice(answers: Sequence[LabelledPrediction], key: SliceKey) -> Slice:
    member = slice_members(answers, key)
    return Slice(key, member, len({one.own_cluster for one, inside in zip(answers, member, strict=True) if inside}))


def _metric(one: Slice, rows: Sequence[LabelledPrediction], head: Head) -> SliceMetric:
    interval = slice_interval(one, rows, head)
    return SliceMetric(
        head=head,
        column=one.column,
        value=one.value,
        rows=one.rows,
        share=one.share,
        f1=interval and interval.value,
        low=interval and interval.low,
        high=interval and interval.high,
    )
