from collections.abc import Callable
from pathlib import Path
from typing import Any

from assay.corpus.example import Entity, Example
from assay.corpus.splits import SplitName, Splits
from assay.corpus.storage.artifact_ref import ArtifactRef
from assay.evaluation.export_report import ExportReport
from assay.serving.bundle import Bundle
from assay.tasks.score import ValidationScores, score
from tests.snapshots import make_run, write_snapshot

MakeBundle = Callable[..., Bundle]


def a_row(number: int) -> Example:
    """Return rows; in every second one, from the south, the label is the opposite of the prediction."""
    south = number % 4 == 0
    label = ["positive", "negative"][number // 4 % 2]
    word = {"positive": "good", "negative": "bad"}[label]
    if south:
        word = {"good": "bad", "bad": "good"}[word]
    entity = Entity(len(word) + 1, len(word) + 6, "COMPANY")
    return Example(
        str(number), f"{word} apple", label=label, entities=(entity,), slices={"region": "south" if south else "north"}
    )


def test_score_finds_low_heads_and_slices_below_the_threshold(
    store: Path, tmp_path: Path, make_bundle: MakeBundle
) -> None:
    # given a bundle that is wrong about the south, and test rows that nobody may look at
    rows = [a_row(number) for number in range(240)]
    snapshot = write_snapshot(tmp_path / "snapshot", rows, ["region"])
    split_of: dict[str, SplitName] = {row.id: "validation" if int(row.id) < 200 else "test" for row in rows}
    splits = Splits.create(split_of, snapshot=snapshot.digest, method="stratified")
    (tmp_path / "splits").mkdir()
    splits.save(tmp_path / "splits")
    bundle = make_bundle("export/bundle", {"good": "positive", "bad": "negative"}, {"apple": "COMPANY"})
    fields: dict[str, Any] = {"label": "label", "entities": "entities", "slices": {"region": "region"}}
    run = make_run(
        store,
        source={"kind": "files", "paths": {"rows.jsonl": "all"}, "fields": fields},
        model={"scratch": {}, "heads": ["sentence", "tokens"]},
        gate={"min_f1": {"sentence": 0.9, "tokens": 0.9}, "slices": {"columns": ["region"]}},
    )

    # when the step scores it
    export = ArtifactRef[ExportReport](path=bundle.folder.parent, digest=bundle.digest)
    result = score.fn(run, export, snapshot, ArtifactRef[Splits](path=tmp_path / "splits", digest=splits.digest))
    scores = ValidationScores.load(result.path)

    # then one head is low, and one of its slices is below the threshold
    assert scores.below(run.recipe.gate) == {"sentence": 0.75}
    assert scores.f1["tokens"] == 1
    assert scores.score == 0.875
    [failed] = scores.failed
    assert (failed.head, failed.key.name, failed.rows) == ("sentence", "region=south", 50)
