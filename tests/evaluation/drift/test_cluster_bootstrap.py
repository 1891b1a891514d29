import numpy as np
import pytest

from assay.evaluation.drift import cluster_bootstrap
from assay.evaluation.drift.cluster_bootstrap import Estimates, bootstrap_p_value, ratio
from assay.evaluation.statistics import Bools, Floats


def largest(differences: Floats) -> Floats:
    result: Floats = np.abs(differences).max(axis=1)
    return result


def sample(seed: int, clusters: int, rate: float) -> tuple[Floats, Floats]:
    """Sums (clusters x 1) and sizes of clusters of 1 to 30 rows, which share a rate each."""
    random = np.random.default_rng(seed)
    sizes = random.integers(1, 31, clusters).astype(np.float64)
    rates = np.clip(random.normal(rate, 0.1, clusters), 0, 1)
    return (sizes * rates)[:, None], sizes


def p_value(reference: tuple[Floats, Floats], window: tuple[Floats, Floats], draws: int = 999, seed: int = 1) -> float:
    counts = len(reference[1]), len(window[1])
    mask: Bools = np.array([False] * counts[0] + [True] * counts[1])
    measured = abs(float(window[0].sum() / window[1].sum() - reference[0].sum() / reference[1].sum()))
    estimates = Estimates((ratio(*reference), ratio(*window)), largest)
    return bootstrap_p_value(estimates, mask, measured, seed=seed, draws=draws)


def test_ratio_is_the_mean_over_the_drawn_clusters() -> None:
    estimate = ratio(np.array([[1.0, 4.0], [3.0, 0.0]]), np.array([2.0, 4.0]))
    counts = np.array([[1.0, 1.0], [2.0, 0.0], [0.0, 2.0]])
    assert estimate(counts) == pytest.approx(np.array([[4 / 6, 4 / 6], [0.5, 2.0], [0.75, 0.0]]))


def test_ratio_of_empty_clusters_is_finite() -> None:
    assert np.isfinite(ratio(np.zeros((2, 1)), np.zeros(2))(np.ones((1, 2)))).all()


def test_bootstrap_p_value_is_small_for_a_difference_and_large_without_one() -> None:
    reference = sample(1, 60, 0.5)
    assert p_value(reference, sample(2, 40, 0.8)) == 1 / 1000  # never 0
    assert p_value(reference, sample(3, 40, 0.5)) > 0.05


def test_bootstrap_p_value_of_a_single_cluster_is_one() -> None:
    assert p_value(sample(1, 60, 0.5), sample(2, 1, 1.0)) == 1.0
    assert p_value(sample(1, 1, 0.5), sample(2, 60, 1.0)) == 1.0


def test_bootstrap_p_value_depends_on_the_seed_alone() -> None:
    reference, window = sample(1, 20, 0.5), sample(2, 20, 0.55)
    assert p_value(reference, window, seed=1) == p_value(reference, window, seed=1)
    assert p_value(reference, window, seed=1) != p_value(reference, window, seed=2)


def test_bootstrap_p_value_draws_in_chunks_that_fit_into_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []
    reference, window = sample(1, 10, 0.5), sample(2, 5, 0.5)
    monkeypatch.setattr(cluster_bootstrap, "CELLS_PER_CHUNK", 40)

    def counted(counts: Floats) -> Floats:
        sizes.append(len(counts))
        return ratio(*window)(counts)

    mask: Bools = np.array([False] * 10 + [True] * 5)
    estimates = Estimates((ratio(*reference), counted), largest)
    bootstrap_p_value(estimates, mask, 0.1, seed=1, draws=10)
    assert sizes[::2] == [4, 4, 2]  # each chunk asks for the sample itself, too
    sizes.clear()
    bootstrap_p_value(estimates, mask, 0.1, seed=1, draws=3, cells=1_000)
    assert sizes[::2] == [1, 1, 1]


def test_bootstrap_p_value_rarely_falls_below_alpha_without_a_difference() -> None:
    below = sum(p_value(sample(seed, 12, 0.5), sample(seed + 1_000, 6, 0.5), draws=199) < 0.05 for seed in range(200))
    assert below <= 20  # 5 % expected; more than 10 % of 200 would be a defect
