import numpy as np
import pytest
from scipy.stats import binomtest

from assay.evaluation.share_interval import share_interval, share_of
from assay.evaluation.statistics import Floats


@pytest.mark.parametrize(("right", "cases"), [(41, 47), (0, 12), (30, 30), (1, 1)])
def test_share_interval_of_independent_cases_is_the_exact_one(right: int, cases: int) -> None:
    interval = share_interval(np.repeat([1.0, 0.0], [right, cases - right]), np.ones(cases))
    exact = binomtest(right, cases).proportion_ci(0.95, method="exact")
    assert (interval.value, interval.low, interval.high) == pytest.approx((right / cases, exact.low, exact.high))


def test_share_interval_of_copies_is_about_that_of_the_clusters() -> None:
    rights: Floats = np.repeat([1.0, 0.0], [34, 6]).astype(np.float64)
    single = share_interval(rights, np.ones(40))
    copies = share_interval(10 * rights, np.full(40, 10.0))
    assert (copies.low, copies.high) == pytest.approx((single.low, single.high), abs=0.02)


def test_share_interval_of_clusters_that_are_all_right_counts_each_once() -> None:
    interval = share_interval(np.full(30, 5.0), np.full(30, 5.0))
    assert interval.low == pytest.approx(binomtest(30, 30).proportion_ci(0.95, method="exact").low)


def test_share_interval_of_one_cluster_says_nothing() -> None:
    interval = share_interval(np.array([9.0]), np.array([10.0]))
    assert (interval.value, interval.low, interval.high) == (0.9, 0.0, 1.0)


@pytest.mark.parametrize("shared", [0.0, 0.5, 1.0])
def test_share_interval_covers_the_true_share_of_clusters(shared: float) -> None:
    random = np.random.default_rng(1)
    covered = 0
    for _ in range(300):
        common, own = random.random((60, 1)) < 0.9, random.random((60, 8)) < 0.9
        right = np.where(random.random((60, 8)) < shared, common, own)
        interval = share_interval(right.sum(axis=1).astype(float), np.full(60, 8.0))
        covered += interval.low <= 0.9 <= interval.high
    assert covered >= 0.93 * 300


def test_share_of_states_cases_and_clusters() -> None:
    right = np.array([True, True, False])
    assert share_of(right).count("rows") == share_of(right, np.arange(3)).count("rows") == "2 of 3 rows"
    share = share_of(right, np.array([0, 0, 2]))
    assert share.count("entities") == "2 of 3 entities in 2 clusters"
    assert share.value == pytest.approx(2 / 3)
