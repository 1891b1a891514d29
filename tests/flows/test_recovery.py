"""Restart or report crashed runs, after their worker has finished with them."""

import time
from collections.abc import Iterator
from threading import Thread
from typing import Any
from uuid import UUID, uuid4

import pytest
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.objects import FlowRun, State
from prefect.events import emit_event
from prefect.events.worker import EventsWorker
from prefect.states import AwaitingRetry, Completed, Crashed, Pending

from assay.flows.recovery import EXECUTED, PAUSE, SUBMITTED, Recovery, last_worker_event, plan_recovery, recover
from assay.flows.training import train
from tests.waiting import wait_until


def run(state: State[Any] | None = None, starts: int = 1, deployed: bool = True) -> FlowRun:
    deployment = uuid4() if deployed else None
    return FlowRun(flow_id=uuid4(), name="r", state=state or Crashed(), run_count=starts, deployment_id=deployment)


@pytest.mark.parametrize("kind", ["train", "predict", "monitor"])
def test_plan_recovery_restarts_resumable_flows(kind: str) -> None:
    assert plan_recovery(run(), [], kind, 3).action == "restarted"
    assert plan_recovery(run(starts=2), [], kind, 3).why == "start 3 of at most 3"


@pytest.mark.parametrize(
    ("flow_run", "kind", "why"),
    [
        (run(starts=3), "train", "it crashed 3 times"),
        (run(), "rollback", "is not restarted automatically"),
        (run(deployed=False), "train", "no deployment started it"),
    ],
)
def test_plan_recovery_reports_other_runs(flow_run: FlowRun, kind: str, why: str) -> None:
    result = plan_recovery(flow_run, [], kind, 3)
    assert result.action == "reported"
    assert why in result.why


def test_plan_recovery_counts_crashes_before_the_start() -> None:
    # given a run that never came as far as running, and whose second death was reported twice
    states: list[State[Any]] = [Pending(), Crashed(), AwaitingRetry(), Pending(), Crashed(), Crashed()]
    flow_run = run(starts=0)
    assert plan_recovery(flow_run, states, "train", 3).why == "start 3 of at most 3"
    result = plan_recovery(flow_run, [*states, AwaitingRetry(), Pending(), Crashed()], "train", 3)
    assert (result.action, result.why.partition(";")[0]) == ("reported", "it crashed 3 times")


def test_plan_recovery_leaves_a_running_run_alone() -> None:
    assert plan_recovery(run(Completed()), [], "train", 3).action == "none"


@pytest.fixture
def client(prefect_server: None) -> Iterator[SyncPrefectClient]:
    with get_client(sync_client=True) as client:
        yield client


def crashed(client: SyncPrefectClient) -> UUID:
    """Create a run of a deployment that crashed on a worker."""
    deployment = client.create_deployment(
        client.create_flow(train), f"d{uuid4().hex[:8]}", enforce_parameter_schema=False
    )
    flow_run = client.create_flow_run_from_deployment(deployment).id
    emit_worker_event(SUBMITTED, flow_run)
    client.set_flow_run_state(flow_run, Crashed(), force=True)
    return flow_run


def emit_worker_event(event: str, flow_run: UUID) -> None:
    about = {"prefect.resource.id": f"prefect.flow-run.{flow_run}", "prefect.resource.role": "flow-run"}
    emit_event(event, resource={"prefect.resource.id": "prefect.worker.process.w"}, related=[about])
    EventsWorker.drain_all()
    with get_client(sync_client=True) as client:  # the server writes them down in its own time
        wait_until(lambda: last_worker_event(client, flow_run) == event, pause=0.1)


def started_again(client: SyncPrefectClient, flow_run: UUID) -> bool:
    state = client.read_flow_run(flow_run).state
    return state is not None and state.name == "AwaitingRetry"


def test_recover_waits_for_the_worker(client: SyncPrefectClient) -> None:
    flow_run = crashed(client)
    results: list[Recovery] = []
    recovering = Thread(target=lambda: results.append(recover.fn(flow_run)))
    recovering.start()
    recovering.join(timeout=2)
    assert recovering.is_alive()
    assert not started_again(client, flow_run)

    client.set_flow_run_state(flow_run, Crashed(), force=True)
    emit_worker_event(EXECUTED, flow_run)
    recovering.join()

    assert results[0].action == "restarted"
    begins = client.read_flow_run(flow_run).state.state_details.scheduled_time  # type: ignore[union-attr]
    assert started_again(client, flow_run)
    assert begins is not None
    assert 0 < begins.timestamp() - time.time() <= PAUSE.total_seconds() == 30


def test_recover_stops_waiting_for_a_dead_worker(client: SyncPrefectClient, caplog: pytest.LogCaptureFixture) -> None:
    flow_run = crashed(client)
    assert recover.fn(flow_run, patience_s=0).action == "restarted"
    assert "is not responding" in caplog.text
    assert started_again(client, flow_run)


def test_recover_leaves_a_restarted_run_alone(client: SyncPrefectClient) -> None:
    flow_run = crashed(client)
    emit_worker_event(EXECUTED, flow_run)
    assert recover.fn(flow_run).action == "restarted"
    before = client.read_flow_run(flow_run).state
    assert recover.fn(flow_run).action == "none"
    assert client.read_flow_run(flow_run).state == before


def test_recover_reports_a_run_that_crashed_too_often(client: SyncPrefectClient) -> None:
    flow_run = crashed(client)
    emit_worker_event(EXECUTED, flow_run)
    # it never ran, so that Prefect has counted no start
    assert recover.fn(flow_run, max_starts=1).action == "reported"
    assert not started_again(client, flow_run)
