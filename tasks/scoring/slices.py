"""Slices: groups of rows by a column of the source or by the length of the text, and their F1."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from pydantic import BaseModel

from recipes.recipe import Head
from tasks.scoring.answers import Answer, outcomes_of, rows_of
from tasks.scoring.statistics import Bools, Interval, f1_interval

LENGTH = "text length"
MISSING = "(missing)"
OTHER = "(other values)"
# A column of names or dates would otherwise fill the report with slices of one row.
MAX_VALUES = 20


@dataclass(frozen=True)
class Slice:
    """The rows (of one head) that have one value in one column."""

    column: str
    value: str
    member: Bools

    @property
    def rows(self) -> int:
        """Number of rows."""
        return int(self.member.sum())

    @property
    def share(self) -> float:
        """Share of all rows."""
        return float(self.member.mean())

    def of(self, answers: Sequence[Answer]) -> list[Answer]:
        """The slice's rows."""
        return [answer for answer, inside in zip(answers, self.member, strict=True) if inside]


class SliceFigure(BaseModel):
    """F1 of one head on one slice with its 95 % bootstrap interval; None where the slice has nothing to find."""

    head: Head
    column: str
    value: str
    rows: int
    share: float
    f1: float | None
    low: float | None
    high: float | None


def slices_by(answers: Sequence[Answer], column: str, always: float = 1.0) -> list[Slice]:
    """The slices of a column, largest first.

    Of many values the largest `MAX_VALUES` are kept, and every one with at least the share `always` of the rows;
    the others are one slice together.
    """
    values = np.array([answer.slices.get(column) or MISSING for answer in answers], dtype=object)
    sizes = Counter(values.tolist()).most_common()
    kept = [value for rank, (value, size) in enumerate(sizes) if rank < MAX_VALUES or size >= always * len(answers)]
    slices = [Slice(column, value, np.asarray(values == value, dtype=np.bool_)) for value in kept]
    rest = ~np.isin(np.array(values, dtype=str), kept)
    return [*slices, Slice(column, OTHER, rest)] if rest.any() else slices


def slices_by_length(answers: Sequence[Answer]) -> list[Slice]:
    """Terciles of the text's length in characters."""
    lengths = np.array([answer.characters for answer in answers])
    edges = np.unique(np.quantile(lengths, [0, 1 / 3, 2 / 3, 1], method="inverted_cdf"))
    bounds = [(edges[0], edges[0])] if len(edges) == 1 else zip([edges[0], *(edges[1:-1] + 1)], edges[1:], strict=True)
    slices = [
        Slice(LENGTH, f"{low}-{high} characters", np.asarray((lengths >= low) & (lengths <= high)))
        for low, high in bounds
    ]
    return [one for one in slices if one.rows]


def slice_columns(answers: Iterable[Answer]) -> list[str]:
    """Names of all slice columns, sorted."""
    return sorted({name for answer in answers for name in answer.slices})


def slice_interval(part: Sequence[Answer], head: Head) -> Interval | None:
    """F1 of a slice's rows; None where they hold nothing to find."""
    outcomes = outcomes_of(part, head)
    return None if not len(outcomes) or np.isnan(outcomes.f1()) else f1_interval(outcomes)


def slice_figures(answers: Sequence[Answer], head: Head) -> list[SliceFigure]:
    """Figures of every slice column and of the text's length."""
    rows = rows_of(answers, head)
    if not rows:
        return []
    slices = [one for column in slice_columns(rows) for one in slices_by(rows, column)] + slices_by_length(rows)
    return [_figure(one, rows, head) for one in slices]


def _figure(one: Slice, rows: Sequence[Answer], head: Head) -> SliceFigure:
    interval = slice_interval(one.of(rows), head)
    return SliceFigure(
        head=head,
        column=one.column,
        value=one.value,
        rows=one.rows,
        share=one.share,
        f1=interval and interval.value,
        low=interval and interval.low,
        high=interval and interval.high,
    )
