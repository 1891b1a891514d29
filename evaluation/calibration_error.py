"""How far confidences are from the share of right predictions, with bins, interval and likelihood.

Predictions are grouped into bins of equal size by their confidence. The plain calibration error of few predictions per
bin is too large, since chance alone moves each bin off the diagonal; what chance adds to each distance is subtracted
(Kumar, Liang & Ma 2019, "Verified uncertainty calibration"). Chance and interval are measured by cluster, since
predictions on rows of one cluster are not independent.
"""

import numpy as np
from pydantic import BaseModel, ConfigDict

from assay.evaluation.statistics import Bools, Floats, Interval, Ints

BINS = 15
LEAST_PER_BIN = 50
COVERAGE = 0.95
ONE_SIDED = 1.96  # the quantile of the normal distribution for one end of the interval


class CalibrationBin(BaseModel):
    """Predictions of similar confidence: mean confidence, share that is right, and their number."""

    model_config = ConfigDict(frozen=True)

    confidence: float
    accuracy: float
    count: int


class CalibrationError(BaseModel):
    """The calibration of some predictions: the expected error with its interval, the likelihood, and the bins.

    `log_loss` is the mean negative log-likelihood in nats.
    """

    model_config = ConfigDict(frozen=True)

    error: Interval
    log_loss: float
    bins: list[CalibrationBin]


def calibration_error(
    confidence: Floats, right: Bools, clusters: Ints | None = None, log_loss: float | None = None
) -> CalibrationError:
    """Measure the calibration of predictions.

    Args:
        confidence: probability that each prediction is right.
        right: whether it is.
        clusters: cluster number of each prediction; None if they are independent.
        log_loss: the log loss where it is not that of being right, such as that of several classes.
    """
    names = np.arange(len(confidence)) if clusters is None else np.unique(clusters, return_inverse=True)[1]
    bin_of = _bins(confidence, int(names.max()) + 1)
    tables = [
        _table(names, bin_of, values) for values in (np.ones(len(confidence)), confidence, right.astype(np.float64))
    ]
    counts, confidences, rights = (table.sum(axis=0) for table in tables)
    return CalibrationError(
        error=_error(*tables),
        log_loss=_binary_log_loss(confidence, right) if log_loss is None else log_loss,
        bins=[
            CalibrationBin(confidence=confidence, accuracy=accuracy, count=int(count))
            for confidence, accuracy, count in zip(confidences / counts, rights / counts, counts, strict=True)
        ],
    )


def _binary_log_loss(confidence: Floats, right: Bools) -> float:
    inside = np.clip(confidence, 1e-12, 1 - 1e-12)
    return float(-np.log(np.where(right, inside, 1 - inside)).mean())


def _bins(confidence: Floats, clusters: int) -> Ints:
    """Return the bin of each prediction: bins of equal size in the order of confidence.

    Their number depends on the clusters, since copies of few rows would leave more chance in each bin than can be
    subtracted.
    """
    count = max(1, min(BINS, clusters // LEAST_PER_BIN))
    bin_of = np.empty(len(confidence), dtype=np.int64)
    for number, members in enumerate(np.array_split(np.argsort(confidence, kind="stable"), count)):
        bin_of[members] = number
    return bin_of


def _table(clusters: Ints, bin_of: Ints, values: Floats) -> Floats:
    """Return the sum of values by cluster and bin."""
    table = np.zeros((clusters.max() + 1, bin_of.max() + 1))
    np.add.at(table, (clusters, bin_of), values)
    return table


def _mean_distance(mean: Floats, spread: Floats) -> Floats:
    """Return the mean of the absolute value of a normal variable."""
    from scipy.special import ndtr  # scipy takes long to import, and only the evaluation needs it

    scaled = mean / np.maximum(spread, 1e-12)
    distance: Floats = spread * np.sqrt(2 / np.pi) * np.exp(-(scaled**2) / 2) + mean * (1 - 2 * ndtr(-scaled))
    return distance


def _error(counts: Floats, confidences: Floats, rights: Floats) -> Interval:
    """Return the error without the part of chance, and its interval, from sums by cluster and bin."""
    from scipy.stats import t as student_t  # as above

    sizes = counts.sum(axis=0)
    gaps = (rights - confidences).sum(axis=0) / sizes
    variances = ((rights - confidences - gaps * counts) ** 2).sum(axis=0) / sizes**2
    shares, spread = sizes / sizes.sum(), np.sqrt(variances)
    chance = _mean_distance(gaps, spread) - np.abs(gaps)
    error = max(0.0, float(shares @ (np.abs(gaps) - chance)))
    # The error is a mean over the clusters: the sum of their predictions' distances in the direction of each bin.
    plain = float(shares @ np.abs(gaps))
    parts = ((rights - confidences) * np.sign(gaps)).sum(axis=1) - plain * counts.sum(axis=1)
    clusters = len(counts)
    deviation = np.sqrt((parts**2).sum() * clusters / max(1, clusters - 1)) / sizes.sum()
    reach = float(student_t.ppf((1 + COVERAGE) / 2, max(1, clusters - 1)) * deviation)
    # Distances have no sign, so that the interval of a calibrated model would rarely reach 0 by itself.
    of_calibrated = np.sqrt(2 / np.pi) * shares @ spread
    spread_of_calibrated = np.sqrt((1 - 2 / np.pi) * (shares**2 @ variances))
    calibrated = plain <= of_calibrated + ONE_SIDED * spread_of_calibrated
    return Interval(error, low=0.0 if calibrated else max(0.0, error - reach), high=min(1.0, error + reach))
