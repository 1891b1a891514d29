"""The checks of the labels of a row, of which any number may apply."""

import great_expectations.expectations as gxe

from assay.expectations.check_definitions import CheckText, no_faults, unseen_checks, values_between
from assay.recipes.recipe import Recipe


def row_label_checks(recipe: Recipe) -> list[gxe.Expectation]:
    """Return the checks of the labels of single rows; a row may be unlabelled."""
    if (allowed := recipe.validation.row_labels) is None:
        return []
    text = CheckText(
        "unknown row label",
        f"labels out of {', '.join(allowed)} (validation.row_labels)",
        "row {key} has the label {value}",
        "add it to validation.row_labels, or map it to one of them in source.label_map",
    )
    return [no_faults("fault.unknown_label", text)]


def row_label_totals(recipe: Recipe) -> list[gxe.Expectation]:
    """Return the checks of the labels of the snapshot as a whole."""
    limits = recipe.validation
    checks = [
        values_between(
            "row_label_count",
            CheckText(
                "row labels",
                "at least 1 label",
                "the snapshot has {labels}",
                "source.fields.labels names the field; without labels leave them out of model.heads",
            ),
            low=1,
        ),
        values_between(
            "row_label_rows",
            CheckText(
                "rows of a label",
                f"at least {limits.min_class_rows} (validation.min_class_rows)",
                "label {key} has {rows}",
                "add rows, or map it to another label in source.label_map",
            ),
            low=limits.min_class_rows,
        ),
        values_between(
            "row_label_share",
            CheckText(
                "label balance",
                f"at most {limits.max_class_share:.0%} of the rows with one label (validation.max_class_share)",
                "label {key} applies to {value:.1%} of the labelled rows",
                "add rows without it, or leave the label out: a model can hardly learn where it does not apply",
                "warning",
            ),
            high=limits.max_class_share,
        ),
    ]
    remedy = "add such rows to train, map the label in source.label_map, or let split.method be stratified"
    return checks + unseen_checks(recipe, "fault.unseen_row_label", "label", "row labels", "rows", remedy)
