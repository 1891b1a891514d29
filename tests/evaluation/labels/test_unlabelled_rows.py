import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from assay.corpus.entity import Entity
from assay.corpus.errors import AssayError, DataError
from assay.corpus.example import Example
from assay.corpus.overlay import added_id
from assay.evaluation.labels import unlabelled_rows
from assay.evaluation.labels.held_out_rows import HeldOutRow
from assay.evaluation.labels.row_choice import ChosenRow
from assay.evaluation.labels.unlabelled_rows import read_unlabelled, suggestion
from assay.recipes.recipe import Recipe
from assay.serving.engine import Prediction, ScoredEntity
from assay.serving.words import Word
from tests.snapshots import recipe_values


def test_read_unlabelled_leaves_out_near_duplicates_of_labelled_rows_and_of_each_other(tmp_path: Path) -> None:
    texts = ["Shares fell 12 %", "shares  fell 13 %", "Known text 1", "A new one"]
    path = tmp_path / "new.jsonl"
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    recipe = Recipe.model_validate(recipe_values())
    rows = read_unlabelled(str(path), {}, recipe, [Example("r", "known text 2", label="good")])
    assert [row.text for row in rows] == ["Shares fell 12 %", "A new one"]
    assert rows[1].id == added_id("A new one")
    with pytest.raises(DataError, match="holds no row that is new to the 3 labelled ones"):
        read_unlabelled(str(path), {}, recipe, [*rows, Example("r", "known text 2")])


def _lines(path: Path, rows: list[Any]) -> str:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return str(path)


def test_read_unlabelled_leaves_out_rows_that_cannot_be_read(tmp_path: Path) -> None:
    rows = [{"text": "good"}, {"text": None}, {"text": "  "}, [1], {"other": 1}, {"text": "😀 schön"}]
    recipe = Recipe.model_validate(recipe_values())
    found = read_unlabelled(_lines(tmp_path / "new.jsonl", rows), {}, recipe, [])
    assert [row.text for row in found] == ["good", "😀 schön"]
    assert all(row.label is None for row in found)


def test_read_unlabelled_draws_at_random_from_many_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unlabelled_rows, "MOST_ROWS", 5)
    words = ["red", "green", "blue", "warm", "cold", "fast", "slow", "old", "new", "late"]
    address = _lines(tmp_path / "new.jsonl", [{"text": word} for word in words])
    recipe = Recipe.model_validate(recipe_values())
    found = [row.text for row in read_unlabelled(address, {}, recipe, [])]
    assert len(set(found)) == 5
    assert set(found) != set(words[:5])
    assert found == [row.text for row in read_unlabelled(address, {}, recipe, [])]


@pytest.mark.parametrize("rows", [[], [{"body": "good"}]])
def test_read_unlabelled_names_what_to_check_where_there_is_no_new_row(tmp_path: Path, rows: list[Any]) -> None:
    address = _lines(tmp_path / "new.jsonl", rows)
    with pytest.raises(AssayError) as error:
        read_unlabelled(address, {}, Recipe.model_validate(recipe_values()), [])
    assert "new.jsonl" in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("at_random", [True, False])
def test_suggestion_says_why_a_row_was_chosen_and_what_the_model_predicts(at_random: bool) -> None:
    prediction = Prediction("up", (0.75, 0.25), (ScoredEntity(0, 4, "ORG", 0.9),), False)
    table = np.array([[0.1, 0.9]], dtype=np.float32)
    row = HeldOutRow(Example("added:1", "Acme", "pair"), prediction, None, (), [Word(0, 0, 4)], table)

    task = suggestion(row, ChosenRow(0, at_random))

    assert (task.id, task.text, task.text_pair, task.split) == ("added:1", "Acme", "pair", None)
    assert (task.label, task.entities) == (None, None)
    assert (task.proposed_label, task.proposed_entities) == ("up", (Entity(0, 4, "ORG"),))
    assert task.score == pytest.approx(0.5)
    reason = "drawn at random" if at_random else "the model is unsure, and the row is unlike the others"
    assert task.reason == f"{reason} (uncertainty 0.50)"


def test_suggestion_of_a_model_without_a_token_head_proposes_no_entities() -> None:
    row = HeldOutRow(Example("added:1", "Acme"), Prediction("up", (0.75, 0.25), (), False))
    assert suggestion(row, ChosenRow(0, False)).proposed_entities is None
