from datetime import timedelta
from uuid import UUID

from prefect.blocks.notifications import CustomWebhookNotificationBlock
from prefect.client.orchestration import get_client
from prefect.events.actions import ChangeFlowRunState, SendNotification
from prefect.events.schemas.automations import AutomationCore, EventTrigger, Posture

from assay.deployments.automations import (
    ACTIVE,
    BLOCK,
    ENDED,
    HEARTBEAT,
    REPORTED_EVENTS,
    SILENCE,
    START,
    notifications,
    put_automations,
    silent_runs,
    stuck_runs,
)


def trigger_of(automation: AutomationCore) -> EventTrigger:
    assert isinstance(automation.trigger, EventTrigger)
    return automation.trigger


def test_silent_runs_wait_for_a_heartbeat_or_any_other_sign() -> None:
    trigger = trigger_of(silent_runs())
    assert trigger.posture is Posture.Proactive
    assert (trigger.after, trigger.within) == ({HEARTBEAT}, SILENCE)
    assert trigger.expect == {HEARTBEAT, *ACTIVE, *ENDED}


def test_stuck_runs_wait_for_the_start_of_a_claimed_run() -> None:
    trigger = trigger_of(stuck_runs())
    assert (trigger.after, trigger.within) == ({"prefect.flow-run.Pending"}, START)
    assert "prefect.flow-run.Running" in trigger.expect
    # A run that is put back into the queue, or that ended, is not stuck.
    assert {"prefect.flow-run.Scheduled", "prefect.flow-run.AwaitingRetry", *ENDED} <= trigger.expect
    assert "prefect.flow-run.Pending" not in trigger.expect


def test_crashes_are_marked_for_each_run_of_this_package_alone() -> None:
    for automation in (silent_runs(), stuck_runs()):
        trigger = trigger_of(automation)
        assert trigger.for_each == {"prefect.resource.id"}
        assert "prefect.tag.assay" in str(trigger.match_related)
        [action] = automation.actions
        assert isinstance(action, ChangeFlowRunState)
        assert action.state.value == "CRASHED"
        assert action.message == automation.description


def test_notifications_send_every_reported_event_at_once() -> None:
    block = UUID(int=5)
    automation = notifications(block, "slack-webhook")
    trigger = trigger_of(automation)
    assert automation.name == "assay: notify by slack-webhook"
    assert (trigger.expect, trigger.posture) == (set(REPORTED_EVENTS), Posture.Reactive)
    assert (trigger.threshold, trigger.within) == (1, timedelta(0))
    [action] = automation.actions
    assert isinstance(action, SendNotification)
    assert action.block_document_id == block


def test_put_automations_creates_them_once_and_adds_those_of_a_block(deployable: None) -> None:
    def put() -> dict[str, UUID]:
        with get_client(sync_client=True) as client:
            put_automations(client)
            found = {
                automation.id: automation.name
                for name in (*(one().name for one in (silent_runs, stuck_runs)), "assay: notify by custom-webhook")
                for automation in client.read_automations_by_name(name)
            }
        assert len(found) == len(set(found.values()))
        return {name: id for id, name in found.items()}

    first = put()
    assert set(first) == {silent_runs().name, stuck_runs().name}
    block = CustomWebhookNotificationBlock(name="assay", url="http://127.0.0.1:9/", json_data={"text": "{{subject}}"})
    block.save(BLOCK)
    try:
        second = put()
    finally:
        CustomWebhookNotificationBlock.delete(BLOCK)
    # The same two, and one for the block.
    assert second == {**first, "assay: notify by custom-webhook": second["assay: notify by custom-webhook"]}
