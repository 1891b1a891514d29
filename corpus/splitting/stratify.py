"""Iterative stratification of clusters over all their labels together.

After Sechidis, Tsoumakas and Vlahavas, "On the Stratification of Multi-Label Data" (2011): labels are served
from the rarest to the most frequent, and each cluster with the label goes to the split that needs it most.
Two things differ from the paper, because the units are clusters of rows and there may be millions of them.

Clusters with the same counts of the same labels are one stratum and are assigned together. And a cluster
is guided by all its labels, not only by the rarest: it goes to the split where the sum over its labels of
(taken - target)^2 / target grows least. For a single label that is Webster's method of apportionment. A cluster
of several rows goes where it fits without exceeding a target, as long as it fits anywhere.

A hash of (seed, key of the cluster) decides which clusters of a stratum go where: the order of the rows
does not matter, and more rows in a stratum move only those at its edges.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from assay.corpus.splitting.duplicates import HashArray

TRAIN, VALIDATION, TEST = 0, 1, 2
NO_SPLIT = -1
# Ties are resolved in this order: a label is needed first for training, then for testing.
_PRECEDENCE = (TRAIN, TEST, VALIDATION)
_UNWANTED = 1e-9
KEYS_PER_STEP = 10_000  # as Python objects, which are three times as large

SplitArray = NDArray[np.int8]


@dataclass(frozen=True)
class _Strata:
    """Clusters without a split, by stratum.

    `members[bounds[i]:bounds[i + 1]]` are the clusters of stratum `i` by rising hash; row `i` of `counts`
    holds the labels of each of them; strata are numbered in the order in which they are served.
    """

    members: NDArray[np.int64]
    bounds: NDArray[np.int64]
    counts: csr_array


def stratify(
    counts: csr_array, keys: HashArray, shares: tuple[float, float, float], seed: int, given: SplitArray | None = None
) -> SplitArray:
    """Assign clusters to splits so that each split has its share of every label.

    A label of three clusters or more is needed at least once in every split with a share, a label of two
    clusters in train and test, a label of one cluster in train. Train gets every label, unless all its clusters
    were given to other splits.

    Args:
        counts: clusters x labels, rows of the cluster with the label; label 0 is the row itself.
        keys: one hash per cluster.
        shares: shares of train, validation and test; they add up to 1.
        seed: seed of the assignment.
        given: a split for each cluster, `NO_SPLIT` for clusters to assign; the others count towards the targets.

    Returns:
        The split of every cluster.
    """
    split_of = np.full(counts.shape[0], NO_SPLIT, dtype=np.int8) if given is None else given.copy()
    strata = _find_strata(counts, pseudo_random(keys, seed), np.flatnonzero(split_of == NO_SPLIT))
    targets = _targets(counts, shares).tolist()
    taken = _taken(counts, split_of).tolist()
    for stratum in _serving_order(strata):
        members = strata.members[strata.bounds[stratum] : strata.bounds[stratum + 1]]
        begin, end = strata.counts.indptr[stratum : stratum + 2]
        labels = list(
            zip(strata.counts.indices[begin:end].tolist(), strata.counts.data[begin:end].tolist(), strict=True)
        )
        quota = _apportion(len(members), labels, targets, taken)
        split_of[members[: quota[TEST]]] = TEST
        split_of[members[quota[TEST] : quota[TEST] + quota[TRAIN]]] = TRAIN
        split_of[members[quota[TEST] + quota[TRAIN] :]] = VALIDATION
    _ensure_train_labels(counts, split_of, strata.members)
    return split_of


def pseudo_random(keys: HashArray, seed: int) -> NDArray[np.uint64]:
    """Return a pseudo-random number per key that depends only on seed and key."""
    salt = str(seed).encode()
    width = keys.dtype.itemsize
    hashed = bytearray()
    for begin in range(0, len(keys), KEYS_PER_STEP):
        for key in keys[begin : begin + KEYS_PER_STEP].tolist():
            hashed += hashlib.blake2b(key.ljust(width, b"\0"), digest_size=8, key=salt).digest()
    return np.frombuffer(hashed, dtype="<u8")


def _targets(counts: csr_array, shares: tuple[float, float, float]) -> NDArray[np.float64]:
    """Return 3 x labels: how many rows with the label each split should have."""
    rows = np.asarray(counts.sum(axis=0), dtype=np.float64)
    clusters = np.bincount(counts.indices, minlength=counts.shape[1])
    usual = np.divide(rows, clusters, out=np.zeros_like(rows), where=clusters > 0)
    targets = np.outer(shares, rows)
    wanted = np.asarray(shares) > 0
    for split_name, fewest in ((VALIDATION, 3), (TEST, 2)):
        if wanted[split_name]:
            targets[split_name] = np.where(clusters >= fewest, np.maximum(targets[split_name], usual), 0)
    targets[TRAIN] = np.maximum(rows - targets[VALIDATION] - targets[TEST], np.minimum(usual, rows))
    return np.asarray(np.maximum(targets, _UNWANTED))


def _taken(counts: csr_array, split_of: SplitArray) -> NDArray[np.float64]:
    """Return 3 x labels: rows with the label that are already in each split."""
    return np.stack(
        [np.asarray(counts[split_of == split_name].sum(axis=0), dtype=np.float64) for split_name in (0, 1, 2)]
    )


def _find_strata(counts: csr_array, random_numbers: NDArray[np.uint64], clusters: NDArray[np.int64]) -> _Strata:
    """Group `clusters` by their labels; large clusters come first, since small ones can still balance the shares."""
    stratum_of = _signatures(counts, clusters)
    order = np.lexsort((random_numbers[clusters], stratum_of))
    first = np.unique(stratum_of[order], return_index=True)[1]
    sizes = np.diff(np.append(first, len(order)))
    leaders = clusters[order[first]]
    # By powers of two, so that the seed still decides among clusters of similar size.
    magnitude = np.log2(np.maximum(1, counts[:, [0]].toarray()[leaders, 0])).astype(np.int64)
    serving = np.lexsort((random_numbers[leaders], -magnitude))
    members = [clusters[order[first[i] : first[i] + sizes[i]]] for i in serving]
    bounds = np.concatenate([[0], np.cumsum(sizes[serving])])
    return _Strata(np.concatenate([clusters[:0], *members]), bounds, counts[leaders[serving]])


def _signatures(counts: csr_array, clusters: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return a number for each cluster; equal where labels and counts are equal."""
    seen: dict[bytes, int] = {}
    numbers = np.empty(len(clusters), dtype=np.int64)
    for position, (begin, end) in enumerate(zip(counts.indptr[clusters], counts.indptr[clusters + 1], strict=True)):
        signature = counts.indices[begin:end].tobytes() + counts.data[begin:end].tobytes()
        numbers[position] = seen.setdefault(signature, len(seen))
    return numbers


def _serving_order(strata: _Strata) -> Iterator[int]:
    """Yield the strata of the rarest remaining label, then of the next."""
    repeats = np.diff(strata.bounds)
    remaining = np.asarray(strata.counts.T @ repeats, dtype=np.int64)
    of_label = strata.counts.tocsc()
    served = np.zeros(len(repeats), dtype=bool)
    while remaining.any():
        label = int(np.argmin(np.where(remaining > 0, remaining, np.iinfo(np.int64).max)))
        carriers = np.sort(of_label.indices[of_label.indptr[label] : of_label.indptr[label + 1]])
        carriers = carriers[~served[carriers]]
        served[carriers] = True
        remaining -= strata.counts[carriers].T @ repeats[carriers]
        yield from carriers.tolist()


def _apportion(
    clusters: int, labels: list[tuple[int, int]], targets: list[list[float]], taken: list[list[float]]
) -> list[int]:
    """Return how many of the equal clusters each split gets, and add them to `taken`.

    `cost[split]` is half of what one more cluster adds to the sum of (taken - target)^2 / target; it grows by `step`
    with each cluster taken. A split without room is chosen only if no split has room.
    """
    cost, step = [0.0, 0.0, 0.0], [0.0, 0.0, 0.0]
    room = [_room(labels, targets[split_name], taken[split_name], clusters) for split_name in range(3)]
    for split_name in _PRECEDENCE:
        for label, count in labels:
            cost[split_name] += count * (taken[split_name][label] + count / 2) / targets[split_name][label]
            step[split_name] += count * count / targets[split_name][label]
    quota = [0, 0, 0]
    for _ in range(clusters):
        fitting = [split_name for split_name in _PRECEDENCE if quota[split_name] < room[split_name]]
        split_name = min(fitting or _PRECEDENCE, key=cost.__getitem__)
        quota[split_name] += 1
        cost[split_name] += step[split_name]
    for split_name in _PRECEDENCE:
        for label, count in labels:
            taken[split_name][label] += count * quota[split_name]
    return quota


def _room(labels: list[tuple[int, int]], target: list[float], taken: list[float], clusters: int) -> int:
    """Return how many of the clusters fit without exceeding a target.

    Single rows always fit: for them the cost rounds to the nearest. An excess from a large cluster cannot be
    corrected later.
    """
    fit = [max(0, int((target[label] - taken[label]) // count)) for label, count in labels if count > 1]
    return min([clusters, *fit])


def _ensure_train_labels(counts: csr_array, split_of: SplitArray, movable: NDArray[np.int64]) -> None:
    """Move the smallest cluster of each label that train lacks to train; only clusters among `movable`."""
    can_move = np.zeros(len(split_of), dtype=bool)
    can_move[movable] = True
    of_label = counts.tocsc()
    for label in np.flatnonzero(_taken(counts, split_of)[TRAIN] == 0):
        carriers = of_label.indices[of_label.indptr[label] : of_label.indptr[label + 1]]
        carriers = carriers[can_move[carriers]]
        if carriers.size and not (split_of[carriers] == TRAIN).any():
            sizes = counts[carriers][:, [0]].toarray()[:, 0]
            split_of[carriers[np.argmin(sizes)]] = TRAIN
