"""Choose the decision thresholds of a head on validation rows."""

import numpy as np

from assay.evaluation.decision_threshold import ROUNDING, ChosenThreshold, choose_threshold, precision_threshold
from assay.evaluation.loss_bound import LossCount
from assay.evaluation.scored_predictions import ScoredPredictions
from assay.evaluation.statistics import Floats
from assay.recipes.decision_section import CostTable, DecisionRule
from assay.serving.decision import Decision, DecisionEvidence


def fit_decision(predictions: ScoredPredictions, rule: DecisionRule) -> Decision:
    """Choose the thresholds of one head."""
    costs = rule.costs
    if costs is None:
        assert rule.precision is not None  # noqa: S101  # narrows the type: the rule has one of them
        chosen = precision_threshold(
            predictions.confidence, predictions.right, rule.precision, rule.confidence, predictions.clusters
        )
        thresholds: dict[str, float] = {}
    else:
        chosen = _by_cost(predictions, costs, rule.confidence)
        thresholds = _by_class(chosen, costs)
    threshold = chosen.threshold if costs is None or chosen.threshold is None else _of_cost(chosen, costs, costs.wrong)
    decision = Decision(
        threshold=threshold,
        by_class=thresholds,
        promise=promise_of(rule),
        precision=rule.precision,
        confidence=rule.confidence,
        evidence=DecisionEvidence(predictions=len(predictions), decided=0, wrong=0, required=chosen.required),
    )
    return decision.model_copy(update={"evidence": _evidence(predictions, decision)})


def promise_of(rule: DecisionRule) -> str:
    """Return the promise of a rule in words."""
    if rule.costs is None:
        return f"precision of what is decided at least {rule.precision:g} with {rule.confidence:.4g} confidence"
    return (
        f"a decided prediction costs less than one left to a person ({_costs_in_words(rule.costs)}), "
        f"with {rule.confidence:.4g} confidence"
    )


def _costs_in_words(costs: CostTable) -> str:
    by_class = "".join(f", wrong {label} {cost:g}" for label, cost in sorted(costs.wrong_by_class.items()))
    return f"wrong {costs.wrong:g}{by_class}, person {costs.abstain:g}"


def losses_of(predictions: ScoredPredictions, rule: DecisionRule) -> Floats:
    """Return the loss of deciding each prediction, from 0 to 1: an error, or its cost over the largest cost."""
    if rule.costs is not None:
        return cost_losses(predictions, rule.costs)
    return (~predictions.right).astype(np.float64)


def cost_losses(predictions: ScoredPredictions, costs: CostTable) -> Floats:
    """Return the cost of deciding each prediction, from 0 (right) to 1 (wrong, at the largest cost)."""
    wrong = np.array([costs.of(label) for label in predictions.labels], dtype=np.float64)
    losses: Floats = wrong * ~predictions.right / costs.largest
    return losses


def _by_cost(predictions: ScoredPredictions, costs: CostTable, level: float) -> ChosenThreshold:
    """Choose the threshold on the expected cost of deciding: the lower it is, the safer the prediction (Chow 1970)."""
    wrong = np.array([costs.of(label) for label in predictions.labels], dtype=np.float64)
    safety = 1 - (1 - predictions.confidence) * wrong / costs.largest
    return choose_threshold(
        safety,
        cost_losses(predictions, costs),
        costs.abstain / costs.largest,
        level,
        predictions.clusters,
        cheapest=True,
        rounding=ROUNDING * costs.smallest / costs.largest,
    )


def _of_cost(chosen: ChosenThreshold, costs: CostTable, wrong: float) -> float:
    """Return the confidence at which a prediction whose error costs `wrong` is as safe as the threshold."""
    assert chosen.threshold is not None  # noqa: S101  # narrows the type
    return max(0.0, 1 - (1 - chosen.threshold) * costs.largest / wrong)


def _by_class(chosen: ChosenThreshold, costs: CostTable) -> dict[str, float]:
    if chosen.threshold is None:
        return {}
    return {label: _of_cost(chosen, costs, wrong) for label, wrong in costs.wrong_by_class.items()}


def _evidence(predictions: ScoredPredictions, decision: Decision) -> DecisionEvidence:
    decided = predictions.decided_by(decision)
    wrong = ~predictions.right[decided]
    clusters = predictions.clusters
    count = LossCount.of(wrong.astype(np.float64), predictions.clusters_of(decided))
    return DecisionEvidence(
        predictions=len(predictions),
        clusters=None if clusters is None else int(clusters.max(initial=-1)) + 1,
        decided=int(decided.sum()),
        wrong=int(wrong.sum()),
        bound=1 - count.upper(decision.confidence) if decided.any() else None,
        required=decision.evidence.required,
    )
