"""Selection of the suite for a recipe."""

from dataclasses import replace

from assay.expectations.check_definitions import Suite
from assay.expectations.joint import joint_suite, token_suite
from assay.expectations.pairs import pair_checks, pair_suite
from assay.expectations.sentences import sentence_suite
from assay.recipes.recipe import Recipe


def suite_for(recipe: Recipe) -> Suite:
    """Return the suite for the recipe's heads, with pair checks if it names a second text."""
    pair = recipe.source.fields.text_pair is not None
    if recipe.heads == ["sentence"]:
        return pair_suite(recipe) if pair else sentence_suite(recipe)
    suite = joint_suite(recipe) if "sentence" in recipe.heads else token_suite(recipe)
    return replace(suite, rows=suite.rows + pair_checks(recipe)) if pair else suite
