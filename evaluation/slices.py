"""Slices of rows by column, text length, class or condition, and their F1."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from pydantic import BaseModel

from assay.evaluation.labelled_predictions import LabelledPrediction, outcomes_of, rows_of, scored_names
from assay.evaluation.slice_membership import (
    MISSING,
    OTHER,
    SliceKey,
    column_values,
    label_of,
    labels_of,
    slice_members,
)
from assay.evaluation.statistics import Bools, Interval, Outcomes, class_p_value, f1_interval, slice_p_value
from assay.recipes.recipe import Head, SliceRule

__all__ = ["MISSING", "OTHER", "Slice", "SliceKey", "SliceMetric", "slice_members"]

LENGTH = "text length"
LABEL = "label"
ROW_LABEL = "labels"
EXPRESSION = "expression"
# A column of names or dates would otherwise fill the report with slices of one row.
MAX_VALUES = 20


@dataclass(frozen=True)
class Slice:
    """The rows of one head that match a definition, and their number of clusters."""

    key: SliceKey
    member: Bools
    clusters: int

    @property
    def column(self) -> str:
        """Return the column that groups the rows."""
        return self.key.column

    @property
    def value(self) -> str:
        """Return the value of the column in this slice."""
        return self.key.value

    @property
    def rows(self) -> int:
        """Return the number of rows."""
        return int(self.member.sum())

    @property
    def share(self) -> float:
        """Return the share of all rows."""
        return float(self.member.mean())

    def of(self, predictions: Sequence[LabelledPrediction]) -> list[LabelledPrediction]:
        """Return the rows of the slice."""
        return [prediction for prediction, inside in zip(predictions, self.member, strict=True) if inside]


class SliceMetric(BaseModel):
    """F1 of one head on one slice with its 95 % bootstrap interval; None if the slice has no gold labels."""

    head: Head
    column: str
    value: str
    rows: int
    share: float
    f1: float | None
    low: float | None
    high: float | None


def slices_of(rows: Sequence[LabelledPrediction], rule: SliceRule) -> list[Slice]:
    """Return all slices of the rule, of the rows of one head."""
    if not rows:
        return []
    slices = [slice_ for column in rule.columns for slice_ in slices_by_column(rows, column, always=rule.min_share)]
    if rule.text_length:
        slices += slices_by_length(rows)
    if rule.label:
        slices += slices_by_label(rows)
    return slices + slices_by_expression(rows, rule)


def slices_by_column(predictions: Sequence[LabelledPrediction], column: str, always: float = 1.0) -> list[Slice]:
    """Return the slices of a column, largest first.

    The `MAX_VALUES` most frequent values have slices of their own, as has every value with at least the share `always`
    of the rows; all other values form one slice together.
    """
    counts = Counter(column_values(predictions, column)).most_common()
    values = [
        value for rank, (value, size) in enumerate(counts) if rank < MAX_VALUES or size >= always * len(predictions)
    ]
    keys = [SliceKey(column=column, value=value) for value in values]
    if len(values) < len(counts):
        keys.append(SliceKey(column=column, value=OTHER, others=tuple(values)))
    return _slices(predictions, keys)


def slices_by_length(predictions: Sequence[LabelledPrediction]) -> list[Slice]:
    """Return the terciles of the text length in characters."""
    lengths = [prediction.characters for prediction in predictions]
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
    return [slice_ for slice_ in _slices(predictions, keys) if slice_.rows]


def slices_by_label(predictions: Sequence[LabelledPrediction]) -> list[Slice]:
    """Return one slice per class, then per row label, largest first; rows without any are in none."""
    classes = Counter(label for prediction in predictions if (label := label_of(prediction)) is not None)
    several = Counter(name for prediction in predictions for name in labels_of(prediction))
    keys = [SliceKey(kind="label", column=LABEL, value=value) for value, _ in classes.most_common()]
    keys += [SliceKey(kind="row_label", column=ROW_LABEL, value=value) for value, _ in several.most_common()]
    return _slices(predictions, keys)


def slices_by_expression(predictions: Sequence[LabelledPrediction], rule: SliceRule) -> list[Slice]:
    """Return one slice per condition of the rule.

    Raises:
        AssayError: a condition names a column that the rows do not have.
    """
    keys = [
        SliceKey(kind="expression", column=EXPRESSION, value=name, condition=condition)
        for name, condition in rule.expressions.items()
    ]
    return _slices(predictions, keys)


def slice_columns(predictions: Iterable[LabelledPrediction]) -> list[str]:
    """Return the names of all slice columns, sorted."""
    return sorted({name for prediction in predictions for name in prediction.slices})


def slice_outcomes(slice_: Slice, rows: Sequence[LabelledPrediction], head: Head) -> Outcomes:
    """Return the outcomes that the F1 of a slice depends on.

    If the slice is a class and the head is the sentence head, these are the outcomes of the class over all rows, and
    likewise for a label and the labels head. Among the rows of one class, no row can be wrongly predicted as the class,
    so that F1 would be recall alone and not comparable with the F1 of all rows.
    """
    if _is_own_name(slice_, head):
        names = scored_names(head, rows)
        return outcomes_of(rows, head, names).of_class(names.index(slice_.value))
    return outcomes_of(slice_.of(rows), head)


def gap_p_value(
    slice_: Slice, rows: Sequence[LabelledPrediction], head: Head, min_ratio: float, replicas: int
) -> float:
    """Return the p-value of the null hypothesis that the slice keeps at least `min_ratio` of the F1 of all rows."""
    if _is_own_name(slice_, head):
        names = scored_names(head, rows)
        outcomes = outcomes_of(rows, head, names)
        return class_p_value(outcomes, names.index(slice_.value), min_ratio, replicas=replicas)
    return slice_p_value(outcomes_of(rows, head), slice_.member, min_ratio, replicas=replicas)


def _is_own_name(slice_: Slice, head: Head) -> bool:
    """Return whether a slice is a class of the sentence head, or a label of the labels head, that is scored."""
    return (slice_.key.kind, head) in (("label", "sentence"), ("row_label", "labels"))


def slice_interval(slice_: Slice, rows: Sequence[LabelledPrediction], head: Head) -> Interval | None:
    """Return the F1 of a slice; None if it has no gold labels."""
    outcomes = slice_outcomes(slice_, rows, head)
    return None if not len(outcomes) or np.isnan(outcomes.f1()) else f1_interval(outcomes)


def slice_metrics(predictions: Sequence[LabelledPrediction], head: Head) -> list[SliceMetric]:
    """Return the metrics of every slice column and of the text length."""
    rows = rows_of(predictions, head)
    if not rows:
        return []
    slices = [slice_ for column in slice_columns(rows) for slice_ in slices_by_column(rows, column)] + slices_by_length(
        rows
    )
    return [_metric(slice_, rows, head) for slice_ in slices]


def requested_slices(predictions: Sequence[LabelledPrediction], head: Head, rule: SliceRule) -> list[SliceMetric]:
    """Return the metrics of the classes and conditions of a rule; `slice_metrics` covers columns and text length.

    Raises:
        AssayError: a condition names a column that the rows do not have.
    """
    rows = rows_of(predictions, head)
    if not rows:
        return []
    slices = (slices_by_label(rows) if rule.label else []) + slices_by_expression(rows, rule)
    return [_metric(slice_, rows, head) for slice_ in slices]


def _slices(predictions: Sequence[LabelledPrediction], keys: Iterable[SliceKey]) -> list[Slice]:
    return [_slice(predictions, key) for key in keys]


def _slice(predictions: Sequence[LabelledPrediction], key: SliceKey) -> Slice:
    member = slice_members(predictions, key)
    return Slice(key, member, len({row.own_cluster for row, inside in zip(predictions, member, strict=True) if inside}))


def _metric(slice_: Slice, rows: Sequence[LabelledPrediction], head: Head) -> SliceMetric:
    interval = slice_interval(slice_, rows, head)
    return SliceMetric(
        head=head,
        column=slice_.column,
        value=slice_.value,
        rows=slice_.rows,
        share=slice_.share,
        f1=interval.value if interval else None,
        low=interval.low if interval else None,
        high=interval.high if interval else None,
    )
