"""Checks of slices: is the F1 of a slice significantly lower than that of all rows?"""

from collections.abc import Sequence

import numpy as np
from pydantic import BaseModel, ConfigDict

from assay.evaluation.labelled_predictions import LabelledPrediction, outcomes_of, rows_of
from assay.evaluation.slice_membership import OTHER, SliceKey
from assay.evaluation.slices import Slice, gap_p_value, slice_interval, slice_outcomes, slices_of
from assay.evaluation.statistics import REPLICAS, Interval, Outcomes, holm, sample_size
from assay.evaluation.verdict import Check
from assay.recipes.recipe import Head, SliceRule

# Even after Holm's correction, the smallest p-value of a bootstrap must be far below alpha.
REPLICAS_PER_TEST = 10


class SliceFinding(BaseModel):
    """F1 of one head on one slice, compared with all rows.

    `f1` is None if the slice has no gold labels, and `whole_f1` is 0 if no row has any. `p_value` belongs to the null
    hypothesis "the slice keeps at least `min_ratio` of the F1 of all rows", Holm-corrected over all tested slices; None
    if the slice is not tested. `clusters` is the number of clusters of the rows, None if each row is its own cluster.
    `short` is True if F1 is below the threshold, `failed` if the gap is also more than chance.
    """

    model_config = ConfigDict(frozen=True)

    head: Head
    key: SliceKey
    rows: int
    clusters: int | None = None
    share: float
    f1: Interval | None
    whole_f1: float
    p_value: float | None
    below_threshold: bool
    failed: bool

    @property
    def ratio(self) -> float | None:
        """Return the ratio of the F1 of the slice to the F1 of all rows."""
        return self.f1.value / self.whole_f1 if self.f1 and self.whole_f1 else None


def check_slices(predictions: Sequence[LabelledPrediction], rule: SliceRule, heads: Sequence[Head]) -> list[Check]:
    """Return one check per slice and head.

    A slice fails if it keeps less than `min_ratio` of the F1 of all rows and the gap is more than chance: the null
    hypothesis "the ratio is at least `min_ratio`" is rejected at `alpha`, Holm-corrected over all tested slices of all
    heads. Slices with less than `min_share` of the rows, without gold labels, or of one cluster only are reported and
    not tested.

    Raises:
        AssayError: an expression names a column that the rows do not have.
    """
    return [_check(finding, rule) for finding in find_slices(predictions, rule, heads)]


def find_slices(
    predictions: Sequence[LabelledPrediction], rule: SliceRule, heads: Sequence[Head]
) -> list[SliceFinding]:
    """Return the finding of every slice of the rule for each head, tested or not."""
    rows = {head: rows_of(predictions, head) for head in heads}
    whole = {head: float(np.nan_to_num(outcomes_of(rows[head], head).f1())) for head in heads}
    slices = [(head, slice_) for head in heads for slice_ in slices_of(rows[head], rule)]
    tested = [number for number, (head, slice_) in enumerate(slices) if _is_testable(slice_, rows[head], head, rule)]
    replicas = max(REPLICAS, int(REPLICAS_PER_TEST * len(tested) / rule.alpha))
    p_values = [
        gap_p_value(slice_, rows[head], head, rule.min_ratio, replicas)
        for head, slice_ in (slices[number] for number in tested)
    ]
    adjusted = dict(zip(tested, holm(p_values), strict=True))
    return [
        _finding(head, slice_, rows[head], whole[head], rule, adjusted.get(number))
        for number, (head, slice_) in enumerate(slices)
    ]


def _is_testable(slice_: Slice, rows: Sequence[LabelledPrediction], head: Head, rule: SliceRule) -> bool:
    if slice_.value == OTHER or not slice_.rows or slice_.share < rule.min_share:
        return False
    outcomes = slice_outcomes(slice_, rows, head)
    return bool(np.isfinite(outcomes.f1())) and not _of_one_cluster(outcomes)


def _of_one_cluster(outcomes: Outcomes) -> bool:
    return outcomes.clusters is not None and outcomes.informative < 2


def _finding(
    head: Head, slice_: Slice, rows: Sequence[LabelledPrediction], whole: float, rule: SliceRule, p_value: float | None
) -> SliceFinding:
    interval = slice_interval(slice_, rows, head)
    short = interval is not None and interval.value < rule.min_ratio * whole
    return SliceFinding(
        head=head,
        key=slice_.key,
        rows=slice_.rows,
        clusters=None if slice_.clusters == slice_.rows else slice_.clusters,
        share=slice_.share,
        f1=interval,
        whole_f1=whole,
        p_value=p_value,
        below_threshold=short,
        failed=short and p_value is not None and p_value < rule.alpha,
    )


def _check(finding: SliceFinding, rule: SliceRule) -> Check:
    size = f"{sample_size(finding.rows, finding.clusters)} ({finding.share:.0%})"
    ratio = "no ratio" if finding.ratio is None else f"{finding.ratio:.0%} of the whole set's {finding.whole_f1:.3f}"
    return Check(
        name=f"slice: {finding.key.name} ({finding.head})",
        measured=f"F1 {finding.f1}, {ratio}, {size}" if finding.f1 else f"no gold labels, {size}",
        required=f"at least {rule.min_ratio:.0%} of the whole set's F1, unless the gap may be chance",
        passed=not finding.failed,
        why=_why(finding, rule),
        tested=finding.p_value is not None,
    )


def _why(finding: SliceFinding, rule: SliceRule) -> str:
    p_value = finding.p_value
    if p_value is None and finding.key.value != OTHER and finding.rows and finding.share >= rule.min_share:
        has_labels = finding.f1 is not None
        return f"not tested: {'all its rows are one cluster' if has_labels else 'none of its rows has gold labels'}"
    if p_value is None:
        return f"not tested: less than {rule.min_share:.0%} of the rows, or several values together"
    if not finding.below_threshold:
        return "reaches the required share"
    chance = f"p {p_value:.3f} after Holm's correction, level {rule.alpha:g}"
    return f"below the threshold by more than chance ({chance})" if finding.failed else f"may be chance ({chance})"
