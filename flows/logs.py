"""What this package logs belongs to the log of the run: on the terminal, and in the Prefect UI."""

import logging
import os

PACKAGE = "assay"


def join_prefect_logs() -> None:
    """Let Prefect take our loggers along. It reads the variable at the first flow run: call this before."""
    os.environ.setdefault("PREFECT_LOGGING_EXTRA_LOGGERS", PACKAGE)
    logger = logging.getLogger(PACKAGE)
    if logger.level == logging.NOTSET:
        logger.setLevel(logging.INFO)
