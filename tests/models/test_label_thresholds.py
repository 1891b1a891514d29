import numpy as np
import pytest
from sklearn.metrics import f1_score

from assay.models.label_thresholds import applied_labels, choose_thresholds


def test_choose_thresholds_finds_the_best_f1_of_each_label() -> None:
    random = np.random.default_rng(0)
    probabilities = random.random((60, 3)).round(2)
    gold = random.random((60, 3)) < probabilities**2
    thresholds = choose_thresholds(probabilities, gold)
    for label in range(3):
        best = max(f1_score(gold[:, label], probabilities[:, label] >= cut) for cut in np.linspace(0, 1, 501))
        ours = f1_score(gold[:, label], applied_labels(probabilities, thresholds)[:, label])
        assert ours == pytest.approx(best)


def test_choose_thresholds_takes_the_cut_nearest_to_a_half_of_equal_ones() -> None:
    probabilities = np.array([[0.1], [0.2], [0.9]])
    assert choose_thresholds(probabilities, np.array([[False], [False], [True]])) == pytest.approx([0.55])
    # A label that no row has keeps a half, and one that every row has applies to all of them.
    assert choose_thresholds(probabilities, np.zeros((3, 1), dtype=bool)) == [0.5]
    assert choose_thresholds(probabilities, np.ones((3, 1), dtype=bool)) == pytest.approx([0.05])
