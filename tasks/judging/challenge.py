"""The candidate against the champion, on the same test rows."""

from math import ceil
from statistics import NormalDist

from corpus.splits import SplitsManifest
from recipes.recipe import ChampionRule, Head
from serving.bundle import BundleManifest
from tasks.judging.case import Case
from tasks.judging.words import percent
from tasks.scoring.answers import classes_of, outcomes_of
from tasks.scoring.paired import Comparison, compare
from tasks.scoring.statistics import Outcomes
from tasks.verdict import Check
from tasks.versions.store import Version
from tasks.versions.tags import SNAPSHOT_TAG, SPLITS_TAG

# What the reason of a refusal calls a difference that can be told, see docs/gate.md.
POWER = 0.8


def check_champion(case: Case, head: Head) -> Check:
    """The candidate is not worse than the champion; better, where the recipe asks that of this head."""
    rule = case.rules.champion
    improve = rule.improve and head == case.run.recipe.primary
    name = f"champion: {head}"
    required = f"a difference above {0 if improve else -rule.margin:g} with {percent(_confidence(case))} confidence"
    if case.last_champion is None:
        return Check(name=name, measured="no champion yet", required=required, passed=True, why="the first of its name")
    champion, gone = case.rival, why_gone(case)
    if champion is None:
        return _not_comparable(name, required, f"{gone}, and no earlier champion is left", rule)
    if champion.bundle == case.bundle.digest:
        measured = f"version {champion.number} holds the same bundle"
        return Check(name=name, measured=measured, required=required, passed=True, why="it is the champion itself")
    obstacle = why_not_comparable(case, champion, head)
    if obstacle is not None:
        return _not_comparable(name, required, _join(gone, obstacle), rule)
    check = _compare(case, head, improve, name, required)
    return check.model_copy(update={"why": _join(check.why, gone)})


def why_gone(case: Case) -> str:
    """Name the champion that the history knows and the registry no longer has; empty where the champion is there."""
    if case.champion is not None or case.last_champion is None:
        return ""
    gone = f"the registry has no champion, but version {case.last_champion} was it"
    if case.former is None:
        return gone
    state = "lost its alias" if case.former.number == case.last_champion else "is gone"
    return f"{gone} and {state}; compared with version {case.former.number}"


def _join(*parts: str) -> str:
    return "; ".join(part for part in parts if part)


def why_not_comparable(case: Case, champion: Version, head: Head) -> str | None:
    """Why F1 of the two cannot be compared on the test rows; None where it can."""
    theirs, ours = case.champion_bundle.manifest, case.bundle.manifest
    if theirs.pair != ours.pair:
        return f"the champion reads {'pairs' if theirs.pair else 'single texts'}"
    if _answers_of(theirs, head) != _answers_of(ours, head):
        return _describe_difference(_answers_of(theirs, head), _answers_of(ours, head))
    return _why_sides_unknown(champion, case.snapshot.digest, case.splits)


def _answers_of(manifest: BundleManifest, head: Head) -> set[str]:
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


def _why_sides_unknown(champion: Version, snapshot: str, splits: SplitsManifest) -> str | None:
    """Why the champion may have trained on rows that are test rows now."""
    tags = champion.tags
    if (tags.get(SNAPSHOT_TAG), tags.get(SPLITS_TAG)) == (snapshot, splits.digest):
        return None  # the very same rows on the very same sides
    if splits.seen_in_training:
        return f"{splits.seen_in_training} test rows were training rows of an earlier run"
    if splits.ledger is None or tags.get("assay.ledger") != splits.ledger:
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
        judged=not allowed,
    )


def _compare(case: Case, head: Head, improve: bool, name: str, required: str) -> Check:
    rule = case.rules.champion
    threshold = 0.0 if improve else -rule.margin
    confidence = _confidence(case)
    ours, theirs = _outcomes(case, head)
    result = compare(ours, theirs, threshold=threshold, confidence=confidence)
    passed = result.lower > threshold
    return Check(
        name=name,
        measured=f"{result.difference:+.3f}, at least {result.lower:+.3f} with {percent(confidence)} confidence "
        f"({ours.f1():.3f} against {theirs.f1():.3f} of version {case.rival.number if case.rival else '?'}), "
        f"{ours.count}",
        required=required,
        passed=passed,
        why=_why(result, ours, passed, threshold, confidence) + _other_chances(case, passed and improve),
    )


def _confidence(case: Case) -> float:
    """What a challenger needs, the recipe's confidence or a corrected one.

    Corrected, the k-th challenger on the same test rows may err with (1 - confidence) / (k (k + 1)). These shares
    add up to 1 - confidence, however many follow (alpha spending, as in Foster & Stine 2008).
    """
    rule = case.rules.champion
    if rule.many_challengers == "told":
        return rule.confidence
    count = case.challengers_before + 1
    return 1 - (1 - rule.confidence) / (count * (count + 1))


def _outcomes(case: Case, head: Head) -> tuple[Outcomes, Outcomes]:
    """Outcomes of candidate and champion, row by row."""
    ours, theirs = case.evaluation.rows, case.champion_answers
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


def _other_chances(case: Case, better: bool) -> str:
    """The more challengers, the likelier that one of them is better by luck on just these rows."""
    if not better or not case.challengers_before:
        return ""
    count = case.challengers_before + 1
    if case.rules.champion.many_challengers == "corrected":
        return f"; challenger {count} judged on these rows, which the confidence allows for"
    return f"; challenger {count} judged on these rows, so luck had {count} chances"


def _detectable(result: Comparison, confidence: float) -> float:
    """The true difference beyond the threshold that is shown four times in five on such rows.

    The bound lies z(confidence) standard errors below the difference; z(POWER) more are needed.
    """
    normal = NormalDist()
    return (result.difference - result.lower) * (1 + normal.inv_cdf(POWER) / normal.inv_cdf(confidence))
