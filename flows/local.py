"""Run flows from a terminal: in this process, with one-line errors.

Each flow is imported by the function that runs it, after the temporary server has been started: both take seconds.
"""

import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assay.corpus.storage.disk_errors import user_line
from assay.flows import ephemeral
from assay.recipes.recipe import Recipe
from assay.runs.redo import parse_last_step, parse_step
from assay.runs.step_progress import step_progress

if TYPE_CHECKING:
    from assay.evaluation.drift.drift_report import DriftReport
    from assay.evaluation.drift.window import Window
    from assay.evaluation.labels.label_task_report import LabelTaskReport
    from assay.evaluation.labels.task_formats import TaskFormat
    from assay.flows.seeds import SeedScores
    from assay.flows.training import TrainingOutcome
    from assay.tasks.reproduce import Reproduction

# A busy machine needs longer than the 20 s that Prefect allows.
STARTUP_S = 180.0


def run_training(
    recipe: Recipe,
    store: Path = Path(".assay"),
    *,
    fresh: bool = False,
    from_step: str | None = None,
    force: str | None = None,
) -> "TrainingOutcome":
    """Run the training flow in this process: from the source to a verdict, and to a promotion if it allows one.

    Args:
        recipe: everything the run depends on.
        store: folder of runs, of the ledger and, without a tracking server, of MLflow.
        fresh: start a new run and reuse nothing of earlier ones.
        from_step: repeat this step and all later ones of the newest run.
        force: why to promote even a model that the gate refuses.

    Returns:
        The verdict, what became of the candidate, and where metrics and card are.

    Raises:
        AssayError: the first error that a user can fix.

    Example:
        >>> import assay
        >>> outcome = assay.train(assay.load_recipe("my-news.yaml"))
        >>> outcome.verdict.outcome
        'passed'
    """
    step = parse_step(from_step)
    with _starting():
        from assay.flows.training import train
    with _on_server():
        return train(recipe, store, fresh=fresh, from_step=step, force=force)


def run_steps(
    recipe: Recipe, store: Path, until: str, *, fresh: bool = False, from_step: str | None = None
) -> dict[str, Path]:
    """Run the steps of training up to one of them in this process.

    Returns:
        Path of the result of each step.

    Raises:
        AssayError: there is no such step, or the first error that a user can fix.
    """
    last, step = parse_last_step(until), parse_step(from_step)
    with _starting():
        from assay.flows.partial_run import run_until
    with _on_server():
        return run_until(recipe, last, store, fresh=fresh, from_step=step)


def run_seeds(recipe: Recipe, seeds: Sequence[int], store: Path) -> "SeedScores":
    """Train with several seeds in this process.

    Raises:
        AssayError: the first error that a user can fix.
    """
    with _starting():
        from assay.flows.seeds import train_across_seeds
    with _on_server():
        return train_across_seeds(recipe, seeds, store)


def run_reproduction(model: str, store: Path) -> "Reproduction":
    """Reproduce a version in this process.

    Raises:
        AssayError: the first error that a user can fix.
    """
    with _starting():
        from assay.flows.reproduce import reproduce
    with _on_server():
        return reproduce(model, store)


def run_monitoring(model: str, window: "Window", store: Path, *, retrain: bool | None = None) -> "DriftReport":
    """Compare a window with the data of a version in this process.

    Raises:
        AssayError: the first error that a user can fix.
    """
    with _starting():
        from assay.flows.monitoring import monitor
    with _on_server():
        return monitor(model, window, retrain, store)


def run_label_issues(
    model: str, store: Path, output: Path, task_format: "TaskFormat", rows: int, cross_validate: int | None
) -> "LabelTaskReport":
    """Find label issues of a version in this process.

    Raises:
        AssayError: the first error that a user can fix.
    """
    with _starting():
        from assay.flows.labelling import label_issues
    with _on_server():
        return label_issues(model, rows, output, task_format, cross_validate, store=store)


def run_label_suggestion(
    model: str,
    store: Path,
    source: str,
    filter: dict[str, Any],
    output: Path,
    task_format: "TaskFormat",
    rows: int,
    random_share: float,
) -> "LabelTaskReport":
    """Choose rows to label next in this process.

    Raises:
        AssayError: the first error that a user can fix.
    """
    with _starting():
        from assay.flows.labelling import suggest_labels
    with _on_server():
        return suggest_labels(model, source, rows, filter, random_share, output, task_format, store=store)


@contextmanager
def _starting() -> Iterator[None]:
    """Start the temporary server while the block imports a flow, and wait for it; do nothing with a configured one.

    Raises:
        AssayError: the temporary server does not start.
    """
    with step_progress("start") as step:
        ephemeral.start_early()
        step.show("loading Prefect and MLflow")
        yield
        log_one_line_errors()
        from prefect import settings

        if settings.PREFECT_API_URL.value() or not settings.PREFECT_SERVER_ALLOW_EPHEMERAL_MODE.value():
            ephemeral.stop()
            step.conclude("a configured Prefect server")
            return
        step.show("starting a temporary Prefect server")
        timeout = settings.PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS
        ephemeral.start().wait(timeout.value() if timeout.name in os.environ else STARTUP_S)
        step.conclude("a temporary Prefect server")


@contextmanager
def _on_server() -> Iterator[None]:
    """Run flows in the block on the temporary server, if one was started."""
    from prefect.settings import PREFECT_API_URL, temporary_settings

    address = ephemeral.address()
    with temporary_settings({} if address is None else {PREFECT_API_URL: address}):
        yield


def log_one_line_errors() -> None:
    """Make Prefect log errors that a user can fix in one line, since their traceback does not help.

    The same applies to errors of MLflow's sqlite, which are also raised.
    """
    for name in ("prefect.flow_runs", "prefect.task_runs"):
        logging.getLogger(name).addFilter(_without_traceback)
    logging.getLogger("mlflow.store.db.utils").addFilter(_first_line)


def _without_traceback(record: logging.LogRecord) -> bool:
    error = record.exc_info[1] if isinstance(record.exc_info, tuple) else None
    if error is not None and (line := user_line(error)) is not None:
        record.msg, record.args, record.exc_info = line, (), None
    return True


def _first_line(record: logging.LogRecord) -> bool:
    record.msg, record.args, record.exc_info = record.getMessage().partition("\n")[0], (), None
    return True
