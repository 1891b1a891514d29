from collections.abc import Callable
from typing import Any

import pytest

from assay.expectations.check_definitions import Suite
from assay.expectations.runner import meta_of
from assay.expectations.suites import suite_for
from assay.recipes.recipe import Recipe


def names(suite: Suite) -> set[str]:
    return {meta_of(expectation)["name"] for expectation in suite.rows + suite.totals}


@pytest.mark.parametrize(
    ("heads", "fields", "kind", "has", "lacks"),
    [
        (("sentence",), {}, "sentences", {"missing label", "classes"}, {"BIO tags", "missing second text"}),
        (("sentence", "tokens"), {}, "sentences with entities", {"missing label", "BIO tags"}, {"missing second text"}),
        (("tokens",), {}, "texts with entities", {"BIO tags", "any entities"}, {"missing label", "classes"}),
        (("sentence",), {"text_pair": "p"}, "pairs", {"missing label", "missing second text"}, {"BIO tags"}),
        (("tokens",), {"text_pair": "p"}, "texts with entities", {"BIO tags", "missing second text"}, {"classes"}),
    ],
)
def test_suite_for_heads_and_pairs(
    make_recipe: Callable[..., Recipe],
    heads: tuple[str, ...],
    fields: dict[str, str],
    kind: str,
    has: set[str],
    lacks: set[str],
) -> None:
    suite = suite_for(make_recipe(heads, fields))
    assert suite.kind == kind
    assert has <= names(suite)
    assert not lacks & names(suite)


@pytest.mark.parametrize(
    ("parts", "added"),
    [
        ({"validation": {"labels": ["up"]}}, {"unknown label"}),
        ({"validation": {"entity_labels": ["X"]}}, {"unknown tags"}),
        ({"split": {"method": "published"}}, {"published split", "unseen classes", "unseen types"}),
        ({"split": {"method": "time"}, "fields": {"time": "at"}}, {"time"}),
    ],
)
def test_suite_for_adds_checks_of_the_recipe(
    make_recipe: Callable[..., Recipe], parts: dict[str, Any], added: set[str]
) -> None:
    heads = ("sentence", "tokens")
    assert names(suite_for(make_recipe(heads, **parts))) - names(suite_for(make_recipe(heads))) == added


def test_suite_for_has_unique_names_and_remedies(make_recipe: Callable[..., Recipe]) -> None:
    recipe = make_recipe(
        ("sentence", "tokens"),
        {"text_pair": "p"},
        validation={"labels": ["up"], "entity_labels": ["X"]},
        split={"method": "published"},
    )
    suite = suite_for(recipe)
    assert len(names(suite)) == len(suite.rows + suite.totals)
    assert all(meta_of(expectation)["remedy"] and expectation.description for expectation in suite.rows + suite.totals)
