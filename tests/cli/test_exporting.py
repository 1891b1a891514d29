import json
from pathlib import Path

import pytest

from assay.corpus.example import Example, Head
from assay.corpus.snapshot import Snapshot
from assay.corpus.splits import SplitName, Splits
from assay.corpus.storage.artifact_ref import ArtifactRef
from assay.corpus.storage.digest import digest_folder
from assay.evaluation.export_report import BUNDLE
from assay.models.checkpoint import HISTORY, Checkpoint
from assay.runs.run import Run
from assay.runs.step_result import STEP_MANIFEST
from assay.tasks.export import export
from tests.checkpoints import write_checkpoint
from tests.cli.calls import call
from tests.snapshots import make_run, write_snapshot

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("one_thread")]  # the exporter traces each network

TOPICS = ["money", "sport"]
ROWS = [
    Example(str(number), f"the match and the shares of day {number}", labels=(TOPICS[number % 2],))
    for number in range(12)
]


@pytest.fixture(scope="module")
def topics(tmp_path_factory: pytest.TempPathFactory, tiny_bert_folder: Path) -> Run:
    """Return a run that has exported a model of several labels per row."""
    store = tmp_path_factory.mktemp("topics")
    run = make_run(store, model={"scratch": {}, "heads": ["labels"]}, gate={"min_f1": {"labels": 0.1}})
    checkpoint = write_checkpoint(run.folder / "train-1", tiny_bert_folder, {"labels": TOPICS})
    (checkpoint.folder / HISTORY).write_text("{}", encoding="utf-8")
    files = {"step": "train", "files": digest_folder(checkpoint.folder)}
    (checkpoint.folder / STEP_MANIFEST).write_text(json.dumps(files), encoding="utf-8")
    snapshot = write_snapshot(store / "snapshot", ROWS)
    splits = write_splits(store / "splits", snapshot)
    export.fn(run, ArtifactRef[Checkpoint](path=checkpoint.folder, digest="c"), snapshot, splits)
    return run


def write_splits(folder: Path, snapshot: ArtifactRef[Snapshot]) -> ArtifactRef[Splits]:
    split_of: dict[str, SplitName] = {row.id: "validation" for row in ROWS}
    splits = Splits.create(split_of, snapshot=snapshot.digest, method="test")
    folder.mkdir()
    splits.save(folder)
    return ArtifactRef[Splits](path=folder, digest=splits.digest)


def test_export_writes_the_label_thresholds_of_a_bundle(
    topics: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (bundle,) = topics.folder.glob(f"export-*/{BUNDLE}")
    out = tmp_path / "out"
    assert call(monkeypatch, "export", bundle, out, "--store", topics.store) == 0
    assert capsys.readouterr().out.splitlines() == [
        f"{out}: transformers loads it with pipeline()",
        "a label applies from its probability in label_thresholds of config.json; pipeline() does not read them",
    ]
    config = json.loads((out / "config.json").read_text(encoding="utf-8"))
    assert set(config["label_thresholds"]) == set(TOPICS)
    # The same command keeps what is there.
    assert call(monkeypatch, "export", bundle, out, "--store", topics.store) == 1
    assert f"{out} exists; name a new folder" in capsys.readouterr().err.replace("\n", "")


def test_export_names_the_way_to_the_thresholds_that_a_checkpoint_lacks(
    topics: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert call(monkeypatch, "export", topics.folder / "train-1", out) == 0
    assert capsys.readouterr().out.splitlines()[1:] == [
        "a checkpoint has no label_thresholds; name the bundle or the registered model to write them, too"
    ]
    assert "label_thresholds" not in (out / "config.json").read_text(encoding="utf-8")


def test_export_names_what_transformers_leaves_out(
    tmp_path: Path, tiny_bert_folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = {"crf": True, "cleaning": {"html": True}}
    names: dict[Head, list[str]] = {"sentence": ["down", "up"], "tokens": ["O", "B-ORG", "I-ORG"]}
    checkpoint = write_checkpoint(tmp_path / "checkpoint", tiny_bert_folder, names, **settings)
    out = tmp_path / "out"
    assert call(monkeypatch, "export", checkpoint.folder, out) == 0
    assert capsys.readouterr().out.splitlines() == [
        f"{out / 'sentence'}: transformers loads it with pipeline()",
        f"{out / 'tokens'}: transformers loads it with pipeline()",
        "the CRF of the token head is left out: pipeline() labels each token by itself",
        "Assay cleans texts before it reads them: clean yours as model.cleaning of the recipe does",
    ]
    assert sorted(path.name for path in out.iterdir()) == ["sentence", "tokens"]
