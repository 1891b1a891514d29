from typing import Any

import pytest

from assay.recipes.recipe import Recipe, Tuning
from assay.tasks.tuning.result import Trial
from assay.tasks.tuning.search import propose, should_prune
from tests.snapshots import recipe_values

SPACE: dict[str, Any] = {
    "training.learning_rate": {"low": 1e-5, "high": 1e-2, "log": True},
    "training.batch_size": {"low": 4, "high": 64},
    "model.head_dropout": [0.0, 0.1, 0.3],
    "training.early_stopping": [None, 1],
}


def a_recipe(**tuning: Any) -> tuple[Recipe, Tuning]:
    values = recipe_values(tuning={"space": SPACE, **tuning}, training={"learning_rate": 5e-5})
    recipe = Recipe.model_validate(values)
    assert recipe.tuning is not None
    return recipe, recipe.tuning


def finished(number: int, settings: dict[str, Any]) -> Trial:
    """Return a trial with a better score the closer its learning rate is to 1e-3."""
    score = 1 / (1 + abs(settings["training.learning_rate"] - 1e-3) * 1e3)
    return Trial(number=number, settings=settings, state="finished", scores=[score / 2, score])


def test_propose_uses_the_score_of_the_kept_epoch() -> None:
    # given trials whose scores fall the more in the end, the better they began
    recipe, tuning = a_recipe(space={"training.batch_size": {"low": 4, "high": 64}})
    trials = {
        keep: [
            Trial(
                number=number,
                settings={"training.batch_size": size},
                state="finished",
                scores=[size / 64, 1 - size / 64],
                keep=keep,
            )
            for number, size in enumerate(range(4, 64, 3))
        ]
        for keep in ("best", "last")
    }
    [best], [last] = (propose(recipe, tuning, trials[keep], 1) for keep in ("best", "last"))
    assert best != last


def search(recipe: Recipe, tuning: Tuning, trials: list[Trial], wanted: int) -> list[Trial]:
    while len(trials) < wanted:
        [settings] = propose(recipe, tuning, trials, 1)
        trials = [*trials, finished(len(trials), settings)]
    return trials


def test_propose_starts_with_the_recipe() -> None:
    recipe, tuning = a_recipe()
    [first] = propose(recipe, tuning, [], 1)
    assert first == {
        "training.learning_rate": 5e-5,
        "training.batch_size": 32,
        "model.head_dropout": 0.1,
        "training.early_stopping": None,
    }
    # unless it lies outside of the space
    recipe, tuning = a_recipe(space={"training.batch_size": [8, 16]})
    assert propose(recipe, tuning, [], 1)[0]["training.batch_size"] in (8, 16)


def test_propose_stays_in_the_space_and_keeps_whole_numbers() -> None:
    trials = search(*a_recipe(), [], 25)
    for trial in trials:
        assert 1e-5 <= float(trial.settings["training.learning_rate"] or 0) <= 1e-2
        assert isinstance(trial.settings["training.batch_size"], int)
        assert trial.settings["model.head_dropout"] in (0.0, 0.1, 0.3)
    # the sampler learns: behind its random beginning the trials are better
    scores = [trial.score or 0.0 for trial in trials]
    assert sum(scores[15:]) / 10 > sum(scores[:10]) / 10


def test_propose_is_the_same_after_a_resume() -> None:
    recipe, tuning = a_recipe()
    unbroken = search(recipe, tuning, [], 18)
    for known in (1, 7, 12):
        # what is known comes from disk
        trials = [Trial.model_validate_json(trial.model_dump_json()) for trial in unbroken[:known]]
        assert search(recipe, tuning, trials, 18) == unbroken
    other_recipe, other = a_recipe(seed=14)
    assert search(other_recipe, other, [], 18) != unbroken


def test_propose_varies_trials_of_a_batch() -> None:
    recipe, tuning = a_recipe()
    proposals = propose(recipe, tuning, search(recipe, tuning, [], 11), 4)
    assert len({str(settings) for settings in proposals}) == 4


def test_propose_avoids_settings_of_failed_trials() -> None:
    recipe, tuning = a_recipe()
    failed = [
        trial.model_copy(update={"state": "failed", "scores": []}) if trial.number % 2 else trial
        for trial in search(recipe, tuning, [], 12)
    ]
    assert propose(recipe, tuning, failed, 1)


@pytest.mark.parametrize(
    ("others", "scores", "hopeless"),
    [
        (5, [0.4], True),
        (5, [0.6], False),
        (5, [0.6, 0.61], True),
        (4, [0.0], False),
    ],
    ids=["below the median", "above it", "below it after two epochs", "too few others to tell"],
)
def test_should_prune_a_trial_below_the_median(others: int, scores: list[float], hopeless: bool) -> None:
    recipe, tuning = a_recipe()
    [settings] = propose(recipe, tuning, [], 1)
    trials = [Trial(number=n, settings=settings, state="finished", scores=[0.5, 0.7, 0.8]) for n in range(others)]
    assert should_prune(tuning, trials, scores) is hopeless


def test_propose_repeats_no_settings_in_a_batch() -> None:
    # given a space of whole numbers, and trials that all point to one of them
    recipe, tuning = a_recipe(space={"training.batch_size": {"low": 4, "high": 19}})
    trials = [
        Trial(
            number=number, settings={"training.batch_size": size}, state="finished", scores=[1 / (1 + abs(size - 10))]
        )
        for number, size in enumerate([*range(4, 20)] * 2)
    ]
    batch = propose(recipe, tuning, trials, 6)
    assert len({each["training.batch_size"] for each in batch}) == 6
    assert propose(recipe, tuning, trials, 6) == batch
    # where there are no more, what there is comes again
    recipe, tuning = a_recipe(space={"training.batch_size": [8, 16]})
    assert len(propose(recipe, tuning, [], 3)) == 3
