from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array

from assay.corpus.splitting.duplicates import HashArray
from assay.corpus.splitting.stratify import NO_SPLIT, TEST, TRAIN, VALIDATION, pseudo_random, stratify

SHARES = (0.8, 0.1, 0.1)


def make_counts(label_sets: Sequence[set[int]], labels: int, sizes: Sequence[int] | None = None) -> csr_array:
    """Clusters in which every row carries the same labels; label 0 is the row."""
    table = np.zeros((len(label_sets), labels + 1), dtype=np.int64)
    for cluster, label_set in enumerate(label_sets):
        table[cluster, [0, *(label + 1 for label in label_set)]] = 1 if sizes is None else sizes[cluster]
    return csr_array(table)


def make_keys(clusters: int, start: int = 0) -> HashArray:
    return np.array([f"{number:016d}".encode() for number in range(start, start + clusters)], dtype="S16")


def rows_by_split(counts: csr_array, split_of: np.ndarray) -> np.ndarray:
    return np.stack(
        [np.asarray(counts[split_of == split_name].sum(axis=0)) for split_name in (TRAIN, VALIDATION, TEST)]
    )


def random_label_sets(clusters: int, chances: Sequence[float], seed: int = 0) -> list[set[int]]:
    drawn = np.random.default_rng(seed).random((clusters, len(chances))) < chances
    return [set(np.flatnonzero(row).tolist()) for row in drawn]


def test_stratify_meets_the_share_of_every_label_within_two_rows() -> None:
    # given classes and entity types from frequent to rare, in any combination
    label_sets = random_label_sets(5000, [0.6, 0.3, 0.2, 0.1, 0.05, 0.02, 0.01])
    counts = make_counts(label_sets, 7)
    # when
    rows_per_split = rows_by_split(counts, stratify(counts, make_keys(5000), SHARES, seed=13))
    # then
    wanted = np.outer(SHARES, np.asarray(counts.sum(axis=0)))
    assert np.abs(rows_per_split - wanted).max() <= 2


def test_stratify_spreads_combinations_of_labels() -> None:
    # given a class that is frequent with one type and rare with the other
    label_sets = [{0, 2}] * 600 + [{0, 3}] * 100 + [{1, 2}] * 100 + [{1, 3}] * 600
    counts = make_counts(label_sets, 4)
    split_of = stratify(counts, make_keys(1400), SHARES, seed=1)
    # then each combination has its share, not only each label
    for begin, end in ((0, 600), (600, 700), (700, 800), (800, 1400)):
        assert abs((split_of[begin:end] == TEST).sum() - (end - begin) / 10) <= 1


@pytest.mark.parametrize(("rows", "expected"), [(1, [1, 0, 0]), (2, [1, 0, 1]), (3, [1, 1, 1]), (10, [8, 1, 1])])
def test_stratify_puts_rare_labels_in_train_first_then_test(rows: int, expected: list[int]) -> None:
    # given a label on very few of many rows
    counts = make_counts([{0}] * 500 + [{1}] * rows, 2)
    rows_per_split = rows_by_split(counts, stratify(counts, make_keys(500 + rows), SHARES, seed=3))
    assert rows_per_split[:, 2].tolist() == expected


def test_stratify_meets_the_shares_with_large_clusters() -> None:
    # given product groups of very different size
    sizes = [300, 120, 100, 80, 40, 40, 20, 20, 10, 10, *([1] * 400)]
    label_sets = [{number % 3} for number in range(len(sizes))]
    counts = make_counts(label_sets, 3, sizes)
    rows_per_split = rows_by_split(counts, stratify(counts, make_keys(len(sizes)), SHARES, seed=5))
    wanted = np.outer(SHARES, np.asarray(counts.sum(axis=0)))
    assert np.abs(rows_per_split - wanted).max() <= 15


def test_stratify_ignores_the_order_of_clusters() -> None:
    label_sets = random_label_sets(300, [0.5, 0.2, 0.05])
    counts, keys = make_counts(label_sets, 3), make_keys(300)
    order = np.random.default_rng(1).permutation(300)
    straight = stratify(counts, keys, SHARES, seed=7)
    shuffled = stratify(counts[order], keys[order], SHARES, seed=7)
    assert (straight[order] == shuffled).all()


def test_stratify_depends_on_the_seed() -> None:
    counts, keys = make_counts(random_label_sets(300, [0.5, 0.2]), 2), make_keys(300)
    first, again, other = (stratify(counts, keys, SHARES, seed=seed) for seed in (1, 1, 2))
    assert (first == again).all()
    assert (first != other).sum() > 30


def test_stratify_moves_few_rows_when_rows_are_added() -> None:
    # given 3,000 rows, and a tenth more
    counts, keys = make_counts(random_label_sets(3300, [0.6, 0.3, 0.1, 0.02]), 4), make_keys(3300)
    before = stratify(counts[:3000], keys[:3000], SHARES, seed=13)
    after = stratify(counts, keys, SHARES, seed=13)
    # then under 3 % change splits (of a fresh random split 34 % would)
    assert (before != after[:3000]).sum() < 90


def test_stratify_counts_given_splits_towards_the_targets() -> None:
    # given 100 rows of which the 20 that are placed are all in test
    counts = make_counts([{0}] * 100, 1)
    given_splits = np.full(100, NO_SPLIT, dtype=np.int8)
    given_splits[:20] = TEST
    split_of = stratify(counts, make_keys(100), SHARES, seed=1, given=given_splits)
    # then none of the new ones goes to test
    assert (split_of[:20] == TEST).all()
    assert not (split_of[20:] == TEST).any()
    assert (split_of == VALIDATION).sum() in range(8, 12)


def test_stratify_leaves_a_split_without_a_share_empty() -> None:
    counts = make_counts(random_label_sets(200, [0.5, 0.01]), 2)
    split_of = stratify(counts, make_keys(200), (0.9, 0.1, 0.0), seed=1)
    assert not (split_of == TEST).any()
    assert (split_of == VALIDATION).sum() in range(18, 23)


def test_stratify_divides_rows_without_labels() -> None:
    split_of = stratify(make_counts([set()] * 100, 1), make_keys(100), SHARES, seed=1)
    assert [(split_of == split_name).sum() for split_name in (TRAIN, VALIDATION, TEST)] == [80, 10, 10]


def test_stratify_takes_no_clusters() -> None:
    assert not stratify(make_counts([], 2), make_keys(0), SHARES, seed=1).size


@settings(max_examples=60, deadline=None)
@given(
    label_sets=st.lists(st.sets(st.integers(0, 5), max_size=4), min_size=1, max_size=60),
    seed=st.integers(0, 1000),
    shares=st.sampled_from([SHARES, (0.4, 0.3, 0.3), (0.1, 0.1, 0.8)]),
)
def test_stratify_gives_train_every_label(
    label_sets: list[set[int]], seed: int, shares: tuple[float, float, float]
) -> None:
    counts = make_counts(label_sets, 6)
    split_of = stratify(counts, make_keys(len(label_sets)), shares, seed)
    rows_per_split = rows_by_split(counts, split_of)
    present = np.asarray(counts.sum(axis=0)) > 0
    assert (rows_per_split[TRAIN][present] > 0).all()
    assert (split_of != NO_SPLIT).all()


def test_pseudo_random_depends_only_on_seed_and_key() -> None:
    keys = make_keys(50)
    assert (pseudo_random(keys, 1)[10:20] == pseudo_random(keys[10:20], 1)).all()
    assert (pseudo_random(keys, 1) != pseudo_random(keys, 2)).all()
