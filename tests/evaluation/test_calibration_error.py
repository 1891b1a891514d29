import numpy as np
import pytest

from assay.evaluation.calibration_error import BINS, calibration_error


def sample(rows: int, too_high: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    confidence = random.uniform(0.5, 1, rows)
    return confidence, random.random(rows) < confidence - too_high


def test_calibration_error_counts_bins_of_equal_size() -> None:
    result = calibration_error(*sample(1000, 0.1))
    assert len(result.bins) == BINS
    assert {group.count for group in result.bins} == {66, 67}
    assert [group.confidence for group in result.bins] == sorted(group.confidence for group in result.bins)
    assert len(calibration_error(*sample(100, 0)).bins) == 2
    assert len(calibration_error(*sample(5, 0)).bins) == 1


@pytest.mark.parametrize("error", [0.0, 0.05, 0.15])
def test_calibration_error_covers_the_true_one(error: float) -> None:
    results = [calibration_error(*sample(1000, error, seed)).error for seed in range(100)]
    assert sum(result.low <= error <= result.high for result in results) >= 88
    assert np.mean([result.value for result in results]) == pytest.approx(error, abs=0.03)


def test_calibration_error_is_smaller_than_the_plain_distance_of_few_rows() -> None:
    results = [calibration_error(*sample(300, 0, seed)) for seed in range(20)]
    plain = [
        np.average(
            [abs(group.confidence - group.accuracy) for group in result.bins],
            weights=[group.count for group in result.bins],
        )
        for result in results
    ]
    assert np.mean([result.error.value for result in results]) < 0.7 * np.mean(plain)


def test_calibration_error_of_copied_rows_is_as_uncertain_as_that_of_single_ones() -> None:
    confidence, right = sample(200, 0.1)
    single = calibration_error(confidence, right).error
    copies = calibration_error(np.repeat(confidence, 10), np.repeat(right, 10), np.repeat(np.arange(200), 10)).error
    assert copies.high - copies.low == pytest.approx(single.high - single.low, rel=0.35)
    naive = calibration_error(np.repeat(confidence, 10), np.repeat(right, 10)).error
    assert naive.high - naive.low < 0.6 * (copies.high - copies.low)


def test_calibration_error_of_clusters_has_bins_for_the_clusters_and_little_bias() -> None:
    errors = []
    for seed in range(40):
        confidence, right = sample(200, 0.05, seed)
        result = calibration_error(np.repeat(confidence, 5), np.repeat(right, 5), np.repeat(np.arange(200), 5))
        assert len(result.bins) == 4
        errors.append(result.error.value)
    assert np.mean(errors) == pytest.approx(0.05, abs=0.015)


def test_calibration_error_of_certain_predictions_is_finite() -> None:
    result = calibration_error(np.ones(40), np.arange(40) > 0)
    assert result.error.value == pytest.approx(1 / 40, abs=0.02)
    assert np.isfinite(result.log_loss)
