"""The promise is tested by simulation: over many validation sets, it must hold as often as it says."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit
from scipy.stats import norm

from assay.evaluation.decision_threshold import ROUNDING, choose_threshold, precision_threshold
from assay.evaluation.statistics import Bools, Floats, Ints

RESAMPLES = 200
Sample = tuple[Floats, Bools, Ints]


def draw(random: np.random.Generator, rows: int, per_cluster: int = 1, error: float = 0.0, bend: float = 1.0) -> Sample:
    """Return confidences, which of the predictions are right, and clusters whose rows resemble each other.

    Args:
        random: source of the numbers.
        rows: number of predictions.
        per_cluster: mean size of a cluster; sizes differ, and most errors of a cluster come together.
        error: share of predictions that are wrong at any confidence.
        bend: exponent on the probability of being right; above 1, confidences promise too much.
    """
    sizes = random.geometric(1 / per_cluster, rows)
    sizes = sizes[: np.searchsorted(np.cumsum(sizes), rows) + 1]
    clusters = np.repeat(np.arange(len(sizes)), sizes)[:rows]
    shared = 0.5 if per_cluster > 1 else 0.0

    def correlated() -> Floats:
        of_cluster, own = random.normal(size=len(sizes))[clusters], random.normal(size=rows)
        values: Floats = np.sqrt(shared) * of_cluster + np.sqrt(1 - shared) * own
        return values

    confidence = expit(2.5 + 2 * correlated())
    right = norm.cdf(correlated()) < (1 - error) * confidence**bend
    return confidence, right, clusters


@pytest.mark.parametrize(
    ("rows", "per_cluster", "bend"),
    [(400, 1, 1.0), (2000, 1, 1.6), (2000, 4, 1.0), (4000, 8, 1.6)],
)
def test_precision_threshold_keeps_its_promise_in_the_promised_share_of_resampled_splits(
    rows: int, per_cluster: int, bend: float
) -> None:
    random = np.random.default_rng(7)
    everyone, right, _ = draw(random, 200_000, per_cluster, 0.01, bend)
    broken = decided = 0
    for _ in range(RESAMPLES):
        confidence, is_right, clusters = draw(random, rows, per_cluster, 0.01, bend)
        chosen = precision_threshold(confidence, is_right, 0.9, 0.95, clusters if per_cluster > 1 else None)
        if chosen.threshold is not None:
            decided += 1
            broken += right[everyone >= chosen.threshold].mean() < 0.9
    assert decided > RESAMPLES / 2  # the promise is not kept by deciding nothing
    # at most 5 % may be broken; the limit leaves room for chance in 200 draws
    assert broken <= RESAMPLES * 0.05 + 2 * np.sqrt(RESAMPLES * 0.05 * 0.95)


def test_precision_threshold_breaks_its_promise_where_clusters_are_ignored() -> None:
    """Without clusters, the same rows promise too much: the simulation above can fail."""
    random = np.random.default_rng(7)
    everyone, right, _ = draw(random, 200_000, 25)
    broken = 0
    for _ in range(RESAMPLES):
        confidence, is_right, _ = draw(random, 1000, 25)
        chosen = precision_threshold(confidence, is_right, 0.95, 0.95)
        if chosen.threshold is not None:
            broken += right[everyone >= chosen.threshold].mean() < 0.95
    assert broken > RESAMPLES * 0.1


def test_precision_threshold_decides_everything_where_that_keeps_the_promise() -> None:
    confidence = np.linspace(0.5, 1, 1000)
    chosen = precision_threshold(confidence, np.ones(1000, dtype=np.bool_), 0.95, 0.95)
    assert (chosen.threshold, chosen.decided, chosen.required) == (0.0, 1000, None)


def test_precision_threshold_lies_between_the_last_decided_and_the_first_abstained() -> None:
    confidence = np.linspace(0, 1, 2001)
    chosen = precision_threshold(confidence, confidence > 0.5, 0.95, 0.95)
    assert chosen.threshold is not None
    assert 0.45 < chosen.threshold < 0.6
    assert chosen.decided == (confidence >= chosen.threshold).sum()
    assert np.abs(confidence - chosen.threshold).min() > 1e-5  # rounding moves no row to the other side


def test_precision_threshold_decides_equal_confidences_together() -> None:
    confidence = np.repeat([0.9, 0.6], 500)
    chosen = precision_threshold(confidence, confidence > 0.8, 0.95, 0.95)
    assert chosen.decided == 500
    assert chosen.threshold == pytest.approx(0.75)


@pytest.mark.parametrize(("rows", "clusters", "least"), [(0, None, 59), (30, None, 59), (60, 10, 300)])
def test_precision_threshold_tells_how_many_rows_would_be_needed(rows: int, clusters: int | None, least: int) -> None:
    numbers = None if clusters is None else np.repeat(np.arange(clusters), rows // clusters)
    chosen = precision_threshold(np.linspace(0.9, 1, rows), np.ones(rows, dtype=np.bool_), 0.95, 0.95, numbers)
    assert chosen.threshold is None
    assert chosen.required is not None
    assert least <= chosen.required <= 1.7 * least


def test_precision_threshold_decides_everything_of_an_accurate_model_whose_errors_come_at_any_confidence() -> None:
    right = np.arange(1200) % 50 > 0
    chosen = precision_threshold(np.linspace(0.5, 1, 1200), right, 0.96, 0.95)
    assert (chosen.threshold, chosen.decided) == (0.0, 1200)


def test_precision_threshold_of_a_required_number_of_rows_is_one() -> None:
    few = precision_threshold(np.linspace(0.9, 1, 40), np.ones(40, dtype=np.bool_), 0.95, 0.95)
    assert few.required is not None
    rows = few.required
    assert precision_threshold(np.linspace(0.9, 1, rows), np.ones(rows, dtype=np.bool_), 0.95, 0.95).threshold == 0


def test_precision_threshold_says_that_no_number_would_do() -> None:
    right = np.arange(500) % 2 == 0
    chosen = precision_threshold(np.linspace(0.5, 1, 500), right, 0.95, 0.95)
    assert (chosen.threshold, chosen.decided, chosen.required) == (None, 0, None)


@st.composite
def losses(draw: st.DrawFn) -> tuple[Floats, Floats, Ints | None]:
    """Return scores with ties and neighbouring numbers, losses, and clusters or none."""
    rows = draw(st.integers(1, 400))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    kinds = draw(st.integers(1, 50))
    values = np.nextafter(random.choice(np.linspace(0, 1, kinds), rows), random.choice([0.0, 0.5, 1.0], rows))
    loss = (random.random(rows) < draw(st.sampled_from([0.0, 0.01, 0.2, 1.0]))).astype(np.float64)
    return values, loss, random.integers(0, kinds, rows) if draw(st.booleans()) else None


@given(losses(), st.sampled_from([0.0001, 0.05, 0.3, 0.9, 0.99]), st.sampled_from([0.51, 0.95, 0.9999]), st.booleans())
def test_choose_threshold_decides_what_it_counts_and_keeps_the_limit(
    sample: tuple[Floats, Floats, Ints | None], limit: float, level: float, cheapest: bool
) -> None:
    scores, loss, clusters = sample
    chosen = choose_threshold(scores, loss, limit, level, clusters, cheapest=cheapest)
    if chosen.threshold is None:
        assert chosen.decided == 0
        return
    decided = scores >= chosen.threshold
    assert decided.sum() == chosen.decided > 0
    assert loss[decided].mean() < limit


def test_choose_threshold_decides_together_what_rounding_could_swap() -> None:
    # two halves that differ by the last digits of a float32: a threshold between them would decide by chance
    scores = np.repeat([1 - 1e-8, 1 - 2e-8], 500)
    assert choose_threshold(scores, np.zeros(1000), 0.05, 0.95).decided == 1000
    wrong = np.repeat([0.0, 1.0], 500)
    assert choose_threshold(scores, wrong, 0.05, 0.95).threshold is None


@pytest.mark.parametrize("middle", [0.87655, 0.8765, 0.5, 0.00005])
def test_choose_threshold_decides_a_clump_together_wherever_it_lies(middle: float) -> None:
    clump = middle + np.random.default_rng(0).uniform(-4e-8, 4e-8, 1000)
    scores = np.concatenate([clump, np.linspace(0.9, 1, 1000)])
    wrong = np.concatenate([(np.arange(1000) % 5 == 0).astype(np.float64), np.zeros(1000)])
    chosen = choose_threshold(scores, wrong, 0.1, 0.95)
    assert chosen.threshold is not None
    assert not (clump >= chosen.threshold).any() or (clump >= chosen.threshold).all()
    assert chosen.decided == (scores >= chosen.threshold).sum()


def test_choose_threshold_parts_so_many_scores_that_each_is_near_the_next() -> None:
    scores = np.linspace(0.9, 1, 300_000)
    wrong = (scores < 0.95).astype(np.float64)
    chosen = choose_threshold(scores, wrong, 0.05, 0.95)
    assert chosen.threshold == pytest.approx(0.95, abs=0.006)
    assert chosen.threshold is not None
    assert chosen.decided == (scores >= chosen.threshold).sum()


def test_choose_threshold_tells_close_scores_apart_where_rounding_is_smaller() -> None:
    # as for errors that cost a thousandth of others: their safety differs by a thousandth of their confidence
    confidence, wrong = np.linspace(0, 1, 4000), (np.linspace(0, 1, 4000) < 0.5).astype(np.float64)
    safety = 1 - (1 - confidence) / 1000
    plain = choose_threshold(confidence, wrong, 0.05, 0.95)
    scaled = choose_threshold(safety, wrong, 0.05, 0.95, rounding=ROUNDING / 1000)
    assert 0 < plain.decided == scaled.decided < 4000


def test_choose_threshold_takes_the_lowest_cost_and_not_the_most_rows() -> None:
    # given errors below a score of 0.5, each of which costs twice as much as a person
    scores = np.linspace(0, 1, 4000)
    loss = np.where(scores < 0.5, np.arange(4000) % 4 > 0, 0).astype(np.float64)
    cheapest = choose_threshold(scores, loss, 0.5, 0.95, cheapest=True)
    most = choose_threshold(scores, loss, 0.5, 0.95)
    assert cheapest.threshold == pytest.approx(0.5, abs=0.03)
    assert most.decided > 1.2 * cheapest.decided


def test_choose_threshold_takes_a_limit_next_to_zero() -> None:
    scores, loss = np.linspace(0, 1, 100), np.zeros(100)
    chosen = choose_threshold(scores, loss, 1e-18, 0.95)
    assert (chosen.threshold, chosen.required) == (None, None)
