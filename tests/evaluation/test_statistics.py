import numpy as np
import pytest
from sklearn.metrics import f1_score

from assay.evaluation.statistics import (
    Outcomes,
    class_outcomes,
    class_p_value,
    distinct_rows,
    entity_outcomes,
    f1_interval,
    holm,
    slice_p_value,
)

CLASSES = ["a", "b", "c"]


def noisy_classes(rows: int, accuracy: float, seed: int) -> tuple[list[str], list[str]]:
    """Return gold classes and the predictions of a model with the given accuracy."""
    random = np.random.default_rng(seed)
    gold = random.integers(0, 3, rows)
    wrong = (gold + random.integers(1, 3, rows)) % 3
    predictions = np.where(random.random(rows) < accuracy, gold, wrong)
    return [CLASSES[code] for code in gold], [CLASSES[code] for code in predictions]


def noisy_entities(rows: int, recall: float, seed: int) -> Outcomes:
    """Return two entities per row, each found with the given probability, else replaced by a false one."""
    hits_per_row = np.random.default_rng(seed).binomial(2, recall, rows)
    return entity_outcomes([(int(hits), int(2 - hits), int(2 - hits)) for hits in hits_per_row])


def test_outcomes_macro_f1_equals_sklearn() -> None:
    gold, predicted = noisy_classes(500, 0.7, seed=1)
    assert class_outcomes(gold, predicted, CLASSES).f1() == pytest.approx(f1_score(gold, predicted, average="macro"))


def test_outcomes_macro_f1_leaves_out_classes_without_gold_rows() -> None:
    outcomes = class_outcomes(["a", "a", "b"], ["a", "c", "b"], CLASSES)
    assert outcomes.f1() == pytest.approx((2 / 3 + 1) / 2)


def test_outcomes_entity_f1_is_micro() -> None:
    assert entity_outcomes([(3, 1, 0), (0, 0, 2)]).f1() == pytest.approx(2 * 3 / (2 * 3 + 1 + 2))


def test_outcomes_f1_without_gold_labels_is_nan() -> None:
    assert np.isnan(entity_outcomes([(0, 1, 0)]).f1())


@pytest.mark.parametrize("largest", [5, 2**40])
def test_distinct_rows_equal_numpy(largest: int) -> None:
    codes = np.random.default_rng(1).integers(0, 3, (50, 4)) * (largest // 2)
    rows, place = distinct_rows(codes)
    assert rows.tolist() == np.unique(codes, axis=0).tolist()
    assert rows[place].tolist() == codes.tolist()


def test_f1_interval_covers_the_true_f1_as_often_as_stated() -> None:
    # Given a model whose true F1 is 0.8, when 200 test sets are drawn,
    outcomes = [noisy_entities(300, 0.8, seed) for seed in range(200)]
    intervals = [f1_interval(outcome, replicas=400, seed=seed) for seed, outcome in enumerate(outcomes)]
    # then about 95 % of the intervals hold it (three standard errors are 4.6 points).
    covered = sum(interval.low <= 0.8 <= interval.high for interval in intervals)
    assert 180 <= covered <= 200


def test_draw_f1_agrees_with_drawing_single_rows() -> None:
    outcomes = noisy_entities(400, 0.7, seed=3)
    random = np.random.default_rng(0)
    drawn = [Outcomes(outcomes.codes[random.integers(0, 400, 400)]).f1() for _ in range(2000)]
    interval = f1_interval(outcomes)
    assert interval.low == pytest.approx(np.quantile(drawn, 0.025), abs=0.005)
    assert interval.high == pytest.approx(np.quantile(drawn, 0.975), abs=0.005)


def test_slice_p_value_is_small_for_a_real_gap() -> None:
    good, bad = noisy_entities(800, 0.9, 1), noisy_entities(200, 0.5, 2)
    outcomes = Outcomes(np.vstack([good.codes, bad.codes]))
    member = np.arange(1000) >= 800
    assert slice_p_value(outcomes, member, 0.9) < 0.01
    assert slice_p_value(outcomes, ~member, 0.9) > 0.9


def test_slice_p_value_is_rarely_small_at_the_threshold() -> None:
    # Given slices whose true ratio is exactly the required one (0.72 / 0.8 of the whole is 0.9),
    member = np.arange(1000) >= 800
    p_values = []
    for seed in range(100):
        rest, part = noisy_entities(800, 0.82, seed), noisy_entities(200, 0.72, 5000 + seed)
        outcomes = Outcomes(np.vstack([rest.codes, part.codes]))
        p_values.append(slice_p_value(outcomes, member, 0.9, replicas=400))
    # when tested at 5 %, then about 5 of 100 fail.
    assert sum(p < 0.05 for p in p_values) <= 12


def test_class_p_value_is_small_for_a_real_gap() -> None:
    # Given three classes, of which half of `c` is taken for `b`,
    gold = list("abc") * 200
    predictions = ["b" if label == "c" and number % 2 else label for number, label in enumerate(gold)]
    outcomes = class_outcomes(gold, predictions, CLASSES)
    # then c (F1 0.67, mean 0.82) is below the threshold, and the others do not.
    p_values = [class_p_value(outcomes, code, 0.9) for code in range(3)]
    assert [value < 0.01 for value in p_values] == [False, False, True]


def test_outcomes_f1_of_one_class_equals_sklearn() -> None:
    gold, predicted = noisy_classes(500, 0.7, seed=1)
    expected = [class_outcomes(gold, predicted, CLASSES).of_class(code).f1() for code in range(3)]
    assert expected == pytest.approx(f1_score(gold, predicted, labels=CLASSES, average=None).tolist())


def test_holm_equals_manual_values() -> None:
    # sorted: 0.005*4, 0.01*3, 0.03*2, 0.04*1 -> running maximum 0.02, 0.03, 0.06, 0.06
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.7]) == [1.0, 1.0]
    assert holm([]) == []


def test_draw_f1_does_not_depend_on_the_chunk_size(monkeypatch: pytest.MonkeyPatch) -> None:
    outcomes = noisy_entities(300, 0.8, 1)
    whole = f1_interval(outcomes)
    monkeypatch.setattr("assay.evaluation.statistics.CELLS_PER_CHUNK", 50)
    assert f1_interval(outcomes) == whole


def documents(count: int, size: int, seed: int, level: float = 0.8) -> Outcomes:
    """Return two entities per row; the probability to find them is that of the document."""
    random = np.random.default_rng(seed)
    chance = np.repeat(np.clip(random.normal(level, 0.15, count), 0.0, 1.0), size)
    hits_per_row = random.binomial(2, chance)
    return Outcomes(
        np.column_stack([hits_per_row, 2 - hits_per_row, 2 - hits_per_row]), clusters=np.repeat(np.arange(count), size)
    )


def test_clusters_of_one_row_equal_independent_rows() -> None:
    names = [f"row {number}" for number in range(300)]
    gold, predicted = noisy_classes(300, 0.8, seed=1)
    alone, named = class_outcomes(gold, predicted, CLASSES), class_outcomes(gold, predicted, CLASSES, names)
    member = np.arange(300) < 90
    assert f1_interval(named) == f1_interval(alone)
    assert slice_p_value(named, member, 0.9) == slice_p_value(alone, member, 0.9)
    assert class_p_value(named, 1, 0.9) == class_p_value(alone, 1, 0.9)
    assert (alone.count, named.count) == ("300 rows", "300 rows")


def test_by_cluster_keeps_f1() -> None:
    gold, predicted = noisy_classes(300, 0.8, seed=1)
    outcomes = class_outcomes(gold, predicted, CLASSES, [number // 7 for number in range(300)])
    assert outcomes.by_cluster().f1() == pytest.approx(outcomes.f1())
    assert len(outcomes.by_cluster()) == outcomes.size == outcomes.informative == 43
    assert outcomes.count == "300 rows in 43 clusters"


def test_f1_interval_of_copies_equals_that_of_the_originals() -> None:
    single = noisy_entities(100, 0.8, 1)
    copies = Outcomes(np.repeat(single.codes, 10, axis=0), clusters=np.repeat(np.arange(100), 10))
    narrow, expected, wide = (f1_interval(outcome) for outcome in (Outcomes(copies.codes), single, copies))
    assert wide.high - wide.low == pytest.approx(expected.high - expected.low, rel=0.1)
    assert wide.high - wide.low > 2.5 * (narrow.high - narrow.low)


@pytest.mark.parametrize("count", [8, 30])
def test_f1_interval_of_clusters_covers_the_true_f1_as_often_as_stated(count: int) -> None:
    true = documents(200_000, 1, 0).f1()
    intervals = [f1_interval(documents(count, 20, seed), replicas=400, seed=seed) for seed in range(1, 201)]
    covered = sum(interval.low <= true <= interval.high for interval in intervals)
    assert 181 <= covered <= 199


def test_f1_interval_of_one_cluster_is_everything() -> None:
    interval = f1_interval(documents(1, 50, 1))
    assert (interval.low, interval.high) == (0, 1)
    pooled = documents(20, 10, 1)
    assert slice_p_value(pooled, np.arange(200) // 10 == 3, 0.99) == 1


def test_slice_p_value_of_clusters_is_rarely_small_at_the_threshold() -> None:
    # Given slices of six documents among thirty, which are as good as the rest but for a ratio of 0.95,
    member = np.repeat(np.arange(30) < 6, 20)
    p_values = []
    for seed in range(200):
        part, rest = documents(6, 20, seed, 0.76), documents(24, 20, 9_000 + seed, 0.81)
        whole = Outcomes(np.vstack([part.codes, rest.codes]), clusters=np.repeat(np.arange(30), 20))
        p_values.append(slice_p_value(whole, member, 0.95, replicas=400))
    # when tested at 5 %, then at most about 10 of 200 fail (two standard errors more are 16).
    assert sum(value <= 0.05 for value in p_values) <= 16


def test_class_p_value_of_one_bad_document_may_be_chance() -> None:
    # Given 30 rows of a class that are one document, all wrong, and 30 documents of one row each,
    gold = ["a"] * 200 + ["b"] * 200 + ["c"] * 30
    predictions = ["a"] * 200 + ["b"] * 200 + ["a"] * 30
    alone = class_outcomes(gold, predictions, CLASSES)
    document = class_outcomes(gold, predictions, CLASSES, [min(row, 400) for row in range(430)])
    assert class_p_value(alone, 2, 0.9) < 0.01
    assert class_p_value(document, 2, 0.9) == 1
