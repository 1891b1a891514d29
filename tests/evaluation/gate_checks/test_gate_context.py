from dataclasses import replace
from pathlib import Path

import pytest

from assay.corpus.errors import AssayError
from assay.corpus.snapshot import Snapshot
from assay.corpus.splits import SplitName, Splits
from assay.corpus.storage.artifact_ref import ArtifactRef
from assay.evaluation.export_report import ExportReport
from assay.evaluation.gate_checks.standard import check_data, check_score
from tests.gate_candidates import (
    ALL_ENTITIES,
    FEWER_CLASSES,
    MakeBundle,
    MakeCandidate,
    labelled_rows,
    write_validation,
)


def test_gate_context_refuses_results_of_another_bundle(
    candidate: MakeCandidate, make_bundle: MakeBundle, tmp_path: Path
) -> None:
    made = candidate()
    worse = make_bundle("other/bundle", FEWER_CLASSES, ALL_ENTITIES)
    made.export = ArtifactRef[ExportReport](path=worse.folder.parent, digest=worse.digest)
    with pytest.raises(AssayError, match=r"is about bundle .* run with --from evaluate"):
        check_score(made.context(tmp_path), "sentence")


def test_gate_context_refuses_a_validation_of_other_data(candidate: MakeCandidate, tmp_path: Path) -> None:
    made = candidate()
    made.validation = write_validation(
        tmp_path / "old", ArtifactRef[Snapshot](path=tmp_path, digest="f" * 64), critical=False
    )
    with pytest.raises(AssayError, match=r"is about snapshot ffff.* run with --from validate"):
        check_data(made.context(tmp_path))


def test_gate_context_refuses_an_evaluation_of_other_rows(candidate: MakeCandidate, tmp_path: Path) -> None:
    made = candidate()
    fewer: dict[str, SplitName] = {row.id: "test" for row in labelled_rows()[:9]}
    Splits.create(fewer, snapshot=made.snapshot.digest, method="stratified").save(made.splits.path)
    with pytest.raises(AssayError, match="does not cover the rows of the test split; run with --from evaluate"):
        _ = made.context(tmp_path).evaluation


def test_gate_context_without_a_champion_has_no_opponent(candidate: MakeCandidate, tmp_path: Path) -> None:
    context = candidate(training=[replace(labelled_rows()[0], id="train-1")]).context(tmp_path)
    assert (context.champion, context.last_champion, context.former_champion) == (None, None, None)
    assert (context.opponent, context.rolled_back, context.challengers_before) == (None, None, 0)
    with pytest.raises(AssayError, match="toy has no champion yet"):
        _ = context.champion_bundle
    assert [row.id for row in context.training] == ["train-1"]
    assert len(context.examples) == 240


@pytest.mark.usefixtures("champion")
def test_gate_context_scores_the_champion_on_the_same_rows(
    candidate: MakeCandidate, champion_store: Path, tmp_path: Path
) -> None:
    context = candidate(in_store=champion_store).context(tmp_path)
    assert context.opponent is not None
    assert (context.opponent.number, context.last_champion) == ("1", "1")
    assert [row.id for row in context.champion_predictions] == [row.id for row in context.examples]
    assert context.champion_engine.labels == context.engine.labels
