"""Leftover runs: in progress according to the Prefect server, although their processes ended with the workers."""

from collections.abc import Iterable

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
    WorkPoolFilter,
    WorkPoolFilterName,
)
from prefect.client.schemas.objects import StateType
from prefect.states import Cancelled, Crashed

RECOVER = "recover/on-crash"
IN_PROGRESS = [StateType.RUNNING, StateType.PENDING, StateType.CANCELLING]


def crash_leftovers(client: SyncPrefectClient, own_workers: Iterable[tuple[str, str]]) -> list[str]:
    """Mark leftover runs as crashed, and start `recover/on-crash` for each.

    Runs that are being cancelled are marked as cancelled. For a leftover `recover/on-crash`, recovery starts for the
    run that it was to recover.

    Call it while no worker of this machine is running. Pools with a worker on another machine are skipped, since that
    worker may be processing their runs.

    Args:
        client: client of the Prefect server.
        own_workers: pool and name of each worker of this machine; the server may still list them as online.

    Returns:
        Names of the runs that crashed.
    """
    pools = [pool for pool, name in own_workers if not _has_other_worker(client, pool, name)]
    leftovers = client.read_flow_runs(
        flow_run_filter=FlowRunFilter(state=FlowRunFilterState(type=FlowRunFilterStateType(any_=IN_PROGRESS))),
        work_pool_filter=WorkPoolFilter(name=WorkPoolFilterName(any_=pools)),
    )
    if leftovers:
        # Started explicitly, since automations that have just been deployed may miss the event of the crash.
        recover = client.read_deployment_by_name(RECOVER).id
    crashed = []
    for flow_run in leftovers:
        message = "the run ended with the workers of its pool"
        if flow_run.state_type is StateType.CANCELLING:
            client.set_flow_run_state(flow_run.id, Cancelled(message=message), force=True)
            continue
        client.set_flow_run_state(flow_run.id, Crashed(message=message), force=True)
        crashed.append(flow_run.name)
        lost = flow_run.parameters["flow_run_id"] if flow_run.deployment_id == recover else flow_run.id
        parameters = {"flow_run_id": str(lost), "patience_s": 0}  # no worker is left to wait for
        client.create_flow_run_from_deployment(recover, parameters=parameters)
    return crashed


def _has_other_worker(client: SyncPrefectClient, pool: str, name: str) -> bool:
    workers = client.read_workers_for_work_pool(pool)
    return any(worker.status == "ONLINE" and worker.name != name for worker in workers)
