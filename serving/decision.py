"""Decisions: which predictions are sure enough, and which are left to a person.

A prediction whose confidence is below the threshold of its class or entity type stays the best guess, marked as
abstained. The thresholds are chosen at export, on validation rows (`assay.evaluation.decision_threshold`).
"""

from pydantic import BaseModel, ConfigDict, Field


class DecisionEvidence(BaseModel):
    """What the validation rows showed: predictions, how many are decided, how many of these are wrong, and the bound.

    `bound` is the precision that the decided predictions have at least, with the confidence of the promise. `required`
    is the number of predictions that would be needed where none is decided; None if no number would do.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    predictions: int = Field(ge=0)
    clusters: int | None = Field(None, description="None: the predictions are independent of each other")
    decided: int = Field(ge=0)
    wrong: int = Field(ge=0)
    bound: float | None = Field(None, ge=0, le=1)
    required: int | None = None


class Decision(BaseModel):
    """The thresholds of one head and the promise that they keep."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    threshold: float | None = Field(
        description="Smallest confidence of a decided prediction. None: no threshold keeps the promise, none is decided"
    )
    by_class: dict[str, float] = Field(default_factory=dict, description="Thresholds of classes that differ from it")
    promise: str = Field(description="The promise in words")
    precision: float | None = Field(None, description="The promised precision; None for costs")
    confidence: float = Field(description="Confidence of the promise")
    evidence: DecisionEvidence

    def abstains(self, label: str, confidence: float) -> bool:
        """Return whether a prediction of this class or entity type is left to a person."""
        return self.threshold is None or confidence < self.by_class.get(label, self.threshold)


Decisions = dict[str, Decision]  # by head
NO_DECISIONS: Decisions = {}
