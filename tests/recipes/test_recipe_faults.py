"""Feed every kind of wrong value to every key of the schema, and read the line that comes out."""

import copy
import json
import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from assay.corpus.errors import AssayError
from assay.recipes.loader import parse_recipe
from assay.recipes.recipe import Recipe
from assay.recipes.recipe_faults import shown

REST: dict[str, Any] = {
    "name": "tiny",
    "model": {"scratch": {"layers": 1}, "heads": ["sentence", "tokens"]},
    "gate": {"min_f1": {"sentence": 0.6, "tokens": 0.5}, "counterfactual": {"templates": ["{names} is here"]}},
    "registry": {"name": "tiny"},
    "tuning": {"space": {"training.epochs": {"low": 1, "high": 2}, "training.batch_size": [8, 16]}},
    "monitoring": {"limits": {"f1": 0.1}},
}
FIELDS = {"label": "label", "entities": "entities", "slices": {"region": "region"}}
LORA = {
    "encoder": "owner/name",
    "revision": "abc",
    "lora": {"r": 8, "targets": ["query"]},
    "heads": ["sentence", "tokens"],
}
RECIPES: list[dict[str, Any]] = [
    REST | {"source": {"kind": "files", "paths": {"rows.jsonl": "all"}, "fields": FIELDS, "label_map": {"a": "b"}}},
    REST | {"source": {"kind": "mongo", "database": "d", "collection": "c", "fields": FIELDS, "filter": {"a": 1}}},
    REST | {"source": {"kind": "hub", "path": "owner/name", "revision": "abc", "fields": FIELDS}, "model": LORA},
]
LONG = "x" * 5000
VALUES: list[Any] = [None, True, 7, 0.5, -3, 10**30, 1e300, math.nan, "wrong", "", LONG, [], ["a", 1], {}, {"qqq": 1}]
REMEDIES = re.compile(
    r"but must be|did you mean|in quotes|remove|allowed|add|write|name (it|some)|choose|set |use one|raise|lower"
    r"|multiple|must be 1|swap|list some|it takes|above 0|only|earlier|complete characters|at least"
)
PYDANTIC = re.compile(
    r"Input should|valid (integer|string|number|boolean|dictionary|list)|Field required|Extra inputs|type=|union_tag"
    r"|discriminator|Value error|validation error|instance of|unable to parse|\[key\]|constrained"
    r"|(Files|Hub|Mongo)Source"
    r"|Section|StrictModel|pydantic|Traceback|literal_error|should (have|match|be)|CounterfactualRule|DriftLimits"
)


def key_paths(schema: Mapping[str, Any], node: Mapping[str, Any], values: Any) -> Iterator[list[int | str]]:
    """Yield the path of each key of the schema, also inside lists, mappings and unions that the values hold."""
    if "$ref" in node:
        node = schema["$defs"][node["$ref"].rpartition("/")[2]]
    for part in (*node.get("anyOf", ()), *node.get("oneOf", ())):
        yield from key_paths(schema, part, values)
    for name, child in node.get("properties", {}).items() if isinstance(values, Mapping) else ():
        if "kind" in node["properties"] and values.get("kind") != node["properties"]["kind"].get("const"):
            return
        yield [name]
        inner = values.get(name)
        yield from ([name, *path] for path in key_paths(schema, child, inner if inner is not None else {}))
    if isinstance(child := node.get("additionalProperties"), Mapping):
        for key in values or ():
            yield [key]
            yield from ([key, *path] for path in key_paths(schema, child, values[key]))
    if node.get("type") == "array" and isinstance(values, list) and values:
        yield [0]
        yield from ([0, *path] for path in key_paths(schema, node["items"], values[0]))


def replaced(values: dict[str, Any], path: list[int | str], value: Any) -> dict[str, Any]:
    """Return the recipe with one value replaced; sections that it leaves out are added."""
    recipe = copy.deepcopy(values)
    holder: Any = recipe
    for part in path[:-1]:
        if isinstance(holder, dict) and holder.get(part) is None:
            holder[part] = {}
        holder = holder[part]
    holder[path[-1]] = value
    return recipe


def check_line(line: str, path: list[int | str], value: Any) -> None:
    """The line names key and value, holds a remedy, and none of pydantic's words."""
    key = ".".join(map(str, path))
    assert "\n" not in line
    assert len(line) < 600, line
    assert any(str(part) in line for part in path if not isinstance(part, int)), line
    assert REMEDIES.search(line), line
    assert not PYDANTIC.search(line.replace(key, "")), line
    if f"{key!r} is" in line and isinstance(value, float | str | list) and "but must be text" not in line:
        assert shown(value) in line, line


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe["source"]["kind"])
def test_parse_recipe_reports_every_kind_of_wrong_value_of_every_key_in_our_words(recipe: dict[str, Any]) -> None:
    parse_recipe(recipe, "recipe")
    paths = list(
        {
            json.dumps(path): path for path in key_paths(Recipe.model_json_schema(), Recipe.model_json_schema(), recipe)
        }.values()
    )
    assert len(paths) > 120
    refused = 0
    for path in paths:
        for value in VALUES:
            try:
                parse_recipe(replaced(recipe, path, value), "recipe")
            except AssayError as error:
                refused += 1
                check_line(str(error), path, value)
    assert refused > 6 * len(paths)
