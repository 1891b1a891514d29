import json
from pathlib import Path

import numpy as np
import pytest

from assay.corpus.errors import DataError
from assay.corpus.example import Example
from assay.corpus.overlay import added_id
from assay.evaluation.labels.row_choice import choose_rows, margin_uncertainty
from assay.evaluation.labels.unlabelled_rows import read_unlabelled
from assay.recipes.recipe import Recipe
from tests.snapshots import recipe_values


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


def test_near_duplicates_of_labelled_rows_and_of_each_other_are_left_out(tmp_path: Path) -> None:
    texts = ["Shares fell 12 %", "shares  fell 13 %", "Known text 1", "A new one"]
    path = tmp_path / "new.jsonl"
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    recipe = Recipe.model_validate(recipe_values())
    rows = read_unlabelled(str(path), {}, recipe, [Example("r", "known text 2", label="good")])
    assert [row.text for row in rows] == ["Shares fell 12 %", "A new one"]
    assert rows[1].id == added_id("A new one")
    with pytest.raises(DataError, match="holds no row that is new to the 3 labelled ones"):
        read_unlabelled(str(path), {}, recipe, [*rows, Example("r", "known text 2")])
