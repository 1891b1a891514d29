"""Look after runs that crashed: start them again where that is safe, else say so."""

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

# Flows that go on where they were when the same run is started again. A rollback might move the alias twice.
RESUMABLE = ("train", "predict", "monitor")
MOST_STARTS = 3
# A machine that ran out of memory, or a service that was restarted, gets a breath.
PAUSE = timedelta(seconds=30)
# A worker reports one death twice: at once, and again when it has loaded the flow to look for hooks, which takes the
# longer the busier the machine is. The second report would crash a run that goes on by then. Behind it, the worker
# says that it has done with the run; where it died along with the run, nobody does.
PATIENCE_S = 180.0
TAKEN, LEFT = "prefect.worker.submitted-flow-run", "prefect.worker.executed-flow-run"
POLL_S = 1.0

logger = logging.getLogger(__name__)


class Recovery(BaseModel):
    """What became of a crashed run, and why."""

    flow_run: UUID
    name: str
    done: Literal["started again", "reported", "nothing"]
    why: str


@flow(name="recover", flow_run_name="recover-{flow_run_id}", persist_result=False, result_serializer="json")
def recover(
    flow_run_id: UUID,
    most_starts: Annotated[int, Field(ge=1, le=100)] = MOST_STARTS,
    patience_s: Annotated[float, Field(ge=0, le=3600)] = PATIENCE_S,
) -> Recovery:
    """Start a crashed run of a deployment again: it keeps its id, so that it goes on where it was.

    A run that has crashed too often, or cannot be gone on with, is reported: an artifact of the key `crashes`, and
    the event `assay.crashed`, which notifications listen to.

    Args:
        flow_run_id: of the run.
        most_starts: how often a run is started at most, the first time included.
        patience_s: seconds to wait at most until its worker has done with it.
    """
    with get_client(sync_client=True) as client:
        _wait_for_worker(client, flow_run_id, patience_s)
        flow_run = client.read_flow_run(flow_run_id)
        kind = client.read_flow(flow_run.flow_id).name
        result = decide(flow_run, client.read_flow_run_states(flow_run_id), kind, most_starts)
        if result.done == "started again":
            begin = datetime.now(UTC) + PAUSE
            again: State[Any] = AwaitingRetry(scheduled_time=begin, message="started again after a crash")
            client.set_flow_run_state(flow_run_id, again, force=True)
    logger.info("%s: %s (%s)", result.name, result.done, result.why)
    if result.done == "reported":
        _report(result, kind)
    return result


def decide(flow_run: FlowRun, states: Sequence[State[Any]], kind: str, most_starts: int) -> Recovery:
    """What is to be done about a run of the flow `kind`; a run that goes on by now needs nothing.

    Args:
        flow_run: the run.
        states: all that it went through, the first one first.
        kind: name of its flow.
        most_starts: how often a run is started at most, the first time included.
    """
    state = flow_run.state
    # Prefect counts only starts that came as far as running; a machine may die each time before that.
    starts = max(flow_run.run_count, _crashes(states))
    done: Literal["started again", "reported", "nothing"] = "reported"
    if state is None or not state.is_crashed():
        done, why = "nothing", f"it is {state.name if state else 'new'} by now"
    elif kind not in RESUMABLE:
        why = f"a run of {kind} is not started again by itself: look at what it did, then start it by hand"
    elif flow_run.deployment_id is None:
        why = "no deployment started it: start it again where it was started, and it goes on where it was"
    elif starts >= most_starts:
        why = f"it crashed {starts} times; see its log, mend the cause, then retry the run"
    else:
        done, why = "started again", f"start {starts + 1} of at most {most_starts}"
    return Recovery(flow_run=flow_run.id, name=flow_run.name, done=done, why=why)


def _crashes(states: Sequence[State[Any]]) -> int:
    """How often a run crashed; a worker's second report of the same death follows the first one at once."""
    crashed = [state.is_crashed() for state in states]
    return sum(now and not before for before, now in zip([False, *crashed], crashed, strict=False))


def _wait_for_worker(client: SyncPrefectClient, flow_run_id: UUID, patience_s: float) -> None:
    """Wait until the worker has done with a run that is crashed; where it stays silent, no longer than `patience_s`."""
    until = time.monotonic() + patience_s
    while _is_crashed(client, flow_run_id) and last_of_worker(client, flow_run_id) == TAKEN:
        if time.monotonic() > until:
            logger.warning("the worker of %s stays silent; it may be gone, too", flow_run_id)
            return
        time.sleep(POLL_S)


def _is_crashed(client: SyncPrefectClient, flow_run_id: UUID) -> bool:
    state = client.read_flow_run(flow_run_id).state
    return state is not None and state.is_crashed()


def last_of_worker(client: SyncPrefectClient, flow_run_id: UUID) -> str | None:
    """What a worker said last about a run; None where no worker ever had it."""
    about = EventRelatedFilter(id=[f"prefect.flow-run.{flow_run_id}"])
    said = client.read_events(EventFilter(event=EventNameFilter(name=[TAKEN, LEFT]), related=about), limit=1).events
    return said[0].event if said else None


def _report(result: Recovery, kind: str) -> None:
    lines = [
        f"# {cell(result.name)} has crashed",
        f"Run `{result.flow_run}` of the flow {cell(kind)}: {cell(result.why)}.",
    ]
    show_markdown("crashes", "\n\n".join(lines), result.name)
    emit(CRASHED, f"prefect.flow-run.{result.flow_run}", result.name, {"summary": result.why})
