import numpy as np
import pytest
from scipy.stats import binomtest

from assay.evaluation.loss_bound import LossCount


@pytest.mark.parametrize(("rows", "wrong"), [(20, 0), (200, 7), (50, 50)])
def test_loss_count_gives_the_bounds_of_clopper_and_pearson_for_independent_rows(rows: int, wrong: int) -> None:
    loss = np.r_[np.ones(wrong), np.zeros(rows - wrong)]
    count = LossCount.of(loss)
    exact = binomtest(wrong, rows).proportion_ci(0.9, method="exact")
    assert (count.lower(0.95), count.upper(0.95)) == pytest.approx((exact.low, exact.high))
    assert count.p_value(0.05) == pytest.approx(binomtest(wrong, rows, 0.05, "less").pvalue)
    assert count.p_value_below(0.05) == pytest.approx(binomtest(wrong, rows, 0.05, "greater").pvalue)


def test_loss_count_counts_clusters_where_no_row_is_wrong() -> None:
    clusters = np.repeat(np.arange(30), 10)
    assert LossCount.of(np.zeros(300), clusters) == LossCount(30, 0)


def test_loss_count_counts_clusters_whose_rows_are_wrong_together_and_more_where_errors_are_single() -> None:
    clusters = np.repeat(np.arange(100), 10)
    together = LossCount.of((clusters < 20).astype(np.float64), clusters)
    assert (together.predictions, together.loss) == pytest.approx((100, 20))
    single = LossCount.of((np.arange(1000) % 50 == 0).astype(np.float64), clusters)
    assert 200 < single.predictions < 1000
    assert single.mean == pytest.approx(0.02)
    assert single.upper(0.95) > LossCount.of((np.arange(1000) % 50 == 0).astype(np.float64)).upper(0.95)


def test_loss_count_of_unequal_clusters_weighs_the_large_ones() -> None:
    sizes = [91, *[1] * 9]
    clusters = np.repeat(np.arange(10), sizes)
    assert LossCount.of(np.zeros(100), clusters).predictions < 1.3


def test_loss_count_of_nothing_shows_nothing() -> None:
    count = LossCount.of(np.zeros(0))
    assert (count.upper(0.95), count.lower(0.95), count.p_value(0.5), count.p_value_below(0.5)) == (1, 0, 1, 1)


def test_loss_count_uses_losses_between_right_and_wrong() -> None:
    # given errors that cost a tenth of the largest cost
    small = LossCount.of(np.r_[np.full(40, 0.1), np.zeros(160)])
    large = LossCount.of(np.r_[np.ones(4), np.zeros(196)])
    assert small.mean == pytest.approx(large.mean)
    assert small.mean < small.upper(0.95) < large.upper(0.95)


@pytest.mark.parametrize("per_cluster", [1, 6])
def test_loss_count_contradicts_a_promise_that_just_holds_no_more_often_than_it_may(per_cluster: int) -> None:
    """The test of the gate: at a mean loss of just the limit, it may refuse 5 % of the models."""
    random = np.random.default_rng(5)
    refused = 0
    for _ in range(400):
        sizes = random.geometric(1 / per_cluster, 500 // per_cluster)
        clusters = np.repeat(np.arange(len(sizes)), sizes)
        tendency = random.beta(0.5, 4.5, len(sizes))  # a mean of 0.1; errors of a cluster come together
        loss = (random.random(len(clusters)) < tendency[clusters]).astype(np.float64)
        refused += LossCount.of(loss, clusters).p_value_below(0.1) <= 0.05
    assert refused <= 400 * 0.05 + 2 * np.sqrt(400 * 0.05 * 0.95)
