"""The flow that rolls the champion alias back to an earlier version."""

from pathlib import Path

from prefect import flow, task
from prefect.cache_policies import NO_CACHE
from prefect.runtime import flow_run

from assay.registry.champion_rollback import roll_back
from assay.registry.history import AliasChange
from assay.registry.model_registry import ModelRegistry
from assay.serving.address import existing_tracking_uri


@flow(name="rollback", flow_run_name="rollback-{name}", persist_result=False, result_serializer="json")
def rollback(
    name: str, reason: str, to: str | None = None, store: Path = Path(".assay"), registry_uri: str | None = None
) -> AliasChange:
    """Move the champion alias back under the lock of promotions, and record the reason.

    Args:
        name: registered model.
        reason: recorded permanently in the history.
        to: version to restore. None: the previous champion.
        store: folder of the promotion lock, the same as for training.
        registry_uri: address of MLflow. None: MLFLOW_TRACKING_URI, or sqlite in the store if that is not set.
    """
    return move_back(name, reason, to, store, registry_uri, flow_run.id)


@task(name="move-back", cache_policy=NO_CACHE)
def move_back(
    name: str, reason: str, to: str | None, store: Path, registry_uri: str | None, run: str | None = None
) -> AliasChange:
    """Move the alias back once; `run` is the flow run that requested it."""
    registry = ModelRegistry(name, registry_uri or existing_tracking_uri(store), store)
    return roll_back(registry, to, reason, run)
