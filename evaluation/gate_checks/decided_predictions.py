"""Gate checks of the decision: whether its promise holds on test rows, and how much is left to people."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from assay.corpus.errors import AssayError
from assay.corpus.example import Head
from assay.evaluation.coverage import precision_of
from assay.evaluation.decision_fit import cost_losses, losses_of, promise_of
from assay.evaluation.gate_checks.champion import why_not_comparable
from assay.evaluation.gate_checks.gate_context import GateContext
from assay.evaluation.gate_checks.phrases import no_prediction, percent
from assay.evaluation.loss_bound import LossCount
from assay.evaluation.scored_predictions import ScoredPredictions, scored_predictions
from assay.evaluation.share_interval import share_of
from assay.evaluation.statistics import Bools, sample_size
from assay.evaluation.verdict import Check
from assay.recipes.decision_section import CostTable, DecisionRule
from assay.serving.bundle import Precision
from assay.serving.decision import Decision

# With fewer decided test rows, a broken promise would go unnoticed.
LEAST = 20
METRIC = "champion_precision_decided"


def check_decision(context: GateContext[Any], head: Head) -> Check:
    """Check that the test rows do not contradict the promise of a decision, and that anything is decided.

    The promise was shown on validation rows; it is refused where the test rows show, with the same confidence, that it
    is broken. A bundle that decides nothing is refused in any case.
    """
    rule, name = context.recipe.decision[head], f"decision: {head}"
    decisions = _decisions(context, head, rule)
    undecided = next((decision for decision in decisions.values() if decision.threshold is None), None)
    if undecided is not None:
        return Check(
            name=name,
            measured="no threshold keeps the promise on validation rows: every prediction is left to a person",
            required=undecided.promise,
            passed=False,
            why=_why_undecided(undecided, rule),
        )
    decision = decisions[context.evaluation.precision]
    predictions = scored_predictions(context.evaluation.rows, head)
    decided = predictions.decided_by(decision)
    measured = f"{_measured(predictions, decided, rule)}; {_on_validation(decision)}"
    metrics: dict[str, float] = {}
    if not decided.any() and len(predictions) >= LEAST:
        why = (
            "every test prediction is left to a person; check that validation and test rows are of one kind, or lower "
            "the promise"
        )
        return Check(name=name, measured=measured, required=decision.promise, passed=False, why=why)
    if decided.sum() < LEAST:
        allowed = context.rules.allow_untested
        remedy = "the recipe allows that" if allowed else "add test rows, or set gate.allow_untested"
        few = (
            f"{int(decided.sum())} decided test predictions are too few to test the promise, {LEAST} would do; {remedy}"
        )
        why = few if len(predictions) else no_prediction(context.evaluation.rows, head)
        return Check(name=name, measured=measured, required=decision.promise, passed=allowed, why=why, tested=False)
    if (champion := _champion_at(context, head, float(decided.mean()))) is not None:
        measured += f"; {champion[1]}"
        metrics = {f"{METRIC}_{head}": champion[0]}
    passed, why = _conclude(predictions, decided, rule)
    return Check(name=name, measured=measured, required=decision.promise, passed=passed, why=why, metrics=metrics)


def check_abstained(context: GateContext[Any], head: Head) -> Check:
    """Check that no more predictions on test rows are left to a person than the recipe allows."""
    limit, rule = context.rules.max_abstain[head], context.recipe.decision[head]
    decision = _decisions(context, head, rule)[context.evaluation.precision]
    predictions = scored_predictions(context.evaluation.rows, head)
    name, required = f"abstained: {head}", f"at most {percent(limit)} left to a person (gate.max_abstain.{head})"
    if not len(predictions):
        why = no_prediction(context.evaluation.rows, head)
        return Check(name=name, measured="no metric", required=required, passed=False, why=why)
    abstained = share_of(~predictions.decided_by(decision), predictions.clusters).interval
    passed = abstained.value <= limit
    remedy = "a lower promise, more validation rows or a better model leaves less to people"
    return Check(
        name=name,
        measured=f"{abstained} left to a person",
        required=required,
        passed=passed,
        why="people can look at what is left" if passed else remedy,
    )


def _decisions(context: GateContext[Any], head: Head, rule: DecisionRule) -> Mapping[Precision, Decision]:
    """Return the decision of a head in each precision that ships.

    Raises:
        AssayError: the bundle does not hold the decision of the recipe.
    """
    manifest = context.bundle.manifest
    held = {precision: decisions[head] for precision, decisions in manifest.decisions.items() if head in decisions}
    shipped = manifest.shipped_precisions
    if any(precision not in held or held[precision].promise != promise_of(rule) for precision in shipped):
        raise AssayError(f"the bundle does not hold decision.{head} of the recipe; run with --from export")
    return held


def _why_undecided(decision: Decision, rule: DecisionRule) -> str:
    evidence = decision.evidence
    sample = sample_size(evidence.predictions, evidence.clusters).replace("rows", "validation predictions")
    if evidence.required is None:
        easier = "lower the promise" if rule.precision is not None else "raise the cost of people"
        return f"{sample}: even the most confident ones are wrong too often; {easier}, or improve the model"
    return f"{sample} are too few: about {evidence.required:,} like these are needed; add validation rows"


def _measured(predictions: ScoredPredictions, decided: Bools, rule: DecisionRule) -> str:
    if not decided.any():
        return f"none of {len(predictions):,} predictions is decided"
    coverage = share_of(decided, predictions.clusters).interval
    clusters = predictions.clusters_of(decided)
    sample = sample_size(int(decided.sum()), None if clusters is None else len(np.unique(clusters)))
    precision = f"precision of what is decided {precision_of(predictions, decided)}"
    cost = "" if rule.costs is None else f"{_cost(predictions, decided, rule.costs)}; "
    return f"{cost}{precision}; {coverage.value:.1%} decided, {sample.replace('rows', 'predictions', 1)}"


def _cost(predictions: ScoredPredictions, decided: Bools, costs: CostTable) -> str:
    paid = cost_losses(predictions, costs)[decided] * costs.largest
    total = (paid.sum() + costs.abstain * np.count_nonzero(~decided)) / len(predictions)
    return (
        f"a decided prediction costs {paid.mean():.3g} on average, one left to a person {costs.abstain:g}; "
        f"{total:.3g} over all"
    )


def _on_validation(decision: Decision) -> str:
    evidence = decision.evidence
    bound = f", at least {evidence.bound:.3f} with {percent(decision.confidence)} confidence" if evidence.bound else ""
    right = 1 - evidence.wrong / evidence.decided if evidence.decided else 0.0
    return f"on validation rows {right:.3f}{bound}"


def _conclude(predictions: ScoredPredictions, decided: Bools, rule: DecisionRule) -> tuple[bool, str]:
    """Return whether the promise stands on the decided test predictions, and why."""
    count = LossCount.of(losses_of(predictions, rule)[decided], predictions.clusters_of(decided))
    limit, error = rule.limit, 1 - rule.confidence
    if count.p_value_below(limit) <= error:
        return False, (
            "the test rows show that the promise is broken; validation rows of another time or source than the test "
            "rows, or a model chosen on few of them, promise too much"
        )
    if count.p_value(limit) <= error:
        return True, "shown on validation rows, and again on test rows"
    return True, "shown on validation rows; the test rows do not contradict it, and are too few to show it again"


def _champion_at(context: GateContext[Any], head: Head, coverage: float) -> tuple[float, str] | None:
    """Return the precision of the champion's most confident predictions at the same coverage, and that in words."""
    champion = context.opponent
    if champion is None or champion.bundle == context.bundle.digest or why_not_comparable(context, champion, head):
        return None
    predictions = scored_predictions(context.champion_predictions, head)
    size = round(coverage * len(predictions))
    if not size:
        return None
    members = np.zeros(len(predictions), dtype=np.bool_)
    members[np.argsort(-predictions.confidence, kind="stable")[:size]] = True
    precision = precision_of(predictions, members)
    return precision.value, f"version {champion.number} at equal coverage {precision}"
