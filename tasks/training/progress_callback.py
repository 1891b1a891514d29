"""Report the progress of a training: as the progress of its step, and on the page of its flow run in Prefect."""

from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from assay.runs.prefect_artifacts import ProgressArtifact
from assay.runs.step_progress import current_step


class TrainingProgress(TrainerCallback):
    """A callback that reports the epoch, the latest loss, and the share of completed steps."""

    def __init__(self, page: ProgressArtifact) -> None:
        self._page = page
        self._loss = ""

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Report where the training begins, which may be in the middle."""
        self._report(state)

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, float] | None = None,
        **kwargs: Any,
    ) -> None:
        """Remember the latest loss."""
        if logs and "loss" in logs:
            self._loss = f"  loss {logs['loss']:.2f}"

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        """Report the completed steps."""
        self._report(state)

    def _report(self, state: TrainerState) -> None:
        share = state.global_step / max(state.max_steps, 1)
        epochs = state.num_train_epochs
        epoch = min(int(state.epoch or 0) + 1, epochs)
        current_step().show(f"epoch {epoch}/{epochs}{self._loss}", share)
        self._page.show(share)
