"""Checks a snapshot: rows frame by frame, then the snapshot as a whole, then the pages for people."""

from pathlib import Path

import great_expectations.expectations as gxe
import pandas as pd

from assay.corpus.snapshot import Snapshot
from assay.expectations.check_definitions import Suite, Words, between, schema_checks
from assay.expectations.frames import RowFrame, schema_frame
from assay.expectations.label_map import label_map_checks
from assay.expectations.runner import Findings, FrameChecks, Runner, check_result
from assay.expectations.suites import suite_for
from assay.expectations.totals import ALL_ROWS, NO_TOTALS, Totals, TotalsCounter
from assay.expectations.validation_report import CheckResult, ValidationReport, describe_ids
from assay.recipes.recipe import Recipe

# Large enough that the 0.2 s which Great Expectations takes a frame do not count, small enough for any memory.
ROWS_A_FRAME = 50_000


def check_snapshot(
    snapshot: Snapshot, recipe: Recipe, docs: Path, rows_a_frame: int = ROWS_A_FRAME
) -> ValidationReport:
    """Hold the recipe's suite against a snapshot and write Data Docs into the folder `docs`.

    Memory holds one frame of `rows_a_frame` rows without their texts, and 20 bytes of hashes for every row.
    Where the columns are not those of a snapshot, nothing further is checked.
    """
    suite = suite_for(recipe)
    runner = Runner(docs)
    schema = runner.checks("schema", schema_checks(), key="id")
    schema.add(schema_frame(snapshot))
    results = schema.results("column")
    if results[0].passed:
        row_results, totals = _check_rows(snapshot, recipe, runner.checks("rows", suite.rows, key="id"), rows_a_frame)
        results += row_results
    else:
        suite, totals = Suite(suite.kind, [], []), NO_TOTALS
    results += _check_totals(runner, suite, results, totals)
    results += label_map_checks(snapshot, recipe)
    return ValidationReport(kind=suite.kind, snapshot=snapshot.digest, rows=len(snapshot), checks=results)


def _check_rows(
    snapshot: Snapshot, recipe: Recipe, checks: FrameChecks, rows_a_frame: int
) -> tuple[list[CheckResult], Totals]:
    """One pass over the snapshot: results of the row checks, and the aggregate for the others."""
    rows, counter = RowFrame(recipe), TotalsCounter(recipe.model.cleaning)
    for example in snapshot.examples():
        rows.add(example)
        counter.add(example)
        if len(rows) == rows_a_frame:
            checks.add(rows.take())
    if len(rows):
        checks.add(rows.take())
    return checks.results(), counter.finish(snapshot)


def _check_totals(runner: Runner, suite: Suite, row_results: list[CheckResult], totals: Totals) -> list[CheckResult]:
    """Check the aggregate, together with the number of bad rows of each row check: Data Docs show them all."""
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
    column = expectation.column
    invalid_ids = totals.examples.get(column, [key for key, _ in findings.examples if key != ALL_ROWS])
    invalid_count = totals.counts.get(column, findings.count if invalid_ids else 0)
    return check_result(expectation, findings, _measured(column, totals.frame[column]), invalid_ids, invalid_count)


def _no_invalid_rows(result: CheckResult) -> gxe.Expectation:
    """The outcome of a row check, as an expectation on the number of its bad rows."""
    ids = f" (bad: {describe_ids(result.invalid_ids, result.invalid_count)})" if result.invalid_ids else ""
    words = Words(result.name, result.required + ids, "", "", result.severity)
    return between(result.name, words, high=0)


def _measured(name: str, column: pd.Series) -> str:
    """The values of one measure: the value itself, or the smallest and the largest."""
    values = column.dropna()
    if values.dtype == "object":
        return f"{len(values)} at fault"
    if values.empty:
        return "none"
    style = ".1%" if name.endswith("_share") else ".0f"
    low, high = (format(value, style) for value in (values.min(), values.max()))
    return low if low == high else f"{low} to {high}"
