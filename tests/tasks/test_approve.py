"""Approval with a real Prefect server and a real MLflow: suspended, resumed, decided and expired runs."""

import time
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.exceptions import FlowPauseTimeout
from prefect.flow_runs import resume_flow_run
from prefect.states import Scheduled

from assay.corpus.errors import AssayError
from assay.corpus.storage.artifact_ref import ArtifactRef
from assay.corpus.storage.leases import hold_lease
from assay.evaluation.export_report import ExportReport
from assay.registry.approvals import Approval
from assay.registry.champion_promotion import promote_version
from assay.registry.champion_rollback import roll_back
from assay.registry.history import LONGEST_TEXT, AliasChange
from assay.registry.promotion import PromotionResult
from assay.runs.tags import APPROVAL_TAG, OUTCOME_TAG
from assay.tasks.approve import decide
from assay.tasks.approve import question as ask_about
from assay.tasks.promote import promote
from tests.approvals import Deployed, World
from tests.results import some_results

ANN = {"approve": True, "approver": "Ann", "notes": "looked at 20 rows"}


@pytest.fixture
def world(store: Path, tmp_path: Path) -> World:
    return World(store, tmp_path)


def deploy(world: World, name: str, **run: Any) -> Deployed:
    """Return a deployed run that ends with this candidate."""

    @flow(name="toy", persist_result=False)
    def toy() -> PromotionResult:
        return world.go(name, key=str(waiting.id), **run)

    waiting = Deployed(toy)
    return waiting


# Runs of a deployment


@pytest.mark.usefixtures("prefect_server")
def test_approve_suspends_a_deployed_run_until_the_decision(world: World) -> None:
    # Given a run whose gate passed,
    waiting = deploy(world, "second")
    state = waiting.start()
    # then it is suspended, the version pending, and the form shows the verdict,
    assert state.name == "Suspended"
    version = world.registry.version("2")
    assert (version.outcome, world.serves()) == ("pending", "1")
    # while nothing is locked.
    with hold_lease(world.store / "locks" / "toy.json", wait=0):
        pass
    # When a person approves,
    state = waiting.resume(**ANN)
    # then it is the champion, though the latency was another one,
    assert state.name == "Completed", state
    assert world.serves() == "2"
    # and version and history tell who, when and why.
    approval = world.registry.version("2").approval
    assert approval is not None
    assert (approval.state, approval.approver, approval.notes) == ("approved", "Ann", "looked at 20 rows")
    assert approval.when is not None
    assert world.registry.version("2").outcome == "passed"
    assert world.registry.history()[-1].approval == approval
    assert world.verdict_of("2") == approval.verdict


@pytest.mark.usefixtures("prefect_server")
def test_approve_records_a_refusal_and_keeps_the_champion(world: World) -> None:
    waiting = deploy(world, "second")
    waiting.start()
    state = waiting.resume(approve=False, approver="Bob", notes="wrong about Berlin")
    assert state.name == "Completed"
    version = world.registry.version("2")
    assert (world.serves(), version.outcome, version.tags["assay.failed"]) == ("1", "refused", "approval")
    assert str(version.approval) == "refused by Bob: wrong about Berlin"


@pytest.mark.usefixtures("prefect_server")
def test_approval_form_shows_the_verdict_and_requires_a_name(world: World) -> None:
    waiting = deploy(world, "second")
    waiting.start()
    [text] = waiting.questions()
    assert "Shall version 2 of **toy** become champion instead of version 1?" in text
    assert "| latency | passed |" in text
    for answer in ({"approve": True}, {"approve": True, "approver": " "}):
        with pytest.raises(RuntimeError, match=r"approver|does not match"):
            resume_flow_run(waiting.id, run_input=answer)
    assert waiting.state().name == "Suspended"


@pytest.mark.usefixtures("prefect_server")
def test_approve_asks_again_after_a_change_of_champion(world: World) -> None:
    # Given a run that waits while another model becomes champion,
    waiting = deploy(world, "second")
    waiting.start()
    world.go("third one", approval="none")
    assert world.serves() == "3"
    # when a person approves what is no longer so,
    state = waiting.resume(**ANN)
    # then the same run asks about the comparison with the new champion,
    assert state.name == "Suspended"
    assert world.serves() == "3"
    assert [text.count("instead of version 3") for text in waiting.questions()] == [0, 1]
    # and goes on with that answer.
    assert waiting.resume(**ANN).name == "Completed"
    assert world.serves() == "2"
    assert world.registry.history()[-1].source == "3"


@pytest.mark.usefixtures("prefect_server")
def test_approve_asks_again_if_resumed_without_the_form(world: World) -> None:
    waiting = deploy(world, "second")
    waiting.start()
    with get_client(sync_client=True) as client:
        client.set_flow_run_state(waiting.id, Scheduled(), force=True)
    assert waiting.start().name == "Suspended"
    assert waiting.resume(**ANN).name == "Completed"
    assert world.serves() == "2"


@pytest.mark.usefixtures("prefect_server")
def test_approve_refuses_after_expiry(world: World) -> None:
    # Given a run that nobody answers in time,
    waiting = deploy(world, "second", approval_hours=1 / 3600)
    waiting.start()
    time.sleep(1.1)
    # then the version reads as refused, and Prefect takes no answer any more;
    assert world.registry.version("2").outcome == "refused"
    with pytest.raises(FlowPauseTimeout):
        resume_flow_run(waiting.id, run_input=ANN)
    # nor does the command, which writes it down.
    with pytest.raises(AssayError, match="does not wait for approval: it is refused"):
        decide(world.registry, "2", approve=True, approver="Ann")
    assert world.registry.version("2").tags["assay.outcome"] == "refused"
    # A retry by hand does not bring it back.
    with get_client(sync_client=True) as client:
        client.set_flow_run_state(waiting.id, Scheduled(), force=True)
    assert waiting.start().name == "Completed"
    assert world.serves() == "1"


@pytest.mark.usefixtures("prefect_server")
def test_approve_accepts_a_timely_decision_read_late(world: World) -> None:
    # Given an answer that Prefect took in time,
    waiting = deploy(world, "second")
    waiting.start()
    resume_flow_run(waiting.id, run_input=ANN)
    # when no worker is free before the time is over, and somebody else looks what waits,
    approval = world.registry.version("2").approval
    assert approval is not None
    late = approval.model_copy(update={"expires": approval.asked}).model_dump_json()
    MlflowClient(world.uri).set_model_version_tag("toy", "2", APPROVAL_TAG, late)
    assert world.registry.pending() == []
    # then the answer still counts.
    assert waiting.start().name == "Completed"
    assert world.serves() == "2"


@pytest.mark.usefixtures("prefect_server")
def test_decide_ends_a_suspended_run(world: World) -> None:
    waiting = deploy(world, "second")
    waiting.start()
    assert decide(world.registry, None, approve=True, approver="Ann").promoted
    assert waiting.resume(approve=False, approver="Bob").name == "Completed"
    # The first answer counts.
    assert world.serves() == "2"
    assert str(world.registry.version("2").approval) == "approved by Ann"


# Runs without a deployment


def test_approve_leaves_a_local_run_pending(world: World) -> None:
    result = world.go("second")
    assert (result.pending, result.promoted, world.serves()) == (True, False, "1")
    assert "assay approve toy --version 2 --approver YOUR_NAME" in result.why
    answer = decide(world.registry, None, approve=True, approver=" Ann ", notes="fine")
    assert answer.promoted
    assert answer.version is not None
    assert answer.version.outcome == "passed"
    assert world.serves() == "2"
    assert world.registry.pending() == []


def test_decide_accepts_one_decision(world: World) -> None:
    world.go("second")
    refused = decide(world.registry, "2", approve=False, approver="Bob", notes="too slow")
    assert (refused.promoted, refused.why) == (False, "refused by Bob: too slow")
    with pytest.raises(AssayError, match=r"does not wait for approval: it is refused .refused by Bob: too slow"):
        decide(world.registry, "2", approve=True, approver="Ann")
    assert world.serves() == "1"


def test_decide_approves_a_refused_bundle_of_a_later_run(world: World) -> None:
    world.go("second")
    decide(world.registry, "2", approve=False, approver="Bob")
    later = world.end(world.later(key="later"), "second", world.judge("second"))
    assert later.pending
    assert decide(world.registry, "2", approve=True, approver="Ann").promoted
    assert world.serves() == "2"


def test_decide_has_one_winner_of_two_concurrent_decisions(world: World) -> None:
    # Given a question that Ann has read,
    world.go("second")
    version = world.registry.version("2")
    assert version.approval is not None
    verdict = world.registry.stored_verdict(version)
    approved = version.approval.decide(True, "Ann")
    # when Bob refuses before her answer arrives,
    decide(world.registry, "2", approve=False, approver="Bob")
    # then hers is not taken.
    with pytest.raises(AssayError, match="was decided before: refused by Bob"):
        promote_version(world.registry, version, verdict, world.registry.version("1"), "late", approval=approved)
    assert world.serves() == "1"


def test_decide_requires_a_new_verdict_after_a_change_of_champion(world: World) -> None:
    world.go("second")
    world.go("third one", approval="none")
    with pytest.raises(AssayError, match="run the gate again, then approve: assay run tiny --from gate"):
        decide(world.registry, "2", approve=True, approver="Ann")
    assert world.serves() == "3"
    # Judged again, it can be approved.
    assert world.go("second").pending
    assert decide(world.registry, "2", approve=True, approver="Ann").promoted
    assert world.serves() == "2"


def test_decide_names_pending_versions(world: World) -> None:
    with pytest.raises(AssayError, match="versions that wait for approval: none"):
        decide(world.registry, None, approve=True, approver="Ann")
    world.go("second")
    world.go("third one")
    with pytest.raises(AssayError, match="versions that wait for approval: 2, 3; name one with --version"):
        decide(world.registry, None, approve=True, approver="Ann")
    with pytest.raises(AssayError, match="needs the name of a person"):
        decide(world.registry, "3", approve=True, approver=" ")
    with pytest.raises(AssayError, match="does not wait for approval: it is passed"):
        decide(world.registry, "1", approve=True, approver="Ann")


def test_decide_refuses_a_changed_verdict(world: World) -> None:
    world.go("second")
    version = world.registry.version("2")
    assert version.approval is not None
    other = world.judge("second").model_dump_json()
    MlflowClient(world.uri).log_text(world.mlflow_run, other, f"verdicts/{version.approval.verdict}.json")
    with pytest.raises(AssayError, match="was changed or removed; run the gate again"):
        decide(world.registry, "2", approve=True, approver="Ann")
    assert world.serves() == "1"


def test_approve_asks_nobody_after_a_refusal_or_in_a_dry_run(world: World) -> None:
    refused = world.go("second", passed=False)
    assert (refused.pending, refused.promoted) == (False, False)
    rehearsed = world.go("third one", run_mode="dry_run")
    assert (rehearsed.pending, rehearsed.version) == (False, None)
    assert world.registry.pending() == []


def test_approve_is_required_for_a_forced_promotion(world: World) -> None:
    assert world.go("second", passed=False, forced="the old one is on fire").pending
    assert "forced: the old one is on fire" in question(world, "2")
    decide(world.registry, "2", approve=True, approver="Ann")
    move = world.registry.history()[-1]
    assert (move.target, move.forced) == ("2", "the old one is on fire")
    assert move.approval is not None
    assert move.approval.approver == "Ann"


def test_approve_does_not_ask_about_the_champion(world: World) -> None:
    world.go("second")
    decide(world.registry, "2", approve=True, approver="Ann")
    recorded = world.verdict_of("2")
    for again in (world.go("second"), world.end(world.later(key="later"), "second", world.judge("second"))):
        assert (again.promoted, again.pending, again.why) == (True, False, "it was the champion already")
    assert world.verdict_of("2") == recorded
    assert world.registry.version("2").tags["assay.run"] == "k"


def test_decide_completes_a_decision_after_a_crash(world: World) -> None:
    world.go("second")
    asked = world.registry.version("2").approval
    assert asked is not None
    decide(world.registry, "2", approve=True, approver="Ann")
    # Given that the process died between the move and the answer on the version,
    client = MlflowClient(world.uri)
    for tag, value in ((OUTCOME_TAG, "pending"), (APPROVAL_TAG, asked.model_dump_json())):
        client.set_model_version_tag("toy", "2", tag, value)
    # when the run is started again,
    assert world.go("second").promoted
    # then nobody is asked about the champion any more.
    assert str(world.registry.version("2").approval) == "approved by Ann"
    assert world.registry.pending() == []


def test_promote_requires_an_approval(world: World) -> None:
    verdict, export = (
        world.judge("second"),
        ArtifactRef[ExportReport](path=world.bundle("second").folder.parent, digest="e"),
    )
    with pytest.raises(AssayError, match=r"gate\.approval is required, but there is no approval"):
        promote.fn(world.run(), some_results(export=export), verdict)
    assert world.serves() == "1"


# What an answer is bound to


def test_approval_is_bound_to_the_verdict_and_not_to_measurements(world: World) -> None:
    first, second = world.judge("second"), world.judge("second")
    assert first.digest != second.digest
    assert first.approval_key == second.approval_key
    for changes in (
        {"champion": "7"}, {"bundle": "b"}, {"snapshot": "t"}, {"splits": "q"}, {"recipe": "c"}, {"forced": "why"},
        {"checks": [first.checks[0].model_copy(update={"tested": False})]}, {"checks": first.checks * 2},
    ):  # fmt: skip
        assert first.model_copy(update=changes).approval_key != first.approval_key, changes


def test_promote_refuses_an_approval_of_another_verdict(world: World) -> None:
    world.go("second")
    version = world.registry.version("2")
    assert version.approval is not None
    approved = version.approval.decide(True, "Ann")
    other = world.judge("second").model_copy(update={"splits": "q"})
    with pytest.raises(AssayError, match="was approved on another verdict"):
        promote_version(world.registry, version, other, world.registry.version("1"), "better", approval=approved)
    assert world.serves() == "1"


def test_approval_limits_texts_to_the_size_of_a_tag(world: World) -> None:
    asked = Approval.ask(world.judge("second"), "r" * 100, hours=1)
    with pytest.raises(AssayError, match="notes of 1,001 characters"):
        asked.decide(True, "Ann", "x" * 1001)
    with pytest.raises(AssayError, match="name of 201 characters"):
        asked.decide(True, "x" * 201)
    longest = asked.decide(True, "ü" * 200, "ü" * 1000)
    text = "ü" * LONGEST_TEXT
    move = AliasChange(
        number=1, kind="promotion", source="1", target="2", previous="3", reason=text, verdict="f" * 64, forced=text,
        approval=longest, run="r" * 100,
    )  # fmt: skip
    assert len(move.model_dump_json()) < 5_000


def question(world: World, number: str) -> str:
    """Return the approval question about a version."""
    version = world.registry.version(number)
    assert version.approval is not None
    return ask_about(world.registry, world.registry.stored_verdict(version), version.approval)


# After a rollback


def test_decide_promotes_a_rolled_back_bundle_after_a_new_approval(world: World) -> None:
    # Given a version that was approved, and rolled back,
    world.go("second", key="k1")
    assert decide(world.registry, "2", approve=True, approver="Ann").promoted
    roll_back(world.registry, None, "insults customers")
    # when its bundle is made again, then a person is asked anew, and may promote it.
    result = world.go("second", key="k2")
    assert (result.pending, world.serves()) == (True, "1")
    assert decide(world.registry, "2", approve=True, approver="Ann", notes="it was the customers").promoted
    assert world.serves() == "2"
    # Where nobody is asked, it stays down.
    roll_back(world.registry, None, "still")
    result = world.go("second", key="k3", approval="none")
    assert (result.promoted, world.serves()) == (False, "1")
    assert "rolled back on" in result.why
