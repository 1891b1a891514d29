"""One process of a training: `python -m assay.tasks.training.worker JOB.json`, by torchrun where there are several."""

import logging
import os
import sys
import threading
from contextlib import ExitStack
from pathlib import Path

from assay.models import distributed as processes
from assay.tasks.training.exit_reason import telling
from assay.tasks.training.training_job import TrainingJob, run_training

ATTACHED = "--attached"


def main(file: Path) -> None:
    """Do this process's part of the job; the first one sends the figures to MLflow."""
    _speak_if_first()
    with telling(file.parent), ExitStack() as stack:
        job = TrainingJob.model_validate_json(file.read_bytes())
        if job.run.recipe.training.processes > 1:
            stack.enter_context(processes.joined())
        if processes.is_first():
            from assay.runs.metric_logging import metric_log  # MLflow takes seconds to import, and the others need none

            run_training(job, stack.enter_context(metric_log(job.run)).add)
        else:
            run_training(job, lambda values, step: None)


def _speak_if_first() -> None:
    """Lines of the first process reach the one that started it; the others speak of trouble alone."""
    logging.basicConfig(stream=sys.stdout, format="%(message)s", level=logging.WARNING)
    if os.environ.get("RANK", "0") == "0":
        logging.getLogger("assay.models").setLevel(logging.INFO)


def _end_with_parent() -> None:
    """End when the process that started the training does, however it ends: nobody holds the other end then."""

    def watch() -> None:
        os.read(0, 1)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


if __name__ == "__main__":
    if ATTACHED in sys.argv:
        _end_with_parent()
    main(Path(sys.argv[1]))
