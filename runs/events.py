"""Events for Prefect's automations: promotions and refusals of models, drift, and crashed runs."""

import logging
from collections.abc import Mapping
from typing import Any

from prefect.events import emit_event
from prefect.settings import PREFECT_API_URL

from assay.runs.prefect_artifacts import in_prefect_run

# About models.
PROMOTED, ROLLED_BACK, REFUSED, PENDING = "assay.promoted", "assay.rolled-back", "assay.refused", "assay.pending"
# About the requests of a model.
DRIFTED = "assay.drift"
# About a run that is not started again.
CRASHED = "assay.crashed"

logger = logging.getLogger(__name__)


def emit(
    event: str, resource: str, name: str, payload: Mapping[str, Any], labels: Mapping[str, str] | None = None
) -> None:
    """Emit an event through Prefect; do nothing without a server.

    An event that cannot be sent is logged as a warning, since what it reports has happened all the same.

    Args:
        event: name of the event, such as `assay.promoted`.
        resource: id of the resource, such as `assay.model.NAME`.
        name: name of the resource, for people.
        payload: further facts, as JSON; notifications show the line under `summary`.
        labels: further labels of the resource, by which an automation can filter.
    """
    if not (in_prefect_run() or PREFECT_API_URL.value()):
        return
    try:
        labelled = {"prefect.resource.id": resource, "prefect.resource.name": name, **(labels or {})}
        emit_event(event, resource=labelled, payload=dict(payload))
    except (OSError, RuntimeError, ValueError) as error:
        logger.warning("the event %s was not sent: %s", event, error)


def model_resource(name: str) -> str:
    """Return the resource id of a registered model in events."""
    return f"assay.model.{name}"
