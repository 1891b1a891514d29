from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient

from assay.corpus.errors import AssayError
from assay.evaluation.verdict import Check, Verdict
from assay.registry.approval_records import VERDICT, ApprovalRecords
from assay.registry.approvals import Approval, approval_tags
from assay.registry.versions import Version, Versions
from assay.runs.tags import APPROVAL_TAG, OUTCOME_TAG


def a_verdict(measured: str = "1", *, passed: bool = True) -> Verdict:
    check = Check(name="score", measured=measured, required="0", passed=passed, why="")
    return Verdict(recipe="r", bundle="b", snapshot="s", splits="p", champion=None, checks=[check])


class Registry:
    """The model `toy` and an MLflow run whose verdicts are kept."""

    def __init__(self, store: Path, folder: Path) -> None:
        uri = f"sqlite:///{store}/mlflow.db"
        self.client = MlflowClient(tracking_uri=uri)
        self.client.create_registered_model("toy")
        experiment = self.client.create_experiment("toy", artifact_location=(folder / "artifacts").as_uri())
        self.run = str(self.client.create_run(experiment).info.run_id)
        self.versions = Versions(self.client, "toy", uri)
        self.records = ApprovalRecords(self.client, self.versions)

    def add(self, approval: Approval | None = None, outcome: str = "passed") -> Version:
        tags = approval_tags(approval, outcome) if approval else {OUTCOME_TAG: outcome}
        number = self.client.create_model_version("toy", "file:///nowhere", run_id=self.run, tags=tags).version
        return self.versions.get(str(number))


@pytest.fixture
def registry(store: Path, tmp_path: Path) -> Registry:
    return Registry(store, tmp_path)


def asked(verdict: Verdict, hours: float = 1) -> Approval:
    approval = Approval.ask(verdict, "run-1", abs(hours))
    return approval if hours > 0 else approval.model_copy(update={"expires": datetime.now(UTC) - timedelta(hours=1)})


def test_pending_versions_wait_and_expired_ones_are_recorded_as_refused(registry: Registry) -> None:
    registry.add()
    registry.add(asked(a_verdict()))
    registry.add(asked(a_verdict(), hours=-1))
    registry.add(asked(a_verdict()).decide(True, "Ann"))
    assert [version.number for version in registry.records.pending()] == ["2"]
    expired = registry.versions.get("3")
    assert expired.tags[OUTCOME_TAG] == "refused"
    assert expired.approval is not None
    assert expired.approval.state == "expired"


def test_verdict_is_the_one_that_a_person_was_asked_about(registry: Registry) -> None:
    shown, later = a_verdict("1"), a_verdict("2")
    version = registry.add(asked(shown))
    for verdict in (shown, later):
        registry.records.keep(registry.run, verdict)
    assert registry.records.verdict(version) == shown
    assert registry.records.find(version, later.digest) == later
    assert registry.records.find(version, "unknown") is None


def test_find_takes_the_verdict_of_the_run_where_nobody_was_asked(registry: Registry) -> None:
    verdict, version = a_verdict(), registry.add()
    registry.client.log_text(registry.run, verdict.model_dump_json(), VERDICT)
    assert registry.records.find(version, verdict.digest) == verdict
    assert registry.records.find(version, a_verdict("2").digest) is None
    with pytest.raises(AssayError, match="models:/toy/1: nobody was asked about it; see assay history toy"):
        registry.records.verdict(version)


@pytest.mark.parametrize("damage", ["missing", "changed", "damaged"])
def test_verdict_that_was_changed_or_removed_is_named(registry: Registry, damage: str) -> None:
    verdict = a_verdict()
    version = registry.add(asked(verdict))
    path = f"verdicts/{verdict.digest}.json"
    if damage != "missing":
        text = a_verdict("2").model_dump_json() if damage == "changed" else "{"
        registry.client.log_text(registry.run, text, path)
    with pytest.raises(AssayError, match=f"{path} of MLflow run {registry.run} was changed or removed; run the gate"):
        registry.records.verdict(version)


def test_find_is_none_for_a_run_that_mlflow_no_longer_knows(registry: Registry) -> None:
    version = registry.add().model_copy(update={"run_id": "f" * 32})
    assert registry.records.find(version, a_verdict().digest) is None


def test_check_accepts_the_first_decision_on_the_same_verdict(registry: Registry) -> None:
    verdict = a_verdict()
    version = registry.add(asked(verdict))
    registry.records.check(version, verdict, None)
    registry.records.check(version, verdict, asked(verdict).decide(True, "Ann"))
    with pytest.raises(AssayError, match=r"was approved on another verdict; run the gate again \(--from gate\)"):
        registry.records.check(version, a_verdict(passed=False), asked(verdict).decide(True, "Ann"))


@pytest.mark.parametrize(
    ("recorded", "given", "refused"),
    [(True, True, False), (False, True, True), (True, False, True), (None, False, False)],
)
def test_check_refuses_a_decision_against_an_earlier_one(
    registry: Registry, recorded: bool | None, given: bool, refused: bool
) -> None:
    approval: Any = asked(a_verdict())
    version = registry.add(approval if recorded is None else approval.decide(recorded, "Ann"))
    decision = approval.decide(given, "Bob")
    if not refused:
        registry.records.check(version, a_verdict(), decision)
        return
    with pytest.raises(AssayError, match=r"models:/toy/1 was decided before: .* by Ann; run the gate again"):
        registry.records.check(version, a_verdict(), decision)


def test_write_records_a_decision_and_nothing_without_one(registry: Registry) -> None:
    version = registry.add(asked(a_verdict()))
    registry.records.write(version, a_verdict(), None)
    assert registry.versions.get("1").tags == version.tags
    decision = asked(a_verdict()).decide(False, "Ann", "no")
    registry.records.write(version, a_verdict(), decision)
    written = registry.versions.get("1")
    assert written.outcome == "refused"
    assert written.tags[APPROVAL_TAG] == decision.model_dump_json()
