from pathlib import Path
from typing import Any

import pytest
import yaml

from assay.corpus.errors import AssayError
from assay.corpus.storage.artifact_ref import ArtifactRef
from assay.recipes.loader import load_recipe
from assay.recipes.recipe import Recipe
from assay.recipes.tuned_settings import apply_settings
from assay.tasks.tuning.result import Trial, TuningResult, tuned_recipe
from tests.snapshots import recipe_values

SETTINGS: dict[str, Any] = {
    "training.learning_rate": 3.1e-05,
    "training.early_stopping": None,
    "model.head_dropout": 0.3,
    "training.deterministic": True,
}


def a_trial(number: int, *scores: float, **changes: Any) -> Trial:
    return Trial(**{"number": number, "settings": SETTINGS, "state": "finished", "scores": list(scores), **changes})


def test_tuning_result_selects_the_first_best_trial() -> None:
    trials = [a_trial(0, 0.4, 0.6), a_trial(1, 0.8, 0.7), a_trial(2, 0.8), a_trial(3, 0.9, state="pruned")]
    assert TuningResult.of(trials).best.number == 1


def test_trial_score_is_that_of_the_kept_epoch() -> None:
    last = a_trial(0, 0.8, 0.5, keep="last")
    assert last.score == 0.5
    assert TuningResult.of([last, a_trial(1, 0.6, 0.6, keep="last")]).best.number == 1
    # a file of before that was written down
    old = a_trial(0, 0.8, 0.5).model_dump_json(exclude={"keep"})
    assert Trial.model_validate_json(old).score == 0.8


def test_tuning_result_reports_no_finished_trial_in_one_line() -> None:
    with pytest.raises(AssayError, match=r"none of 1 trials has finished \(the loss is nan\); narrow tuning.space"):
        TuningResult.of([a_trial(0, state="failed", why="the loss is nan")])


def test_tuning_result_saves_the_best_settings_for_a_recipe(tmp_path: Path) -> None:
    # given a finished search
    result = TuningResult.of([a_trial(0, 0.5)])
    result.save(tmp_path)
    recipe = Recipe.model_validate(recipe_values())

    # when its settings are taken from the folder, by --set, or from the part of a recipe
    from_folder = tuned_recipe(recipe, ArtifactRef[TuningResult](path=tmp_path, digest="d"))
    file = tmp_path / "recipe.yaml"
    file.write_text(yaml.safe_dump(recipe.model_dump(mode="json")))
    by_set = load_recipe(file, result.overrides)
    part = yaml.safe_load((tmp_path / "tuned.yaml").read_text())

    # then the recipe is the same
    assert from_folder == by_set
    assert from_folder.training.learning_rate == 3.1e-05
    assert part["training"] == {"learning_rate": 3.1e-05, "early_stopping": None, "deterministic": True}
    assert from_folder.model.head_dropout == part["model"]["head_dropout"] == 0.3
    assert tuned_recipe(recipe, None) == recipe


def test_apply_settings_reports_conflicting_settings_in_one_line() -> None:
    recipe = Recipe.model_validate(recipe_values())
    with pytest.raises(AssayError, match=r"model\.crf needs the token head"):
        apply_settings(recipe, {"model.crf": True})
