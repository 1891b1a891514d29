"""Run flows from a terminal: in this process, with one-line errors."""

import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from prefect.settings import (
    PREFECT_API_URL,
    PREFECT_SERVER_ANALYTICS_ENABLED,
    PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS,
    temporary_settings,
)
from prefect.settings.legacy import Setting

from assay.corpus.choice import choose
from assay.corpus.storage.disk_errors import user_line
from assay.evaluation.drift.drift_report import DriftReport
from assay.evaluation.drift.window import Window
from assay.flows.monitoring import monitor
from assay.flows.partial_run import SINGLE_STEPS, run_until
from assay.flows.reproduce import reproduce
from assay.flows.seeds import SeedScores, train_across_seeds
from assay.flows.training import TrainingOutcome, train
from assay.recipes.recipe import Recipe
from assay.runs.redo import STEPS
from assay.runs.run import Step
from assay.tasks.reproduce import Reproduction


def run_training(
    recipe: Recipe,
    store: Path = Path(".assay"),
    *,
    fresh: bool = False,
    from_step: str | None = None,
    force: str | None = None,
) -> TrainingOutcome:
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
    with _prefect():
        return train(recipe, store, fresh=fresh, from_step=_step(from_step), force=force)


def run_steps(
    recipe: Recipe, store: Path, until: str, *, fresh: bool = False, from_step: str | None = None
) -> dict[str, Path]:
    """Run the steps of training up to one of them in this process.

    Returns:
        Path of the result of each step.

    Raises:
        AssayError: there is no such step, or the first error that a user can fix.
    """
    names = ", ".join(SINGLE_STEPS)
    refusal = f"--until {until}: the steps to stop after are {names}; to run the gate without promotion, use --dry-run"
    last = choose(until, SINGLE_STEPS, refusal)
    with _prefect():
        return run_until(recipe, last, store, fresh=fresh, from_step=_step(from_step))


def run_seeds(recipe: Recipe, seeds: Sequence[int], store: Path) -> SeedScores:
    """Train with several seeds in this process.

    Raises:
        AssayError: the first error that a user can fix.
    """
    with _prefect():
        return train_across_seeds(recipe, seeds, store)


def run_reproduction(model: str, store: Path) -> Reproduction:
    """Reproduce a version in this process.

    Raises:
        AssayError: the first error that a user can fix.
    """
    with _prefect():
        return reproduce(model, store)


def run_monitoring(model: str, window: Window, store: Path, *, retrain: bool | None = None) -> DriftReport:
    """Compare a window with the data of a version in this process.

    Raises:
        AssayError: the first error that a user can fix.
    """
    with _prefect():
        return monitor(model, window, retrain, store)


@contextmanager
def _prefect() -> Iterator[None]:
    """Run flows in the block, without a configured server on a temporary one that Ctrl-C does not end too early."""
    log_one_line_errors()
    if not PREFECT_API_URL.value():
        from assay.flows.ephemeral import DetachedServer  # seconds of imports that a configured server does not need

        DetachedServer()
    with temporary_settings(_ephemeral_settings()):
        yield


def _ephemeral_settings() -> dict[Setting, Any]:
    """Return settings for Prefect's temporary server: a long startup timeout and no analytics.

    Settings of the environment take precedence.
    """
    defaults: dict[Setting, Any] = {
        PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS: 180,
        PREFECT_SERVER_ANALYTICS_ENABLED: False,
    }
    return {setting: value for setting, value in defaults.items() if setting.name not in os.environ}


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


def _step(name: str | None) -> Step | None:
    return None if name is None else choose(name, STEPS, f"--from {name}: no such step; steps are {', '.join(STEPS)}")
