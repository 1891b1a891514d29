"""The suite of pairs of texts, such as question and passage."""

import great_expectations.expectations as gxe

from assay.expectations.check_definitions import Suite, Words, length_checks, present
from assay.expectations.sentences import sentence_suite
from assay.recipes.recipe import Recipe


def pair_suite(recipe: Recipe) -> Suite:
    """Checks of rows with two texts and a class."""
    sentences = sentence_suite(recipe)
    return Suite(kind="pairs", rows=sentences.rows + pair_checks(recipe), totals=sentences.totals)


def pair_checks(recipe: Recipe) -> list[gxe.Expectation]:
    """On the second text of a row."""
    words = Words(
        "missing second text",
        "a second text for every row",
        "row {key} has none",
        "add it or drop the row at the source; source.fields.text_pair names the field",
    )
    return [
        present("text_pair_length", words),
        *length_checks(recipe, "text_pair_length", "fault.blank_pair", "second text"),
    ]
