"""Whether two samples differ by more than chance, where the clusters of one are much larger than those of the other.

A permutation would put small clusters in the place of large ones, and such samples spread otherwise than those that
were drawn. So each sample is drawn anew from its own clusters (Field & Welsh 2007, "Bootstrapping clustered data"), and
what counts is how far the draws lie from their own sample: the spread that two samples without any difference have.
The deviations of few clusters are too small by the root of (n - 1) / n, and their tails are those of t: each is divided
by the root of chi-squared / n with n - 1 degrees of freedom.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from assay.evaluation.statistics import Bools, Floats

CELLS_A_CHUNK = 4_000_000

Estimate = Callable[[Floats], Floats]
"""From draws x clusters (how often each was drawn) to draws x estimates, of one sample."""


@dataclass(frozen=True)
class Estimates:
    """Estimates of reference and window, and how far a difference (window - reference) is from none."""

    samples: Sequence[Estimate]
    distance: Callable[[Floats], Floats]


def bootstrap_p_value(
    estimates: Estimates, window: Bools, measured: float, *, seed: int, draws: int, cells: int = 0
) -> float:
    """Return the share of draws that differ as much as the samples although nothing changed; never 0.

    Args:
        estimates: of both samples.
        window: of each cluster, whether it is of the window.
        measured: distance of the samples.
        seed: of the draws.
        draws: number of draws.
        cells: numbers that an estimate holds per draw, where these are more than clusters.
    """
    counts = [int(np.count_nonzero(window == later)) for later in (False, True)]
    if min(counts) < 2:
        return 1.0  # one cluster shows no spread
    random, further = np.random.default_rng(seed), 0
    for size in _chunks(draws, max(cells, *counts)):
        before, after = (
            _deviations(random, estimate, count, size)
            for estimate, count in zip(estimates.samples, counts, strict=True)
        )
        further += int(np.count_nonzero(estimates.distance(after - before) >= measured - 1e-12))
    return (1 + further) / (1 + draws)


def _chunks(draws: int, cells: int) -> Iterator[int]:
    chunk = max(1, CELLS_A_CHUNK // cells)
    for begin in range(0, draws, chunk):
        yield min(chunk, draws - begin)


def _deviations(random: np.random.Generator, estimate: Estimate, count: int, size: int) -> Floats:
    """How far samples drawn anew lie from the sample itself: draws x estimates."""
    drawn = random.multinomial(count, np.full(count, 1 / count), size=size).astype(np.float64)
    apart = np.nan_to_num(estimate(drawn) - estimate(np.ones((1, count))))
    scale = np.sqrt(random.chisquare(count - 1, size) / count)
    deviations: Floats = apart / scale[:, None]
    return deviations


def ratio(sums: Floats, sizes: Floats) -> Estimate:
    """Return the estimate of shares or means: sums over the clusters that were drawn, by their sizes."""

    def estimate(drawn: Floats) -> Floats:
        shares: Floats = (drawn @ sums) / np.maximum(drawn @ sizes, 1e-12)[:, None]
        return shares

    return estimate
