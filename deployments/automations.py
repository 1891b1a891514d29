"""Automations as code: what the Prefect server does by itself when it hears, or no longer hears, of a run.

Two more stand in `prefect.yaml`, as triggers of deployments: drift starts a retraining, a crash starts `recover`.
"""

from datetime import timedelta

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.objects import StateType
from prefect.events.actions import ChangeFlowRunState
from prefect.events.schemas.automations import AutomationCore, EventTrigger, Posture

HEARTBEAT = "prefect.flow-run.heartbeat"
ENDED = {f"prefect.flow-run.{state}" for state in ("Completed", "Failed", "Cancelled", "Crashed", "Suspended")}
# Three heartbeats: deployments/prefect.yaml sets their frequency.
SILENCE = timedelta(seconds=90)
# From the worker's claim to the flow's first line: a container or a new node of a cluster may have to start.
START = timedelta(minutes=15)
_OURS = {"prefect.resource.role": "tag", "prefect.resource.id": "prefect.tag.assay"}


def silent_runs() -> AutomationCore:
    """A run whose process or machine is gone sends no heartbeat, and nobody would say that it has crashed."""
    return _crashed(
        "assay: silent runs have crashed",
        "A run that has sent no heartbeat for 90 s is marked as crashed; recover/on-crash takes it from there.",
        after={HEARTBEAT},
        expect={HEARTBEAT, *ENDED},
        within=SILENCE,
    )


def stuck_runs() -> AutomationCore:
    """A run that a worker took and never began: the worker is gone."""
    return _crashed(
        "assay: runs that never began have crashed",
        "A run that is pending for 15 minutes is marked as crashed; recover/on-crash takes it from there.",
        after={"prefect.flow-run.Pending"},
        expect={"prefect.flow-run.Running", "prefect.flow-run.Scheduled", "prefect.flow-run.AwaitingRetry", *ENDED},
        within=START,
    )


def put_automations(client: SyncPrefectClient) -> None:
    """Create them, or bring them up to date by their name."""
    for automation in (silent_runs(), stuck_runs()):
        found = client.read_automations_by_name(automation.name)
        if found:
            client.update_automation(found[0].id, automation)
        else:
            client.create_automation(automation)


def _crashed(name: str, description: str, after: set[str], expect: set[str], within: timedelta) -> AutomationCore:
    return AutomationCore(
        name=name,
        description=description,
        trigger=EventTrigger(
            posture=Posture.Proactive,
            match={"prefect.resource.id": "prefect.flow-run.*"},
            match_related=_OURS,
            for_each={"prefect.resource.id"},
            after=after,
            expect=expect,
            threshold=1,
            within=within,
        ),
        actions=[ChangeFlowRunState(state=StateType.CRASHED, message=description)],
    )
