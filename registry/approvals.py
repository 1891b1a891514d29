"""Approval by a person: what was asked, until when, and the answer. One tag of the version holds it.

An answer is bound to the approval_key of a verdict: recipe, bundle, data, champion, and how every check came
out. What was measured on the way (a latency is another one each time) is not part of it.
"""

from datetime import UTC, datetime, timedelta
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field

from assay.corpus.errors import AssayError
from assay.evaluation.verdict import Verdict
from assay.recipes.recipe import Recipe
from assay.runs.tags import APPROVAL_TAG, FAILED_TAG, OUTCOME_TAG

# The record is one tag, and stands in the history beside two other texts: see `assay.registry.history`.
LONGEST_NAME, LONGEST_NOTES = 200, 1_000


class Approval(BaseModel):
    """What a person was asked, and the answer once there is one. Nobody answered in time: `expired`."""

    model_config = ConfigDict(frozen=True)

    approval_key: str = Field(description="What it is bound to, see `Verdict.approval_key`")
    verdict: str = Field(description="Digest of the verdict that was shown")
    asked: datetime
    expires: datetime
    run: str = Field(description="Key of the run that asked")
    state: Literal["pending", "approved", "refused", "expired"] = "pending"
    approver: str | None = Field(None, description="As declared; nobody checks it")
    notes: str = ""
    when: datetime | None = Field(None, description="Of the answer")

    @classmethod
    def ask(cls, verdict: Verdict, run_key: str, hours: float) -> Self:
        """A question that stands for so many hours."""
        now = datetime.now(UTC)
        expires = now + timedelta(hours=hours)
        return cls(approval_key=verdict.approval_key, verdict=verdict.digest, asked=now, expires=expires, run=run_key)

    @property
    def seconds_left(self) -> float:
        """Until the question expires."""
        return (self.expires - datetime.now(UTC)).total_seconds()

    @property
    def open(self) -> bool:
        """Whether it can still be answered."""
        return self.state == "pending" and self.seconds_left > 0

    def answered(self, approve: bool, approver: str, notes: str = "") -> Self:
        """The same with an answer. Whether it comes in time, the caller knows: Prefect watches its own forms.

        Raises:
            AssayError: nobody is named, or name or notes are too long.
        """
        approver, notes = approver.strip(), notes.strip()
        if not approver:
            raise AssayError("an answer needs the name of who gives it; say who approves or refuses (--approver)")
        for what, text, longest in (("name", approver, LONGEST_NAME), ("notes", notes, LONGEST_NOTES)):
            if len(text) > longest:
                raise AssayError(f"{what} of {len(text):,} characters; shorten it to {longest:,}")
        state = "approved" if approve else "refused"
        return self.model_copy(update={"state": state, "approver": approver, "notes": notes, "when": datetime.now(UTC)})

    def expire(self) -> Self:
        """The same, refused because nobody answered in time; an answer that was given stays."""
        return self.model_copy(update={"state": "expired"}) if self.state == "pending" else self

    def __str__(self) -> str:
        if self.state == "pending":
            return f"waits for approval until {self.expires:%Y-%m-%d %H:%M} UTC"
        if self.state == "expired":
            return f"refused: nobody answered until {self.expires:%Y-%m-%d %H:%M} UTC"
        return f"{self.state} by {self.approver}" + (f": {self.notes}" if self.notes else "")


def needs_approval(recipe: Recipe, verdict: Verdict) -> bool:
    """Whether a person must approve before this verdict may promote: a forced one, too, but no dry run."""
    return recipe.gate.approval == "required" and recipe.run_mode == "enabled" and verdict.allows


def approval_tags(approval: Approval, outcome: str) -> dict[str, str]:
    """What the version says, given the outcome of its verdict."""
    words = {"pending": "pending", "approved": outcome, "refused": "refused", "expired": "refused"}
    tags = {OUTCOME_TAG: words[approval.state], APPROVAL_TAG: approval.model_dump_json()}
    return {**tags, FAILED_TAG: "approval"} if approval.state in ("refused", "expired") else tags
