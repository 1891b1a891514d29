"""The paired comparison of two models."""

import time

import numpy as np
import pytest

from tasks.scoring.paired import compare, p_value
from tasks.scoring.statistics import Outcomes, class_outcomes, entity_outcomes
from tests.tasks.scoring.test_statistics import CLASSES, noisy_classes, noisy_entities


def test_comparison_finds_a_real_difference() -> None:
    gold, better = noisy_classes(1000, 0.9, seed=1)
    _, worse = noisy_classes(1000, 0.8, seed=1)
    result = compare(class_outcomes(gold, better, CLASSES), class_outcomes(gold, worse, CLASSES))
    assert result.difference == pytest.approx(0.1, abs=0.02)
    assert 0 < result.lower < result.difference
    assert result.p_value < 0.01


def test_comparison_of_equally_good_models_rarely_finds_one_better() -> None:
    # Given pairs of independent models of the same quality, when each is tested at 5 %,
    results = [
        p_value(noisy_entities(400, 0.8, s), noisy_entities(400, 0.8, 9000 + s), replicas=400) for s in range(200)
    ]
    # then about 10 of 200 look better by chance (two to three standard errors).
    assert 2 <= sum(value <= 0.05 for value in results) <= 18


def test_few_disagreements_do_not_make_an_equal_model_look_better() -> None:
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


def test_one_row_more_is_no_evidence() -> None:
    codes = noisy_entities(500, 0.8, 1).codes
    worse = codes.copy()
    worse[0] = [0, 2, 2]
    assert p_value(Outcomes(codes), Outcomes(worse)) > 0.1


def test_a_rare_confidence_gets_the_draws_it_needs() -> None:
    candidate, champion = noisy_entities(500, 0.85, 1), noisy_entities(500, 0.80, 2)
    usual, rare = (compare(candidate, champion, confidence=level) for level in (0.95, 0.999))
    assert rare.lower < usual.lower
    assert 0 < rare.p_value < 1 / 2000


def test_bound_and_p_value_agree() -> None:
    candidate, champion = noisy_entities(500, 0.82, 1), noisy_entities(500, 0.80, 2)
    for margin in np.linspace(-0.05, 0.1, 7):
        result = compare(candidate, champion, threshold=-float(margin))
        assert (result.lower > -margin) == (result.p_value <= 0.05)


def test_pairing_makes_the_bound_tighter_than_independent_models() -> None:
    # Given a champion that errs on the same rows but for ten more, when compared,
    codes = noisy_entities(500, 0.8, 1).codes
    worse = codes.copy()
    worse[:10] = [0, 2, 2]
    result = compare(Outcomes(codes), Outcomes(worse))
    # then the spread comes from these ten rows only, far below that of one F1 (about 0.013).
    assert result.difference - result.lower < 0.012
    assert result.lower > 0


def test_a_model_is_not_better_than_itself() -> None:
    outcomes = noisy_entities(200, 0.8, 1)
    result = compare(outcomes, outcomes)
    assert (result.difference, result.p_value, result.alike) == (0, 1, True)
    assert p_value(outcomes, outcomes, threshold=0.01) == 1


@pytest.mark.parametrize("rows", [30, 100, 300, 1000])
def test_no_disagreement_is_evidence_of_so_many_rows_only(rows: int) -> None:
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
    # Copies are no evidence: ten rows a cluster count as one.
    copies = Outcomes(np.repeat(models[0].codes, 10, axis=0), 3, np.repeat(np.arange(rows), 10))
    assert compare(copies, copies).lower == pytest.approx(compare(models[0], models[0]).lower, rel=0.2)


def test_a_difference_that_such_rows_cannot_have() -> None:
    # Given two models that differ on two rows of 400, then no reweighting makes them differ by 0.999 of F1.
    codes = noisy_entities(400, 0.8, 1).codes
    other = codes.copy()
    other[:2] = [0, 2, 2]
    assert p_value(Outcomes(codes), Outcomes(other), threshold=0.999) == 1
    assert p_value(Outcomes(codes), Outcomes(other), threshold=-0.999) < 0.001


def test_p_value_alone_is_that_of_the_comparison() -> None:
    candidate, champion = noisy_entities(300, 0.82, 1), noisy_entities(300, 0.80, 2)
    assert p_value(candidate, champion, threshold=-0.02) == compare(candidate, champion, threshold=-0.02).p_value


def test_comparison_refuses_different_rows() -> None:
    with pytest.raises(ValueError, match="same rows"):
        compare(noisy_entities(10, 0.5, 1), noisy_entities(11, 0.5, 1))


def test_rows_without_anything_to_find_are_refused() -> None:
    # one model finds entities where there are none
    rows = [(0, 0, 0)] * 22
    with pytest.raises(ValueError, match="no test row holds anything to find"):
        compare(entity_outcomes([*rows[:20], *[(0, 1, 0)] * 2]), entity_outcomes(rows))


def test_two_thousand_replicas_of_three_thousand_rows_take_less_than_two_seconds() -> None:
    gold, first = noisy_classes(3000, 0.9, 1)
    _, second = noisy_classes(3000, 0.85, 1)
    begun = time.perf_counter()
    compare(class_outcomes(gold, first, CLASSES), class_outcomes(gold, second, CLASSES))
    assert time.perf_counter() - begun < 2
