"""Whether some slice of the rows is served clearly worse than the whole."""

from collections.abc import Sequence

import numpy as np
from pydantic import BaseModel, ConfigDict

from assay.evaluation.labelled_predictions import LabelledPrediction, outcomes_of, rows_of
from assay.evaluation.slice_membership import OTHER, SliceKey
from assay.evaluation.slices import Slice, gap_p_value, slice_interval, slice_outcomes, slices_of
from assay.evaluation.statistics import REPLICAS, Interval, Outcomes, holm, sample_size
from assay.evaluation.verdict import Check
from assay.recipes.recipe import Head, SliceRule

# So that even after Holm's correction the smallest p-value of a bootstrap stays far below alpha.
REPLICAS_A_TEST = 10


class SliceFinding(BaseModel):
    """How one head serves one slice, beside all rows.

    `f1` is None where the slice holds nothing to find, `whole_f1` 0 where no row does. `p_value` is that of the null
    hypothesis "the slice keeps at least `min_ratio` of the whole F1", Holm-corrected over all judged slices; None where
    it is not tested. `clusters` is the number of clusters that the rows are in, None where each row is one of its own.
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
    short: bool
    failed: bool

    @property
    def ratio(self) -> float | None:
        """F1 of the slice as a share of the whole F1."""
        return self.f1.value / self.whole_f1 if self.f1 and self.whole_f1 else None


def check_slices(answers: Sequence[LabelledPrediction], rule: SliceRule, heads: Sequence[Head]) -> list[Check]:
    """One check for each slice and head.

    A slice fails when it keeps less than `min_ratio` of the whole set's F1 and the shortfall is more than
    chance: the null hypothesis "the ratio is at least `min_ratio`" is rejected at `alpha`, Holm-corrected over
    all judged slices of all heads. Slices with less than `min_share` of the rows, with nothing to find, or of one
    cluster only are reported and not tested.

    Raises:
        AssayError: an expression names a column that the rows do not have.
    """
    return [_check(finding, rule) for finding in find_slices(answers, rule, heads)]


def find_slices(answers: Sequence[LabelledPrediction], rule: SliceRule, heads: Sequence[Head]) -> list[SliceFinding]:
    """Every slice that the rule asks for, for each head, judged or not."""
    rows = {head: rows_of(answers, head) for head in heads}
    whole = {head: float(np.nan_to_num(outcomes_of(rows[head], head).f1())) for head in heads}
    slices = [(head, one) for head in heads for one in slices_of(rows[head], rule)]
    tested = [number for number, (head, one) in enumerate(slices) if _can_be_tested(one, rows[head], head, rule)]
    replicas = max(REPLICAS, int(REPLICAS_A_TEST * len(tested) / rule.alpha))
    p_values = [
        gap_p_value(one, rows[head], head, rule.min_ratio, replicas)
        for head, one in (slices[number] for number in tested)
    ]
    adjusted = dict(zip(tested, holm(p_values), strict=True))
    return [
        _finding(head, one, rows[head], whole[head], rule, adjusted.get(number))
        for number, (head, one) in enumerate(slices)
    ]


def _can_be_tested(one: Slice, rows: Sequence[LabelledPrediction], head: Head, rule: SliceRule) -> bool:
    if one.value == OTHER or not one.rows or one.share < rule.min_share:
        return False
    outcomes = slice_outcomes(one, rows, head)
    return bool(np.isfinite(outcomes.f1())) and not _of_one_cluster(outcomes)


def _of_one_cluster(outcomes: Outcomes) -> bool:
    return outcomes.clusters is not None and outcomes.informative < 2


def _finding(
    head: Head, one: Slice, rows: Sequence[LabelledPrediction], whole: float, rule: SliceRule, p_value: float | None
) -> SliceFinding:
    interval = slice_interval(one, rows, head)
    short = interval is not None and interval.value < rule.min_ratio * whole
    return SliceFinding(
        head=head,
        key=one.key,
        rows=one.rows,
        clusters=None if one.clusters == one.rows else one.clusters,
        share=one.share,
        f1=interval,
        whole_f1=whole,
        p_value=p_value,
        short=short,
        failed=short and p_value is not None and p_value < rule.alpha,
    )


def _check(finding: SliceFinding, rule: SliceRule) -> Check:
    size = f"{sample_size(finding.rows, finding.clusters)} ({finding.share:.0%})"
    ratio = "no ratio" if finding.ratio is None else f"{finding.ratio:.0%} of the whole set's {finding.whole_f1:.3f}"
    return Check(
        name=f"slice: {finding.key.name} ({finding.head})",
        measured=f"F1 {finding.f1}, {ratio}, {size}" if finding.f1 else f"nothing to find, {size}",
        required=f"at least {rule.min_ratio:.0%} of the whole set's F1, unless the shortfall may be chance",
        passed=not finding.failed,
        why=_why(finding, rule),
        tested=finding.p_value is not None,
    )


def _why(finding: SliceFinding, rule: SliceRule) -> str:
    p_value = finding.p_value
    if p_value is None and finding.key.value != OTHER and finding.rows and finding.share >= rule.min_share:
        found = finding.f1 is not None
        return f"not tested: {'all of it is one cluster' if found else 'no row of it holds anything to find'}"
    if p_value is None:
        return f"not tested: less than {rule.min_share:.0%} of the rows, or several values together"
    if not finding.short:
        return "keeps up with the whole set"
    chance = f"p {p_value:.3f} after Holm's correction, level {rule.alpha:g}"
    return f"falls short by more than chance ({chance})" if finding.failed else f"may be chance ({chance})"
