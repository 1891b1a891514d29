"""Bounds of the numbers in a recipe, and their wording in errors."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from pydantic import Field

from assay.recipes.schema_nodes import nodes_at

MOST_ROWS = 1_000_000_000
LARGEST = 1e9

Number = Annotated[float, Field(ge=-LARGEST, le=LARGEST, allow_inf_nan=False)]
Whole = Annotated[int, Field(ge=-int(LARGEST), le=int(LARGEST))]

_BOUNDS = {
    "exclusiveMinimum": "above",
    "minimum": "at least",
    "exclusiveMaximum": "below",
    "maximum": "at most",
}
# Pydantic's error types for a number out of bounds.
OUT_OF_BOUNDS = {"greater_than", "greater_than_equal", "less_than", "less_than_equal", "finite_number"}


def allowed_range(schema: Mapping[str, Any], location: Sequence[int | str]) -> str | None:
    """Return the bounds of a number, such as `above 0, at most 1`.

    Args:
        schema: JSON schema of the whole document.
        location: keys and positions of the number, as in a pydantic error.

    Returns:
        None if there is no number with bounds at this location.
    """
    ranges = (range_of(node) for node in nodes_at(schema, location))
    return next((bounds for bounds in ranges if bounds), None)


def range_of(node: Mapping[str, Any]) -> str:
    """Return the bounds of one number of a schema; empty if it has none."""
    return ", ".join(f"{word} {_written(node[key])}" for key, word in _BOUNDS.items() if key in node)


def _written(number: float) -> str:
    """Return the number with thousands separators, and without a fraction if it is whole."""
    return f"{int(number):,}" if float(number).is_integer() else f"{number:g}"
