"""What happens beside the training loop: figures are handed on, progress is shown, a hopeless training ends."""

import logging
import math
import time
from collections.abc import Callable, Sequence
from typing import Any

from tqdm.auto import tqdm
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from assay.corpus.errors import AssayError

Log = Callable[[dict[str, float], int], None]
SCORE = "eval_score"

_logger = logging.getLogger(__name__)


class NonFiniteLoss(AssayError):  # noqa: N818  # it tells what happened; to a search for settings it is an answer
    """The loss is no number any more."""


class PrunedTrial(Exception):  # noqa: N818  # it tells what happened; whoever asked for it goes on
    """A training was given up as hopeless; `scores` are those of its epochs."""

    def __init__(self, scores: Sequence[float]) -> None:
        super().__init__(f"given up after {len(scores)} epochs")
        self.scores = list(scores)


class Report(TrainerCallback):
    """Hands each figure on, and stops where the loss is no number."""

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
        """Hand the figures of a step or an epoch on."""
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
    """Stops after so many epochs without a better score. It reads the history, so that it survives a restart."""

    def __init__(self, patience: int) -> None:
        self._patience = patience

    def on_epoch_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Stop a training that was resumed behind its last useful epoch."""
        self._stop(state, control)

    def on_evaluate(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        """Stop where the score has not risen for long enough."""
        self._stop(state, control)

    def _stop(self, state: TrainerState, control: TrainerControl) -> None:
        scores = scores_of(state)
        if scores and len(scores) - 1 - scores.index(max(scores)) >= self._patience:
            control.should_training_stop = True


class PruneTrial(TrainerCallback):
    """Ends a training whose scores are hopeless. It reads the history, so that it survives a restart.

    Args:
        hopeless: decides by the scores of all epochs so far; raised is `PrunedTrial`.
    """

    def __init__(self, hopeless: Callable[[Sequence[float]], bool]) -> None:
        self._hopeless = hopeless

    def on_evaluate(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        """Ask after every epoch but the last, which leaves nothing to save."""
        scores = scores_of(state)
        if state.global_step < state.max_steps and self._hopeless(scores):
            raise PrunedTrial(scores)


def scores_of(state: TrainerState) -> list[float]:
    """The score of each epoch so far."""
    return [entry[SCORE] for entry in state.log_history if SCORE in entry]


class Progress(TrainerCallback):
    """One bar over all steps, with the latest loss and score."""

    def __init__(self) -> None:
        self._bar: Any = None
        self._shown: dict[str, str] = {}
        self._due = 0.0

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Open the bar, at the step the training begins at."""
        # disable=None: no bar where nobody watches, in a log file for example.
        self._bar = tqdm(
            total=state.max_steps, initial=state.global_step, desc="training", unit="step", leave=False, disable=None
        )

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, float] | None = None,
        **kwargs: Any,
    ) -> None:
        """Note the latest loss and score."""
        for name, value in (logs or {}).items():
            if name in ("loss", SCORE):
                self._shown[name.removeprefix("eval_")] = f"{value:.4f}"
        if self._bar is not None and time.monotonic() >= self._due:
            self._due = time.monotonic() + 0.5
            self._bar.set_postfix(self._shown, refresh=False)

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        """Move the bar."""
        self._bar.update()

    def on_train_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Close the bar."""
        self._bar.close()
