"""Evaluation of the conditions of a recipe on rows (see `assay.recipes.conditions`)."""

import ast
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from assay.corpus.errors import AssayError
from assay.evaluation.statistics import Bools
from assay.recipes.conditions import ColumnKind, columns_of, parse_condition


def rows_meeting(condition: str, columns: Mapping[str, Sequence[str | int | None]]) -> Bools:
    """Return a mask of the rows that meet a condition.

    A missing value, or text where a number is required, fails every comparison except `!=` and `not in`.

    Args:
        condition: condition of the recipe. Only conditions that `columns_of` accepts are evaluated.
        columns: values of all rows, by column.

    Returns:
        One boolean per row.

    Raises:
        AssayError: the condition is malformed, or names a column that the rows do not have.
    """
    try:
        kinds = columns_of(condition)
    except ValueError as error:
        raise AssayError(f"gate.slices.expressions: {error}") from error
    for name in kinds:
        if name not in columns:
            raise AssayError(
                f"gate.slices.expressions: {condition!r} names {name!r}, which the rows do not have; name one of "
                f"{', '.join(columns)}"
            )
    frame = pd.DataFrame({name: _values(columns[name], kind) for name, kind in kinds.items()})
    # Unparsing gives one line, whatever the white space in the recipe.
    matches = frame.eval(ast.unparse(parse_condition(condition)), engine="python")
    return np.asarray(matches, dtype=np.bool_)


def _values(values: Sequence[str | int | None], kind: ColumnKind) -> pd.Series:
    series = pd.Series(np.array(values, dtype=object))
    return series if kind == "text" else pd.to_numeric(series, errors="coerce").astype("float64")
