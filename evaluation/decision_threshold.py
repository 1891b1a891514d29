"""Choose the confidence from which predictions are decided, so that a promise about them holds.

The promise is about the mean loss of the decided predictions: their share of errors (precision), or their cost. A grid
of thresholds is tested by learn-then-test (Angelopoulos et al. 2021): the null hypothesis of each is that the promise
is broken. The fallback procedure (Wiens & Dmitrienko 2005) tests them from the highest threshold to the lowest and
keeps the probability of any false rejection below 1 - confidence: it is fixed-sequence testing with several starts, so
that an error among the few most confident predictions does not end the search. Thresholds depend on the order of the
confidences only, never on what is right.

MAPIE's `BinaryClassificationController` and `MultiClassificationLTTController` (1.6) do the same for independent rows
with Bonferroni, Holm or a fixed sequence. They know no clusters and no costs of single rows, and want the model as a
function of the features, where we have the predictions of the graph that ships; hence this module.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, log, log1p

import numpy as np

from assay.evaluation.loss_bound import LossCount
from assay.evaluation.statistics import Bools, Floats, Ints
from assay.models.label_thresholds import between

# Where the search starts, as shares of the tested numbers. The last one asks whether everything can be decided: the
# errors of an accurate model come at any confidence, and a small part of the rows cannot show how few they are.
STARTS = (1 / 3, 2 / 3, 1.0)
# Each tested threshold decides about this many times the predictions of the one before.
GROWTH = 1.1
# Where a threshold would do by itself, but those before it do not, somewhat more predictions are needed.
LEAST_MORE = 1.2
# Scores come from sums in float32, whose last digits depend on the other rows of a batch: nearer ones count as equal.
ROUNDING = 1e-6
# Among very many predictions each score is near the next, and nothing would part them: a chain longer than this many
# times the rounding is cut into pieces of that length, where a few predictions may be decided by their last digits.
LONGEST_CHAIN = 100
MOST_REQUIRED = 10_000_000


@dataclass(frozen=True)
class ChosenThreshold:
    """A threshold and what the predictions showed about it.

    Args:
        threshold: smallest score of a decided prediction; None: no threshold keeps the promise.
        decided: number of decided predictions.
        count: their number and loss in clumps.
        required: number of predictions at which a threshold would keep the promise, if they were like these; None:
            there is a threshold, or no number would do.
    """

    threshold: float | None
    decided: int
    count: LossCount
    required: int | None = None


def precision_threshold(
    confidence: Floats, right: Bools, precision: float, level: float, clusters: Ints | None = None
) -> ChosenThreshold:
    """Choose the lowest threshold whose decided predictions are right often enough.

    A multi-label head has one threshold per label: pass the predictions of one label at a time.

    Args:
        confidence: confidence of each prediction.
        right: whether it is right.
        precision: share of the decided predictions that must be right.
        level: confidence of that promise.
        clusters: cluster number of each prediction; None if they are independent.
    """
    errors: Floats = (~right).astype(np.float64)
    return choose_threshold(confidence, errors, 1 - precision, level, clusters)


def choose_threshold(
    scores: Floats,
    loss: Floats,
    limit: float,
    level: float,
    clusters: Ints | None = None,
    *,
    cheapest: bool = False,
    rounding: float = ROUNDING,
) -> ChosenThreshold:
    """Choose a threshold whose decided predictions have a mean loss of at most `limit`.

    Args:
        scores: how safe each prediction is; the decided ones have the highest scores.
        loss: loss of each prediction if it is decided, from 0 to 1.
        limit: largest mean loss.
        level: confidence of the promise.
        clusters: cluster number of each prediction; None if they are independent.
        cheapest: choose the threshold with the lowest total loss, where an abstained prediction costs `limit`;
            otherwise the one that decides most predictions.
        rounding: largest difference of scores that count as equal.
    """
    order = np.argsort(-scores, kind="stable")
    scores, loss = scores[order], loss[order]
    clusters = None if clusters is None else clusters[order]
    if not len(scores):
        return ChosenThreshold(None, 0, LossCount(0, 0), _smallest(limit, level))
    every = _sizes(scores, limit, level, rounding)
    sizes = _testable(every, clusters, limit, level)
    counts = [_count(loss, clusters, size) for size in sizes]
    kept = _fallback([count.p_value(limit) for count in counts], 1 - level)
    if not kept:
        return ChosenThreshold(None, 0, LossCount(0, 0), _required(loss, clusters, every, limit, level))
    chosen = kept[-1]
    if cheapest:
        saved = np.cumsum(loss - limit)
        chosen = min(kept, key=lambda number: (saved[sizes[number] - 1], -sizes[number]))
    size = sizes[chosen]
    threshold = 0.0 if size == len(scores) else float(between(scores[size], scores[size - 1]))
    return ChosenThreshold(threshold, size, counts[chosen])


def _sizes(scores: Floats, limit: float, level: float, rounding: float) -> list[int]:
    """Return numbers of decided predictions, rising; scores that rounding could swap are decided together."""
    rows = len(scores)
    smallest = min(_smallest(limit, level), max(1, rows // 4))
    steps = max(2, ceil(log(rows / smallest) / log(GROWTH)) + 1)
    ends = np.flatnonzero(np.append(_parts(scores, rounding), True)) + 1
    wanted = np.round(np.geomspace(smallest, rows, steps)).astype(np.int64)
    return sorted({int(ends[np.searchsorted(ends, size)]) for size in wanted})


def _parts(scores: Floats, rounding: float) -> Bools:
    """Return whether a threshold may lie between each score and the next lower one."""
    gaps: Bools = scores[:-1] - scores[1:] > rounding
    begins = np.append(True, gaps)
    first = np.maximum.accumulate(np.where(begins, np.arange(len(scores)), 0))
    below = scores[first] - scores  # the highest score of the chain
    lengths = np.maximum.reduceat(below, np.flatnonzero(begins))[np.cumsum(begins) - 1]
    longest = LONGEST_CHAIN * rounding
    pieces = np.where(lengths > longest, np.floor(below / longest), 0)
    return gaps | (pieces[:-1] < pieces[1:])


def _testable(sizes: Sequence[int], clusters: Ints | None, limit: float, level: float) -> list[int]:
    """Return the numbers of decided predictions that keep the promise if none is wrong: no start falls on another."""
    faultless, error = np.zeros(max(sizes, default=0)), (1 - level) / len(STARTS)
    return [size for size in sizes if _count(faultless, clusters, size).p_value(limit) <= error]


def _smallest(limit: float, level: float) -> int:
    """Return the smallest number of independent predictions that can keep the promise: none of them is wrong."""
    return ceil(log((1 - level) / len(STARTS)) / log1p(-limit))


def _count(loss: Floats, clusters: Ints | None, size: int) -> LossCount:
    return LossCount.of(loss[:size], None if clusters is None else clusters[:size])


def _fallback(p_values: Sequence[float], error: float) -> list[int]:
    """Return the positions of the rejected hypotheses; each rejection passes its level on to the next hypothesis."""
    if not p_values:
        return []
    starts = {round(start * (len(p_values) - 1)) for start in STARTS}
    share, carried, rejected = error / len(starts), 0.0, []
    for position, p_value in enumerate(p_values):
        own = carried + (share if position in starts else 0.0)
        carried = own if own > 0 and p_value <= own else 0.0
        if carried:
            rejected.append(position)
    return rejected


def _required(loss: Floats, clusters: Ints | None, sizes: Sequence[int], limit: float, level: float) -> int | None:
    """Return how many predictions like these would be needed; None if no number would do."""
    error = (1 - level) / len(STARTS)
    needed = []
    for size in sizes:
        count = _count(loss, clusters, size)
        if count.mean >= limit or count.times(MOST_REQUIRED / len(loss)).p_value(limit) > error:
            continue
        low, high = 1.0, MOST_REQUIRED / len(loss)
        while high / low > 1.01:
            middle = (low * high) ** 0.5
            low, high = (low, middle) if count.times(middle).p_value(limit) <= error else (middle, high)
        needed.append(max(high, LEAST_MORE) * len(loss))
    return ceil(float(f"{min(needed):.2g}")) if needed else None
