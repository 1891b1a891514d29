"""Trainer callbacks: metric logging, early stopping, pruning of trials."""

import logging
import math
from collections.abc import Callable, Sequence
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from assay.models.training_stops import NonFiniteLoss, PrunedTrial

Log = Callable[[dict[str, float], int], None]
SCORE = "eval_score"

_logger = logging.getLogger(__name__)


class MetricLogging(TrainerCallback):
    """Callback that logs metrics, and stops a training whose loss is not finite."""

    def __init__(self, log: Log) -> None:
        self._log = log

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, float] | None = None,
        **kwargs: Any,
    ) -> None:
        """Log the metrics of a step or an epoch."""
        values = logs or {}
        if "loss" in values:
            if not math.isfinite(values["loss"]):
                raise NonFiniteLoss(
                    f"the training loss is {values['loss']} at step {state.global_step}; "
                    "lower training.learning_rate or training.head_learning_rate"
                )
            self._log(
                {f"train.{name}": values[name] for name in ("loss", "learning_rate", "grad_norm")}, state.global_step
            )
        metrics = {name.removeprefix("eval_"): value for name, value in values.items() if name.startswith("eval_")}
        if metrics:
            shown = ", ".join(f"{name} {value:.4f}" for name, value in metrics.items())
            _logger.info("epoch %g: %s", values["epoch"], shown)
            self._log({f"validation.{name}": value for name, value in metrics.items()}, state.global_step)


class EarlyStopping(TrainerCallback):
    """Callback that stops after `patience` epochs without a better score.

    It reads the history, so that it works across restarts.
    """

    def __init__(self, patience: int) -> None:
        self._patience = patience

    def on_epoch_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Stop a training that was resumed after its last useful epoch."""
        self._stop(state, control)

    def on_evaluate(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        """Stop if the score has not risen for `patience` epochs."""
        self._stop(state, control)

    def _stop(self, state: TrainerState, control: TrainerControl) -> None:
        scores = scores_of(state)
        if scores and len(scores) - 1 - scores.index(max(scores)) >= self._patience:
            control.should_training_stop = True


class PruneTrial(TrainerCallback):
    """Callback that raises `PrunedTrial` for a trial with hopeless scores.

    It reads the history, so that it works across restarts.

    Args:
        should_prune: returns whether to prune, given the scores of all epochs so far.
    """

    def __init__(self, should_prune: Callable[[Sequence[float]], bool]) -> None:
        self._should_prune = should_prune

    def on_evaluate(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        """Decide after every epoch except the last, when pruning would save nothing."""
        scores = scores_of(state)
        if state.global_step < state.max_steps and self._should_prune(scores):
            raise PrunedTrial(scores)


def scores_of(state: TrainerState) -> list[float]:
    """Return the score of each epoch so far."""
    return [entry[SCORE] for entry in state.log_history if SCORE in entry]
