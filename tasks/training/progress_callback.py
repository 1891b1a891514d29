"""Show the progress of a training on the page of its flow run in Prefect."""

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from assay.runs.prefect_artifacts import ProgressArtifact


class PrefectProgress(TrainerCallback):
    """A callback that shows the share of completed steps."""

    def __init__(self, page: ProgressArtifact) -> None:
        self._page = page

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: object
    ) -> None:
        """Update the page."""
        self._page.show(state.global_step / state.max_steps)
