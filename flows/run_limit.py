"""One training of a recipe at a time, over all of its deployments."""

from collections.abc import Iterator
from contextlib import contextmanager

from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import FlowRun
from prefect.concurrency.sync import concurrency

from assay.corpus.errors import AssayError

# A holder that was killed blocks the others for no longer; a live one renews its lease.
LEASE_S = 60.0


@contextmanager
def only_training(recipe: str, flow_run: FlowRun | None) -> Iterator[None]:
    """Hold the limit of a recipe for the length of the block; without a deployment there is none.

    A run that an automation starts does not wait for another training: it would train the same rows again. Started
    again after a crash it waits, since the slot may still be its own.

    Args:
        recipe: name of the recipe.
        flow_run: the run that trains.

    Raises:
        AssayError: another run trains the recipe, and this one does not wait.
    """
    if flow_run is None or flow_run.deployment_id is None:
        yield
        return
    name = f"assay-train-{recipe}"
    with get_client(sync_client=True) as client:
        client.upsert_global_concurrency_limit_by_name(name, 1)
    automatic = flow_run.created_by is not None and flow_run.created_by.type == "AUTOMATION"
    timeout = 1.0 if automatic and flow_run.run_count <= 1 else None
    held = concurrency(
        name, timeout_seconds=timeout, lease_duration=LEASE_S, strict=True, raise_on_lease_renewal_failure=False
    )
    try:
        held.__enter__()
    except TimeoutError as error:
        raise AssayError(f"{recipe} is being trained by another run; nothing is started for this alarm") from error
    try:
        yield
    finally:
        held.__exit__(None, None, None)
