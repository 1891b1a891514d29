"""Walk the JSON schema of a recipe along the keys of its values."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

Node = Mapping[str, Any]


def nodes_at(schema: Node, location: Sequence[int | str]) -> list[Node]:
    """Return what the schema says about a value: the members of its union, with references resolved.

    Args:
        schema: JSON schema of the whole document.
        location: keys and positions of the value. Parts that the schema does not know are skipped: pydantic names the
            members of a union in the location of an error.
    """
    nodes = list(_options(schema, schema))
    for part in location:
        children = [child for node in nodes for child in _children(node, part)]
        nodes = [option for child in children for option in _options(schema, child)] or nodes
    return nodes


def has_free_keys(nodes: Sequence[Node]) -> bool:
    """Return whether the values are mappings of any keys, such as names of files."""
    return any(node.get("additionalProperties") not in (None, False) for node in nodes)


def _children(node: Node, part: int | str) -> Iterator[Node]:
    if isinstance(part, int) and "items" in node:
        yield node["items"]
    elif part in node.get("properties", {}):
        yield node["properties"][part]
    elif isinstance(node.get("additionalProperties"), dict):
        yield node["additionalProperties"]


def _options(schema: Node, node: Node) -> Iterator[Node]:
    """Yield the node itself, or every member of a union, with references resolved."""
    if "$ref" in node:
        node = schema["$defs"][node["$ref"].rpartition("/")[2]]
    members = [member for key in ("anyOf", "oneOf", "allOf") for member in node.get(key, ())]
    if not members:
        yield node
    for member in members:
        yield from _options(schema, member)
