from datetime import timedelta
from uuid import UUID

from prefect.events.actions import ChangeFlowRunState, SendNotification
from prefect.events.schemas.automations import AutomationCore, EventTrigger, Posture

from assay.deployments.automations import (
    ACTIVE,
    ENDED,
    HEARTBEAT,
    REPORTED_EVENTS,
    SILENCE,
    START,
    notifications,
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
