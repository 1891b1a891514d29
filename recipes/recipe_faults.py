"""Faults of a recipe, one line each, from the errors of pydantic: key, value and remedy in the words of a recipe."""

import re
from collections.abc import Iterator, Mapping
from datetime import date, datetime
from functools import cache
from typing import Any

from pydantic import BaseModel, ValidationError

from assay.corpus.choice import nearest
from assay.recipes.allowed_values import allowed, choices_of
from assay.recipes.bounds import OUT_OF_BOUNDS
from assay.recipes.known_keys import nearest_key
from assay.recipes.schema_nodes import nodes_at

SOURCE = "source"
MOST_CHARACTERS = 80
_LONG_QUOTE = re.compile(rf"'([^']{{{MOST_CHARACTERS}}})[^']+'")
_CREDENTIALS = re.compile(r"//[^/\s]+@")
_TEXT_TYPES = ("string_type", "string_unicode")
_KINDS: dict[type, str] = {bool: "boolean", int: "number", float: "number", datetime: "datetime", date: "date"}
# Faults that name the value best, if several members of a union refuse it.
_CLEAREST = ("value_error", *OUT_OF_BOUNDS)
_EXAMPLE = "source: {kind: files, paths: {rows.jsonl: all}}"
_BEGIN = f"run `assay init DATA`, which writes a recipe for your data, or write {_EXAMPLE}"


def fault_lines(error: ValidationError, model: type[BaseModel], values: Any, prefix: str = "") -> list[str]:
    """Return a line for each fault.

    Args:
        error: what `model` said about `values`.
        model: the recipe, or a section of it.
        values: the values that were refused.
        prefix: key of the section; empty for a recipe.
    """
    return [_Fault(fault, path, prefix, model).line() for path, fault in _clearest(error, values)]


def boolean_faults(values: Any, model: type[BaseModel], path: tuple[int | str, ...] = ()) -> Iterator[str]:
    """Yield a line for each boolean where a number belongs: pydantic reads true as 1."""
    if isinstance(values, bool):
        nodes = nodes_at(schema_of(model), path)
        kinds = {node.get("type") for node in nodes}
        if kinds & {"integer", "number"} and "boolean" not in kinds:
            yield f"{'.'.join(map(str, path))!r} is {shown(values)}, but must be {allowed(nodes)}"
    items = values.items() if isinstance(values, Mapping) else enumerate(values) if isinstance(values, list) else ()
    for part, value in items:
        yield from boolean_faults(value, model, (*path, part))


@cache
def schema_of(model: type[BaseModel]) -> dict[str, Any]:
    """Return the JSON schema of a model; it takes a while to build."""
    return model.model_json_schema()


def shown(value: Any) -> str:
    """Return a value as an error quotes it: shortened, and without the credentials of an address."""
    words = {None: "null", True: "true", False: "false"}
    text = words[value] if value is None or isinstance(value, bool) else repr(value)
    text = _CREDENTIALS.sub("//***@", text)
    return text if len(text) <= MOST_CHARACTERS else text[: MOST_CHARACTERS - 1] + "…"


def _clearest(error: ValidationError, values: Any) -> Iterator[tuple[tuple[int | str, ...], Any]]:
    """Yield path and fault of each refused value; of a union, only the fault of the member that comes closest."""
    faults: dict[tuple[int | str, ...], Any] = {}
    for fault in error.errors(include_url=False):
        path = _path(fault, values)
        if path not in faults or (fault["type"] in _CLEAREST and faults[path]["type"] not in _CLEAREST):
            faults[path] = fault
    for path, fault in faults.items():
        if not any(deeper[: len(path)] == path and deeper != path for deeper in faults):
            yield path, fault


def _path(fault: Any, values: Any) -> tuple[int | str, ...]:
    """Return keys and positions of a fault, without the members of unions that pydantic adds."""
    path: list[int | str] = []
    location = list(fault["loc"])
    if location[:1] == [SOURCE]:  # its second part is the kind of source
        location[1:2] = []
    for number, part in enumerate(location):
        if (isinstance(values, Mapping) and part in values) or (isinstance(values, list) and isinstance(part, int)):
            path.append(part)
            values = values[part]
        elif fault["type"] == "missing" and number == len(location) - 1:
            path.append(part)
    return tuple(path)


class _Fault:
    """One fault, with what the schema says about the value."""

    def __init__(self, fault: Any, path: tuple[int | str, ...], prefix: str, model: type[BaseModel]) -> None:
        self.kind: str = fault["type"]
        self.value = fault["input"]
        self.key = ".".join(map(str, (*filter(None, [prefix]), *path)))
        self.message = _LONG_QUOTE.sub(r"'\1…'", fault["msg"].removeprefix("Value error, "))
        self.is_key = fault["loc"][-1:] == ("[key]",)
        self.model = model
        schema = schema_of(model)
        self.nodes = nodes_at(schema, path)
        self.parents = nodes_at(schema, path[:-1])
        self.name = str(path[-1]) if path else ""

    def line(self) -> str:
        """Return the line."""
        if self.kind == "value_error":
            return f"{self.key}: {self.message}" if self.key and self.key not in self.message else self.message
        if self.kind == "missing":
            return f"key {self.key!r} is missing; {_BEGIN if self.key == SOURCE else f'add it: {self._wanted()}'}"
        if self.is_key or self.kind == "extra_forbidden":
            return self._unknown_key()
        if self.key == SOURCE:
            return self._source()
        return self._wrong_value()

    def _unknown_key(self) -> str:
        if not self.is_key:
            return f"unknown key {self.key!r} (value {shown(self.value)}){nearest_key(self.key, self.model)}"
        choices = [name for node in self.parents for name in node.get("propertyNames", {}).get("enum", ())]
        return f"unknown key {self.key!r}; allowed: {', '.join(choices)}{nearest(self.name, choices)}"

    def _source(self) -> str:
        kinds = choices_of([kind for node in self.nodes for kind in nodes_at(node, ["kind"])])
        if not isinstance(self.value, Mapping):
            return f"'source' is {shown(self.value)}, but must be a mapping; {_BEGIN}"
        if "kind" not in self.value:
            return f"key 'source.kind' is missing; add one of {', '.join(kinds)}"
        kind = self.value["kind"]
        return f"'source.kind' is {shown(kind)}, but must be one of {', '.join(kinds)}{nearest(str(kind), kinds)}"

    def _wrong_value(self) -> str:
        wants_text = any(node.get("type") == "string" and "enum" not in node for node in self.nodes)
        if self.kind in _TEXT_TYPES and wants_text and not isinstance(self.value, Mapping | list):
            return self._not_a_text()
        wanted = self._wanted()
        remedy = nearest(self.value, choices_of(self.nodes)) if isinstance(self.value, str) else ""
        if self.value is None:
            return f"{self.key!r} is empty or null, but must be {wanted}; write one{self._or_remove()}"
        return f"{self.key!r} is {shown(self.value)}, but must be {wanted}{remedy}"

    def _not_a_text(self) -> str:
        """Describe a value that should be text, without quoting it: 0123 in the file has become 123."""
        if self.value is None:
            return f"{self.key!r} is empty or null, but must be text; write a text{self._or_remove()}"
        kind = _KINDS.get(type(self.value))
        if kind is None:
            return f"{self.key!r} is {shown(self.value)}, but must be text; write valid text in quotes"
        return f"{self.key!r} is a {kind}, but must be text; put it in quotes"

    def _wanted(self) -> str:
        return allowed(self.nodes)

    def _or_remove(self) -> str:
        required = any(self.name in node.get("required", ()) for node in self.parents)
        return "" if required else ", or remove it"
