"""The suite of pairs of texts, such as question and passage."""

import great_expectations.expectations as gxe

from assay.expectations.check_definitions import CheckText, Suite, length_checks, values_present
from assay.expectations.sentences import sentence_suite
from assay.recipes.recipe import Recipe


def pair_suite(recipe: Recipe) -> Suite:
    """Return the suite of rows with two texts and a class."""
    sentences = sentence_suite(recipe)
    return Suite(kind="pairs", rows=sentences.rows + pair_checks(recipe), totals=sentences.totals)


def pair_checks(recipe: Recipe) -> list[gxe.Expectation]:
    """Return the checks of the second text of a row."""
    text = CheckText(
        "missing second text",
        "a second text for every row",
        "row {key} has none",
        "add it or drop the row at the source; source.fields.text_pair names the field",
    )
    return [
        values_present("text_pair_length", text),
        *length_checks(recipe, "text_pair_length", "fault.blank_pair", "second text"),
    ]
