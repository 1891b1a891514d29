"""The gate's whole answer: a list of checks, each with what was measured and what was asked for."""

from collections.abc import Sequence
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, computed_field

from assay.corpus.markdown import cell, row
from assay.corpus.storage.digest import digest_json
from assay.evaluation.attempts import Attempt


class Check(BaseModel):
    """One check. `judged` is False where there was too little to judge by; such a check reports, never fails."""

    model_config = ConfigDict(frozen=True)

    name: str
    measured: str
    required: str
    passed: bool
    why: str
    tested: bool = True
    metrics: dict[str, float] = Field(default_factory=dict, description="What MLflow and the card show of it")


class Verdict(BaseModel):
    """All checks of one candidate. Passed only if there are checks and every one passed."""

    model_config = ConfigDict(frozen=True)

    recipe: str
    bundle: str
    snapshot: str
    splits: str
    champion: str | None
    checks: list[Check]
    forced: str | None = None
    attempts: list[Attempt] = Field(default_factory=list, description="The trainings that led to the candidate")

    @computed_field  # type: ignore[prop-decorator]  # pydantic's documented form
    @property
    def outcome(self) -> Literal["passed", "refused"]:
        """Whether the candidate may be promoted on its merits."""
        return "passed" if self.checks and all(check.passed for check in self.checks) else "refused"

    @property
    def allows(self) -> bool:
        """Whether it allows a promotion: it passed, or somebody gave a reason to promote all the same."""
        return self.outcome == "passed" or bool((self.forced or "").strip())

    @property
    def failed(self) -> list[Check]:
        """The checks that speak against promotion."""
        return [check for check in self.checks if not check.passed]

    @property
    def metrics(self) -> dict[str, float]:
        """The metrics of all checks."""
        return {name: value for check in self.checks for name, value in check.metrics.items()}

    @property
    def digest(self) -> str:
        """SHA-256 of the verdict."""
        return digest_json(self.model_dump(mode="json"))

    @property
    def approval_key(self) -> str:
        """SHA-256 of what was judged and how every check came out, without what was measured on the way.

        The same candidate judged again has the same subject, though its latency is another one by a hair.
        """
        tested = self.model_dump(mode="json", include={"recipe", "bundle", "snapshot", "splits", "champion", "forced"})
        results = [[check.name, check.passed, check.tested] for check in self.checks]
        return digest_json({**tested, "results": results})


def verdict_markdown(verdict: Verdict) -> str:
    """The verdict as a heading and a table, what failed first."""
    rows = sorted(verdict.checks, key=lambda check: check.passed)
    lines = [
        f"# {verdict.outcome.capitalize()}",
        "",
        _summary(verdict),
        "",
        "| check | result | measured | required | why |",
        "|---|---|---|---|---|",
    ]
    for check in rows:
        cells = (check.name, _result(check), check.measured, check.required, check.why)
        lines.append(row(*cells))
    return "\n".join([*lines, *_attempts(verdict.attempts)]) + "\n"


def _attempts(attempts: Sequence[Attempt]) -> list[str]:
    """What led to the candidate, and what became of slices that fell short; nothing where there was no second try."""
    if not attempts:
        return []
    lines = ["", "## Attempts", "", "Decided on validation rows; the last one kept went to the gate.", ""]
    lines += ["| attempt | why | F1 | kept | reason | settings |", "|---|---|---|---|---|---|"]
    for one in attempts:
        lines.append(row(one.name, one.why, one.metrics, "kept" if one.kept else "no", one.reason, one.overrides))
    changes = [(one, change) for one in attempts for change in one.slices]
    if changes:
        lines += ["", "| attempt | slice | training rows | F1 before | F1 after |", "|---|---|---|---|---|"]
    for one, change in changes:
        name, rows = f"{change.name} ({change.head})", f"{change.training_rows:,}"
        lines.append(row(one.name, name, rows, f"{change.before:.3f}", f"{change.after:.3f}"))
    return lines


def _summary(verdict: Verdict) -> str:
    against = f"champion version {verdict.champion}" if verdict.champion else "no champion"
    count = f"{len(verdict.checks) - len(verdict.failed)} of {len(verdict.checks)} checks passed"
    forced = f"; forced: {cell(verdict.forced)}" if verdict.forced else ""
    return f"{count}; bundle `{verdict.bundle[:12]}`, data `{verdict.snapshot[:12]}`, {against}{forced}"


def _result(check: Check) -> str:
    if not check.passed:
        return "failed"
    return "passed" if check.tested else "not tested"
