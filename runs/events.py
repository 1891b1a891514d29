"""Events that others listen to, by Prefect's automations: what became of a model, of its data, of a run."""

import logging
from collections.abc import Mapping
from typing import Any

from prefect.events import emit_event
from prefect.settings import PREFECT_API_URL

from assay.runs.prefect_artifacts import in_prefect_run

# Of models.
PROMOTED, ROLLED_BACK, REFUSED, PENDING = "assay.promoted", "assay.rolled-back", "assay.refused", "assay.pending"
# Of what a model is asked.
DRIFTED = "assay.drift"
# Of a run that is not started again.
CRASHED = "assay.crashed"

logger = logging.getLogger(__name__)


def emit(
    event: str, resource: str, name: str, payload: Mapping[str, Any], labels: Mapping[str, str] | None = None
) -> None:
    """Emit an event through Prefect; without a server nobody would hear it, and nothing happens.

    An event that cannot be sent is a line in the log: what it tells of has happened all the same.

    Args:
        event: such as `assay.promoted`.
        resource: id of what it is about, such as `assay.model.NAME`.
        name: of the resource, for people.
        payload: further facts, as JSON; `summary` is the line that people are sent.
        labels: further ones of the resource; an automation can choose by them.
    """
    if not (in_prefect_run() or PREFECT_API_URL.value()):
        return
    try:
        about = {"prefect.resource.id": resource, "prefect.resource.name": name, **(labels or {})}
        emit_event(event, resource=about, payload=dict(payload))
    except (OSError, RuntimeError, ValueError) as error:
        logger.warning("the event %s was not sent: %s", event, error)


def model_resource(name: str) -> str:
    """The id under which events tell of a registered model."""
    return f"assay.model.{name}"
