"""What makes a row part of a slice, said once for test, validation and training rows."""

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict

from assay.corpus.example import Example
from assay.evaluation.labelled_predictions import LabelledPrediction
from assay.evaluation.row_conditions import meet
from assay.evaluation.statistics import Bools
from assay.recipes.conditions import LABEL, TEXT_LENGTH

MISSING = "(missing)"
OTHER = "(other values)"

Rows = Sequence[LabelledPrediction] | Sequence[Example]


class SliceKey(BaseModel):
    """Name and definition of a slice; small enough to be kept as JSON.

    `column` and `value` are what people read. A slice by text length runs from `low` to `high` characters, both
    included; the thirds of the shortest and of the longest texts are open at their end, so that every row has its
    third. The slice `OTHER` of a column holds the rows whose value is none of `others`.
    """

    model_config = ConfigDict(frozen=True)

    kind: Literal["column", "length", "label", "expression"] = "column"
    column: str
    value: str
    others: tuple[str, ...] = ()
    low: int | None = None
    high: int | None = None
    condition: str = ""

    @property
    def name(self) -> str:
        """As checks and cards call it."""
        return f"{self.column}={self.value}"


def slice_members(rows: Rows, key: SliceKey) -> Bools:
    """For each row, whether it belongs to the slice: rows that were judged, or rows to train on.

    Raises:
        AssayError: the slice is an expression on a column that these rows do not have.
    """
    match key.kind:
        case "column":
            found = [_in_column(value, key) for value in column_values(rows, key.column)]
        case "length":
            low, high = key.low or 0, float("inf") if key.high is None else key.high
            found = [low <= row.characters <= high for row in rows]
        case "label":
            found = [label_of(row) == key.value for row in rows]
        case "expression":
            return meet(key.condition, _columns(rows))
    return np.array(found, dtype=np.bool_)


def column_values(rows: Rows, column: str) -> list[str]:
    """The value of a slice column of every row, `MISSING` where it has none."""
    return [row.slices.get(column) or MISSING for row in rows]


def label_of(row: LabelledPrediction | Example) -> str | None:
    """The right class of the sentence."""
    return row.gold if isinstance(row, LabelledPrediction) else row.label


def _in_column(value: str, key: SliceKey) -> bool:
    return value not in key.others if key.value == OTHER else value == key.value


def _columns(rows: Rows) -> Mapping[str, Sequence[str | int | None]]:
    """What a condition can speak of."""
    names = sorted({name for row in rows for name in row.slices})
    slices = {name: [row.slices.get(name) for row in rows] for name in names}
    return {**slices, LABEL: [label_of(row) for row in rows], TEXT_LENGTH: [row.characters for row in rows]}
