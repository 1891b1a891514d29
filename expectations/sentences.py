"""The suite of labelled sentences."""

from assay.expectations.check_definitions import Suite, class_checks, label_checks, text_checks, total_checks
from assay.recipes.recipe import Recipe


def sentence_suite(recipe: Recipe) -> Suite:
    """Return the suite of rows with a text and a class."""
    return Suite(
        kind="sentences",
        rows=text_checks(recipe) + label_checks(recipe),
        totals=total_checks(recipe) + class_checks(recipe),
    )
