"""Mitigate: let the training rows of slices that fall short count more, and say whether that has helped."""

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
from assay.tasks.score import ValidationScores


@task(name="mitigate", cache_policy=NO_CACHE)
def mitigate(
    run: Run,
    validation_scores: ArtifactRef[ValidationScores],
    snapshot: ArtifactRef[Snapshot],
    splits: ArtifactRef[Splits],
    former: ArtifactRef[SampleWeights] | None = None,
) -> ArtifactRef[SampleWeights]:
    """Weigh the training rows of every slice that falls short `factor` times as much as before.

    Args:
        run: with the recipe and its rule.
        validation_scores: which slices fall short on validation rows.
        snapshot: the data.
        splits: the sides.
        former: weights that this attempt builds on; none: all rows count alike.

    Returns:
        A folder with `SampleWeights`; they are empty where no training row belongs to those slices.
    """
    rule = run.recipe.retrigger.mitigation
    inputs = {
        "assessment": validation_scores.digest,
        "snapshot": snapshot.digest,
        "splits": splits.digest,
        "former": former.digest if former else None,
        "rule": rule.model_dump(mode="json", include={"method", "factor"}),
    }

    def make(folder: Path) -> None:
        rows = splits.load().rows(snapshot.load(), "train")
        before = former.load().weights if former else {}
        weigh(rows, validation_scores.load().failed, rule, before).save(folder)

    return run.once("mitigate", inputs, make).to(SampleWeights)


def weigh(
    rows: Sequence[Example], failed: Sequence[SliceFinding], rule: Mitigation, before: dict[str, float]
) -> SampleWeights:
    """The weights of an attempt. A row that belongs to several of the slices is raised once."""
    members = {finding.key.name: slice_members(rows, finding.key) for finding in failed}
    chosen = np.any([np.zeros(len(rows), dtype=np.bool_), *members.values()], axis=0)
    raised = {row.id: before.get(row.id, 1.0) * rule.factor for row, inside in zip(rows, chosen, strict=True) if inside}
    return SampleWeights(
        method=rule.method,
        slices={name: int(inside.sum()) for name, inside in members.items()},
        weights=before | raised if raised else {},
    )


def changes_of(weights: SampleWeights, before: ValidationScores, after: ValidationScores) -> list[SliceChange]:
    """What became of the slices that fell short before."""
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
    """Whether a mitigation is kept, and what decided it.

    The whole F1 of no head may fall by more than `max_drop` or to below the gate's threshold; the slices that fell
    short must be served better on the mean, and no more of them than before may fall short.
    """
    drops = {head: value - after.f1.get(head, 0.0) for head, value in before.f1.items()}
    for head, drop in drops.items():
        if drop > rule.max_drop:
            return False, f"F1 of {head} falls by {drop:.3f}, more than retrigger.mitigation.max_drop {rule.max_drop:g}"
    if lost := after.below(gate).keys() - before.below(gate).keys():
        return False, f"F1 of {min(lost)} falls below gate.min_f1"
    gain = float(np.mean([change.after - change.before for change in changes]))
    if gain <= 0:
        return False, f"F1 of the slices that fell short changes by {gain:+.3f} on the mean"
    if len(after.failed) > len(before.failed):
        return False, f"{len(after.failed)} slices fall short, {len(before.failed)} did before"
    left = f"{len(after.failed)} of {len(before.failed)} still fall short" if after.failed else "none falls short now"
    return True, f"F1 of the slices that fell short rises by {gain:.3f} on the mean; {left}"


def _f1(finding: SliceFinding) -> float:
    return finding.f1.value if finding.f1 else 0.0
