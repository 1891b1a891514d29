"""Which rows meet a condition of the recipe (see `recipes/conditions.py`)."""

import ast
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from assay.corpus.errors import AssayError
from assay.evaluation.statistics import Bools
from assay.recipes.conditions import ColumnKind, columns_of, parse_condition


def meet(condition: str, columns: Mapping[str, Sequence[str | int | None]]) -> Bools:
    """For each row, whether it meets the condition.

    A value that is missing, or is no number where a number is asked for, equals nothing and is neither smaller
    nor larger; `!=` and `not in` hold for it.

    Args:
        condition: as in the recipe. Only what `columns_of` lets through is ever evaluated.
        columns: values of every row, by column.

    Raises:
        AssayError: it cannot be read, or names a column that the rows do not have.
    """
    try:
        kinds = columns_of(condition)
    except ValueError as error:
        raise AssayError(f"gate.slices.expressions: {error}") from error
    for name in kinds:
        if name not in columns:
            raise AssayError(f"gate.slices.expressions: {condition!r} names {name!r}, which the rows do not have")
    frame = pd.DataFrame({name: _values(columns[name], kind) for name, kind in kinds.items()})
    # The tree as text again: one line, whatever the white space in the recipe.
    met = frame.eval(ast.unparse(parse_condition(condition)), engine="python")
    return np.asarray(met, dtype=np.bool_)


def _values(values: Sequence[str | int | None], kind: ColumnKind) -> pd.Series:
    plain = pd.Series(np.array(values, dtype=object))
    return plain if kind == "text" else pd.to_numeric(plain, errors="coerce").astype("float64")
