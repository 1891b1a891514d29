"""The recovery flow: restart crashed runs if that is safe, and report the others."""

import logging
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal
from uuid import UUID

from prefect import flow
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.objects import FlowRun, State
from prefect.events.filters import EventFilter, EventNameFilter, EventRelatedFilter
from prefect.states import AwaitingRetry
from pydantic import BaseModel, Field

from assay.corpus.markdown import cell
from assay.runs.events import CRASHED, emit
from assay.runs.prefect_artifacts import show_markdown

# Flows that resume when the same run is started again. A second rollback might move the alias twice.
RESUMABLE = ("train", "predict", "monitor")
MOST_STARTS = 3
# Time for a machine that ran out of memory, or a service that restarts, to recover.
PAUSE = timedelta(seconds=30)
# A worker reports a crash twice: at once, and again after it has loaded the flow to look for hooks, which takes longer
# on a busy machine. The second report would crash a run that has resumed by then. After it, the worker emits that it
# has executed the run, unless it died with the run.
PATIENCE_S = 180.0
SUBMITTED, EXECUTED = "prefect.worker.submitted-flow-run", "prefect.worker.executed-flow-run"
POLL_S = 1.0

logger = logging.getLogger(__name__)


class Recovery(BaseModel):
    """The action taken for a crashed run, and the reason."""

    flow_run: UUID
    name: str
    action: Literal["restarted", "reported", "none"]
    why: str


@flow(name="recover", flow_run_name="recover-{flow_run_id}", persist_result=False, result_serializer="json")
def recover(
    flow_run_id: UUID,
    max_starts: Annotated[int, Field(ge=1, le=100)] = MOST_STARTS,
    patience_s: Annotated[float, Field(ge=0, le=3600)] = PATIENCE_S,
) -> Recovery:
    """Restart a crashed run of a deployment. It keeps its id, so that it resumes.

    A run that has crashed too often, or that cannot be resumed, is reported by an artifact with the key `crashes` and
    by the event `assay.crashed`, which notifications listen to.

    Args:
        flow_run_id: id of the crashed run.
        max_starts: maximum number of starts of a run, including the first one.
        patience_s: maximum seconds to wait until the worker has finished with the run.
    """
    with get_client(sync_client=True) as client:
        _wait_for_worker(client, flow_run_id, patience_s)
        flow_run = client.read_flow_run(flow_run_id)
        kind = client.read_flow(flow_run.flow_id).name
        result = plan_recovery(flow_run, client.read_flow_run_states(flow_run_id), kind, max_starts)
        if result.action == "restarted":
            restart = datetime.now(UTC) + PAUSE
            retry: State[Any] = AwaitingRetry(scheduled_time=restart, message="restarted after a crash")
            client.set_flow_run_state(flow_run_id, retry, force=True)
    logger.info("%s: %s (%s)", result.name, result.action, result.why)
    if result.action == "reported":
        _report(result, kind)
    return result


def plan_recovery(flow_run: FlowRun, states: Sequence[State[Any]], kind: str, max_starts: int) -> Recovery:
    """Decide what to do about a crashed run; nothing if it is running again.

    Args:
        flow_run: the crashed run.
        states: all states of the run, the oldest first.
        kind: name of its flow.
        max_starts: maximum number of starts of a run, including the first one.
    """
    state = flow_run.state
    # Prefect only counts starts that reached the state running; a machine may crash before that each time.
    starts = max(flow_run.run_count, _crashes(states))
    action: Literal["restarted", "reported", "none"] = "reported"
    if state is None or not state.is_crashed():
        action, why = "none", f"it is {state.name if state else 'new'} now"
    elif kind not in RESUMABLE:
        why = f"a run of {kind} is not restarted automatically; check what it has done, then start it by hand"
    elif flow_run.deployment_id is None:
        why = "no deployment started it; start it again where it was started to resume it"
    elif starts >= max_starts:
        why = f"it crashed {starts} times; see its log, fix the cause, then retry the run"
    else:
        action, why = "restarted", f"start {starts + 1} of at most {max_starts}"
    return Recovery(flow_run=flow_run.id, name=flow_run.name, action=action, why=why)


def _crashes(states: Sequence[State[Any]]) -> int:
    """Count the crashes of a run; two reports of the same crash are consecutive states."""
    crashed = [state.is_crashed() for state in states]
    return sum(now and not before for before, now in zip([False, *crashed], crashed, strict=False))


def _wait_for_worker(client: SyncPrefectClient, flow_run_id: UUID, patience_s: float) -> None:
    """Wait until the worker has finished with a crashed run, for `patience_s` at most."""
    until = time.monotonic() + patience_s
    while _is_crashed(client, flow_run_id) and last_worker_event(client, flow_run_id) == SUBMITTED:
        if time.monotonic() > until:
            logger.warning("the worker of %s is not responding; it may have crashed, too", flow_run_id)
            return
        time.sleep(POLL_S)


def _is_crashed(client: SyncPrefectClient, flow_run_id: UUID) -> bool:
    state = client.read_flow_run(flow_run_id).state
    return state is not None and state.is_crashed()


def last_worker_event(client: SyncPrefectClient, flow_run_id: UUID) -> str | None:
    """Return the name of the last event of a worker about a run; None if no worker ever had it."""
    related = EventRelatedFilter(id=[f"prefect.flow-run.{flow_run_id}"])
    names = EventNameFilter(name=[SUBMITTED, EXECUTED])
    events = client.read_events(EventFilter(event=names, related=related), limit=1).events
    return events[0].event if events else None


def _report(result: Recovery, kind: str) -> None:
    lines = [
        f"# {cell(result.name)} has crashed",
        f"Run `{result.flow_run}` of the flow {cell(kind)}: {cell(result.why)}.",
    ]
    show_markdown("crashes", "\n\n".join(lines), result.name)
    emit(CRASHED, f"prefect.flow-run.{result.flow_run}", result.name, {"summary": result.why})
