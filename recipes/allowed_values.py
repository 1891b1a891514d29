"""What a key of a recipe takes, in words, from the JSON schema: `a number (allowed: above 0, at most 1)`."""

from collections.abc import Mapping, Sequence
from typing import Any

from assay.recipes.bounds import range_of

MOST_KEYS = 6
# Patterns of texts in the schema, in words.
PATTERNS = {
    r"^[a-z0-9][a-z0-9-]*$": "lower-case letters, digits and hyphens",
    r"^[A-Za-z0-9][A-Za-z0-9_.-]*$": "letters, digits, dots, hyphens and underscores, the first a letter or digit",
    r"^[^\x00-\x1f]+$": "at least one character, no line break or other control character",
}
_TYPES = {
    "boolean": "true or false",
    "integer": "a whole number",
    "null": "null",
    "number": "a number",
    "string": "text",
}
_PLURALS = {"integer": "whole numbers", "number": "numbers", "string": "texts", "array": "lists", "object": "mappings"}


def allowed(nodes: Sequence[Mapping[str, Any]]) -> str:
    """Return what a value may be, such as `text or null`, with its choices or bounds.

    Args:
        nodes: what the schema says about the value (`schema_nodes.nodes_at`).
    """
    if choices := choices_of(nodes):
        return f"one of {', '.join(choices)}" if len(choices) > 1 else choices[0]
    words = list(dict.fromkeys(map(_words, nodes)))
    if _TYPES["number"] in words:  # a whole number is one, too
        words = [word for word in words if word != _TYPES["integer"]]
    ranges = list(dict.fromkeys(filter(None, map(_range, nodes))))
    return _joined(words) + (f" (allowed: {ranges[0]})" if ranges else "")


def choices_of(nodes: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the words that a value may be; empty if it may be anything else."""
    words = [str(choice) for node in nodes for choice in node.get("enum", [node["const"]] if "const" in node else [])]
    nulls = ["null" for node in nodes if node.get("type") == "null"]
    return list(dict.fromkeys(words + nulls)) if words else []


def _words(node: Mapping[str, Any]) -> str:
    kind = node.get("type")
    if kind == "array":
        return f"a list of {_items(node)}"
    if kind == "object":
        return _mapping(node)
    return _TYPES.get(str(kind), "any value")


def _items(node: Mapping[str, Any]) -> str:
    items = node.get("items", {})
    if "enum" in items:
        return ", ".join(items["enum"])
    return _PLURALS.get(items.get("type", ""), "values")


def _mapping(node: Mapping[str, Any]) -> str:
    if keys := list(node.get("properties", {})):
        shown = keys if len(keys) <= MOST_KEYS else [*keys[: MOST_KEYS - 1], "…"]
        return f"a mapping with keys such as {{{', '.join(f'{key}: …' for key in shown)}}}".replace(", …: …", ", …")
    keys = node.get("propertyNames", {}).get("enum", ["NAME"])
    inner = node.get("additionalProperties")
    values = inner if isinstance(inner, Mapping) else {}
    value = "|".join(values["enum"]) if "enum" in values else _TYPES.get(str(values.get("type")), "…")
    return f"a mapping such as {{{keys[0]}: {value}}}"


def _range(node: Mapping[str, Any]) -> str:
    if "pattern" in node or "maxLength" in node:
        longest = f"at most {node['maxLength']} characters" if "maxLength" in node else ""
        return "; ".join(filter(None, (PATTERNS.get(node.get("pattern", "")), longest)))
    if node.get("type") == "array":
        least, most = node.get("minItems"), node.get("maxItems")
        return f"{least or 0} to {most} of them" if most else f"at least {least}" if least else ""
    return "at least one key" if "minProperties" in node else range_of(node)


def _joined(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"
