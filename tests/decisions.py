"""Decisions of toy bundles, as export stores them."""

from typing import Any

from assay.serving.decision import Decision, DecisionEvidence


def a_decision(threshold: float | None = 0.8, **changes: Any) -> Decision:
    """Return a decision with a promised precision of 0.95."""
    evidence = DecisionEvidence(predictions=400, decided=300 if threshold is not None else 0, wrong=3, bound=0.97)
    values: dict[str, Any] = {
        "threshold": threshold,
        "promise": "precision of what is decided at least 0.95 with 0.95 confidence",
        "precision": 0.95,
        "confidence": 0.95,
        "evidence": evidence,
    }
    return Decision(**(values | changes))
