"""The logs of a command: the records of this package join those of the flow run, those of libraries can be hidden.

Prefect and MLflow read these settings when they are imported. Settings of the environment take precedence.
"""

import logging
import os

PACKAGE = "assay"
# Prefect's records still reach its server; only the terminal shows none.
HIDDEN = {
    "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "CRITICAL",
    "DO_NOT_TRACK": "1",  # Prefect would print a notice
    "MLFLOW_LOGGING_LEVEL": "ERROR",
    "TRANSFORMERS_VERBOSITY": "error",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "HF_DATASETS_DISABLE_PROGRESS_BARS": "1",
}


def join_prefect_logs() -> None:
    """Make Prefect handle the loggers of this package. Call it before the first flow run, which reads the setting."""
    os.environ.setdefault("PREFECT_LOGGING_EXTRA_LOGGERS", PACKAGE)
    logger = logging.getLogger(PACKAGE)
    if logger.level == logging.NOTSET:
        logger.setLevel(logging.INFO)


def hide_library_logs() -> None:
    """Show no records and no progress bars of libraries on the terminal. Call it before they are imported."""
    for variable, value in HIDDEN.items():
        os.environ.setdefault(variable, value)
