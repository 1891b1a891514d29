"""The checks that several kinds of data share, and how a check is written down.

A check is a Great Expectations expectation whose `meta` carries our words: its name, what is required, how
a fault reads (`{key}` is the row or class, `{value}` what stands there, `{rows}` the same as a number of
rows), and what to do about it. A critical check stops the run, the others are reported.
"""

from dataclasses import dataclass
from typing import Any

import great_expectations.expectations as gxe

from assay.expectations.validation_report import Severity
from assay.recipes.recipe import Recipe


@dataclass(frozen=True)
class Suite:
    """The checks of one kind of data.

    `rows` look at one row at a time (a column of `frames.RowFrame`), `totals` at the snapshot as a whole
    (a column of `totals.Totals`).
    """

    kind: str
    rows: list[gxe.Expectation]
    totals: list[gxe.Expectation]


@dataclass(frozen=True)
class Words:
    """What people read about a check."""

    name: str
    required: str
    fault: str
    remedy: str
    severity: Severity = "critical"

    def keywords(self) -> dict[str, Any]:
        """The arguments that every expectation takes."""
        meta = {"name": self.name, "required": self.required, "fault": self.fault, "remedy": self.remedy}
        return {"severity": self.severity, "description": f"{self.name}: {self.required}", "meta": meta}


def between(column: str, words: Words, low: float | None = None, high: float | None = None) -> gxe.Expectation:
    """Every value that is there lies between the bounds, both included."""
    return gxe.ExpectColumnValuesToBeBetween(column=column, min_value=low, max_value=high, **words.keywords())


def present(column: str, words: Words) -> gxe.Expectation:
    """No value is null."""
    return gxe.ExpectColumnValuesToNotBeNull(column=column, **words.keywords())


def faultless(column: str, words: Words) -> gxe.Expectation:
    """Every value is null: the column describes faults."""
    return gxe.ExpectColumnValuesToBeNull(column=column, **words.keywords())


def one_of(column: str, values: list[str], words: Words) -> gxe.Expectation:
    """Every value that is there is one of `values`."""
    return gxe.ExpectColumnValuesToBeInSet(column=column, value_set=values, **words.keywords())


def schema_checks() -> list[gxe.Expectation]:
    """On the columns of the snapshot; nothing else can be checked before these pass."""
    remedy = "run the extraction again with --from extract"
    words = Words("schema", "the columns and types of a snapshot", "column {key}: {value}", remedy)
    return [faultless("fault.column", words)]


def text_checks(recipe: Recipe) -> list[gxe.Expectation]:
    """On the text of a row, and on what the split asks of it."""
    checks = length_checks(recipe, "text_length", "fault.blank", "text")
    if recipe.split.method == "published":
        required = "a side for every row (split.method is published)"
        remedy = "name its field in source.fields.split, or the sides of the files in source"
        checks.append(present("split", Words("published side", required, "row {key} has no side", remedy)))
    if recipe.split.method == "time":
        required = "a time for every row (split.method is time)"
        remedy = "add it at the source, or choose another split.method"
        checks.append(present("time", Words("time", required, "row {key} has no time", remedy)))
    return checks


def length_checks(recipe: Recipe, length: str, blank: str, noun: str) -> list[gxe.Expectation]:
    """On one text field: it holds something and is not longer than the recipe allows."""
    longest = recipe.validation.max_text_length
    return [
        faultless(
            blank,
            Words(
                f"blank {noun}",
                f"a {noun} that is not blank",
                f"row {{key}}: the {noun} is {{value}}",
                "drop the row at the source",
            ),
        ),
        between(
            length,
            Words(
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
    """On the class of a row."""
    remedy = "label the row or drop it at the source; source.fields.label names the field"
    checks = [present("label", Words("missing label", "a class for every row", "row {key} has no class", remedy))]
    if (labels := recipe.validation.labels) is not None:
        required = f"one of {', '.join(labels)} (validation.labels)"
        remedy = "add it to validation.labels, or map it to one of them in source.label_map"
        words = Words("unknown label", required, "row {key} has the class {value!r}", remedy)
        checks.append(one_of("label", labels, words))
    return checks


def total_checks(recipe: Recipe) -> list[gxe.Expectation]:
    """On the snapshot as a whole, whatever it holds."""
    limits = recipe.validation
    return [
        between(
            "rows",
            Words(
                "rows",
                f"at least {limits.min_rows} rows (validation.min_rows)",
                "the snapshot has {rows}",
                "check the filter and limit of source, add rows, or lower validation.min_rows",
            ),
            low=limits.min_rows,
        ),
        between(
            "repeated_ids",
            Words(
                "unique ids",
                "ids that stand once",
                "{rows} repeat the id of an earlier row",
                "name a field that is unique in source.fields.id, or leave it out to number the rows",
            ),
            high=0,
        ),
        between(
            "duplicate_share",
            Words(
                "duplicates",
                f"at most {limits.max_duplicate_share:.0%} of the rows (validation.max_duplicate_share)",
                "{value:.1%} of the rows repeat an earlier text but for case, URLs, digits and white space",
                "drop repeated rows at the source, or raise validation.max_duplicate_share",
                "warning",
            ),
            high=limits.max_duplicate_share,
        ),
        between(
            "contradictions",
            Words(
                "contradictions",
                "the same labels for the same text",
                "{rows} have the text of another row and other labels",
                "decide on one labelling at the source",
                "warning",
            ),
            high=0,
        ),
        between(
            "rejects_share",
            Words(
                "rejects",
                "0%",
                "{value:.2%} of what was there could not be read",
                "see rejects.jsonl of the snapshot for ids, reasons and remedies",
                "info",
            ),
            high=0,
        ),
    ]


def class_checks(recipe: Recipe) -> list[gxe.Expectation]:
    """On the balance of the classes."""
    limits = recipe.validation
    checks = [
        between(
            "class_count",
            Words(
                "classes",
                "at least 2 classes",
                "the snapshot has {value:.0f} class(es)",
                "add rows of another class; source.fields.label and source.label_map make the classes",
            ),
            low=2,
        ),
        between(
            "class_rows",
            Words(
                "rows of a class",
                f"at least {limits.min_class_rows} (validation.min_class_rows)",
                "class {key} has {rows}",
                "add rows, or map it to another class in source.label_map",
            ),
            low=limits.min_class_rows,
        ),
        between(
            "class_share",
            Words(
                "class balance",
                f"at most {limits.max_class_share:.0%} in one class (validation.max_class_share)",
                "class {key} has {value:.1%} of the rows",
                "add rows of the other classes, or set training.class_weights to balanced",
                "warning",
            ),
            high=limits.max_class_share,
        ),
    ]
    if recipe.split.method == "published":
        remedy = "add such rows to train, map the class in source.label_map, or let split.method be stratified"
        words = Words("unseen classes", "rows of every class in train", "class {key} is not in train, {value}", remedy)
        checks.append(faultless("fault.unseen_class", words))
    return checks
