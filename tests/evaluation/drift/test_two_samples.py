"""Two-sample tests keep their level, and effects do not grow with the number of rows."""

import numpy as np
import pytest

from assay.evaluation.drift.two_samples import (
    Exchange,
    compare_f1,
    compare_means,
    compare_numbers,
    compare_shares,
    compare_texts,
    compare_vectors,
)
from assay.evaluation.statistics import Floats, class_outcomes

TEXT = "the battery of this card lasts long and works well in any phone or camera that I own"
WORDS = TEXT.split()


def texts(draw: np.random.Generator, count: int, *extra: str) -> list[str]:
    return [" ".join([*draw.choice(WORDS, 8), *extra]) for _ in range(count)]


def one_hot(draw: np.random.Generator, count: int, share: float) -> Floats:
    first = draw.random(count) < share
    return np.stack([first, ~first], axis=1).astype(np.float64)


def test_comparisons_of_equal_samples_keep_their_level() -> None:
    draw = np.random.default_rng(0)
    p_values = []
    for seed in range(40):
        p_values += [
            compare_numbers(draw.normal(size=200), draw.normal(size=80)).p_value,
            compare_shares(one_hot(draw, 200, 0.2), one_hot(draw, 80, 0.2), exchange=Exchange(seed)).p_value,
            compare_vectors(draw.normal(size=(200, 5)), draw.normal(size=(80, 5)), exchange=Exchange(seed)).p_value,
        ]
    below = np.mean(np.array(p_values) < 0.1)
    assert below < 0.17  # 120 draws at 0.1


def test_comparisons_find_a_shift_in_few_rows() -> None:
    draw = np.random.default_rng(1)
    assert compare_numbers(draw.normal(size=300), draw.normal(1.5, size=40)).p_value < 1e-6
    assert compare_shares(one_hot(draw, 300, 0.2), one_hot(draw, 40, 0.7)).p_value < 1e-3
    assert compare_vectors(draw.normal(size=(300, 5)), draw.normal(1.5, size=(40, 5))).p_value < 1e-4


def test_comparisons_keep_a_small_effect_in_many_rows() -> None:
    draw = np.random.default_rng(2)
    numbers = compare_numbers(draw.normal(size=50_000), draw.normal(0.05, size=50_000))
    assert numbers.p_value < 1e-6
    assert numbers.effect < 0.04
    shares = compare_shares(one_hot(draw, 20_000, 0.20), one_hot(draw, 20_000, 0.22))
    assert shares.p_value < 0.001
    assert shares.effect == pytest.approx(0.02, abs=0.01)


def test_compare_shares_exchanges_whole_rows() -> None:
    # given texts that hold ten entities of one type each, and types that come equally often
    draw = np.random.default_rng(3)
    reference, window = 10 * one_hot(draw, 30, 0.5), 10 * one_hot(draw, 30, 0.5)
    p_values = [
        compare_shares(reference, 10 * one_hot(draw, 30, 0.5), exchange=Exchange(seed)).p_value for seed in range(40)
    ]
    # then chance is not taken for drift, as a test of 300 entities would
    assert np.mean(np.array(p_values) < 0.05) < 0.15
    assert compare_shares(reference, window).p_value > 0.01


def test_compare_texts_names_the_distinctive_words() -> None:
    draw = np.random.default_rng(4)
    comparison = compare_texts(texts(draw, 300), texts(draw, 60, "voucher"))
    assert comparison.effect > 0.9
    assert comparison.p_value < 1e-6
    assert comparison.distinctive_words[0] == "voucher"
    same = compare_texts(texts(draw, 300), texts(draw, 60))
    assert same.effect < 0.25
    assert same.p_value > 0.01


def test_compare_texts_without_words_are_equal() -> None:
    assert compare_texts(["_"] * 40, ["__"] * 40).p_value == 1


def test_compare_f1_reports_a_drop_and_no_gain() -> None:
    gold = ["a", "b"] * 100
    good = class_outcomes(gold, gold, ["a", "b"])
    worse = class_outcomes(gold, [*gold[:150], *("b", "a") * 25], ["a", "b"])
    fall = compare_f1(good, worse)
    assert fall.effect == pytest.approx(0.25)
    assert fall.p_value < 0.001
    gain = compare_f1(worse, good)
    assert (gain.effect, gain.p_value > 0.9) == (0, True)


def test_compare_means_finds_a_difference_and_keeps_its_level() -> None:
    random = np.random.default_rng(3)
    p_values = [compare_means(random.normal(size=200), random.normal(size=80)).p_value for _ in range(60)]
    assert sum(p_value < 0.1 for p_value in p_values) <= 12
    moved = compare_means(random.normal(size=200), random.normal(0.6, size=80))
    assert moved.p_value < 0.01
    assert moved.effect == pytest.approx(0.6, abs=0.3)
