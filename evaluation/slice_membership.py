"""Definition of slices and membership of rows, for test, validation and training rows alike."""

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict

from assay.corpus.example import Example
from assay.evaluation.labelled_predictions import LabelledPrediction
from assay.evaluation.row_conditions import rows_meeting
from assay.evaluation.statistics import Bools
from assay.recipes.conditions import LABEL, TEXT_LENGTH

MISSING = "(missing)"
OTHER = "(other values)"

Rows = Sequence[LabelledPrediction] | Sequence[Example]


class SliceKey(BaseModel):
    """Name and definition of a slice, small enough to be stored as JSON.

    `column` and `value` form the display name. A slice by text length runs from `low` to `high` characters, both
    included; the terciles of the shortest and the longest texts are open-ended, so that every row is in one. The slice
    `OTHER` of a column holds the rows whose value is not in `others`.
    """

    model_config = ConfigDict(frozen=True)

    kind: Literal["column", "length", "label", "row_label", "expression"] = "column"
    column: str
    value: str
    others: tuple[str, ...] = ()
    low: int | None = None
    high: int | None = None
    condition: str = ""

    @property
    def name(self) -> str:
        """Return the name that checks and cards show."""
        return f"{self.column}={self.value}"


def slice_members(rows: Rows, key: SliceKey) -> Bools:
    """Return a mask of the rows in the slice, for predictions or examples.

    Raises:
        AssayError: the slice is an expression on a column that these rows do not have.
    """
    match key.kind:
        case "column":
            members = [_in_column(value, key) for value in column_values(rows, key.column)]
        case "length":
            low, high = key.low or 0, float("inf") if key.high is None else key.high
            members = [low <= row.characters <= high for row in rows]
        case "label":
            members = [label_of(row) == key.value for row in rows]
        case "row_label":
            members = [key.value in labels_of(row) for row in rows]
        case "expression":
            return rows_meeting(key.condition, _columns(rows))
    return np.array(members, dtype=np.bool_)


def column_values(rows: Rows, column: str) -> list[str]:
    """Return the value of a slice column for every row; `MISSING` if a row has none."""
    return [row.slices.get(column) or MISSING for row in rows]


def label_of(row: LabelledPrediction | Example) -> str | None:
    """Return the gold class of a row."""
    return row.gold if isinstance(row, LabelledPrediction) else row.label


def labels_of(row: LabelledPrediction | Example) -> tuple[str, ...]:
    """Return the gold labels of a row, of which any number may apply."""
    return (row.gold_labels if isinstance(row, LabelledPrediction) else row.labels) or ()


def _in_column(value: str, key: SliceKey) -> bool:
    return value not in key.others if key.value == OTHER else value == key.value


def _columns(rows: Rows) -> Mapping[str, Sequence[str | int | None]]:
    """Return the columns that a condition can use."""
    names = sorted({name for row in rows for name in row.slices})
    slices = {name: [row.slices.get(name) for row in rows] for name in names}
    return {**slices, LABEL: [label_of(row) for row in rows], TEXT_LENGTH: [row.characters for row in rows]}
