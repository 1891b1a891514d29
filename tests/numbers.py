"""Numbers of a JSON schema that may be as large or as small as anybody likes."""

from collections.abc import Iterator
from typing import Any

NOT_SCHEMAS = ("default", "description", "enum", "examples", "const")


def unbounded_numbers(node: Any, place: str = "") -> Iterator[str]:
    """Return the place of every number without a lower and an upper bound, in nested models, unions, lists and all."""
    if isinstance(node, list):
        for position, child in enumerate(node):
            yield from unbounded_numbers(child, f"{place}.{position}")
    elif isinstance(node, dict):
        if node.get("type") in ("number", "integer"):
            below, above = {"minimum", "exclusiveMinimum"} & node.keys(), {"maximum", "exclusiveMaximum"} & node.keys()
            if not (below and above) and not {"enum", "const"} & node.keys():
                yield place
        for key, child in node.items():
            if key not in NOT_SCHEMAS:
                yield from unbounded_numbers(child, f"{place}.{key}")
