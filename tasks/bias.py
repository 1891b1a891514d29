"""Whether some slice of the rows is served clearly worse than the whole."""

from collections.abc import Sequence

import numpy as np

from recipes.recipe import Head, SliceRule
from tasks.scoring.answers import Answer, outcomes_of, rows_of
from tasks.scoring.slices import OTHER, Slice, slice_interval, slices_by
from tasks.scoring.statistics import REPLICAS, holm, slice_p_value
from tasks.verdict import Check

# So that even after Holm's correction the smallest p-value of a bootstrap stays far below alpha.
REPLICAS_A_TEST = 10


def judge_slices(answers: Sequence[Answer], rule: SliceRule, heads: Sequence[Head]) -> list[Check]:
    """One check for each slice and head.

    A slice fails when it keeps less than `min_ratio` of the whole set's F1 and the shortfall is more than
    chance: the null hypothesis "the ratio is at least `min_ratio`" is rejected at `alpha`, Holm-corrected over
    all judged slices of all heads. Slices with less than `min_share` of the rows, or with nothing to find, are
    reported and not judged.
    """
    slices = [
        (head, one)
        for head in heads
        for column in rule.columns
        for one in slices_by(rows_of(answers, head), column, always=rule.min_share)
    ]
    judged = [pair for pair in slices if _can_be_judged(*pair, answers, rule)]
    replicas = max(REPLICAS, int(REPLICAS_A_TEST * len(judged) / rule.alpha))
    p_values = [_p_value(head, one, answers, rule, replicas) for head, one in judged]
    adjusted = dict(zip([_key(*pair) for pair in judged], holm(p_values), strict=True))
    return [_check(head, one, rows_of(answers, head), rule, adjusted.get(_key(head, one))) for head, one in slices]


def _key(head: Head, one: Slice) -> tuple[str, str, str]:
    return head, one.column, one.value


def _can_be_judged(head: Head, one: Slice, answers: Sequence[Answer], rule: SliceRule) -> bool:
    if one.value == OTHER or one.share < rule.min_share:
        return False
    return bool(np.isfinite(outcomes_of(one.of(rows_of(answers, head)), head).f1()))


def _p_value(head: Head, one: Slice, answers: Sequence[Answer], rule: SliceRule, replicas: int) -> float:
    return slice_p_value(outcomes_of(answers, head), one.member, rule.min_ratio, replicas=replicas)


def _check(head: Head, one: Slice, rows: Sequence[Answer], rule: SliceRule, p_value: float | None) -> Check:
    """The check of one slice; `p_value` is None where the slice is not judged."""
    whole = outcomes_of(rows, head).f1()
    interval = slice_interval(one.of(rows), head)
    short = interval is not None and interval.value < rule.min_ratio * whole
    failed = short and p_value is not None and p_value < rule.alpha
    size = f"{one.rows} rows ({one.share:.0%})"
    ratio = f"{interval.value / whole:.0%} of the whole set's {whole:.3f}" if interval and whole else "no ratio"
    return Check(
        name=f"slice: {one.column}={one.value} ({head})",
        measured=f"F1 {interval}, {ratio}, {size}" if interval else f"nothing to find, {size}",
        required=f"at least {rule.min_ratio:.0%} of the whole set's F1, unless the shortfall may be chance",
        passed=not failed,
        why=_why(short, p_value, one, rule),
        judged=p_value is not None,
    )


def _why(short: bool, p_value: float | None, one: Slice, rule: SliceRule) -> str:
    if p_value is None and one.value != OTHER and one.share >= rule.min_share:
        return "not judged: no row of it holds anything to find"
    if p_value is None:
        return f"not judged: less than {rule.min_share:.0%} of the rows, or several values together"
    if not short:
        return "keeps up with the whole set"
    chance = f"p {p_value:.3f} after Holm's correction, level {rule.alpha:g}"
    return f"falls short by more than chance ({chance})" if p_value < rule.alpha else f"may be chance ({chance})"
