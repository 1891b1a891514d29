"""Look after runs that crashed: start them again where that is safe, else say so."""

import logging
from datetime import UTC, datetime, timedelta
from typing import Any, Literal
from uuid import UUID

from prefect import flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import FlowRun, State
from prefect.states import AwaitingRetry
from pydantic import BaseModel

from tasks.announcing import CRASHED, announce
from tasks.pages import show_markdown

# Flows that go on where they were when the same run is started again. A rollback might move the alias twice.
RESUMABLE = ("train", "predict", "monitor")
MOST_STARTS = 3
# Both the process that watches a run and the worker report its death; the later of them must find nothing running.
PAUSE = timedelta(seconds=30)

logger = logging.getLogger(__name__)


class Recovery(BaseModel):
    """What became of a crashed run, and why."""

    flow_run: UUID
    name: str
    done: Literal["started again", "reported", "nothing"]
    why: str


@flow(name="recover", flow_run_name="recover-{flow_run_id}", persist_result=False, result_serializer="json")
def recover(flow_run_id: UUID, most_starts: int = MOST_STARTS) -> Recovery:
    """Start a crashed run of a deployment again: it keeps its id, so that it goes on where it was.

    A run that has crashed too often, or cannot be gone on with, is reported: an artifact of the key `crashes`, and
    the event `assay.crashed`, which notifications listen to.

    Args:
        flow_run_id: of the run.
        most_starts: how often a run is started at most, the first time included.
    """
    with get_client(sync_client=True) as client:
        flow_run = client.read_flow_run(flow_run_id)
        kind = client.read_flow(flow_run.flow_id).name
        result = decide(flow_run, kind, most_starts)
        if result.done == "started again":
            begin = datetime.now(UTC) + PAUSE
            again: State[Any] = AwaitingRetry(scheduled_time=begin, message="started again after a crash")
            client.set_flow_run_state(flow_run_id, again, force=True)
    logger.info("%s: %s (%s)", result.name, result.done, result.why)
    if result.done == "reported":
        _report(result, kind)
    return result


def decide(flow_run: FlowRun, kind: str, most_starts: int) -> Recovery:
    """What is to be done about a run of the flow `kind`; a run that goes on by now needs nothing."""
    state = flow_run.state
    done: Literal["started again", "reported", "nothing"] = "reported"
    if state is None or not state.is_crashed():
        done, why = "nothing", f"it is {state.name if state else 'new'} by now"
    elif kind not in RESUMABLE:
        why = f"a run of {kind} is not started again by itself: look at what it did, then start it by hand"
    elif flow_run.deployment_id is None:
        why = "no deployment started it: start it again where it was started, and it goes on where it was"
    elif flow_run.run_count >= most_starts:
        why = f"it crashed {flow_run.run_count} times; see its log, mend the cause, then retry the run"
    else:
        done, why = "started again", f"start {flow_run.run_count + 1} of at most {most_starts}"
    return Recovery(flow_run=flow_run.id, name=flow_run.name, done=done, why=why)


def _report(result: Recovery, kind: str) -> None:
    lines = [f"# {result.name} has crashed", f"Run `{result.flow_run}` of the flow `{kind}`: {result.why}."]
    show_markdown("crashes", "\n\n".join(lines), result.name)
    announce(CRASHED, f"prefect.flow-run.{result.flow_run}", result.name, {"summary": result.why})
