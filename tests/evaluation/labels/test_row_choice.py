import numpy as np

from assay.evaluation.labels.row_choice import choose_rows, margin_uncertainty


def test_chosen_rows_are_uncertain_and_differ() -> None:
    # Given ten near copies of the most uncertain row, two other uncertain rows, and rows that the model is sure of,
    vectors = np.vstack([np.tile([1.0, 0.0, 0.0], (10, 1)), [[0, 1, 0], [0, 0, 1]], np.eye(3)])
    uncertainty = np.array([0.9] * 10 + [0.8, 0.7] + [0.0] * 3)
    chosen = choose_rows(uncertainty, vectors, 3, random_share=0)
    # then one of the copies is chosen, and the two that differ.
    assert [row.number for row in chosen] == [0, 10, 11]


def test_a_share_of_the_chosen_rows_is_drawn_from_all_others() -> None:
    generator = np.random.default_rng(0)
    uncertainty, vectors = generator.uniform(size=100), generator.normal(size=(100, 4))
    chosen = choose_rows(uncertainty, vectors, 20, random_share=0.25)
    assert [row.at_random for row in chosen] == [False] * 15 + [True] * 5
    assert len({row.number for row in chosen}) == 20
    assert len(choose_rows(uncertainty, vectors, 500)) == 100
    assert len(choose_rows(uncertainty, vectors, 10, random_share=1)) == 10


def test_uncertainty_is_that_of_the_two_most_probable_classes() -> None:
    table = np.array([[0.5, 0.5, 0.0], [0.9, 0.1, 0.0], [1.0, 0.0, 0.0]])
    np.testing.assert_allclose(margin_uncertainty(table), [1.0, 0.2, 0.0])
    assert margin_uncertainty(np.ones((2, 1))).tolist() == [0, 0]
