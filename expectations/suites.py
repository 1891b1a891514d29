"""Selection of the suite for a recipe."""

from dataclasses import replace

from assay.expectations.check_definitions import Suite, text_checks, total_checks
from assay.expectations.joint import joint_suite, token_suite
from assay.expectations.pairs import pair_checks, pair_suite
from assay.expectations.row_label_checks import row_label_checks, row_label_totals
from assay.expectations.sentences import sentence_suite
from assay.recipes.recipe import Recipe


def suite_for(recipe: Recipe) -> Suite:
    """Return the suite for the recipe's heads, with pair checks if it names a second text."""
    pair = recipe.source.fields.text_pair is not None
    if recipe.heads == ["sentence"]:
        return pair_suite(recipe) if pair else sentence_suite(recipe)
    suite = _suite_of_heads(recipe)
    return replace(suite, rows=suite.rows + pair_checks(recipe)) if pair else suite


def _suite_of_heads(recipe: Recipe) -> Suite:
    heads = set(recipe.heads)
    if heads == {"labels"}:
        suite = Suite(kind="texts", rows=text_checks(recipe), totals=total_checks(recipe))
    elif "tokens" not in heads:
        suite = sentence_suite(recipe)
    else:
        suite = joint_suite(recipe) if "sentence" in heads else token_suite(recipe)
    if "labels" not in heads:
        return suite
    joins = "and" if " with " in suite.kind else "with"
    return Suite(
        kind=f"{suite.kind} {joins} labels",
        rows=suite.rows + row_label_checks(recipe),
        totals=suite.totals + row_label_totals(recipe),
    )
