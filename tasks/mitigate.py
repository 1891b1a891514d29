"""The mitigation step: reweight the training rows of slices below the threshold, and decide whether it helped."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from prefect import task
from prefect.cache_policies import NO_CACHE

from assay.corpus.example import Example
from assay.corpus.snapshot import Snapshot
from assay.corpus.splits import Splits
from assay.corpus.storage.artifact_ref import ArtifactRef
from assay.evaluation.attempts import SliceChange
from assay.evaluation.slice_checks import SliceFinding
from assay.evaluation.slice_membership import slice_members
from assay.models.sample_weights import SampleWeights
from assay.recipes.recipe import Gate, Mitigation
from assay.runs.run import Run
from assay.runs.step_progress import reported
from assay.tasks.score import ValidationScores


@task(name="mitigate", cache_policy=NO_CACHE)
@reported("mitigate")
def mitigate(
    run: Run,
    validation_scores: ArtifactRef[ValidationScores],
    snapshot: ArtifactRef[Snapshot],
    splits: ArtifactRef[Splits],
    previous: ArtifactRef[SampleWeights] | None = None,
) -> ArtifactRef[SampleWeights]:
    """Multiply the weight of the training rows of every slice below the threshold by `factor`.

    Args:
        run: the run; its recipe holds the mitigation rule.
        validation_scores: scores of the slices on validation rows.
        snapshot: result of the extraction.
        splits: result of the split.
        previous: sample weights that this attempt builds on. None: all rows have the same weight.

    Returns:
        A folder with `SampleWeights`, empty if no training row belongs to these slices.
    """
    rule = run.recipe.retrigger.mitigation
    inputs = {
        "validation_scores": validation_scores.digest,
        "snapshot": snapshot.digest,
        "splits": splits.digest,
        "previous": previous.digest if previous else None,
        "rule": rule.model_dump(mode="json", include={"method", "factor"}),
    }

    def make(folder: Path) -> None:
        rows = splits.load().rows(snapshot.load(), "train")
        before = previous.load().weights if previous else {}
        reweight(rows, validation_scores.load().failed, rule, before).save(folder)

    return run.once("mitigate", inputs, make).to(SampleWeights)


def reweight(
    rows: Sequence[Example], failed: Sequence[SliceFinding], rule: Mitigation, before: dict[str, float]
) -> SampleWeights:
    """Return the sample weights of an attempt. The weight of a row in several of the slices is raised only once."""
    members = {finding.key.name: slice_members(rows, finding.key) for finding in failed}
    selected = np.any([np.zeros(len(rows), dtype=np.bool_), *members.values()], axis=0)
    raised = {
        row.id: before.get(row.id, 1.0) * rule.factor for row, inside in zip(rows, selected, strict=True) if inside
    }
    return SampleWeights(
        method=rule.method,
        slices={name: int(inside.sum()) for name, inside in members.items()},
        weights=before | raised if raised else {},
    )


def changes_of(weights: SampleWeights, before: ValidationScores, after: ValidationScores) -> list[SliceChange]:
    """Return the change in F1 of the slices that were below the threshold before."""
    later = {(finding.head, finding.key): finding for finding in after.slices}
    return [
        SliceChange(
            head=finding.head,
            name=finding.key.name,
            training_rows=weights.slices.get(finding.key.name, 0),
            before=_f1(finding),
            after=_f1(later[finding.head, finding.key]),
        )
        for finding in before.failed
    ]


def accept_mitigation(
    rule: Mitigation, gate: Gate, before: ValidationScores, after: ValidationScores, changes: Sequence[SliceChange]
) -> tuple[bool, str]:
    """Decide whether to accept a mitigation.

    The overall F1 of a head must not drop by more than `max_drop`, nor below the gate's threshold. The mean F1 of the
    slices that were below the threshold must rise, and their number must not.

    Returns:
        Whether the mitigation is accepted, and the reason.
    """
    drops = {head: value - after.f1.get(head, 0.0) for head, value in before.f1.items()}
    for head, drop in drops.items():
        if drop > rule.max_drop:
            return False, f"F1 of {head} drops by {drop:.3f}, more than retrigger.mitigation.max_drop {rule.max_drop:g}"
    if lost := after.below(gate).keys() - before.below(gate).keys():
        return False, f"F1 of {min(lost)} drops below gate.min_f1"
    gain = float(np.mean([change.after - change.before for change in changes]))
    if gain <= 0:
        return False, f"mean F1 of the slices below the threshold changes by {gain:+.3f}"
    if len(after.failed) > len(before.failed):
        return False, f"{len(after.failed)} slices are below the threshold, {len(before.failed)} were before"
    rest = f"{len(after.failed)} of {len(before.failed)} remain" if after.failed else "none remains"
    return True, f"mean F1 of the slices below the threshold rises by {gain:.3f}; {rest}"


def _f1(finding: SliceFinding) -> float:
    return finding.f1.value if finding.f1 else 0.0
