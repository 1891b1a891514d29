"""Propose settings and prune trials, with Optuna's TPE sampler and median pruner over the trials so far.

The study lives in memory and is built from the trials of the store, so that only recorded trials influence it. Each
proposal is drawn by a sampler with the seed (seed, number of the trial): a search that resumes after a kill proposes
the same settings as without it.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.pruners import MedianPruner
from optuna.samplers import TPESampler
from optuna.trial import TrialState

from assay.recipes.recipe import Range, Recipe, Tuning
from assay.recipes.training_section import Setting
from assay.tasks.tuning.result import Trial

# Draws per proposal before a batch may try the same settings twice, since a small space may have no others.
DRAWS = 20
STATES = {"finished": TrialState.COMPLETE, "pruned": TrialState.PRUNED, "failed": TrialState.FAIL}


def propose(recipe: Recipe, tuning: Tuning, trials: Sequence[Trial], count: int) -> list[dict[str, Setting]]:
    """Propose settings for the next trials, based on the earlier ones (Bergstra et al. 2011).

    The first trial of a search is the recipe itself, if it lies in the space, so that a search never ends with a lower
    score. In a batch, each proposal assumes poor scores of the previous ones (a constant liar, Ginsbourger et al.
    2010), and is drawn again if it equals one of them. A batch depends only on the trials before it and on the seed,
    not on the order in which its trials end. It differs from the proposals of a search with one trial at a time, which
    knows the scores.

    Args:
        recipe: recipe whose settings are searched.
        tuning: its section `tuning`.
        trials: all trials so far, in order.
        count: number of proposals, for trials at the same time.
    """
    study, space = _study(tuning, trials), _distributions(tuning)
    if not trials and (recipe_settings := _recipe_settings(recipe, tuning)):
        study.enqueue_trial(recipe_settings)
    proposals: list[dict[str, Setting]] = []
    for number in range(len(trials), len(trials) + count):
        for redraw in range(DRAWS):
            seed = _seed(tuning.seed, number, *([redraw] if redraw else []))
            study.sampler = TPESampler(seed=seed, constant_liar=count > 1)
            proposal = study.ask(space).params
            if proposal not in proposals:
                break
        proposals.append(proposal)
    return proposals


def should_prune(tuning: Tuning, trials: Sequence[Trial], scores: Sequence[float]) -> bool:
    """Return whether the best score of a trial so far is below the median of the others after as many epochs."""
    trial = _study(tuning, trials).ask()
    for epoch, score in enumerate(scores, start=1):
        trial.report(score, epoch)
    return bool(trial.should_prune())


def _study(tuning: Tuning, trials: Sequence[Trial]) -> optuna.Study:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(direction="maximize", pruner=MedianPruner(), sampler=TPESampler(seed=tuning.seed))
    study.add_trials([_frozen(trial, tuning) for trial in trials])
    return study


def _frozen(trial: Trial, tuning: Tuning) -> optuna.trial.FrozenTrial:
    values: dict[str, Any] = {} if trial.state == "failed" else {"value": trial.kept_score}
    return optuna.trial.create_trial(
        state=STATES[trial.state],
        params=dict(trial.settings),
        distributions=_distributions(tuning),
        intermediate_values=dict(enumerate(trial.scores, start=1)),
        **values,
    )


def _distributions(tuning: Tuning) -> dict[str, BaseDistribution]:
    return {key: _distribution(choices) for key, choices in tuning.space.items()}


def _distribution(choices: Range | list[Setting]) -> BaseDistribution:
    if isinstance(choices, list):
        return CategoricalDistribution(choices)
    if choices.whole:
        return IntDistribution(int(choices.low), int(choices.high), log=choices.log)
    return FloatDistribution(choices.low, choices.high, log=choices.log)


def _recipe_settings(recipe: Recipe, tuning: Tuning) -> dict[str, Setting] | None:
    """Return the recipe's values of the searched keys; None if they do not lie in the space."""
    values = recipe.model_dump(mode="json", include={"model", "training"})
    settings: dict[str, Setting] = {}
    for key, choices in tuning.space.items():
        section, _, name = key.partition(".")
        value = settings[key] = values[section][name]
        if isinstance(choices, list) and value not in choices:
            return None
        if isinstance(choices, Range) and not (isinstance(value, int | float) and choices.low <= value <= choices.high):
            return None
    return settings


def _seed(*numbers: int) -> int:
    return int(np.random.SeedSequence(numbers).generate_state(1)[0])
