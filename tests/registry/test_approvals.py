from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from assay.corpus.errors import AssayError
from assay.evaluation.verdict import Check, Verdict
from assay.recipes.recipe import Recipe
from assay.registry.approvals import LONGEST_NAME, LONGEST_NOTES, Approval, approval_tags, needs_approval
from assay.runs.tags import APPROVAL_TAG, FAILED_TAG, OUTCOME_TAG
from tests.snapshots import recipe_values


def a_verdict(*, passed: bool = True, forced: str | None = None) -> Verdict:
    check = Check(name="score", measured="1", required="0", passed=passed, why="")
    return Verdict(recipe="r", bundle="b", snapshot="s", splits="p", champion=None, checks=[check], forced=forced)


def asked(hours: float = 1) -> Approval:
    return Approval.ask(a_verdict(), "run-1", hours)


def test_ask_binds_the_approval_to_the_verdict() -> None:
    approval, verdict = asked(2), a_verdict()
    assert (approval.approval_key, approval.verdict, approval.run) == (verdict.approval_key, verdict.digest, "run-1")
    assert approval.expires - approval.asked == timedelta(hours=2)
    assert approval.open
    assert 7_100 < approval.seconds_left <= 7_200


def test_approval_is_open_until_it_is_decided_or_expires() -> None:
    late = asked().model_copy(update={"expires": datetime.now(UTC) - timedelta(seconds=1)})
    assert not late.open
    assert late.seconds_left < 0
    assert not asked().decide(True, "Ann").open


def test_decide_keeps_the_person_and_the_notes() -> None:
    approval = asked().decide(True, " Ann ", " looks good\n")
    assert (approval.state, approval.approver, approval.notes) == ("approved", "Ann", "looks good")
    assert approval.when is not None
    assert str(approval) == "approved by Ann: looks good"
    assert str(asked().decide(False, "Ann")) == "refused by Ann"


@pytest.mark.parametrize(
    ("approver", "notes", "message"),
    [
        ("", "", "a decision needs the name of a person; say who approves or refuses"),
        ("  ", "why", "a decision needs the name of a person"),
        ("x" * (LONGEST_NAME + 1), "", "name of 201 characters; shorten it to 200"),
        ("Ann", "x" * (LONGEST_NOTES + 1), "notes of 1,001 characters; shorten it to 1,000"),
    ],
)
def test_decide_refuses_what_the_record_cannot_hold(approver: str, notes: str, message: str) -> None:
    with pytest.raises(AssayError, match=message):
        asked().decide(True, approver, notes)


def test_decide_fits_into_a_tag_of_an_old_server() -> None:
    approval = asked().decide(True, "ü" * LONGEST_NAME, "ü" * LONGEST_NOTES)
    assert len(approval.model_dump_json()) < 5_000
    assert Approval.model_validate_json(approval.model_dump_json()) == approval


def test_expire_changes_a_pending_approval_alone() -> None:
    expired, approved = asked().expire(), asked().decide(True, "Ann")
    assert expired.state == "expired"
    assert approved.expire() == approved
    assert str(expired).startswith("refused: nobody decided until ")
    assert str(asked()).startswith("waits for approval until ")


@pytest.mark.parametrize(
    ("gate", "run_mode", "verdict", "needed"),
    [
        ("required", "enabled", a_verdict(), True),
        ("required", "enabled", a_verdict(passed=False), False),
        ("required", "enabled", a_verdict(passed=False, forced="a reason"), True),
        ("required", "dry_run", a_verdict(), False),
        ("none", "enabled", a_verdict(), False),
    ],
)
def test_needs_approval_of_verdicts_that_may_promote(gate: str, run_mode: str, verdict: Verdict, needed: bool) -> None:
    rules: dict[str, Any] = {"min_f1": {"sentence": 0.6}, "approval": gate}
    recipe = Recipe.model_validate(recipe_values(gate=rules, run_mode=run_mode))
    assert needs_approval(recipe, verdict) is needed


@pytest.mark.parametrize(
    ("approval", "outcome", "failed"),
    [
        (asked(), "pending", False),
        (asked().decide(True, "Ann"), "passed", False),
        (asked().decide(False, "Ann"), "refused", True),
        (asked().expire(), "refused", True),
    ],
)
def test_approval_tags_tell_the_outcome_of_the_version(approval: Approval, outcome: str, failed: bool) -> None:
    tags = approval_tags(approval, "passed")
    assert tags[OUTCOME_TAG] == outcome
    assert (tags.get(FAILED_TAG) == "approval") is failed
    assert Approval.model_validate_json(tags[APPROVAL_TAG]) == approval


def test_approval_tags_of_an_approved_but_refused_verdict_stay_refused() -> None:
    # Someone forced it: the tests have failed nevertheless.
    tags = approval_tags(asked().decide(True, "Ann"), "refused")
    assert tags[OUTCOME_TAG] == "refused"
    assert FAILED_TAG not in tags
