import pytest

from assay.corpus.errors import AssayError
from assay.evaluation.verdict import Check, Verdict
from assay.registry.history import LONGEST_TEXT
from assay.registry.verdict_rules import check_bundle, failed_names, why_forced
from assay.registry.versions import Version
from assay.runs.tags import BUNDLE_TAG

VERSION = Version(name="toy", number="3", tags={BUNDLE_TAG: "digest"})


def a_verdict(*passed: bool, bundle: str = "digest", forced: str | None = None) -> Verdict:
    checks = [
        Check(name=f"check {number}", measured="", required="", passed=one, why="")
        for number, one in enumerate(passed, 1)
    ]
    return Verdict(recipe="r", bundle=bundle, snapshot="s", splits="p", champion=None, checks=checks, forced=forced)


def test_check_bundle_refuses_a_verdict_about_another_bundle() -> None:
    check_bundle(a_verdict(True), "digest")
    with pytest.raises(AssayError, match="the verdict is about bundle digest, not other; run the gate on this bundle"):
        check_bundle(a_verdict(True), "other")


def test_why_forced_of_a_verdict_that_passed_is_none() -> None:
    assert why_forced(VERSION, a_verdict(True, True)) is None
    assert why_forced(VERSION, a_verdict(True, forced="in case it is refused")) is None


def test_why_forced_of_a_refused_verdict_is_its_reason() -> None:
    assert why_forced(VERSION, a_verdict(False, forced=" the old one is on fire ")) == "the old one is on fire"
    assert why_forced(VERSION, a_verdict(forced="no checks")) == "no checks"
    long = why_forced(VERSION, a_verdict(False, forced="x" * (LONGEST_TEXT + 1)))
    assert long is not None
    assert len(long) == LONGEST_TEXT


@pytest.mark.parametrize("forced", [None, "", " \n"])
def test_why_forced_refuses_without_a_reason_and_names_the_failed_checks(forced: str | None) -> None:
    with pytest.raises(
        AssayError, match=r"^models:/toy/3 was refused \(check 1, check 3\); fix the model, or force it"
    ):
        why_forced(VERSION, a_verdict(False, True, False, forced=forced))


@pytest.mark.parametrize("passed", [True, False])
def test_why_forced_refuses_a_verdict_about_another_bundle_whatever_it_says(passed: bool) -> None:
    with pytest.raises(AssayError, match="the verdict is about bundle other"):
        why_forced(VERSION, a_verdict(passed, bundle="other", forced="now"))


def test_failed_names_of_a_verdict_without_checks_say_so() -> None:
    assert failed_names(a_verdict()) == "no checks were made"
    assert failed_names(a_verdict(True, False)) == "check 2"
