"""How far a training is, on the page of its run in Prefect."""

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from assay.runs.prefect_artifacts import ProgressPage


class PrefectProgress(TrainerCallback):
    """Shows how many steps of a training are done."""

    def __init__(self, page: ProgressPage) -> None:
        self._page = page

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: object
    ) -> None:
        """Bring the page up to date."""
        self._page.show(state.global_step / state.max_steps)
