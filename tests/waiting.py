"""Waiting for what another thread or process does: for the state, never for a time."""

import time
from collections.abc import Callable

PATIENCE_S = 300.0  # a busy machine is no fault of the code


def wait_until(condition: Callable[[], object], seconds: float = PATIENCE_S, pause: float = 0.01) -> None:
    """Ask again and again, and fail when it has not happened after so many seconds."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(pause)
