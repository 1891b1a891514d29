from pathlib import Path

import pytest
from mlflow import MlflowClient

from assay.corpus.errors import AssayError
from assay.evaluation.verdict import Verdict
from assay.registry.approvals import Approval
from assay.registry.champion_promotion import promote_version
from assay.registry.champion_rollback import roll_back
from assay.registry.model_registry import ModelRegistry
from assay.registry.promotion import apply_verdict, effective_verdict
from assay.registry.registration import register_bundle
from assay.serving.registered_model import card_folder
from tests.finished_run import Finished
from tests.registry.toy_registry import NAME, Candidate, MakeCandidate


def test_apply_verdict_promotes_a_rolled_back_bundle_only_by_force_or_a_later_approval(
    champions: list[Candidate], registry: ModelRegistry
) -> None:
    # Given a version that was approved, promoted and rolled back,
    third, verdict = champions[-1]
    before = Approval.ask(verdict, "run", 1).decide(approve=True, approver="Eve")
    second = registry.version(roll_back(registry, None, "insults customers").target)
    # when its bundle comes again, with or without the approval of before, then it is refused with the reason.
    again = verdict.model_copy(update={"champion": second.number})
    for approval in (None, before):
        result = apply_verdict(registry, third, again, approval, "run")
        assert not result.promoted
        assert "version 3 holds this bundle and was rolled back on" in result.why
        assert "insults customers" in result.why
        with pytest.raises(AssayError, match=r"rolled back on .*insults customers; .*--force REASON"):
            promote_version(registry, third, again, second, "better", approval=approval)
    # A reason to force promotes it, and so does an approval that knows of the rollback.
    after = Approval.ask(again, "run", 1).decide(approve=True, approver="Eve")
    assert apply_verdict(registry, third, again, after, "run").promoted
    roll_back(registry, None, "still")
    assert apply_verdict(
        registry, third, again.model_copy(update={"forced": "the customers like it"}), None, "run"
    ).promoted


def test_apply_verdict_accepts_an_override_of_a_rollback_for_the_bundle_under_another_number(
    champions: list[Candidate], registry: ModelRegistry, candidate: MakeCandidate, mlflow_run: str, tmp_path: Path
) -> None:
    # Given a rolled back version that is deleted, and whose bundle is made again and promoted by force,
    roll_back(registry, None, "insults customers")
    MlflowClient(tracking_uri=registry.tracking_uri).delete_model_version(NAME, "3")
    verdict = champions[-1][1].model_copy(update={"forced": "the customers like it"})
    again = register_bundle(registry, mlflow_run, tmp_path / "ccc", verdict, {})
    assert (again.number, again.bundle) == ("4", champions[-1][0].bundle)
    promote_version(registry, again, verdict, registry.champion(), "better")
    # when another champion follows, then the bundle can be promoted once more.
    fifth, passed = candidate("eeeee")
    promote_version(registry, fifth, passed, again, "better")
    assert registry.why_rolled_back(again.bundle) is None
    assert apply_verdict(
        registry, again, verdict.model_copy(update={"champion": "5", "forced": None}), None, "run"
    ).promoted


@pytest.mark.parametrize("later", [False, True], ids=["killed behind its promotion", "made again by a later run"])
def test_effective_verdict_is_the_one_that_promoted_the_champion(finished: Finished, later: bool) -> None:
    # Given a champion,
    first = finished.verdict
    finished.promote()
    client = MlflowClient(tracking_uri=finished.run.tracking_uri)
    if later:
        finished.run = finished.run.model_copy(update={"key": "later"})
    # when the gate compares it with itself,
    finished.verdict = effective_verdict(finished.run, first.model_copy(update={"champion": "1"}))
    promotion = finished.promote()
    finished.report(promotion)
    # then card and verdict are those of the first time, and only its own run describes the version.
    assert promotion.promoted
    assert (
        Verdict.model_validate_json(
            (finished.run.folder / card_folder(finished.verdict.digest) / "verdict.json").read_bytes()
        )
        == first
    )
    assert bool(client.get_model_version("tiny", "1").description) is not later
