"""Allow one training of a recipe at a time, over all of its deployments."""

from collections.abc import Iterator
from contextlib import contextmanager

from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import FlowRun
from prefect.concurrency.sync import concurrency

from assay.corpus.errors import AssayError

# A killed holder blocks the others for this long at most; a live one renews its lease.
LEASE_S = 60.0


@contextmanager
def exclusive_training(recipe: str, flow_run: FlowRun | None) -> Iterator[None]:
    """Hold the concurrency limit of a recipe during the block; a run without a deployment has no limit.

    A run started by an automation does not wait for another training, since it would train on the same rows again.
    After a crash it waits, since the lease may still be its own.

    Args:
        recipe: name of the recipe.
        flow_run: flow run of the training.

    Raises:
        AssayError: another run is training the recipe, and this one does not wait.
    """
    if flow_run is None or flow_run.deployment_id is None:
        yield
        return
    name = f"assay-train-{recipe}"
    with get_client(sync_client=True) as client:
        client.upsert_global_concurrency_limit_by_name(name, 1)
    automatic = flow_run.created_by is not None and flow_run.created_by.type == "AUTOMATION"
    timeout = 1.0 if automatic and flow_run.run_count <= 1 else None
    limit = concurrency(
        name, timeout_seconds=timeout, lease_duration=LEASE_S, strict=True, raise_on_lease_renewal_failure=False
    )
    try:
        limit.__enter__()
    except TimeoutError as error:
        raise AssayError(f"another run is already training {recipe}; nothing is started for this alarm") from error
    try:
        yield
    finally:
        limit.__exit__(None, None, None)
