"""The suites of texts with entities: with a class (joint), or without (tokens)."""

import great_expectations.expectations as gxe

from assay.expectations.check_definitions import (
    CheckText,
    Suite,
    no_faults,
    text_checks,
    total_checks,
    unseen_checks,
    values_between,
    values_present,
)
from assay.expectations.sentences import sentence_suite
from assay.recipes.recipe import Recipe

_ENTITY_ROW = "row {key}: {value}"


def joint_suite(recipe: Recipe) -> Suite:
    """Return the suite of rows with a text, a class and entities."""
    sentences = sentence_suite(recipe)
    return Suite(
        kind="sentences with entities",
        rows=sentences.rows + entity_checks(recipe),
        totals=sentences.totals + entity_type_checks(recipe),
    )


def token_suite(recipe: Recipe) -> Suite:
    """Return the suite of rows with a text and entities, without a class."""
    return Suite(
        kind="texts with entities",
        rows=text_checks(recipe) + entity_checks(recipe),
        totals=total_checks(recipe) + entity_type_checks(recipe),
    )


def entity_checks(recipe: Recipe) -> list[gxe.Expectation]:
    """Return the checks of the entities of a row."""
    missing = CheckText(
        "missing entities",
        "a list of entities for every row, possibly empty",
        "row {key} has none",
        "name the field in source.fields.entities, or drop the row at the source",
    )
    offsets = "correct start and end at the source (characters, end exclusive; else set source.entity.end_inclusive)"
    checks = [
        values_present("entities", missing),
        no_faults("fault.outside", CheckText("entity offsets", "entities inside the text", _ENTITY_ROW, offsets)),
        no_faults("fault.empty", CheckText("empty entities", "entities of at least one word", _ENTITY_ROW, offsets)),
        no_faults(
            "fault.untyped",
            CheckText(
                "entity types", "a type for every entity", _ENTITY_ROW, "add it, or set source.entity.default_label"
            ),
        ),
    ]
    return (
        checks
        + _tag_checks()
        + ([] if recipe.validation.entity_labels is None else _unknown_tag_checks(recipe.validation.entity_labels))
    )


def _tag_checks() -> list[gxe.Expectation]:
    """Return the checks of the conversion of entities to word tags."""
    return [
        no_faults(
            "fault.overlap",
            CheckText(
                "overlapping entities",
                "entities that do not overlap",
                _ENTITY_ROW,
                "run the extraction again with --from extract, which rejects such rows",
            ),
        ),
        no_faults(
            "fault.bio",
            CheckText(
                "BIO tags",
                "entities that the BIO tags of the words reproduce",
                _ENTITY_ROW,
                "keep one entity per word at the source, on whole words",
            ),
        ),
        no_faults(
            "fault.padded",
            CheckText(
                "white space at entities",
                "entities that begin and end with a word",
                _ENTITY_ROW,
                "run the extraction again with --from extract, which leaves out the white space",
                "warning",
            ),
        ),
        no_faults(
            "fault.cut_word",
            CheckText(
                "entities that cut a word",
                "entities of whole words",
                _ENTITY_ROW,
                "the model learns and is scored on the whole word; if that is not intended, correct the offsets, or, "
                "where such texts hold emoji or accents, set source.entity.offset_unit to utf16 or bytes",
                "warning",
            ),
        ),
    ]


def _unknown_tag_checks(allowed: list[str]) -> list[gxe.Expectation]:
    required = f"types out of {', '.join(allowed)} (validation.entity_labels)"
    remedy = "add the type to validation.entity_labels, or correct it at the source"
    return [no_faults("fault.unknown", CheckText("unknown tags", required, _ENTITY_ROW, remedy))]


def entity_type_checks(recipe: Recipe) -> list[gxe.Expectation]:
    """Return the checks of the entity types of the snapshot as a whole."""
    least = recipe.validation.min_class_rows
    checks = [
        values_between(
            "entity_type_count",
            CheckText(
                "any entities",
                "at least 1 entity type",
                "the snapshot has {types} of entities",
                "source.fields and source.entity name the fields; without entities leave tokens out of model.heads",
            ),
            low=1,
        ),
        values_between(
            "entity_type_rows",
            CheckText(
                "entities of a type",
                f"at least {least} (validation.min_class_rows)",
                "type {key} has {entities}",
                "add some, or expect little of this type",
                "warning",
            ),
            low=least,
        ),
    ]
    remedy = "add such rows to train, correct the type, or let split.method be stratified"
    return checks + unseen_checks(recipe, "fault.unseen_entity_type", "type", "types", "entities", remedy)
