"""Results of the checks of a snapshot. Does not import Great Expectations, so that reading a report is fast."""

from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict

from assay.corpus.markdown import row
from assay.corpus.plural import counted
from assay.corpus.storage.completion_manifest import read_manifest

Severity = Literal["critical", "warning", "info"]
REPORT = "validation.json"
MAX_IDS = 20
_ID_LENGTH = 80


class CheckResult(BaseModel):
    """Result of one check: measurement, requirement, and the rows (or classes) that violate it.

    `invalid_ids` holds the first 20 of `invalid_count`. `why` states fault and remedy in one line.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    severity: Severity
    passed: bool
    measured: str
    required: str
    why: str
    invalid_ids: list[str] = []
    invalid_count: int = 0


class ValidationReport(BaseModel):
    """Results of all checks of one snapshot, in the order of the suite; `metrics` go to MLflow and onto the card."""

    model_config = ConfigDict(frozen=True)

    kind: str
    snapshot: str
    rows: int
    checks: list[CheckResult]
    metrics: dict[str, float] = {}

    @property
    def critical_failed(self) -> list[CheckResult]:
        """Failed checks that stop the run."""
        return self._failed("critical")

    @property
    def warnings(self) -> list[CheckResult]:
        """Failed checks that are only reported."""
        return self._failed("warning")

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read the report of a finished validation.

        Raises:
            AssayError: there is no report.
        """
        return cls.model_validate_json(
            read_manifest(folder, REPORT, "a finished validation", "run with --from validate")
        )

    def save(self, folder: Path) -> None:
        """Write the report to an existing folder."""
        (folder / REPORT).write_text(self.model_dump_json(indent=2), encoding="utf-8")

    def stop_line(self) -> str | None:
        """Return one line about the first failed critical check, or None if nothing stops the run."""
        if not self.critical_failed:
            return None
        first, *others = self.critical_failed
        more = f"; {counted(len(others), 'more critical check')} failed: " if others else ""
        return f"validation: {first.why}{more}{', '.join(check.name for check in others)}"

    def markdown(self) -> str:
        """Return a Markdown table of all checks, failed checks first."""
        lines = [f"{counted(self.rows, 'row')} of {self.kind}, snapshot `{self.snapshot[:12]}`", ""]
        lines += ["| check | severity | result | measured | required | why |", "|---|---|---|---|---|---|"]
        for check in sorted(self.checks, key=lambda check: check.passed):
            cells = (check.name, check.severity, _outcome(check), check.measured, check.required)
            lines.append(row(*cells, "" if check.passed else check.why))
        return "\n".join(lines)

    def _failed(self, severity: Severity) -> list[CheckResult]:
        return [check for check in self.checks if check.severity == severity and not check.passed]


def describe_ids(ids: list[str], total: int) -> str:
    """Return the ids in quotes, and how many more there are."""
    more = f" and {total - len(ids)} more" if total > len(ids) else ""
    return ", ".join(map(shown, ids)) + more


def shown(value: str) -> str:
    """Return a value of the data in quotes, shortened for a message."""
    return repr(value if len(value) <= _ID_LENGTH else value[: _ID_LENGTH - 1] + "…")


def _outcome(check: CheckResult) -> str:
    if check.passed:
        return "passed"
    return "failed" if check.severity == "critical" else "noted"
