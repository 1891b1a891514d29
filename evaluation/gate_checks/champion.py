"""The candidate against the champion, on the same test rows."""

from math import ceil
from statistics import NormalDist
from typing import Any

from assay.corpus.splits import SplitsManifest
from assay.evaluation.gate_checks.gate_context import GateContext, RegisteredVersion
from assay.evaluation.gate_checks.phrases import percent
from assay.evaluation.labelled_predictions import classes_of, outcomes_of
from assay.evaluation.paired_test import Comparison, compare
from assay.evaluation.statistics import Outcomes
from assay.evaluation.verdict import Check
from assay.recipes.recipe import ChampionRule, Head
from assay.serving.bundle import BundleManifest

# What the reason of a refusal calls a difference that can be told, see docs/gate.md.
POWER = 0.8


def check_champion(context: GateContext[Any], head: Head) -> Check:
    """The candidate is not worse than the champion; better, where the recipe asks that of this head."""
    rule = context.rules.champion
    improve = rule.improve and head == context.recipe.primary
    name = f"champion: {head}"
    required = f"a difference above {0 if improve else -rule.margin:g} with {percent(_confidence(context))} confidence"
    if context.last_champion is None:
        return Check(name=name, measured="no champion yet", required=required, passed=True, why="the first of its name")
    champion, gone = context.rival, why_gone(context)
    if champion is None:
        return _not_comparable(name, required, f"{gone}, and no earlier champion is left", rule)
    if champion.bundle == context.bundle.digest:
        measured = f"version {champion.number} holds the same bundle"
        return Check(name=name, measured=measured, required=required, passed=True, why="it is the champion itself")
    obstacle = why_not_comparable(context, champion, head)
    if obstacle is not None:
        return _not_comparable(name, required, _join(gone, obstacle), rule)
    check = _compare(context, head, improve, name, required)
    return check.model_copy(update={"why": _join(check.why, gone)})


def why_gone(context: GateContext[Any]) -> str:
    """Name the champion that the history knows and the registry no longer has; empty where the champion is there."""
    if context.champion is not None or context.last_champion is None:
        return ""
    gone = f"the registry has no champion, but version {context.last_champion} was it"
    if context.former is None:
        return gone
    state = "lost its alias" if context.former.number == context.last_champion else "is gone"
    return f"{gone} and {state}; compared with version {context.former.number}"


def _join(*parts: str) -> str:
    return "; ".join(part for part in parts if part)


def why_not_comparable(context: GateContext[Any], champion: RegisteredVersion, head: Head) -> str | None:
    """Why F1 of the two cannot be compared on the test rows; None where it can."""
    theirs, ours = context.champion_bundle.manifest, context.bundle.manifest
    if theirs.pair != ours.pair:
        return f"the champion reads {'pairs' if theirs.pair else 'single texts'}"
    if _predictable(theirs, head) != _predictable(ours, head):
        return _describe_difference(_predictable(theirs, head), _predictable(ours, head))
    return _why_splits_unknown(champion, context.snapshot.digest, context.splits)


def _predictable(manifest: BundleManifest, head: Head) -> set[str]:
    """Classes, or entity types, that a head can answer."""
    if head == "sentence":
        return set(manifest.labels)
    return {tag.partition("-")[2] for tag in manifest.tags} - {""}


def _describe_difference(theirs: set[str], ours: set[str]) -> str:
    if not theirs:
        return "the champion has no such head"
    only = [f"{name!r} only the candidate" for name in sorted(ours - theirs)]
    only += [f"{name!r} only the champion" for name in sorted(theirs - ours)]
    return f"the label sets differ: {', '.join(only[:5])} knows"


def _why_splits_unknown(champion: RegisteredVersion, snapshot: str, splits: SplitsManifest) -> str | None:
    """Why the champion may have trained on rows that are test rows now."""
    data = champion.data
    if (data.snapshot, data.splits) == (snapshot, splits.digest):
        return None  # the very same rows on the very same sides
    if splits.seen_in_training:
        return f"{splits.seen_in_training} test rows were training rows of an earlier run"
    if splits.ledger is None or data.ledger != splits.ledger:
        return "the champion's sides are not in this run's ledger, so it may have trained on the test rows"
    return None


def _not_comparable(name: str, required: str, obstacle: str, rule: ChampionRule) -> Check:
    allowed = rule.allow_not_comparable
    remedy = "the recipe allows that" if allowed else "set gate.champion.allow_not_comparable to pass all the same"
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
    ours, theirs = _outcomes(context, head)
    result = compare(ours, theirs, threshold=threshold, confidence=confidence)
    passed = result.lower > threshold
    return Check(
        name=name,
        measured=f"{result.difference:+.3f}, at least {result.lower:+.3f} with {percent(confidence)} confidence "
        f"({ours.f1():.3f} against {theirs.f1():.3f} of version {context.rival.number if context.rival else '?'}), "
        f"{ours.count}",
        required=required,
        passed=passed,
        why=_why(result, ours, passed, threshold, confidence) + _other_chances(context, passed and improve),
    )


def _confidence(context: GateContext[Any]) -> float:
    """What a challenger needs, the recipe's confidence or a corrected one.

    Corrected, the k-th challenger on the same test rows may err with (1 - confidence) / (k (k + 1)). These shares
    add up to 1 - confidence, however many follow (alpha spending, as in Foster & Stine 2008).
    """
    rule = context.rules.champion
    if rule.multiplicity == "report":
        return rule.confidence
    count = context.challengers_before + 1
    return 1 - (1 - rule.confidence) / (count * (count + 1))


def _outcomes(context: GateContext[Any], head: Head) -> tuple[Outcomes, Outcomes]:
    """Outcomes of candidate and champion, row by row."""
    ours, theirs = context.evaluation.rows, context.champion_predictions
    classes = classes_of(ours, theirs)
    return outcomes_of(ours, head, classes), outcomes_of(theirs, head, classes)


def _why(result: Comparison, outcomes: Outcomes, passed: bool, threshold: float, confidence: float) -> str:
    if passed:
        return "better than the champion" if result.lower > 0 else "not worse than the champion"
    doubt = "may be worse by more than the margin" if threshold < 0 else "not shown to be better"
    detectable = f"these rows tell differences of {_detectable(result, confidence):.3f}"
    return f"{doubt} (p {result.p_value:.3f}); {detectable}{_rows_needed(result, outcomes, threshold, confidence)}"


def _rows_needed(result: Comparison, outcomes: Outcomes, threshold: float, confidence: float) -> str:
    """What it takes to show the margin for an equal challenger, where these rows are too few for that."""
    margin = -threshold
    reached = result.difference - result.lower
    if margin <= 0 or reached <= margin:
        return ""
    # The bound of models that never differ falls with the rows, that of others with their root.
    shrink = reached / margin if result.alike else (_detectable(result, confidence) / margin) ** 2
    unit = "rows" if outcomes.clusters is None else "clusters"
    needed = ceil(float(f"{outcomes.size * shrink:.2g}"))
    return f"; {outcomes.count} cannot show a margin of {margin:g}: about {needed:,} {unit} are needed"


def _other_chances(context: GateContext[Any], better: bool) -> str:
    """The more challengers, the likelier that one of them is better by luck on just these rows."""
    if not better or not context.challengers_before:
        return ""
    count = context.challengers_before + 1
    if context.rules.champion.multiplicity == "corrected":
        return f"; challenger {count} judged on these rows, which the confidence allows for"
    return f"; challenger {count} judged on these rows, so luck had {count} chances"


def _detectable(result: Comparison, confidence: float) -> float:
    """The true difference beyond the threshold that is shown four times in five on such rows.

    The bound lies z(confidence) standard errors below the difference; z(POWER) more are needed.
    """
    normal = NormalDist()
    return (result.difference - result.lower) * (1 + normal.inv_cdf(POWER) / normal.inv_cdf(confidence))
