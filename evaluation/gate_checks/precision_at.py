"""Check of the precision of the most confident predictions."""

from typing import Any

from assay.evaluation.confident_predictions import largest_coverage, precision_at_coverage
from assay.evaluation.gate_checks.gate_context import GateContext
from assay.evaluation.gate_checks.metric_names import metric_name
from assay.evaluation.gate_checks.phrases import COUNTED, no_prediction, percent, reaches
from assay.evaluation.scored_predictions import scored_predictions
from assay.evaluation.verdict import Check
from assay.recipes.recipe import Head

METRIC = "precision_at_coverage"


def check_precision_at(context: GateContext[Any], head: Head) -> Check:
    """Check that the most confident predictions on the test rows are right as often as the recipe requires.

    Without a prediction, the check fails.
    """
    rule = context.rules.min_precision_at[head]
    title = f"precision at {percent(rule.coverage)}: {head}"
    required = (
        f"a precision of at least {rule.precision:g} of the {percent(rule.coverage)} most confident predictions "
        f"(gate.min_precision_at.{head})"
    )
    predictions = scored_predictions(context.evaluation.rows, head)
    if not len(predictions):
        why = no_prediction(context.evaluation.rows, head)
        return Check(name=title, measured="not tested: no prediction", required=required, passed=False, why=why)
    measured = precision_at_coverage(predictions, rule.coverage)
    share = measured.share
    passed = share.value >= rule.precision
    if passed:
        why = reaches(share.interval, rule.precision, "test rows")
    else:
        reached = largest_coverage(predictions, rule.precision)
        where = f"it is reached at {reached:.0%} coverage" if reached else "no coverage reaches it"
        why = f"below gate.min_precision_at.{head}.precision by {rule.precision - share.value:.3f}; {where}"
    return Check(
        name=title,
        measured=f"{share.interval}, {share.count(COUNTED[head])} with a confidence of at least "
        f"{measured.confidence:.3f} ({share.cases / len(predictions):.0%} of all)",
        required=required,
        passed=passed,
        why=why,
        metrics={
            metric_name(head, METRIC): share.value,
            metric_name(head, METRIC, "low"): share.interval.low,
            metric_name(head, METRIC, "high"): share.interval.high,
            metric_name(head, "confidence_at_coverage"): measured.confidence,
        },
    )
