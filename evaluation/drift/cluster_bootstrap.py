"""Bootstrap test of two samples whose clusters differ much in size.

A permutation would exchange small clusters for large ones, and permuted samples would not have the spread of the real
ones. Each sample is therefore resampled from its own clusters (Field & Welsh 2007, "Bootstrapping clustered data"). The
deviations of the draws from their own sample give the spread of two samples without any difference. The deviations of
few clusters are too small by the root of (n - 1) / n, and their tails are those of t: each is divided by the root of
chi-squared / n with n - 1 degrees of freedom.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from assay.evaluation.statistics import Bools, Floats

CELLS_PER_CHUNK = 4_000_000

Estimate = Callable[[Floats], Floats]
"""Function from counts of the clusters of one sample (draws x clusters) to estimates (draws x estimates)."""


@dataclass(frozen=True)
class Estimates:
    """Estimates of reference and window, and the distance of a difference (window - reference) from zero."""

    samples: Sequence[Estimate]
    distance: Callable[[Floats], Floats]


def bootstrap_p_value(
    estimates: Estimates, window: Bools, measured: float, *, seed: int, draws: int, cells: int = 0
) -> float:
    """Return the share of draws under the null hypothesis with at least the measured distance; never 0.

    Args:
        estimates: estimates of both samples.
        window: mask of the clusters of the window.
        measured: distance of the two samples.
        seed: seed of the draws.
        draws: number of draws.
        cells: numbers in memory per draw, if more than the number of clusters.
    """
    cluster_counts = [int(np.count_nonzero(window == in_window)) for in_window in (False, True)]
    if min(cluster_counts) < 2:
        return 1.0  # one cluster shows no spread
    random, exceeding = np.random.default_rng(seed), 0
    for size in _chunks(draws, max(cells, *cluster_counts)):
        reference_deviations, window_deviations = (
            _deviations(random, estimate, count, size)
            for estimate, count in zip(estimates.samples, cluster_counts, strict=True)
        )
        exceeding += int(
            np.count_nonzero(estimates.distance(window_deviations - reference_deviations) >= measured - 1e-12)
        )
    return (1 + exceeding) / (1 + draws)


def _chunks(draws: int, cells: int) -> Iterator[int]:
    chunk = max(1, CELLS_PER_CHUNK // cells)
    for begin in range(0, draws, chunk):
        yield min(chunk, draws - begin)


def _deviations(random: np.random.Generator, estimate: Estimate, count: int, size: int) -> Floats:
    """Return the deviations of bootstrap samples from the sample itself: draws x estimates."""
    counts = random.multinomial(count, np.full(count, 1 / count), size=size).astype(np.float64)
    deviation = np.nan_to_num(estimate(counts) - estimate(np.ones((1, count))))
    scale = np.sqrt(random.chisquare(count - 1, size) / count)
    deviations: Floats = deviation / scale[:, None]
    return deviations


def ratio(sums: Floats, sizes: Floats) -> Estimate:
    """Return an estimate of shares or means: the sum over the drawn clusters divided by their total size."""

    def estimate(counts: Floats) -> Floats:
        shares: Floats = (counts @ sums) / np.maximum(counts @ sizes, 1e-12)[:, None]
        return shares

    return estimate
