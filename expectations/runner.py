"""Great Expectations runs over frames, with results interpreted by the severity of each check.

The overall `success` is not used, since it is
False for a mere warning. An expectation that raises, or gives no result, is a failed critical check.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import great_expectations as gx
import great_expectations.expectations as gxe
import pandas as pd
from great_expectations.checkpoint import UpdateDataDocsAction
from great_expectations.data_context.types.base import (
    DataContextConfig,
    InMemoryStoreBackendDefaults,
    ProgressBarsConfig,
)
from great_expectations.expectations.metadata_types import FailureSeverity

from assay.corpus.plural import counted
from assay.expectations.validation_report import MAX_IDS, CheckResult, describe_ids, shown

_SITE = "docs"
_LONGEST_VALUE = 160
# In the texts of checks, `{rows}` is a number of rows.
_COUNTED = {"row": "rows", "class": "classes", "label": "labels", "type": "types", "entity": "entities"}
_IDS_IN_LINE = 5


@dataclass
class Findings:
    """Result of one expectation so far: number of invalid rows, the first of them with their values, any exception."""

    count: int = 0
    examples: list[tuple[str, Any]] = field(default_factory=list)
    raised: str | None = None

    @property
    def passed(self) -> bool:
        """Whether the expectation holds."""
        return self.raised is None and self.count == 0

    def add(self, result: Any, key: str, rows: int) -> None:
        """Add the result of one frame with the given number of rows."""
        if (error := _error_of(result)) is not None:
            self.raised = self.raised or error
            self.count += rows
        elif not result.success:
            self.count += result.result["unexpected_count"]
            items = result.result["partial_unexpected_index_list"]
            column = result.expectation_config.kwargs["column"]
            self.examples += [(str(item[key]), item[column]) for item in items[: MAX_IDS - len(self.examples)]]


class Runner:
    """An ephemeral Great Expectations context with a Data Docs site in the given folder."""

    def __init__(self, docs: Path) -> None:
        self._context = gx.get_context(mode="ephemeral", project_config=_context_config(docs))
        self._source = self._context.data_sources.add_pandas("snapshot")

    def checks(self, name: str, expectations: list[gxe.Expectation], key: str) -> "FrameChecks":
        """Return expectations to validate against frames whose rows are named by the column `key`."""
        definition = self._definition(name, expectations)

        def validate(frame: pd.DataFrame) -> list[Any]:
            result = definition.run(batch_parameters={"dataframe": frame}, result_format=_result_format(key))
            return list(result.results)

        return FrameChecks(expectations, key, validate)

    def documented_checks(self, name: str, expectations: list[gxe.Expectation], key: str) -> "FrameChecks":
        """Return expectations as `checks` does, through a checkpoint that writes Data Docs of every frame."""
        checkpoint = self._context.checkpoints.add(
            gx.Checkpoint(
                name=name,
                validation_definitions=[self._definition(name, expectations)],
                actions=[UpdateDataDocsAction(name="update data docs", site_names=[_SITE])],
                # COMPLETE, because only then the pages name the invalid rows.
                result_format=_result_format(key) | {"result_format": "COMPLETE"},
            )
        )

        def validate(frame: pd.DataFrame) -> list[Any]:
            outcome = checkpoint.run(
                batch_parameters={"dataframe": frame}, run_id=gx.RunIdentifier(run_name="validation")
            )
            return [result for run in outcome.run_results.values() for result in run.results]

        return FrameChecks(expectations, key, validate)

    def _definition(self, name: str, expectations: list[gxe.Expectation]) -> gx.ValidationDefinition:
        # A suite takes ownership of its expectations, so each suite gets copies.
        suite = gx.ExpectationSuite(
            name=name, expectations=[expectation.copy(deep=True) for expectation in expectations]
        )
        batches = self._source.add_dataframe_asset(name).add_batch_definition_whole_dataframe("frame")
        return self._context.validation_definitions.add(
            gx.ValidationDefinition(name=name, data=batches, suite=self._context.suites.add(suite))
        )


def meta_of(expectation: gxe.Expectation) -> dict[str, str]:
    """Return what `check_definitions` wrote beside an expectation: its name, what is required, the remedy."""
    return expectation.meta or {}


class FrameChecks:
    """The expectations of one suite, validated against one frame after another; findings accumulate."""

    def __init__(
        self, expectations: list[gxe.Expectation], key: str, validate: Callable[[pd.DataFrame], list[Any]]
    ) -> None:
        self._expectations = expectations
        self._key = key
        self._validate = validate
        self._findings = {meta_of(expectation)["name"]: Findings() for expectation in expectations}
        self._rows = 0

    def add(self, frame: pd.DataFrame) -> None:
        """Validate one frame."""
        results = {result.expectation_config.meta["name"]: result for result in self._validate(frame)}
        for name, findings in self._findings.items():
            if name in results:
                findings.add(results[name], self._key, len(frame))
            else:
                findings.raised = "Great Expectations gave no result"
        self._rows += len(frame)

    def findings(self) -> list[tuple[gxe.Expectation, Findings]]:
        """Return each expectation and its findings, in the order of the suite."""
        return [(expectation, self._findings[meta_of(expectation)["name"]]) for expectation in self._expectations]

    def results(self, noun: str = "row") -> list[CheckResult]:
        """Return one result per check; the measurement is the number of invalid rows."""
        return [
            check_result(expectation, findings, f"{findings.count} of {counted(self._rows, noun)}", *_named(findings))
            for expectation, findings in self.findings()
        ]


def check_result(
    expectation: gxe.Expectation, findings: Findings, measured: str, invalid_ids: list[str], invalid_count: int
) -> CheckResult:
    """Return the result of an expectation; `invalid_ids` name the first of `invalid_count` rows (or classes)."""
    invalid_ids, invalid_count = ([], 0) if findings.passed else (invalid_ids, invalid_count)
    measured = "not measured" if findings.raised else measured
    return CheckResult(
        name=meta_of(expectation)["name"],
        # Fail closed: a check that could not run is not merely a warning.
        severity="critical" if findings.raised else FailureSeverity(expectation.severity).value,
        passed=findings.passed,
        measured=measured,
        required=meta_of(expectation)["required"],
        why=measured if findings.passed else _why(meta_of(expectation), findings, invalid_ids, invalid_count),
        invalid_ids=invalid_ids,
        invalid_count=invalid_count,
    )


def _named(findings: Findings) -> tuple[list[str], int]:
    return [key for key, _ in findings.examples], findings.count


def _why(meta: dict[str, str], findings: Findings, invalid_ids: list[str], invalid_count: int) -> str:
    if findings.raised:
        return f"check {meta['name']!r} could not run ({findings.raised}): a defect of Assay, please report it"
    key, value = findings.examples[0]
    values = {"value": value[:_LONGEST_VALUE]} if isinstance(value, str) else {"value": value, **_counts(value)}
    fault = meta["fault"].format(key=shown(key), **values)
    more = invalid_count > 1 or (invalid_ids and shown(invalid_ids[0]) not in fault)
    total = f" ({invalid_count} in all: {describe_ids(invalid_ids[:_IDS_IN_LINE], invalid_count)})" if more else ""
    return f"{fault}, needs {meta['required']}: {meta['remedy']}{total}"


def _counts(value: float | None) -> dict[str, str]:
    """Return a value as a number of everything that checks count."""
    return {several: "" if value is None else counted(value, one, several) for one, several in _COUNTED.items()}


def _error_of(result: Any) -> str | None:
    """Return the message of an exception that an expectation raised, if any: one per metric, or one in all."""
    info = result.exception_info
    for entry in [info] if "raised_exception" in info else info.values():
        if entry["raised_exception"]:
            return " ".join(str(entry["exception_message"]).split())
    return None


def _result_format(key: str) -> dict[str, Any]:
    return {
        "result_format": "SUMMARY",
        "partial_unexpected_count": MAX_IDS,
        "unexpected_index_column_names": [key],
    }


def _context_config(docs: Path) -> DataContextConfig:
    """Return a configuration in memory except for Data Docs, without progress bars or usage reports."""
    site = {
        "class_name": "SiteBuilder",
        "site_index_builder": {"class_name": "DefaultSiteIndexBuilder"},
        "store_backend": {"class_name": "TupleFilesystemStoreBackend", "base_directory": str(docs)},
    }
    return DataContextConfig(
        store_backend_defaults=InMemoryStoreBackendDefaults(),
        data_docs_sites={_SITE: site},
        progress_bars=ProgressBarsConfig(globally=False),
        analytics_enabled=False,
    )
