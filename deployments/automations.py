"""Automations as code: reactions of the Prefect server to events of runs, and to their absence.

Two more are triggers of deployments in `prefect.yaml`: drift starts a retraining, and a crash starts `recover`.
Notification blocks named `assay` receive the outcomes of models and runs: Slack, Teams, mail or a webhook.
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
ACTIVE = {f"prefect.flow-run.{state}" for state in ("Scheduled", "AwaitingRetry", "Pending", "Submitting", "Running")}
# Six heartbeats, whose frequency deployments/prefect.yaml sets. On a busy machine some are late, and waiting costs
# little: the worker reports a process that dies within seconds.
SILENCE = timedelta(minutes=3)
# Time between the claim of a worker and the start of the flow: a container or a node of a cluster may have to start.
START = timedelta(minutes=15)
REPORTED_EVENTS = (PROMOTED, ROLLED_BACK, REFUSED, PENDING, CRASHED, DRIFTED)
SUBJECT = "{{ event.event }}: {{ event.resource.name }}"
BODY = "{{ event.payload.summary }}"
# Notification blocks of Prefect.
BLOCK_TYPES = (
    "slack-webhook",
    "ms-teams-webhook",
    "mattermost-webhook",
    "discord-webhook",
    "sendgrid-email",
    "custom-webhook",
)
BLOCK = "assay"
_TAGGED: dict[str, str | list[str]] = {"prefect.resource.role": "tag", "prefect.resource.id": "prefect.tag.assay"}


def silent_runs() -> AutomationCore:
    """Return the automation that marks runs as crashed whose process or machine is gone: they send no heartbeat."""
    return _mark_crashed(
        "assay: silent runs have crashed",
        "A run without a heartbeat for three minutes is marked as crashed, and recover/on-crash resumes it.",
        after={HEARTBEAT},
        expect={HEARTBEAT, *ACTIVE, *ENDED},
        within=SILENCE,
    )


def stuck_runs() -> AutomationCore:
    """Return the automation that marks runs as crashed that a worker claimed and never started."""
    return _mark_crashed(
        "assay: stuck runs have crashed",
        "A run that is pending for 15 minutes is marked as crashed, and recover/on-crash resumes it.",
        after={"prefect.flow-run.Pending"},
        expect={"prefect.flow-run.Running", "prefect.flow-run.Scheduled", "prefect.flow-run.AwaitingRetry", *ENDED},
        within=START,
    )


def notifications(block: UUID, kind: str) -> AutomationCore:
    """Return the automation that sends outcomes of models, data and runs to a notification block of this kind."""
    return AutomationCore(
        name=f"assay: notify by {kind}",
        description="Promotions, rollbacks, refusals, requests for approval, drift, and runs that crashed permanently.",
        trigger=EventTrigger(expect=set(REPORTED_EVENTS), posture=Posture.Reactive, threshold=1, within=timedelta(0)),
        actions=[SendNotification(block_document_id=block, subject=SUBJECT, body=BODY)],
    )


def put_automations(client: SyncPrefectClient) -> None:
    """Create the automations, or update those with the same name."""
    notifying = [notifications(block, kind) for kind, block in _blocks(client)]
    for automation in (silent_runs(), stuck_runs(), *notifying):
        existing = client.read_automations_by_name(automation.name)
        if existing:
            client.update_automation(existing[0].id, automation)
        else:
            client.create_automation(automation)


def _blocks(client: SyncPrefectClient) -> Iterator[tuple[str, UUID]]:
    """Yield the kind and ID of each notification block named `assay`."""
    for kind in BLOCK_TYPES:
        try:
            yield kind, client.read_block_document_by_name(BLOCK, kind).id
        except ObjectNotFound:
            continue


def _mark_crashed(name: str, description: str, after: set[str], expect: set[str], within: timedelta) -> AutomationCore:
    return AutomationCore(
        name=name,
        description=description,
        trigger=EventTrigger(
            posture=Posture.Proactive,
            match={"prefect.resource.id": "prefect.flow-run.*"},
            match_related=_TAGGED,
            for_each={"prefect.resource.id"},
            after=after,
            expect=expect,
            threshold=1,
            within=within,
        ),
        actions=[ChangeFlowRunState(state=StateType.CRASHED, message=description)],
    )
