"""Runs that a server believes to be in progress, and whose processes ended with the machine's workers."""

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
    """Mark runs as crashed that nobody can be at work on, and have `recover/on-crash` look after each.

    Those that a person has cancelled are cancelled. Of a `recover/on-crash` itself, the run is looked after that it
    was to look after.

    Call it while none of this machine's workers runs. A pool that another machine works for is left alone: which runs
    are its own, nobody can tell.

    Args:
        client: of the Prefect server.
        own_workers: pool and name of each worker of this machine. Of one that has just ended, the server still thinks
            that it is online.

    Returns:
        Names of the runs that crashed.
    """
    empty = [pool for pool, name in own_workers if not _has_other_worker(client, pool, name)]
    found = client.read_flow_runs(
        flow_run_filter=FlowRunFilter(state=FlowRunFilterState(type=FlowRunFilterStateType(any_=IN_PROGRESS))),
        work_pool_filter=WorkPoolFilter(name=WorkPoolFilterName(any_=empty)),
    )
    if found:
        # Asked for, since automations that were deployed this very moment may miss the event of the crash.
        recover = client.read_deployment_by_name(RECOVER).id
    crashed = []
    for flow_run in found:
        message = "the workers of its pool ended, and the run with them"
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
