"""Prefect artifacts of steps, shown in its UI. Outside of a flow run nothing is created.

An artifact that cannot be written, say while Prefect's server restarts, is logged as a warning and does not fail the
run.
"""

import logging
import time
from collections.abc import Callable
from typing import Any
from uuid import UUID

import httpx
from prefect.artifacts import (
    create_link_artifact,
    create_markdown_artifact,
    create_progress_artifact,
    update_progress_artifact,
)
from prefect.client.schemas.objects import FlowRun
from prefect.context import FlowRunContext, TaskRunContext

# Each update is an event in the feed, too.
PROGRESS_S = 15.0

logger = logging.getLogger(__name__)


def current_flow_run() -> FlowRun | None:
    """Return the flow run that the code runs in, or None outside of one."""
    context = FlowRunContext.get()
    return context.flow_run if context else None


def in_prefect_run() -> bool:
    """Return whether the code runs inside a Prefect flow or task run."""
    return FlowRunContext.get() is not None or TaskRunContext.get() is not None


def show_markdown(key: str, markdown: str, description: str) -> None:
    """Create a Markdown artifact; artifacts of one key form a history.

    Args:
        key: lower case letters, digits and hyphens.
        markdown: text without indentation, which Prefect would show as code.
        description: one line.
    """
    _show(key, lambda: create_markdown_artifact(markdown, key=key, description=description))


def show_link(key: str, address: str | None, text: str, description: str) -> None:
    """Create a link artifact, unless the address is None."""
    if address is not None:
        _show(key, lambda: create_link_artifact(address, text, key=key, description=description))


class ProgressArtifact:
    """A progress artifact of a long step, in per cent, updated every few seconds."""

    def __init__(self, key: str, description: str, share: float = 0.0) -> None:
        """Create the artifact with a share from 0 to 1."""
        self._key = key
        self._id: UUID | None = _show(
            key, lambda: create_progress_artifact(_percent(share), key=key, description=description)
        )
        self._shown = time.monotonic()

    def show(self, share: float) -> None:
        """Show a share from 0 to 1; skip it if it follows another one too soon, unless it is the end."""
        artifact = self._id
        if artifact is not None and (share >= 1 or time.monotonic() - self._shown >= PROGRESS_S):
            self._shown = time.monotonic()
            _show(self._key, lambda: update_progress_artifact(artifact, _percent(share)))


def _percent(share: float) -> float:
    return round(100 * min(share, 1.0), 1)


def _show(key: str, write: Callable[[], Any]) -> Any:
    """Call a function that writes an artifact, inside of a flow run."""
    if not in_prefect_run():
        return None
    try:
        return write()
    except httpx.HTTPError as error:
        logger.warning("the artifact %s is not shown: %s", key, error)
        return None
