import re
from collections.abc import Iterator
from typing import Any

import pytest

from assay.recipes.allowed_values import PATTERNS, allowed, choices_of
from assay.recipes.recipe import Recipe
from assay.recipes.schema_nodes import nodes_at

SCHEMA = Recipe.model_json_schema()


@pytest.mark.parametrize(
    ("nodes", "words"),
    [
        ([{"type": "integer"}], "a whole number"),
        ([{"type": "integer"}, {"type": "number"}], "a number"),
        ([{"type": "boolean"}, {"type": "string"}, {"type": "null"}], "true or false, text or null"),
        ([{"type": "number", "exclusiveMinimum": 0, "maximum": 1}], "a number (allowed: above 0, at most 1)"),
        ([{"type": "string", "maxLength": 1}], "text (allowed: at most 1 characters)"),
        (
            [{"type": "string", "pattern": "^[a-z0-9][a-z0-9-]*$", "maxLength": 9}],
            "text (allowed: lower-case letters, digits and hyphens; at most 9 characters)",
        ),
        ([{"type": "string", "pattern": "unknown"}], "text"),
        ([{"type": "array", "items": {"type": "string"}}], "a list of texts"),
        ([{"type": "array", "items": {"enum": ["a", "b"]}}], "a list of a, b"),
        ([{"type": "array", "items": {"$ref": "x"}, "minItems": 1}], "a list of values (allowed: at least 1)"),
        ([{"type": "array", "maxItems": 2}], "a list of values (allowed: 0 to 2 of them)"),
        ([{"type": "object", "additionalProperties": {"type": "integer"}}], "a mapping such as {NAME: a whole number}"),
        ([{"type": "object", "additionalProperties": True}], "a mapping such as {NAME: …}"),
        (
            [{"type": "object", "propertyNames": {"enum": ["sentence"]}, "additionalProperties": {"enum": ["a", "b"]}}],
            "a mapping such as {sentence: a|b}",
        ),
        ([{"type": "object", "minProperties": 1}], "a mapping such as {NAME: …} (allowed: at least one key)"),
        ([{"type": "object", "properties": {"a": {}, "b": {}}}], "a mapping with keys such as {a: …, b: …}"),
        (
            [{"type": "object", "properties": {key: {} for key in "abcdefg"}}],
            "a mapping with keys such as {a: …, b: …, c: …, d: …, e: …, …}",
        ),
        ([{}], "any value"),
        ([{"enum": ["a", "b"]}, {"type": "null"}], "one of a, b, null"),
        ([{"const": "a"}], "a"),
    ],
)
def test_allowed_says_in_words_what_a_value_may_be(nodes: list[dict[str, Any]], words: str) -> None:
    assert allowed(nodes) == words


@pytest.mark.parametrize(
    ("location", "words"),
    [
        (("training", "epochs"), "a number (allowed: above 0, at most 10,000)"),
        (("gate", "baseline"), "one of majority, tfidf, off"),
        (("model", "heads"), "a list of sentence, labels, tokens (allowed: 1 to 3 of them)"),
        (("training", "early_stopping"), "a whole number or null (allowed: at least 1, at most 10,000)"),
        (("model", "crf"), "true or false"),
    ],
)
def test_allowed_of_keys_of_a_recipe(location: tuple[str, ...], words: str) -> None:
    assert allowed(nodes_at(SCHEMA, location)) == words


def test_choices_of_are_empty_where_anything_else_may_stand() -> None:
    assert choices_of([{"type": "string"}, {"type": "null"}]) == []
    assert choices_of([{"enum": ["a", "b"]}, {"const": "a"}, {"type": "null"}]) == ["a", "b", "null"]


def _patterns(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("pattern"), str):
            yield node["pattern"]
        for child in node.values():
            yield from _patterns(child)
    elif isinstance(node, list):
        for child in node:
            yield from _patterns(child)


def test_patterns_of_the_recipe_all_have_words() -> None:
    patterns = set(_patterns(SCHEMA))
    assert patterns
    assert patterns <= set(PATTERNS)
    assert all(re.compile(pattern) for pattern in PATTERNS)
