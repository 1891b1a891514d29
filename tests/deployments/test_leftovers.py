"""Leftover runs: marked as crashed, unless a worker of another machine may be processing them."""

from collections.abc import Iterator
from uuid import UUID, uuid4

import pytest
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.states import Cancelling, Completed, Crashed, Running

from assay.deployments.leftovers import crash_leftovers
from assay.flows.recovery import recover
from assay.flows.training import train

OWN_WORKER = "own-1"


@pytest.fixture
def client(prefect_server: None) -> Iterator[SyncPrefectClient]:
    with get_client(sync_client=True) as client:
        yield client


@pytest.fixture
def recovery(client: SyncPrefectClient) -> UUID:
    return client.create_deployment(client.create_flow(recover), "on-crash", enforce_parameter_schema=False)


@pytest.fixture
def pool(client: SyncPrefectClient) -> str:
    name = f"pool-{uuid4().hex[:8]}"
    client.create_work_pool(WorkPoolCreate(name=name, type="process"))
    client.send_worker_heartbeat(name, OWN_WORKER)  # the server still lists it as online
    return name


def started(client: SyncPrefectClient, pool: str) -> UUID:
    deployment = client.create_deployment(
        client.create_flow(train), f"d{uuid4().hex[:8]}", work_pool_name=pool, enforce_parameter_schema=False
    )
    flow_run = client.create_flow_run_from_deployment(deployment).id
    client.set_flow_run_state(flow_run, Running(), force=True)
    return flow_run


def state_of(client: SyncPrefectClient, flow_run: UUID) -> str:
    state = client.read_flow_run(flow_run).state
    assert state is not None
    return state.type.value


def test_crash_leftovers_marks_runs_as_crashed_and_recovers_them(
    client: SyncPrefectClient, pool: str, recovery: UUID
) -> None:
    lost, done = started(client, pool), started(client, pool)
    client.set_flow_run_state(done, Completed(), force=True)
    assert crash_leftovers(client, [(pool, OWN_WORKER)]) == [client.read_flow_run(lost).name]
    assert (state_of(client, lost), state_of(client, done)) == ("CRASHED", "COMPLETED")
    recoveries = [run for run in client.read_flow_runs() if run.deployment_id == recovery]
    assert [run.parameters["flow_run_id"] for run in recoveries] == [str(lost)]


def test_crash_leftovers_cancels_runs_that_were_being_cancelled(
    client: SyncPrefectClient, pool: str, recovery: UUID
) -> None:
    unwanted = started(client, pool)
    client.set_flow_run_state(unwanted, Cancelling(), force=True)
    before = len(client.read_flow_runs())
    assert crash_leftovers(client, [(pool, OWN_WORKER)]) == []
    assert state_of(client, unwanted) == "CANCELLED"
    assert len(client.read_flow_runs()) == before


def test_crash_leftovers_recovers_the_run_of_a_leftover_recovery(client: SyncPrefectClient, pool: str) -> None:
    # Given a crashed run, and its recovery, which was waiting when its worker ended,
    crashed = started(client, pool)
    client.set_flow_run_state(crashed, Crashed(), force=True)
    recovery = client.create_deployment(
        client.create_flow(recover), "on-crash", work_pool_name=pool, enforce_parameter_schema=False
    )
    waiting = client.create_flow_run_from_deployment(recovery, parameters={"flow_run_id": str(crashed)}).id
    client.set_flow_run_state(waiting, Running(), force=True)
    before = {run.id for run in client.read_flow_runs()}
    # then another recovery of the same run starts.
    assert crash_leftovers(client, [(pool, OWN_WORKER)]) == [client.read_flow_run(waiting).name]
    [again] = [run for run in client.read_flow_runs() if run.id not in before]
    assert (again.deployment_id, again.parameters["flow_run_id"]) == (recovery, str(crashed))


def test_crash_leftovers_skips_pools_with_other_workers(client: SyncPrefectClient, pool: str) -> None:
    flow_run = started(client, pool)
    client.send_worker_heartbeat(pool, "another machine")
    assert crash_leftovers(client, [(pool, OWN_WORKER)]) == []
    assert state_of(client, flow_run) == "RUNNING"


def test_crash_leftovers_skips_other_pools(client: SyncPrefectClient, pool: str) -> None:
    flow_run = started(client, pool)
    assert crash_leftovers(client, []) == []
    assert state_of(client, flow_run) == "RUNNING"
