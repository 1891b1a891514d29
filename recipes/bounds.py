"""Bounds of the numbers in a recipe, and their wording in errors."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any

from pydantic import Field

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
        location: keys and positions of the number, as in a pydantic error. Parts that only name a member of a union
            are skipped.

    Returns:
        None if there is no number with bounds at this location.
    """
    nodes = [schema]
    for part in location:
        nodes = [child for node in nodes for child in _children(schema, node, part)] or nodes
    for option in (option for node in nodes for option in _options(schema, node)):
        bounds = [f"{word} {_written(option[key])}" for key, word in _BOUNDS.items() if key in option]
        if bounds:
            return ", ".join(bounds)
    return None


def _written(number: float) -> str:
    """Return the number with thousands separators, and without a fraction if it is whole."""
    return f"{int(number):,}" if float(number).is_integer() else f"{number:g}"


def _children(schema: Mapping[str, Any], node: Mapping[str, Any], part: int | str) -> Iterator[Mapping[str, Any]]:
    for option in _options(schema, node):
        if isinstance(part, int) and "items" in option:
            yield option["items"]
        elif part in option.get("properties", {}):
            yield option["properties"][part]
        elif isinstance(option.get("additionalProperties"), dict):
            yield option["additionalProperties"]


def _options(schema: Mapping[str, Any], node: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield the node itself, or every member of a union, with references resolved."""
    if "$ref" in node:
        node = schema["$defs"][node["$ref"].rpartition("/")[2]]
    members = [member for key in ("anyOf", "oneOf", "allOf") for member in node.get(key, ())]
    if not members:
        yield node
    for member in members:
        yield from _options(schema, member)
