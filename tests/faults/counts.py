"""The number of trials of fault tests: `make faults` runs more than the normal suite, and writes the page."""

import json
import os
from pathlib import Path

LONG = os.environ.get("ASSAY_FAULTS") == "long"
# Where `make faults` gathers what was counted; without it nothing is written.
COUNTS = os.environ.get("ASSAY_FAULTS_COUNTS")


def many(fast: int, long: int) -> int:
    """Return the number of trials: `long` under `make faults`."""
    return long if LONG else fast


def check_line(error: Exception, about: str = "") -> None:
    """Check that the message to the user is one line."""
    assert "\n" not in str(error), about


def count(fault: str, tried: int, what: str, wrong: int = 0) -> None:
    """Record the trials after their test has passed.

    Args:
        fault: what was broken; one row of the page.
        tried: how often.
        what: what was counted: kills, cuts, requests.
        wrong: rows lost, doubled or answered wrongly; a test fails on the first, so that the page can only say 0.
    """
    if COUNTS:
        with Path(COUNTS).open("a", encoding="utf-8") as file:
            file.write(json.dumps({"fault": fault, "tried": tried, "what": what, "wrong": wrong}) + "\n")
