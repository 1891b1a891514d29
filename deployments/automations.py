"""Automations as code: what the Prefect server does by itself when it hears, or no longer hears, of a run.

Two more stand in `prefect.yaml`, as triggers of deployments: drift starts a retraining, a crash starts `recover`.
What became of a model is sent to whoever a notification block named `assay` reaches: Slack, Teams, mail, a webhook.
"""

from collections.abc import Iterator
from datetime import timedelta
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.objects import StateType
from prefect.events.actions import ChangeFlowRunState, SendNotification
from prefect.events.schemas.automations import AutomationCore, EventTrigger, Posture
from prefect.exceptions import ObjectNotFound

from assay.runs.events import CRASHED, DRIFTED, PENDING, PROMOTED, REFUSED, ROLLED_BACK

HEARTBEAT = "prefect.flow-run.heartbeat"
ENDED = {f"prefect.flow-run.{state}" for state in ("Completed", "Failed", "Cancelled", "Crashed", "Suspended")}
GOES_ON = {f"prefect.flow-run.{state}" for state in ("Scheduled", "AwaitingRetry", "Pending", "Submitting", "Running")}
# Six heartbeats: deployments/prefect.yaml sets their frequency. On a busy machine some come late, and nothing is lost
# by waiting: a process that dies under a live worker is reported by the worker within seconds.
SILENCE = timedelta(minutes=3)
# From the worker's claim to the flow's first line: a container or a new node of a cluster may have to start.
START = timedelta(minutes=15)
TOLD = (PROMOTED, ROLLED_BACK, REFUSED, PENDING, CRASHED, DRIFTED)
SUBJECT = "{{ event.event }}: {{ event.resource.name }}"
BODY = "{{ event.payload.summary }}"
# Prefect's own blocks that can notify. All have to be named the same.
KINDS = (
    "slack-webhook",
    "ms-teams-webhook",
    "mattermost-webhook",
    "discord-webhook",
    "sendgrid-email",
    "custom-webhook",
)
BLOCK = "assay"
_OURS = {"prefect.resource.role": "tag", "prefect.resource.id": "prefect.tag.assay"}


def silent_runs() -> AutomationCore:
    """A run whose process or machine is gone sends no heartbeat, and nobody would say that it has crashed."""
    return _crashed(
        "assay: silent runs have crashed",
        "A run that sends no heartbeat for three minutes is marked as crashed; recover/on-crash takes it from there.",
        after={HEARTBEAT},
        expect={HEARTBEAT, *GOES_ON, *ENDED},
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


def notifications(block: UUID, kind: str) -> AutomationCore:
    """Send what became of models, data and runs through a notification block of this kind."""
    return AutomationCore(
        name=f"assay: notify by {kind}",
        description="Promotions, rollbacks, refusals, questions for approval, drift, and runs that crashed for good.",
        trigger=EventTrigger(expect=set(TOLD), posture=Posture.Reactive, threshold=1, within=timedelta(0)),
        actions=[SendNotification(block_document_id=block, subject=SUBJECT, body=BODY)],
    )


def put_automations(client: SyncPrefectClient) -> None:
    """Create them, or bring them up to date by their name."""
    told = [notifications(block, kind) for kind, block in _blocks(client)]
    for automation in (silent_runs(), stuck_runs(), *told):
        found = client.read_automations_by_name(automation.name)
        if found:
            client.update_automation(found[0].id, automation)
        else:
            client.create_automation(automation)


def _blocks(client: SyncPrefectClient) -> Iterator[tuple[str, UUID]]:
    """The notification blocks named `assay`, by their kind."""
    for kind in KINDS:
        try:
            yield kind, client.read_block_document_by_name(BLOCK, kind).id
        except ObjectNotFound:
            continue


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
