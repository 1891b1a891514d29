"""Checks that several kinds of data share, and the definition of a check.

A check is a Great Expectations expectation whose `meta` holds its texts: name, requirement, message of
a fault (`{key}` is the row or class, `{value}` its value; `{rows}`, `{classes}`, `{labels}`, `{types}` and
`{entities}` the value as a number of them), and remedy. A failed critical check stops the run; the others are reported.
"""

from dataclasses import dataclass
from typing import Any

import great_expectations.expectations as gxe

from assay.expectations.validation_report import Severity
from assay.recipes.recipe import ENOUGH_ROWS, Recipe


@dataclass(frozen=True)
class Suite:
    """The checks of one kind of data.

    `rows` check single rows (a column of `frames.RowFrame`), `totals` the snapshot as a whole
    (a column of `totals.Totals`).
    """

    kind: str
    rows: list[gxe.Expectation]
    totals: list[gxe.Expectation]


@dataclass(frozen=True)
class CheckText:
    """Texts of a check."""

    name: str
    required: str
    fault: str
    remedy: str
    severity: Severity = "critical"

    def keywords(self) -> dict[str, Any]:
        """Return the arguments common to all expectations."""
        meta = {"name": self.name, "required": self.required, "fault": self.fault, "remedy": self.remedy}
        return {"severity": self.severity, "description": f"{self.name}: {self.required}", "meta": meta}


def values_between(
    column: str, text: CheckText, low: float | None = None, high: float | None = None
) -> gxe.Expectation:
    """Require every value that is not null to be within the bounds, both included."""
    return gxe.ExpectColumnValuesToBeBetween(column=column, min_value=low, max_value=high, **text.keywords())


def values_present(column: str, text: CheckText) -> gxe.Expectation:
    """Require that no value is null."""
    return gxe.ExpectColumnValuesToNotBeNull(column=column, **text.keywords())


def no_faults(column: str, text: CheckText) -> gxe.Expectation:
    """Require every value to be null: the column describes faults."""
    return gxe.ExpectColumnValuesToBeNull(column=column, **text.keywords())


def values_in(column: str, values: list[str], text: CheckText) -> gxe.Expectation:
    """Require every value that is not null to be one of `values`."""
    return gxe.ExpectColumnValuesToBeInSet(column=column, value_set=values, **text.keywords())


def schema_checks() -> list[gxe.Expectation]:
    """Return the checks of the columns of the snapshot; no other check is possible before these pass."""
    remedy = "run the extraction again with --from extract"
    text = CheckText("schema", "the columns and types of a snapshot", "column {key}: {value}", remedy)
    return [no_faults("fault.column", text)]


def text_checks(recipe: Recipe) -> list[gxe.Expectation]:
    """Return the checks of the text of a row, and of the columns that the split needs."""
    checks = length_checks(recipe, "text_length", "fault.blank", "text")
    if recipe.split.method == "published":
        required = "a split for every row (split.method is published)"
        remedy = "name its field in source.fields.split, or the splits of the files in source"
        checks.append(values_present("split", CheckText("published split", required, "row {key} has no split", remedy)))
    if recipe.split.method == "time":
        required = "a time for every row (split.method is time)"
        remedy = "add it at the source, or choose another split.method"
        checks.append(values_present("time", CheckText("time", required, "row {key} has no time", remedy)))
    return checks


def length_checks(recipe: Recipe, length: str, blank: str, noun: str) -> list[gxe.Expectation]:
    """Return the checks of one text field: it is not blank and not longer than the recipe allows."""
    longest = recipe.validation.max_text_length
    return [
        no_faults(
            blank,
            CheckText(
                f"blank {noun}",
                f"a {noun} that is not blank",
                f"row {{key}}: the {noun} is {{value}}",
                "drop the row at the source",
            ),
        ),
        values_between(
            length,
            CheckText(
                f"{noun} length",
                f"1 to {longest} characters (validation.max_text_length)",
                f"row {{key}}: the {noun} has {{value:.0f}} characters",
                "drop or shorten the row at the source, or raise validation.max_text_length",
            ),
            low=1,
            high=longest,
        ),
    ]


def label_checks(recipe: Recipe) -> list[gxe.Expectation]:
    """Return the checks of the class of a row."""
    remedy = "label the row or drop it at the source; source.fields.label names the field"
    checks = [
        values_present("label", CheckText("missing label", "a class for every row", "row {key} has no class", remedy))
    ]
    if (labels := recipe.validation.labels) is not None:
        required = f"one of {', '.join(labels)} (validation.labels)"
        remedy = "add it to validation.labels, or map it to one of them in source.label_map"
        text = CheckText("unknown label", required, "row {key} has the class {value!r}", remedy)
        checks.append(values_in("label", labels, text))
    return checks


def total_checks(recipe: Recipe) -> list[gxe.Expectation]:
    """Return the checks of any snapshot as a whole."""
    limits = recipe.validation
    return [
        *_few_rows(limits.min_rows),
        values_between(
            "rows",
            CheckText(
                "rows",
                f"at least {limits.min_rows} rows (validation.min_rows)",
                "the snapshot has {rows}",
                "check the filter and limit of source, add rows, or lower validation.min_rows",
            ),
            low=limits.min_rows,
        ),
        values_between(
            "repeated_ids",
            CheckText(
                "unique ids",
                "ids that occur once",
                "{rows} repeat the id of an earlier row",
                "name a field that is unique in source.fields.id, or leave it out to number the rows",
            ),
            high=0,
        ),
        values_between(
            "duplicate_share",
            CheckText(
                "duplicates",
                f"at most {limits.max_duplicate_share:.0%} of the rows (validation.max_duplicate_share)",
                "{value:.1%} of the rows repeat an earlier text but for case, URLs, digits and white space",
                "drop repeated rows at the source, or raise validation.max_duplicate_share",
                "warning",
            ),
            high=limits.max_duplicate_share,
        ),
        values_between(
            "contradictions",
            CheckText(
                "contradictions",
                "the same labels for the same text",
                "{rows} have the text of another row and other labels",
                "decide on one labelling at the source",
                "warning",
            ),
            high=0,
        ),
        values_between(
            "rejects_share",
            CheckText(
                "rejects",
                "0%",
                "{value:.2%} of the source could not be read",
                "see rejects.jsonl of the snapshot for ids, reasons and remedies",
                "info",
            ),
            high=0,
        ),
    ]


def _few_rows(least: int) -> list[gxe.Expectation]:
    """Return a warning about few rows for a recipe that accepts them."""
    text = CheckText(
        "few rows",
        f"at least {ENOUGH_ROWS} rows to test a model",
        "the snapshot has {rows}",
        "add rows before you rely on a verdict: test rows as few can show little",
        "warning",
    )
    return [values_between("rows", text, low=ENOUGH_ROWS)] if least < ENOUGH_ROWS else []


def unseen_checks(recipe: Recipe, column: str, one: str, several: str, what: str, remedy: str) -> list[gxe.Expectation]:
    """Return the check of labels that published rows have and no training row; none if the recipe admits them.

    Where Assay splits the rows, or labels count as missed, it is the split that knows of them.

    Args:
        recipe: recipe that says whether such labels are refused.
        column: column of the totals that holds them.
        one: what one of them is called.
        several: what several of them are called.
        what: what has such a label.
        remedy: what to do about them.
    """
    if recipe.split.method != "published" or recipe.validation.unseen_labels == "count_as_missed":
        return []
    text = CheckText(
        f"unseen {several}",
        f"{what} of every {one} in train",
        f"{one} {{key}} is not in train, {{value}}",
        f"{remedy}, or set validation.unseen_labels to count_as_missed",
    )
    return [no_faults(column, text)]


def class_checks(recipe: Recipe) -> list[gxe.Expectation]:
    """Return the checks of the balance of the classes."""
    limits = recipe.validation
    checks = [
        values_between(
            "class_count",
            CheckText(
                "classes",
                "at least 2 classes",
                "the snapshot has {classes}",
                "add rows of another class; source.fields.label and source.label_map make the classes",
            ),
            low=2,
        ),
        values_between(
            "class_rows",
            CheckText(
                "rows of a class",
                f"at least {limits.min_class_rows} (validation.min_class_rows)",
                "class {key} has {rows}",
                "add rows, or map it to another class in source.label_map",
            ),
            low=limits.min_class_rows,
        ),
        values_between(
            "class_share",
            CheckText(
                "class balance",
                f"at most {limits.max_class_share:.0%} in one class (validation.max_class_share)",
                "class {key} has {value:.1%} of the rows",
                "add rows of the other classes, or set training.class_weights to balanced",
                "warning",
            ),
            high=limits.max_class_share,
        ),
    ]
    remedy = "add such rows to train, map the class in source.label_map, or let split.method be stratified"
    return checks + unseen_checks(recipe, "fault.unseen_class", "class", "classes", "rows", remedy)
