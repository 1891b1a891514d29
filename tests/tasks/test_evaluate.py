from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from assay.corpus.errors import AssayError
from assay.corpus.example import Example
from assay.corpus.snapshot import Snapshot
from assay.corpus.splits import SplitName, Splits
from assay.corpus.storage.artifact_ref import ArtifactRef
from assay.evaluation.bundle_evaluation import Evaluation
from assay.evaluation.export_report import ExportReport
from assay.runs.run import Run
from assay.tasks.evaluate import evaluate
from tests.evaluation.joint_rows import CLASSES, ENTITIES, joint_examples
from tests.snapshots import make_run, write_snapshot


def test_evaluate_scores_only_test_rows_and_once(make_bundle: Any, tmp_path: Path) -> None:
    # Given eight rows, of which five are test,
    examples = joint_examples()
    split_of: dict[str, SplitName] = {example.id: "test" if n < 5 else "train" for n, example in enumerate(examples)}
    run, snapshot, splits = _a_run(tmp_path, examples, split_of)
    bundle = make_bundle("export/bundle", classes=CLASSES, entities=ENTITIES)
    export = ArtifactRef[ExportReport](path=bundle.folder.parent, digest=bundle.digest)
    # when the step is done twice,
    first, second = evaluate.fn(run, export, snapshot, splits), evaluate.fn(run, export, snapshot, splits)
    # then it is one result, of these rows and this bundle.
    assert first == second
    evaluation = Evaluation.load(first.path)
    assert [prediction.id for prediction in evaluation.rows] == [f"row-{n}" for n in range(5)]
    assert evaluation.bundle == bundle.digest


def test_evaluate_refuses_an_empty_test_split(make_bundle: Any, tmp_path: Path) -> None:
    examples = joint_examples()
    run, snapshot, splits = _a_run(tmp_path, examples, {example.id: "train" for example in examples})
    bundle = make_bundle("export/bundle", classes=CLASSES)
    with pytest.raises(AssayError, match="test split has no rows"):
        evaluate.fn(run, ArtifactRef[ExportReport](path=bundle.folder.parent, digest=bundle.digest), snapshot, splits)


def _a_run(
    folder: Path, examples: Sequence[Example], split_of: dict[str, SplitName]
) -> tuple[Run, ArtifactRef[Snapshot], ArtifactRef[Splits]]:
    snapshot = write_snapshot(folder / "snapshot", examples, ["medium"])
    splits = Splits.create(split_of, snapshot=snapshot.digest, method="stratified")
    (folder / "splits").mkdir()
    splits.save(folder / "splits")
    return make_run(folder / "store"), snapshot, ArtifactRef[Splits](path=folder / "splits", digest=splits.digest)
