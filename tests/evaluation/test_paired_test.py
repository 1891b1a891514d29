"""The paired comparison of two models."""

import time
from typing import Any

import numpy as np
import pytest

from assay.evaluation.paired_test import compare, p_value
from assay.evaluation.statistics import Floats, Ints, Outcomes, class_outcomes, draw_sets, entity_outcomes
from tests.evaluation.test_statistics import CLASSES, noisy_classes, noisy_entities


def test_compare_finds_a_real_difference() -> None:
    gold, better = noisy_classes(1000, 0.9, seed=1)
    _, worse = noisy_classes(1000, 0.8, seed=1)
    result = compare(class_outcomes(gold, better, CLASSES), class_outcomes(gold, worse, CLASSES))
    assert result.difference == pytest.approx(0.1, abs=0.02)
    assert 0 < result.lower < result.difference
    assert result.p_value < 0.01


def test_compare_rarely_prefers_one_of_equal_models() -> None:
    # Given pairs of independent models of the same quality, when each is tested at 5 %,
    results = [
        p_value(noisy_entities(400, 0.8, s), noisy_entities(400, 0.8, 9000 + s), replicas=400) for s in range(200)
    ]
    # then about 10 of 200 look better by chance (two to three standard errors).
    assert 2 <= sum(value <= 0.05 for value in results) <= 18


def test_compare_does_not_prefer_an_equal_model_with_few_disagreements() -> None:
    # Given test sets on which equal models differ in about eight rows, when each is tested at 5 %,
    random = np.random.default_rng(5)
    passed = 0
    for _ in range(200):
        gold = random.integers(0, 2, 400)
        flips = random.random((2, 400)) < 0.01
        candidate, champion = (Outcomes(np.column_stack([gold, gold ^ flip]), 2) for flip in flips)
        passed += p_value(candidate, champion, replicas=400) <= 0.05
    # then at most about 10 of 200 pass (two standard errors more are 16).
    assert passed <= 16


def test_compare_needs_more_than_one_better_row() -> None:
    codes = noisy_entities(500, 0.8, 1).codes
    worse = codes.copy()
    worse[0] = [0, 2, 2]
    assert p_value(Outcomes(codes), Outcomes(worse)) > 0.1


def test_compare_uses_enough_draws_for_a_high_confidence() -> None:
    candidate, champion = noisy_entities(500, 0.85, 1), noisy_entities(500, 0.80, 2)
    usual, rare = (compare(candidate, champion, confidence=level) for level in (0.95, 0.999))
    assert rare.lower < usual.lower
    assert 0 < rare.p_value < 1 / 2000


def test_compare_bound_and_p_value_agree() -> None:
    candidate, champion = noisy_entities(500, 0.82, 1), noisy_entities(500, 0.80, 2)
    for margin in np.linspace(-0.05, 0.1, 7):
        result = compare(candidate, champion, threshold=-float(margin))
        assert (result.lower > -margin) == (result.p_value <= 0.05)


def test_compare_bound_is_tighter_for_paired_models() -> None:
    # Given a champion that errs on the same rows but for ten more, when compared,
    codes = noisy_entities(500, 0.8, 1).codes
    worse = codes.copy()
    worse[:10] = [0, 2, 2]
    result = compare(Outcomes(codes), Outcomes(worse))
    # then the spread comes from these ten rows only, far below that of one F1 (about 0.013).
    assert result.difference - result.lower < 0.012
    assert result.lower > 0


def test_compare_does_not_prefer_a_model_to_itself() -> None:
    outcomes = noisy_entities(200, 0.8, 1)
    result = compare(outcomes, outcomes)
    assert (result.difference, result.p_value, result.identical) == (0, 1, True)
    assert p_value(outcomes, outcomes, threshold=0.01) == 1


@pytest.mark.parametrize("rows", [30, 100, 300, 1000])
def test_compare_bound_of_identical_models_depends_on_the_rows(rows: int) -> None:
    # Given models that never differ, be they good, perfect, of one class or of entities,
    gold, good = noisy_classes(rows, 0.85, seed=rows)
    models = [
        class_outcomes(gold, good, CLASSES),
        class_outcomes(gold, gold, CLASSES),
        class_outcomes(["a"] * rows, ["a"] * rows, ["a"]),
        noisy_entities(rows, 0.9, seed=rows),
        noisy_entities(rows, 1.0, seed=rows),
    ]
    for outcomes in models:
        # when compared, then the bound is that of no case among so many rows, and not far below it.
        exact = 1 - 0.05 ** (1 / rows)
        assert 1.6 * exact > -compare(outcomes, outcomes).lower > 0.99 * exact
        assert p_value(outcomes, outcomes, threshold=-0.9 * exact) > 0.05
    # Copies are no evidence: ten rows per cluster count as one.
    copies = Outcomes(np.repeat(models[0].codes, 10, axis=0), 3, np.repeat(np.arange(rows), 10))
    assert compare(copies, copies).lower == pytest.approx(compare(models[0], models[0]).lower, rel=0.2)


def test_p_value_of_a_difference_that_the_rows_cannot_have() -> None:
    # Given two models that differ on two rows of 400, then no reweighting makes them differ by 0.999 of F1.
    codes = noisy_entities(400, 0.8, 1).codes
    second = codes.copy()
    second[:2] = [0, 2, 2]
    assert p_value(Outcomes(codes), Outcomes(second), threshold=0.999) == 1
    assert p_value(Outcomes(codes), Outcomes(second), threshold=-0.999) < 0.001


def test_p_value_equals_that_of_compare() -> None:
    candidate, champion = noisy_entities(300, 0.82, 1), noisy_entities(300, 0.80, 2)
    assert p_value(candidate, champion, threshold=-0.02) == compare(candidate, champion, threshold=-0.02).p_value


def test_compare_refuses_different_rows() -> None:
    with pytest.raises(ValueError, match="same rows"):
        compare(noisy_entities(10, 0.5, 1), noisy_entities(11, 0.5, 1))


def test_compare_refuses_rows_without_gold_labels() -> None:
    # one model finds entities where there are none
    rows = [(0, 0, 0)] * 22
    with pytest.raises(ValueError, match="no test row has a gold label"):
        compare(entity_outcomes([*rows[:20], *[(0, 1, 0)] * 2]), entity_outcomes(rows))


def test_compare_takes_two_thousand_replicas_of_three_thousand_rows_in_seconds() -> None:
    gold, first = noisy_classes(3000, 0.9, 1)
    _, second = noisy_classes(3000, 0.85, 1)
    begun = time.process_time()  # a busy machine is no fault of the code
    compare(class_outcomes(gold, first, CLASSES), class_outcomes(gold, second, CLASSES))
    assert time.process_time() - begun < 4


def clustered_pair(
    clusters: int, size: int, shared: float, seed: int, *, entities: bool, gain: float = 0.0
) -> tuple[Outcomes, Outcomes]:
    """Return two models that differ on a tenth of the rows; `shared` is the chance of the cluster's outcome.

    Equal models are right on equally many of the rows on which they differ.
    """
    random = np.random.default_rng([seed, clusters, size, round(10 * shared)])
    codes = [_drawn_pairs(random, count, entities, gain) for count in (clusters, clusters * size)]
    take = random.random((clusters * size, 1)) < shared
    rows = np.where(take, np.repeat(codes[0], size, axis=0), codes[1])
    numbers = np.repeat(np.arange(clusters), size) if size > 1 else None
    width = rows.shape[1] // 2
    classes = None if entities else 4
    return Outcomes(rows[:, :width], classes, numbers), Outcomes(rows[:, width:], classes, numbers)


def _drawn_pairs(random: np.random.Generator, count: int, entities: bool, gain: float) -> Ints:
    state = random.choice(4, count, p=[0.75, 0.15, 0.05 + gain / 2, 0.05 - gain / 2])
    right = np.stack([(state == 0) | (state == 2), (state == 0) | (state == 3)])
    if not entities:
        gold = random.integers(0, 4, count)
        wrong = (gold + random.integers(1, 4, count)) % 4
        return np.stack([gold, np.where(right[0], gold, wrong), gold, np.where(right[1], gold, wrong)], axis=1)
    gold = random.poisson(1.5, count)
    parts = [(np.where(hit, gold, gold // 2), np.where(hit, 0, 1), np.where(hit, 0, gold - gold // 2)) for hit in right]
    return np.stack([*parts[0], *parts[1]], axis=1)


@pytest.mark.parametrize("entities", [False, True])
@pytest.mark.parametrize(("clusters", "size"), [(100, 5), (25, 20)])
@pytest.mark.parametrize("shared", [0.5, 1.0])
def test_compare_rarely_prefers_equal_models_on_clusters(
    entities: bool, clusters: int, size: int, shared: float
) -> None:
    passed = sum(
        p_value(*clustered_pair(clusters, size, shared, seed, entities=entities), replicas=300) <= 0.05
        for seed in range(300)
    )
    # 5 % are 15; two standard errors more are 22. Drawing rows, 40 to 100 pass where outcomes are shared.
    assert passed <= 22


def test_compare_clusters_of_one_row_like_rows() -> None:
    names = [f"row {number}" for number in range(400)]
    gold, first = noisy_classes(400, 0.85, 1)
    _, second = noisy_classes(400, 0.80, 2)
    alone = [class_outcomes(gold, predicted, CLASSES) for predicted in (first, second)]
    named = [class_outcomes(gold, predicted, CLASSES, names) for predicted in (first, second)]
    assert compare(named[0], named[1], threshold=-0.02) == compare(alone[0], alone[1], threshold=-0.02)


def test_compare_copies_of_rows_like_the_rows() -> None:
    # Given a gain, when every row comes ten times in a cluster of its own,
    first, second = clustered_pair(300, 1, 0.0, 3, entities=False, gain=0.06)
    copies = [Outcomes(np.repeat(x.codes, 10, axis=0), 4, np.repeat(np.arange(300), 10)) for x in (first, second)]
    single, many = compare(first, second), compare(copies[0], copies[1])
    # then the comparison is that of 300 rows, whatever rows alone would say.
    assert many.lower == pytest.approx(single.lower, abs=0.003)
    rows = compare(Outcomes(copies[0].codes, 4), Outcomes(copies[1].codes, 4))
    assert rows.lower > many.lower + 0.01


def test_compare_finds_a_difference_in_clusters() -> None:
    passed = [
        p_value(*clustered_pair(400, 5, 0.5, seed, entities=False, gain=0.06), replicas=300) <= 0.05
        for seed in range(40)
    ]
    assert sum(passed) >= 32


def lost(random: np.random.Generator, rows: int, loss: float, *, entities: bool) -> tuple[Outcomes, Outcomes]:
    """Return a challenger that shares the errors of the champion and has errors on another share of the rows."""
    if entities:
        gold = random.poisson(1.5, rows)
        right = random.binomial(gold, 0.85)
        gone = random.binomial(right, loss)
        return (
            Outcomes(np.column_stack([right - gone, gold - right + gone, gold - right + gone])),
            Outcomes(np.column_stack([right, gold - right, gold - right])),
        )
    gold, draw = random.integers(0, 4, rows), random.random(rows)
    wrong = (gold + random.integers(1, 4, rows)) % 4
    models = [np.where(draw < share, gold, wrong) for share in (0.85 - loss, 0.85)]
    return Outcomes(np.column_stack([gold, models[0]]), 4), Outcomes(np.column_stack([gold, models[1]]), 4)


@pytest.mark.parametrize("entities", [False, True])
@pytest.mark.parametrize("margin", [0.01, 0.02, 0.05])
@pytest.mark.parametrize("rows", [30, 100, 300])
def test_compare_rarely_passes_models_worse_by_twice_the_margin(entities: bool, margin: float, rows: int) -> None:
    random = np.random.default_rng([rows, round(100 * margin)])
    loss = 2 * margin / 0.85 if entities else 2 * margin
    pairs = [lost(random, rows, loss, entities=entities) for _ in range(150)]
    passed = sum(p_value(*pair, threshold=-margin, replicas=300) <= 0.05 for pair in pairs)
    # 6 % are 9; with rows alike taken for proof, up to 60 pass on 30 rows.
    assert passed <= 9


def test_small_p_values_equal_those_of_many_draws() -> None:
    # Given differences of about 2.5 to 3 standard errors, when p-values far below one in 2,000 are asked for,
    for seed, entities in ((1, False), (2, True), (3, False)):
        pair = clustered_pair(600, 1, 0.0, seed, entities=entities, gain=0.09)
        close = compare(*pair, confidence=0.9999).p_value
        # then they are those of very many draws, to the error of such a number of draws.
        many = p_value(*pair, replicas=100_000)
        assert close == pytest.approx(many, rel=0.25, abs=1e-5)


def test_compare_draws_as_often_for_the_fortieth_challenger(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[int] = []

    def counted(tallies: Floats, share: Floats, rows: int, replicas: int, seed: int) -> Any:
        drawn.append(replicas)
        return draw_sets(tallies, share, rows, replicas, seed)

    monkeypatch.setattr("assay.evaluation.statistics.draw_sets", counted)
    monkeypatch.setattr("assay.evaluation.paired_test.draw_sets", counted)
    pair = clustered_pair(1_000, 1, 0.0, 1, entities=False, gain=0.02)
    work = []
    for challenger in (1, 40):
        drawn.clear()
        compare(*pair, confidence=1 - 0.05 / (challenger * (challenger + 1)))
        work.append(sum(drawn))
    assert work[1] <= 2 * work[0] <= 100_000


def against(gold: Ints, candidate: Ints, champion: Ints, classes: int) -> tuple[Outcomes, Outcomes]:
    """Return two models by their predicted classes, the better one first."""
    models = [Outcomes(np.column_stack([gold, predicted]), classes) for predicted in (candidate, champion)]
    first, second = sorted(models, key=lambda model: -model.f1())
    return first, second


def odd_pair(seed: int) -> tuple[Outcomes, Outcomes]:
    """Return few rows, rare classes, and models that are perfect, always wrong, or blind to some classes."""
    random = np.random.default_rng([seed, 77])
    classes, rows = int(random.integers(2, 6)), int(random.choice([20, 50, 200, 500]))
    gold = random.choice(classes, rows, p=random.dirichlet(np.full(classes, random.choice([0.2, 1, 5]))))
    models = []
    for kind in random.integers(0, 3, 2):
        right = random.random(rows) < random.choice([0, 0.3, 0.7, 0.9, 0.97, 1])
        predicted = np.where(right, gold, (gold + random.integers(1, classes, rows)) % classes)
        if kind == 0:
            predicted = np.where(gold == np.bincount(gold).argmax(), gold, predicted)
        if kind == 1:
            predicted = np.where(gold == random.integers(classes), predicted, gold)
        models.append(predicted)
    return against(gold, models[0], models[1], classes)


def test_compare_rejects_a_null_that_makes_the_test_set_unlikely() -> None:
    # Given a champion that is wrong on every row of two classes, or of three,
    gold = np.repeat([0, 1, 2], [317, 97, 86])
    for champion in (np.where(gold == 0, 0, 3 - gold), np.zeros_like(gold), np.array([1, 0, 2])[gold]):
        pair = against(gold, gold, champion, 3)
        # when a perfect challenger is tested at a high confidence, then no draws are needed to see that it is better.
        for confidence in (0.95, 0.99167, 0.99997):
            result = compare(*pair, confidence=confidence)
            assert result.p_value < 0.001
            assert 0.4 < result.lower < result.difference
        assert result.p_value < 1e-9


@pytest.mark.parametrize("seed", range(4))
def test_compare_p_value_of_rare_classes_does_not_depend_on_the_confidence(seed: int) -> None:
    random = np.random.default_rng(seed)
    gold, models = np.repeat([0, 1, 2], [188, 8, 4]), []
    for mistakes in (7, 6):
        predicted, wrong = gold.copy(), random.choice(200, mistakes, replace=False)
        predicted[wrong] = (predicted[wrong] + random.integers(1, 3, mistakes)) % 3
        models.append(predicted)
    pair = against(gold, models[0], models[1], 3)
    usual, rare = (compare(*pair, confidence=level) for level in (0.95, 0.99997))
    assert rare.p_value == pytest.approx(usual.p_value, rel=0.2)
    assert usual.lower > rare.lower > usual.lower - 0.3


def test_compare_p_value_of_unusual_rows_does_not_depend_on_the_confidence() -> None:
    for seed in range(25):
        pair, clusters = odd_pair(seed), None
        if seed % 3 == 0:
            clusters = np.arange(len(pair[0])) // 2
        candidate, champion = (Outcomes(outcomes.codes, outcomes.classes, clusters) for outcomes in pair)
        many = p_value(candidate, champion, threshold=-0.01, replicas=10_000)
        for confidence in (0.99167, 0.99997):
            close = compare(candidate, champion, threshold=-0.01, confidence=confidence)
            assert many / 1.5 - 2e-4 < close.p_value < 1.5 * many + 2e-4, f"seed {seed}"
            assert (close.lower > -0.01) == (close.p_value <= 1 - confidence), f"seed {seed}"
            assert close.lower >= -1, f"seed {seed}"
