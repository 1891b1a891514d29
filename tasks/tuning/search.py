"""What to try next, and what to give up: Optuna's TPE sampler and median pruner over the trials so far.

The study lives in memory and is built from the trials of the store, so that nothing but finished trials can
influence it. Each proposal is drawn by a sampler seeded by (seed, number of the trial): a search that was
killed and is gone on with proposes what it would have proposed without the kill.
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

# How often a proposal is drawn before a batch may try the same settings twice; a small space has no others.
DRAWS = 20
STATES = {"finished": TrialState.COMPLETE, "pruned": TrialState.PRUNED, "failed": TrialState.FAIL}


def propose(recipe: Recipe, tuning: Tuning, trials: Sequence[Trial], count: int) -> list[dict[str, Setting]]:
    """Settings for the next trials, from what is known of the earlier ones (Bergstra et al. 2011).

    The first trial of a search is the recipe as it stands, where that lies in the space, so that a search never
    ends below it. Of several, each is proposed as if those before it had already failed to shine (a constant liar,
    Ginsbourger et al. 2010), and drawn again where it is the same as one of them. What a batch proposes depends on the
    trials before it and the seed alone, and not on which of its trials ends first; it is not what a search one by one
    would have tried, since that one knows more.

    Args:
        recipe: whose settings are searched.
        tuning: its section `tuning`.
        trials: all trials so far, in order.
        count: how many to propose, for trials at the same time.
    """
    study, space = _study(tuning, trials), _distributions(tuning)
    if not trials and (own := _own_settings(recipe, tuning)):
        study.enqueue_trial(own)
    proposals: list[dict[str, Setting]] = []
    for number in range(len(trials), len(trials) + count):
        for again in range(DRAWS):
            seed = _seed(tuning.seed, number, *([again] if again else []))
            study.sampler = TPESampler(seed=seed, constant_liar=count > 1)
            proposed = study.ask(space).params
            if proposed not in proposals:
                break
        proposals.append(proposed)
    return proposals


def falls_behind(tuning: Tuning, trials: Sequence[Trial], scores: Sequence[float]) -> bool:
    """Whether the best score of a trial so far is below the median of the others after as many epochs."""
    asked = _study(tuning, trials).ask()
    for epoch, score in enumerate(scores, start=1):
        asked.report(score, epoch)
    return bool(asked.should_prune())


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


def _own_settings(recipe: Recipe, tuning: Tuning) -> dict[str, Setting] | None:
    """The recipe's own values of the keys that are searched, if they lie in the space."""
    values = recipe.model_dump(mode="json", include={"model", "training"})
    own: dict[str, Setting] = {}
    for key, choices in tuning.space.items():
        section, _, name = key.partition(".")
        value = own[key] = values[section][name]
        if isinstance(choices, list) and value not in choices:
            return None
        if isinstance(choices, Range) and not (isinstance(value, int | float) and choices.low <= value <= choices.high):
            return None
    return own


def _seed(*numbers: int) -> int:
    return int(np.random.SeedSequence(numbers).generate_state(1)[0])
