"""Run one process of a training: `python -m assay.tasks.training.worker JOB.json`, started by torchrun if several."""

import logging
import os
import sys
import threading
from contextlib import ExitStack
from pathlib import Path

from assay.models import distributed as processes
from assay.runs.step_progress import displayed_by, step_progress
from assay.tasks.training.exit_reason import record_exit
from assay.tasks.training.job_runner import run_training_job
from assay.tasks.training.progress_pipe import PipeDisplay
from assay.tasks.training.training_job import ATTACHED, TrainingJob


def main(file: Path) -> None:
    """Do the share of this process in the job; the first process logs the metrics to MLflow."""
    _configure_logging()
    with record_exit(file.parent), ExitStack() as stack:
        job = TrainingJob.model_validate_json(file.read_bytes())
        if job.run.recipe.training.processes > 1:
            stack.enter_context(processes.joined())
        if processes.is_first():
            from assay.runs.metric_logging import (
                metric_log,
            )  # MLflow takes seconds to import; the others do not need it

            stack.enter_context(displayed_by(PipeDisplay()))
            stack.enter_context(step_progress("train"))
            run_training_job(job, stack.enter_context(metric_log(job.run)).add)
        else:
            run_training_job(job, lambda values, step: None)


def _configure_logging() -> None:
    """Log the progress of the first process to stdout, and only warnings of the others."""
    logging.basicConfig(stream=sys.stdout, format="%(message)s", level=logging.WARNING)
    if os.environ.get("RANK", "0") == "0":
        logging.getLogger("assay.models").setLevel(logging.INFO)


def _end_with_parent() -> None:
    """Exit when the process that started the training ends, since that closes stdin."""

    def watch() -> None:
        os.read(0, 1)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


if __name__ == "__main__":
    if ATTACHED in sys.argv:
        _end_with_parent()
    main(Path(sys.argv[1]))
