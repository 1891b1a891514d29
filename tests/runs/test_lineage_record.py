from collections.abc import Iterator
from pathlib import Path

import pytest
from mlflow import MlflowClient

from assay.corpus.corrected_rows import CORRECTIONS
from assay.corpus.example import Example
from assay.corpus.snapshot import Snapshot
from assay.corpus.splits import Splits
from assay.corpus.splitting.ledger import LEDGER
from assay.evaluation.labelled_predictions import PREDICTIONS
from assay.runs import lineage_record
from assay.runs.lineage_record import (
    DATA_FOLDER,
    PREDICTIONS_FOLDER,
    SNAPSHOT_FOLDER,
    data_folder,
    keep_data,
    keep_predictions,
    predictions_folder,
    snapshot_folder,
)
from tests.snapshots import write_snapshot

ROWS = [Example(f"r{number}", f"text {number}", label="up") for number in range(4)]


class Kept:
    """An MLflow run, and a snapshot with its splits to keep."""

    def __init__(self, store: Path, folder: Path) -> None:
        self.client = MlflowClient(tracking_uri=f"sqlite:///{store}/mlflow.db")
        experiment = self.client.create_experiment("toy", artifact_location=(folder / "artifacts").as_uri())
        self.run = str(self.client.create_run(experiment).info.run_id)
        self.snapshot = write_snapshot(folder / "snapshot", ROWS).path
        self.splits = folder / "splits"
        self.splits.mkdir()
        digest = Snapshot.load(self.snapshot).digest
        Splits.create(dict.fromkeys((row.id for row in ROWS), "train"), snapshot=digest, method="stratified").save(
            self.splits
        )
        (self.splits / LEDGER).write_text("ledger")

    @property
    def digests(self) -> tuple[str, str]:
        return Splits.load(self.splits).digest, Snapshot.load(self.snapshot).digest

    @property
    def size(self) -> int:
        return sum(path.stat().st_size for path in Snapshot.load(self.snapshot).part_paths())

    def keep(self) -> None:
        keep_data(self.client, self.run, self.snapshot, self.splits)

    def files(self, folder: str = "") -> Iterator[str]:
        for file in self.client.list_artifacts(self.run, folder or None):
            if file.is_dir:
                yield from self.files(file.path)
            else:
                yield file.path


@pytest.fixture
def kept(store: Path, tmp_path: Path) -> Kept:
    return Kept(store, tmp_path)


def test_folders_hold_the_start_of_the_digest_of_their_data() -> None:
    digest = "0123456789abcdef" * 4
    assert data_folder(digest) == "lineage/0123456789ab"
    assert snapshot_folder(digest) == "snapshot/0123456789ab"
    assert predictions_folder(digest) == "evaluation/0123456789ab"
    assert len({DATA_FOLDER, SNAPSHOT_FOLDER, PREDICTIONS_FOLDER}) == 3


def test_keep_data_logs_what_finds_the_same_rows_again(kept: Kept, tmp_path: Path) -> None:
    kept.keep()
    splits, snapshot = kept.digests
    parts = [path.name for path in Snapshot.load(kept.snapshot).part_paths()]
    assert sorted(kept.files()) == sorted(
        [f"lineage/{splits[:12]}/{name}" for name in (LEDGER, "snapshot.json", "splits.json", "splits.parquet")]
        + [f"snapshot/{snapshot[:12]}/{name}" for name in [*parts, "snapshot.json"]]
    )
    # then the downloaded rows and splits are those that were kept
    (tmp_path / "again").mkdir()
    again = Path(kept.client.download_artifacts(kept.run, snapshot_folder(snapshot), str(tmp_path / "again")))
    assert list(Snapshot.load(again).examples()) == ROWS
    data = Path(kept.client.download_artifacts(kept.run, data_folder(splits), str(tmp_path / "again")))
    assert Splits.load(data).digest == splits


@pytest.mark.parametrize(("spare", "rows"), [(0, True), (-1, False)])
def test_keep_data_leaves_rows_in_the_store_above_the_limit(
    kept: Kept, monkeypatch: pytest.MonkeyPatch, spare: int, rows: bool
) -> None:
    monkeypatch.setattr(lineage_record, "LARGEST_SNAPSHOT", kept.size + spare)
    kept.keep()
    assert any(name.startswith(f"{SNAPSHOT_FOLDER}/") for name in kept.files()) == rows
    assert f"{data_folder(kept.digests[0])}/snapshot.json" in set(kept.files())


def test_keep_data_logs_corrected_labels_where_there_are_some(kept: Kept) -> None:
    (kept.snapshot / CORRECTIONS).write_bytes(b"corrected")
    kept.keep()
    assert f"{data_folder(kept.digests[0])}/{CORRECTIONS}" in set(kept.files())


def test_keep_data_of_other_splits_leaves_the_earlier_ones(kept: Kept) -> None:
    kept.keep()
    before = set(kept.files())
    first, snapshot = kept.digests
    Splits.create({"r0": "test", "r1": "train"}, snapshot=snapshot, method="stratified").save(kept.splits)
    kept.keep()
    second, _ = kept.digests
    assert first != second
    assert set(kept.files()) - before == {
        f"{data_folder(second)}/{Path(name).name}" for name in before if name.startswith(data_folder(first))
    }


def test_keep_predictions_keeps_those_of_each_bundle_apart(kept: Kept, tmp_path: Path) -> None:
    for bundle in ("a" * 64, "b" * 64):
        evaluation = tmp_path / bundle
        evaluation.mkdir()
        (evaluation / PREDICTIONS).write_text(bundle)
        (evaluation / "evaluation.json").write_text("{}")
        keep_predictions(kept.client, kept.run, bundle, evaluation)
    assert sorted(kept.files()) == [f"evaluation/{letter * 12}/{PREDICTIONS}" for letter in "ab"]
