"""Validation of a snapshot: rows frame by frame, then the snapshot as a whole, then the Data Docs."""

from pathlib import Path

import great_expectations.expectations as gxe
import pandas as pd

from assay.corpus.snapshot import Snapshot
from assay.expectations.check_definitions import CheckText, Suite, schema_checks, values_between
from assay.expectations.frames import RowFrame, schema_frame
from assay.expectations.label_map import label_map_checks
from assay.expectations.label_variants import label_variant_checks
from assay.expectations.named_label_checks import named_label_checks
from assay.expectations.no_label import no_label_checks
from assay.expectations.offset_unit import OffsetUnitCheck
from assay.expectations.plausible_fields import plausibility_checks
from assay.expectations.runner import Findings, FrameChecks, Runner, check_result
from assay.expectations.suites import suite_for
from assay.expectations.tag_scheme import tag_scheme_checks
from assay.expectations.totals import ALL_ROWS, NO_TOTALS, Totals, TotalsCounter
from assay.expectations.validation_report import CheckResult, ValidationReport, describe_ids
from assay.recipes.recipe import Recipe

# Large enough that the 0.2 s of Great Expectations per frame do not matter, small enough for any memory.
ROWS_PER_FRAME = 50_000


def check_snapshot(
    snapshot: Snapshot, recipe: Recipe, docs: Path, rows_per_frame: int = ROWS_PER_FRAME
) -> ValidationReport:
    """Validate a snapshot with the suite of its recipe and write Data Docs to the folder `docs`.

    Memory holds one frame of `rows_per_frame` rows without their texts, and 20 bytes of hashes per row.
    If the columns are not those of a snapshot, no further checks run.
    """
    suite = suite_for(recipe)
    runner = Runner(docs)
    schema = runner.checks("schema", schema_checks(), key="id")
    schema.add(schema_frame(snapshot))
    results = schema.results("column")
    if results[0].passed:
        checks = runner.checks("rows", suite.rows, key="id")
        row_results, offset_results, totals = _check_rows(snapshot, recipe, checks, rows_per_frame)
        results += row_results
    else:
        suite, offset_results, totals = Suite(suite.kind, [], []), [], NO_TOTALS
    results += _check_totals(runner, suite, results, totals)
    results += label_map_checks(snapshot, recipe)
    results += named_label_checks(snapshot, recipe)
    results += tag_scheme_checks(snapshot, recipe.source.tagging.scheme)
    results += label_variant_checks(snapshot)
    results += no_label_checks(snapshot, recipe)
    # The cause comes before what follows from it, such as classes of one row.
    results = plausibility_checks(snapshot, recipe) + offset_results + results if suite.rows else results
    return ValidationReport(kind=suite.kind, snapshot=snapshot.digest, rows=len(snapshot), checks=results)


def _check_rows(
    snapshot: Snapshot, recipe: Recipe, checks: FrameChecks, rows_per_frame: int
) -> tuple[list[CheckResult], list[CheckResult], Totals]:
    """Run the row checks, compare the units of offsets and count totals in one pass over the snapshot."""
    rows, counter, offsets = RowFrame(recipe), TotalsCounter(recipe.model.cleaning), OffsetUnitCheck(recipe)
    for example in snapshot.examples():
        rows.add(example)
        counter.add(example)
        offsets.add(example)
        if len(rows) == rows_per_frame:
            checks.add(rows.take())
    if len(rows):
        checks.add(rows.take())
    return checks.results(), offsets.results(), counter.finish(snapshot)


def _check_totals(runner: Runner, suite: Suite, row_results: list[CheckResult], totals: Totals) -> list[CheckResult]:
    """Check the totals and the number of invalid rows of each row check, so that Data Docs show all checks."""
    invalid_rows = [{"key": ALL_ROWS, **{result.name: float(result.invalid_count) for result in row_results}}]
    frame = pd.concat([pd.DataFrame(invalid_rows), totals.frame], ignore_index=True)
    expectations = [_no_invalid_rows(result) for result in row_results] + suite.totals
    checks = runner.documented_checks(f"validation of {suite.kind}", expectations, key="key")
    checks.add(frame)
    return [
        _total_result(expectation, findings, totals)
        for expectation, findings in checks.findings()
        if expectation in suite.totals
    ]


def _total_result(expectation: gxe.Expectation, findings: Findings, totals: Totals) -> CheckResult:
    column: str = expectation.configuration.kwargs["column"]
    invalid_ids = totals.examples.get(column, [key for key, _ in findings.examples if key != ALL_ROWS])
    invalid_count = totals.counts.get(column, findings.count if invalid_ids else 0)
    return check_result(expectation, findings, _measured(column, totals.frame[column]), invalid_ids, invalid_count)


def _no_invalid_rows(result: CheckResult) -> gxe.Expectation:
    """Return the result of a row check as an expectation of its number of invalid rows."""
    ids = f" (invalid: {describe_ids(result.invalid_ids, result.invalid_count)})" if result.invalid_ids else ""
    text = CheckText(result.name, result.required + ids, "", "", result.severity)
    return values_between(result.name, text, high=0)


def _measured(name: str, column: pd.Series) -> str:
    """Return the values of one measure: the value itself, or the smallest and the largest."""
    values = column.dropna()
    if values.dtype == "object":
        return f"{len(values)} faulty"
    if values.empty:
        return "none"
    style = ".1%" if name.endswith("_share") else ".0f"
    low, high = (format(value, style) for value in (values.min(), values.max()))
    return low if low == high else f"{low} to {high}"
