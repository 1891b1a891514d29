"""Approval by a person: the request, its deadline, and the decision. One tag of the version holds it.

A decision is bound to the approval key of a verdict: recipe, bundle, data, champion, and the outcome of every check.
Measured values are not part of it, since a latency differs each time.
"""

from datetime import UTC, datetime, timedelta
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field

from assay.corpus.errors import AssayError
from assay.evaluation.verdict import Verdict
from assay.recipes.recipe import Recipe
from assay.runs.tags import APPROVAL_TAG, FAILED_TAG, OUTCOME_TAG

# The record is one tag, and part of the history beside two other texts: see `assay.registry.history`.
LONGEST_NAME, LONGEST_NOTES = 200, 1_000


class Approval(BaseModel):
    """The request for an approval, with the decision once there is one. `expired`: nobody decided in time."""

    model_config = ConfigDict(frozen=True)

    approval_key: str = Field(description="Key of the verdict it is bound to, see `Verdict.approval_key`")
    verdict: str = Field(description="Digest of the verdict that was shown")
    asked: datetime
    expires: datetime
    run: str = Field(description="Key of the run that asked")
    state: Literal["pending", "approved", "refused", "expired"] = "pending"
    approver: str | None = Field(None, description="Name as declared, without a check")
    notes: str = ""
    when: datetime | None = Field(None, description="Time of the decision")

    @classmethod
    def ask(cls, verdict: Verdict, run_key: str, hours: float) -> Self:
        """Request an approval within so many hours."""
        now = datetime.now(UTC)
        expires = now + timedelta(hours=hours)
        return cls(approval_key=verdict.approval_key, verdict=verdict.digest, asked=now, expires=expires, run=run_key)

    @property
    def seconds_left(self) -> float:
        """Seconds until the request expires."""
        return (self.expires - datetime.now(UTC)).total_seconds()

    @property
    def open(self) -> bool:
        """Whether a decision is still possible."""
        return self.state == "pending" and self.seconds_left > 0

    def decide(self, approve: bool, approver: str, notes: str = "") -> Self:
        """Return the approval with a decision. The caller checks the deadline: Prefect watches that of its own forms.

        Raises:
            AssayError: no person is named, or name or notes are too long.
        """
        approver, notes = approver.strip(), notes.strip()
        if not approver:
            raise AssayError("a decision needs the name of a person; say who approves or refuses (--approver)")
        for what, text, longest in (("name", approver, LONGEST_NAME), ("notes", notes, LONGEST_NOTES)):
            if len(text) > longest:
                raise AssayError(f"{what} of {len(text):,} characters; shorten it to {longest:,}")
        state = "approved" if approve else "refused"
        return self.model_copy(update={"state": state, "approver": approver, "notes": notes, "when": datetime.now(UTC)})

    def expire(self) -> Self:
        """Return the approval as expired, unless a decision was made."""
        return self.model_copy(update={"state": "expired"}) if self.state == "pending" else self

    def __str__(self) -> str:
        if self.state == "pending":
            return f"waits for approval until {self.expires:%Y-%m-%d %H:%M} UTC"
        if self.state == "expired":
            return f"refused: nobody decided until {self.expires:%Y-%m-%d %H:%M} UTC"
        return f"{self.state} by {self.approver}" + (f": {self.notes}" if self.notes else "")


def needs_approval(recipe: Recipe, verdict: Verdict) -> bool:
    """Return whether a person must approve before this verdict may promote: also a forced one, but no dry run."""
    return recipe.gate.approval == "required" and recipe.run_mode == "enabled" and verdict.allows


def approval_tags(approval: Approval, outcome: str) -> dict[str, str]:
    """Return the tags of a version, given the outcome of its verdict."""
    outcomes = {"pending": "pending", "approved": outcome, "refused": "refused", "expired": "refused"}
    tags = {OUTCOME_TAG: outcomes[approval.state], APPROVAL_TAG: approval.model_dump_json()}
    return {**tags, FAILED_TAG: "approval"} if approval.state in ("refused", "expired") else tags
