"""The verdict of the gate: a list of checks, each with its measured and its required value."""

from collections.abc import Mapping, Sequence
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, computed_field

from assay.corpus.markdown import cell, row
from assay.corpus.splits import SplitName
from assay.corpus.storage.digest import digest_json
from assay.evaluation.attempts import Attempt


class Check(BaseModel):
    """Result of one check. `tested` is False if there was too little data to test."""

    model_config = ConfigDict(frozen=True)

    name: str
    measured: str
    required: str
    passed: bool
    why: str
    tested: bool = True
    metrics: dict[str, float] = Field(default_factory=dict, description="Metrics of the check for MLflow and the card")


class Verdict(BaseModel):
    """All checks of one candidate. It passes only if there are checks and all of them passed."""

    model_config = ConfigDict(frozen=True)

    recipe: str
    bundle: str
    snapshot: str
    splits: str
    champion: str | None
    checks: list[Check]
    forced: str | None = None
    attempts: list[Attempt] = Field(default_factory=list, description="Trainings that led to the candidate")
    corrected_rows: dict[SplitName, int] = Field(
        default_factory=dict, description="Rows of each split whose labels people have corrected (assay labels apply)"
    )

    @computed_field  # type: ignore[prop-decorator]  # pydantic's documented form
    @property
    def outcome(self) -> Literal["passed", "refused"]:
        """Return whether the candidate passed its checks."""
        return "passed" if self.checks and all(check.passed for check in self.checks) else "refused"

    @property
    def allows(self) -> bool:
        """Return whether a promotion is allowed: the checks passed, or a reason to force it was given."""
        return self.outcome == "passed" or bool((self.forced or "").strip())

    @property
    def failed(self) -> list[Check]:
        """Return the failed checks."""
        return [check for check in self.checks if not check.passed]

    @property
    def metrics(self) -> dict[str, float]:
        """Return the metrics of all checks."""
        return {name: value for check in self.checks for name, value in check.metrics.items()}

    @property
    def digest(self) -> str:
        """Return the SHA-256 of the verdict."""
        return digest_json(self.model_dump(mode="json"))

    @property
    def approval_key(self) -> str:
        """Return the SHA-256 of the candidate and the result of every check, without the measured values.

        A second gate run on the same candidate gives the same key, although its latency differs slightly.
        """
        inputs = self.model_dump(mode="json", include={"recipe", "bundle", "snapshot", "splits", "champion", "forced"})
        results = [[check.name, check.passed, check.tested] for check in self.checks]
        return digest_json({**inputs, "results": results})


def verdict_markdown(verdict: Verdict) -> str:
    """Render the verdict as a heading and a table, failed checks first."""
    rows = sorted(verdict.checks, key=lambda check: check.passed)
    lines = [
        f"# {verdict.outcome.capitalize()}",
        "",
        _summary(verdict),
        "",
        *corrected_lines(verdict.corrected_rows),
        "| check | result | measured | required | why |",
        "|---|---|---|---|---|",
    ]
    for check in rows:
        cells = (check.name, _result(check), check.measured, check.required, check.why)
        lines.append(row(*cells))
    return "\n".join([*lines, *_attempts(verdict.attempts)]) + "\n"


def corrected_lines(corrected: Mapping[SplitName, int]) -> list[str]:
    """Return a line about the labels that people have corrected; nothing if they have corrected none."""
    if not corrected:
        return []
    counts = ", ".join(f"{count:,} {split_name}" for split_name, count in corrected.items())
    return [
        f"Rows with labels that people have corrected: {counts}. They count as corrected for every model.",
        "",
    ]


def _attempts(attempts: Sequence[Attempt]) -> list[str]:
    """Render the attempts and the slices that were below their threshold; empty if there was one training only."""
    if not attempts:
        return []
    lines = ["", "## Attempts", "", "Decided on validation rows; the last kept one went to the gate.", ""]
    lines += ["| attempt | why | F1 | kept | reason | settings |", "|---|---|---|---|---|---|"]
    for attempt in attempts:
        lines.append(
            row(
                attempt.name,
                attempt.why,
                attempt.metrics,
                "kept" if attempt.accepted else "no",
                attempt.reason,
                attempt.overrides,
            )
        )
    changes = [(attempt, change) for attempt in attempts for change in attempt.slices]
    if changes:
        lines += ["", "| attempt | slice | training rows | F1 before | F1 after |", "|---|---|---|---|---|"]
    for attempt, change in changes:
        name, rows = f"{change.name} ({change.head})", f"{change.training_rows:,}"
        lines.append(row(attempt.name, name, rows, f"{change.before:.3f}", f"{change.after:.3f}"))
    return lines


def _summary(verdict: Verdict) -> str:
    champion = f"champion version {verdict.champion}" if verdict.champion else "no champion"
    count = f"{len(verdict.checks) - len(verdict.failed)} of {len(verdict.checks)} checks passed"
    forced = f"; forced: {cell(verdict.forced)}" if verdict.forced else ""
    return f"{count}; bundle `{verdict.bundle[:12]}`, data `{verdict.snapshot[:12]}`, {champion}{forced}"


def _result(check: Check) -> str:
    if not check.passed:
        return "failed"
    return "passed" if check.tested else "not tested"
