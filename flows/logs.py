"""Add the log records of this package to the log of the flow run, on the terminal and in Prefect."""

import logging
import os

PACKAGE = "assay"


def join_prefect_logs() -> None:
    """Make Prefect handle the loggers of this package. Call it before the first flow run, which reads the setting."""
    os.environ.setdefault("PREFECT_LOGGING_EXTRA_LOGGERS", PACKAGE)
    logger = logging.getLogger(PACKAGE)
    if logger.level == logging.NOTSET:
        logger.setLevel(logging.INFO)
