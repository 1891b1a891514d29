"""`assay erase`, killed at one write after the other: the same command erases the rest, and nothing else."""

from pathlib import Path

import pyarrow.parquet as pq
import pytest
from mlflow import MlflowClient

from assay.corpus.snapshot import Snapshot
from assay.corpus.splits import Splits
from assay.corpus.splitting.ledger import ledger_path, open_ledger
from assay.registry.retention.erasure import erase, plan_erasure
from assay.registry.retention.store_erasure import is_one_of
from assay.runs.lineage_record import data_folder, snapshot_folder
from tests.faults.counts import LONG, count
from tests.faults.victim import CONTEXT, PATIENCE_S, Point, die, set_trap
from tests.registry.retention.erasable import made

IDS = ["7", "12#two"]
POINTS = (
    Point("before MLflow's artifacts", "assay.registry.retention.erasure:erase_artifacts"),
    Point("after MLflow's artifacts", "assay.registry.retention.erasure:erase_artifacts", after=True),
    Point("after the ledger", "assay.corpus.splitting.ledger:Ledger.erase", after=True, often=True),
    Point("after the results derived from a snapshot", "assay.registry.retention.erasure:erase_derived", after=True),
    Point("the new snapshot, not published", "assay.corpus.storage.atomic:publish_folder"),
    Point(
        "the old snapshot set aside, the new one not in its place",
        "pathlib:Path.rename",
        about="/extract-",
        after=True,
        often=True,
    ),
    Point("the old snapshot not removed", "shutil:rmtree", about="/.extract-", often=True),
    Point("between two snapshots", "assay.registry.retention.erasure:erase_rows", after=True),
    Point("the second snapshot, not published", "assay.corpus.storage.atomic:publish_folder", nth=2),
)


def forget_in(store: Path, uri: str, point: Point | None) -> None:
    if point is not None:
        set_trap(point, die)
    erase(plan_erasure(IDS, store, uri), store)


def start(store: Path, uri: str, point: Point | None) -> int | None:
    """Erase in another process, which dies at the point, and return its exit code."""
    process = CONTEXT.Process(target=forget_in, args=(store, uri, point))
    process.start()
    process.join(PATIENCE_S)
    return process.exitcode


def ids_in(folder: Path) -> set[str]:
    """Return the ids of all rows with texts anywhere in a folder, including hidden folders."""
    found: set[str] = set()
    for path in folder.rglob("*.parquet"):
        table = pq.read_table(path)
        if {"id", "text"} <= set(table.column_names):
            found.update(table["id"].to_pylist())
    return found


@pytest.mark.parametrize("point", [point for point in POINTS if LONG or point.often], ids=lambda point: point.name)
def test_erase_completes_a_killed_erasure(point: Point, store: Path, tmp_path: Path) -> None:
    # given two runs with the same rows, which MLflow keeps
    runs = [made(store, key) for key in ("first", "second")]
    uri, artifacts = f"sqlite:///{store}/mlflow.db", tmp_path / "artifacts"
    client = MlflowClient(tracking_uri=uri)
    experiment = client.create_experiment("toy", artifact_location=artifacts.as_uri())
    client.create_registered_model("toy")
    for _, snapshot, splits in runs:
        mlflow_run = client.create_run(experiment).info.run_id
        tags = {"assay.splits": Splits.load(splits.path).digest, "assay.snapshot": Snapshot.load(snapshot.path).digest}
        client.log_artifacts(mlflow_run, str(splits.path), data_folder(tags["assay.splits"]))
        client.log_artifacts(mlflow_run, str(snapshot.path), snapshot_folder(tags["assay.snapshot"]))
        client.create_model_version("toy", "s", mlflow_run, tags=tags)
    before = ids_in(store)
    gone = {row for row in before if is_one_of(row, IDS)}
    with open_ledger(ledger_path(store, "tiny")) as ledger:
        keys = len(ledger)
    assert len(gone) == 3
    assert gone <= ids_in(artifacts)
    # when rows are forgotten, the process is killed, and the same command is given again
    assert start(store, uri, point) == -9
    again = plan_erasure(IDS, store, uri)
    assert again.found, "the command would say that there is nothing to do"
    assert start(store, uri, None) == 0
    # then these rows are nowhere, and all others are where they were
    assert ids_in(store) == before - gone
    assert not gone & ids_in(artifacts)
    for run, snapshot, _ in runs:
        left = Snapshot.load(snapshot.path)
        left.verify()
        assert len(left) == len(before) - len(gone)
        assert not [path for path in run.folder.iterdir() if path.name.startswith(".")]
        assert run.once("extract", {}, lambda folder: pytest.fail("read again")).path == snapshot.path
    with open_ledger(ledger_path(store, "tiny")) as ledger:
        assert len(ledger) == keys - 3
    assert plan_erasure(IDS, store, uri).found == []
    count("kill -9 at every write of assay erase", 1, "kills")
