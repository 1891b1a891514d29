import re
from pathlib import Path
from typing import Literal

import numpy as np
import pytest

from assay.corpus.example import Example
from assay.corpus.splits import SplitName, Splits
from assay.corpus.storage.artifact_ref import Ref
from assay.evaluation.slice_checks import SliceFinding
from assay.evaluation.slice_membership import SliceKey
from assay.evaluation.statistics import Interval
from assay.recipes.recipe import Gate, Head, Mitigation
from assay.tasks.mitigate import accept_mitigation, changes_of, mitigate, reweight
from assay.tasks.score import VALIDATION_SCORES, ValidationScores
from tests.snapshots import make_run, write_snapshot

SOUTH = SliceKey(column="region", value="south")
SHORT = SliceKey(kind="length", column="text length", value="5-9 characters", high=9)
RULE = Mitigation(factor=3, max_drop=0.02)
GATE = Gate(min_f1={"sentence": 0.6})
ROWS = [
    Example(id=str(number), text="word " * (number + 1), slices={"region": ["north", "south"][number % 2]})
    for number in range(6)
]


def finding(key: SliceKey, f1: float, *, failed: bool, head: Head = "sentence") -> SliceFinding:
    interval = Interval(f1, f1, f1)
    return SliceFinding(
        head=head,
        key=key,
        rows=50,
        share=0.5,
        f1=interval,
        whole_f1=0.8,
        p_value=0.01,
        below_threshold=failed,
        failed=failed,
    )


def validation_scores(f1: float, *slices: SliceFinding) -> ValidationScores:
    return ValidationScores(f1={"sentence": f1}, slices=list(slices))


def test_reweight_raises_rows_of_failed_slices_once_per_attempt() -> None:
    # given a row that belongs to both slices
    failed = [finding(SOUTH, 0.5, failed=True), finding(SHORT, 0.5, failed=True)]
    weights = reweight(ROWS, failed, RULE, {})
    assert weights.of(ROWS) == [3, 3, 1, 3, 1, 3]
    assert weights.slices == {"region=south": 3, "text length=5-9 characters": 1}
    # when one of them falls short again, its rows are raised once more
    again = reweight(ROWS, failed[:1], RULE, weights.weights)
    assert again.of(ROWS) == [3, 9, 1, 9, 1, 9]
    assert str(again) == "reweight: region=south (3 rows)"


def test_reweight_is_empty_without_training_rows() -> None:
    unseen = finding(SliceKey(column="region", value="west"), 0.5, failed=True)
    assert reweight(ROWS, [unseen], RULE, {"1": 3.0}).weights == {}


@pytest.mark.parametrize(
    ("after", "kept", "reason"),
    [
        (
            validation_scores(0.79, finding(SOUTH, 0.7, failed=False)),
            True,
            "rises by 0.200; none remains",
        ),
        (
            validation_scores(0.85, finding(SOUTH, 0.6, failed=True)),
            True,
            "rises by 0.100; 1 of 1 remain",
        ),
        (
            validation_scores(0.77, finding(SOUTH, 0.7, failed=False)),
            False,
            "drops by 0.030, more than .*max_drop 0.02",
        ),
        (validation_scores(0.80, finding(SOUTH, 0.5, failed=True)), False, r"changes by \+0.000"),
        (validation_scores(0.80, finding(SOUTH, 0.4, failed=True)), False, "changes by -0.100"),
        (
            validation_scores(0.80, finding(SOUTH, 0.6, failed=True), finding(SHORT, 0.5, failed=True)),
            False,
            "2 slices are below the threshold, 1 were before",
        ),
    ],
    ids=["fixed", "better", "costs too much", "no change", "worse", "another slice below"],
)
def test_accept_mitigation_weighs_slice_gain_against_overall_drop(
    after: ValidationScores, kept: bool, reason: str
) -> None:
    before = validation_scores(0.80, finding(SOUTH, 0.5, failed=True), finding(SHORT, 0.8, failed=False))
    if len(after.slices) == 1:
        after = after.model_copy(update={"slices": [*after.slices, finding(SHORT, 0.8, failed=False)]})
    changes = changes_of(reweight(ROWS, before.failed, RULE, {}), before, after)
    decision, why = accept_mitigation(RULE, GATE, before, after, changes)
    assert decision is kept
    assert re.search(reason, why), why
    [change] = changes
    assert (change.name, change.training_rows, change.before) == ("region=south", 3, 0.5)


def test_accept_mitigation_refuses_a_drop_below_the_threshold() -> None:
    before = validation_scores(0.605, finding(SOUTH, 0.5, failed=True))
    after = validation_scores(0.595, finding(SOUTH, 0.6, failed=False))
    changes = changes_of(reweight(ROWS, before.failed, RULE, {}), before, after)
    assert accept_mitigation(RULE, GATE, before, after, changes) == (False, "F1 of sentence drops below gate.min_f1")


@pytest.mark.parametrize("method", ["reweight", "oversample"])
def test_mitigate_reweights_only_training_rows(
    store: Path, tmp_path: Path, method: Literal["reweight", "oversample"]
) -> None:
    run = make_run(store, retrigger={"mitigation": {"method": method, "factor": 3}})
    snapshot = write_snapshot(tmp_path / "snapshot", ROWS, ["region"])
    split_of: dict[str, SplitName] = {row.id: "train" if number < 4 else "test" for number, row in enumerate(ROWS)}
    splits = Splits.create(split_of, snapshot=snapshot.digest, method="stratified")
    (tmp_path / "splits").mkdir()
    splits.save(tmp_path / "splits")
    scores = validation_scores(0.8, finding(SOUTH, 0.5, failed=True))
    (tmp_path / "validation_scores").mkdir()
    (tmp_path / "validation_scores" / VALIDATION_SCORES).write_text(scores.model_dump_json())
    stored = Ref(path=tmp_path / "validation_scores", digest="validation_scores").to(ValidationScores)
    assigned = Ref(path=tmp_path / "splits", digest="splits").to(Splits)

    weights = mitigate.fn(run, stored, snapshot, assigned).load()

    assert weights.method == method
    assert weights.weights == {"1": 3, "3": 3}
    assert np.sum(weights.of(ROWS)) == 10
