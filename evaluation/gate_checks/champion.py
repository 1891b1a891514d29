"""Champion comparison: the candidate against the champion on the same test rows."""

from math import ceil
from statistics import NormalDist
from typing import Any

from assay.corpus.splits import SplitsManifest
from assay.evaluation.gate_checks.gate_context import ComparedVersion, GateContext
from assay.evaluation.gate_checks.phrases import percent
from assay.evaluation.labelled_predictions import outcomes_of, scored_names
from assay.evaluation.paired_test import Comparison, compare
from assay.evaluation.statistics import Outcomes
from assay.evaluation.verdict import Check
from assay.recipes.recipe import ChampionRule, Head
from assay.serving.bundle import BundleManifest

# Power at which a difference counts as detectable, see docs/gate.md.
POWER = 0.8
METRIC = "champion_f1"


def check_champion(context: GateContext[Any], head: Head) -> Check:
    """Check that the candidate is not worse than the champion, or better if the recipe requires it of this head."""
    rule = context.rules.champion
    improve = rule.improve and head == context.recipe.primary
    name = f"champion: {head}"
    required = f"a difference above {0 if improve else -rule.margin:g} with {percent(_confidence(context))} confidence"
    if context.last_champion is None:
        return Check(name=name, measured="no champion yet", required=required, passed=True, why="the first of its name")
    champion, note = context.opponent, why_gone(context)
    if champion is None:
        return _not_comparable(name, required, f"{note}, and no earlier champion is left", rule)
    if champion.bundle == context.bundle.digest:
        measured = f"version {champion.number} holds the same bundle"
        return Check(name=name, measured=measured, required=required, passed=True, why="it is the champion itself")
    obstacle = why_not_comparable(context, champion, head)
    if obstacle is not None:
        return _not_comparable(name, required, _join(note, obstacle), rule)
    check = _compare(context, head, improve, name, required)
    return check.model_copy(update={"why": _join(check.why, note)})


def why_gone(context: GateContext[Any]) -> str:
    """Describe the champion of the history that the registry no longer has; empty if there is a champion."""
    if context.champion is not None or context.last_champion is None:
        return ""
    note = f"the registry has no champion, but version {context.last_champion} was the last one"
    if context.former_champion is None:
        return note
    state = "lost its alias" if context.former_champion.number == context.last_champion else "is gone"
    return f"{note} and {state}; compared with version {context.former_champion.number}"


def _join(*parts: str) -> str:
    return "; ".join(part for part in parts if part)


def why_not_comparable(context: GateContext[Any], champion: ComparedVersion, head: Head) -> str | None:
    """Return why candidate and champion cannot be compared on the test rows; None if they can."""
    champion_manifest, candidate_manifest = context.champion_bundle.manifest, context.bundle.manifest
    if champion_manifest.pair != candidate_manifest.pair:
        return f"the champion reads {'pairs' if champion_manifest.pair else 'single texts'}"
    if _predictable(champion_manifest, head) != _predictable(candidate_manifest, head):
        return _describe_difference(_predictable(champion_manifest, head), _predictable(candidate_manifest, head))
    return _why_splits_unknown(champion, context.snapshot.digest, context.splits)


def _predictable(manifest: BundleManifest, head: Head) -> set[str]:
    """Return the classes, labels or entity types that a head can predict."""
    if head == "sentence":
        return set(manifest.labels)
    if head == "labels":
        return set(manifest.row_labels)
    return set(manifest.entity_types)


def _describe_difference(champion_labels: set[str], candidate_labels: set[str]) -> str:
    if not champion_labels:
        return "the champion has no such head"
    only = [f"{name!r} only in the candidate" for name in sorted(candidate_labels - champion_labels)]
    only += [f"{name!r} only in the champion" for name in sorted(champion_labels - candidate_labels)]
    return f"the label sets differ: {', '.join(only[:5])}"


def _why_splits_unknown(champion: ComparedVersion, snapshot: str, splits: SplitsManifest) -> str | None:
    """Return why the champion may have been trained on current test rows; None if it was not."""
    data = champion.data
    if (data.snapshot, data.splits) == (snapshot, splits.digest):
        return None  # the same rows in the same splits
    if splits.seen_in_training:
        return f"{splits.seen_in_training} test rows were training rows of an earlier run"
    if splits.ledger is None or data.ledger != splits.ledger:
        return "the champion's splits are not in this run's split ledger, so it may have been trained on the test rows"
    return None


def _not_comparable(name: str, required: str, obstacle: str, rule: ChampionRule) -> Check:
    allowed = rule.allow_not_comparable
    remedy = "the recipe allows that" if allowed else "set gate.champion.allow_not_comparable to pass anyway"
    return Check(
        name=name,
        measured="not comparable",
        required=required,
        passed=allowed,
        why=f"{obstacle}; {remedy}",
        tested=not allowed,
    )


def _compare(context: GateContext[Any], head: Head, improve: bool, name: str, required: str) -> Check:
    rule = context.rules.champion
    threshold = 0.0 if improve else -rule.margin
    confidence = _confidence(context)
    candidate, champion = _outcomes(context, head)
    result = compare(candidate, champion, threshold=threshold, confidence=confidence)
    passed = result.lower > threshold
    return Check(
        name=name,
        measured=f"{result.difference:+.3f}, at least {result.lower:+.3f} with {percent(confidence)} confidence "
        f"({candidate.f1():.3f} against {champion.f1():.3f} of version "
        f"{context.opponent.number if context.opponent else '?'}), "
        f"{candidate.count}{_correction_note(context)}",
        required=required,
        passed=passed,
        why=_why(result, candidate, passed, threshold, confidence) + _multiplicity_note(context, passed and improve),
        metrics={f"{METRIC}_{head}": champion.f1()},
    )


def _correction_note(context: GateContext[Any]) -> str:
    """Describe corrected labels among the test rows, which count for both models."""
    count = context.corrected_rows.get("test", 0)
    return f", {count:,} of them with labels that people have corrected, for both" if count else ""


def _confidence(context: GateContext[Any]) -> float:
    """Return the confidence that a challenger needs: that of the recipe, or a corrected one.

    With correction, the error probability of the k-th challenger on the same test rows is (1 - confidence) /
    (k (k + 1)). These add up to 1 - confidence for any number of challengers (alpha spending, as in Foster & Stine
    2008).
    """
    rule = context.rules.champion
    if rule.multiplicity == "report":
        return rule.confidence
    count = context.challengers_before + 1
    return 1 - (1 - rule.confidence) / (count * (count + 1))


def _outcomes(context: GateContext[Any], head: Head) -> tuple[Outcomes, Outcomes]:
    """Return the outcomes of candidate and champion on the same rows."""
    candidate, champion = context.evaluation.rows, context.champion_predictions
    names = scored_names(head, candidate, champion)
    return outcomes_of(candidate, head, names), outcomes_of(champion, head, names)


def _why(result: Comparison, outcomes: Outcomes, passed: bool, threshold: float, confidence: float) -> str:
    if passed:
        return "better than the champion" if result.lower > 0 else "not worse than the champion"
    doubt = "may be worse by more than the margin" if threshold < 0 else "not shown to be better"
    detectable = f"smallest detectable difference {_detectable(result, confidence):.3f}"
    return f"{doubt} (p {result.p_value:.3f}); {detectable}{_rows_needed(result, outcomes, threshold, confidence)}"


def _rows_needed(result: Comparison, outcomes: Outcomes, threshold: float, confidence: float) -> str:
    """Describe how many rows an equal challenger needs to show the margin; empty if these rows are enough."""
    margin = -threshold
    width = result.difference - result.lower
    if margin <= 0 or width <= margin:
        return ""
    # The bound falls with the number of rows for identical models, and with its root for others.
    shrink = width / margin if result.identical else (_detectable(result, confidence) / margin) ** 2
    unit = "rows" if outcomes.clusters is None else "clusters"
    needed = ceil(float(f"{outcomes.size * shrink:.2g}"))
    return f"; {outcomes.count} cannot show a margin of {margin:g}: about {needed:,} {unit} are needed"


def _multiplicity_note(context: GateContext[Any], better: bool) -> str:
    """Describe the multiplicity: with more challengers, one of them is more likely to be better by chance."""
    if not better or not context.challengers_before:
        return ""
    count = context.challengers_before + 1
    if context.rules.champion.multiplicity == "corrected":
        return f"; challenger {count} tested on these rows, for which the confidence is corrected"
    return f"; challenger {count} tested on these rows, without a correction for multiplicity"


def _detectable(result: Comparison, confidence: float) -> float:
    """Return the smallest true difference beyond the threshold that such rows show with probability `POWER`.

    The bound lies z(confidence) standard errors below the difference; z(POWER) more are needed.
    """
    normal = NormalDist()
    return (result.difference - result.lower) * (1 + normal.inv_cdf(POWER) / normal.inv_cdf(confidence))
