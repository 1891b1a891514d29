import json
import shutil
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from filelock import FileLock
from mlflow import MlflowClient

from assay.corpus.errors import AssayError
from assay.corpus.example import Example
from assay.corpus.snapshot import Snapshot, SnapshotWriter
from assay.corpus.splits import Splits
from assay.evaluation.drift.window import Window
from assay.flows.monitoring import monitor
from assay.flows.training import train
from assay.registry.promotion import PromotionResult
from assay.registry.retention.erasure import erase, plan_erasure
from assay.registry.retention.store_erasure import all_snapshots, is_one_of
from assay.runs.lineage_record import data_folder, snapshot_folder
from assay.runs.run_states import STATE
from assay.tasks.report import report_decision
from tests.flows.tiny import make_recipe, write_rows
from tests.registry.retention.erasable import ledger_size, made
from tests.snapshots import make_run


def test_erase_removes_rows_from_snapshots_rejects_results_and_ledger(store: Path) -> None:
    run, snapshot, splits = made(store, "first")
    before, size = Snapshot.load(snapshot.path), ledger_size(store)
    uri = f"sqlite:///{store}/mlflow.db"
    plan = plan_erasure(["7", "12#two"], store, uri)
    assert plan.found[0].rows == ["7#one", "7#two", "12#two"]
    assert plan.found[0].reject_lines == 1
    assert len(Snapshot.load(snapshot.path)) == len(before)

    assert erase(plan, store) == 3
    after = Snapshot.load(snapshot.path)
    after.verify()
    assert len(after) == len(before) - 3
    assert after.manifest.erased == 3
    assert after.digest != before.digest
    assert not any(is_one_of(row.id, plan.ids) for row in after.examples())
    assert after.rejects_path.read_text() == ""
    assert not splits.path.exists()
    assert ledger_size(store) == size - 3
    assert plan_erasure(["7", "12#two"], store, uri).found == []
    # The step is complete: the run resumes from the remaining rows.
    assert run.once("extract", {}, lambda folder: pytest.fail("read again")).path == snapshot.path


def test_erase_refuses_while_monitoring_reads_the_rows(store: Path) -> None:
    _, snapshot, _ = made(store, "first")
    place = store / "monitoring" / "toy"
    shutil.copytree(snapshot.path, place / "runs" / "monitoring" / "extract-1")
    plan = plan_erasure(["7"], store, None)
    with FileLock(place / "lock"), pytest.raises(AssayError, match="nothing was erased"):
        erase(plan, store)
    assert Snapshot.load(snapshot.path).manifest.erased == 0


@pytest.mark.parametrize("cleaned", [False, True])
def test_erase_removes_cards_that_quote_the_row(store: Path, tmp_path: Path, cleaned: bool) -> None:
    # given a run whose version waits for approval, with its rows in the store or in MLflow alone, and one on other rows
    run, snapshot, splits = made(store, "first")
    client = MlflowClient(tracking_uri=f"sqlite:///{store}/mlflow.db")
    experiment = client.create_experiment("toy", artifact_location=(tmp_path / "artifacts").as_uri())
    mlflow_run = client.create_run(experiment, tags={"assay.splits": "s"}).info.run_id
    client.log_artifacts(mlflow_run, str(splits.path), data_folder(Splits.load(splits.path).digest))
    data = Snapshot.load(snapshot.path).digest
    client.log_artifacts(mlflow_run, str(snapshot.path), snapshot_folder(data))
    other = store / "runs" / "other"
    for folder, digest in ((run.folder, data), (other, "another")):
        card = folder / "cards" / "v"
        card.mkdir(parents=True)
        (card / "verdict.json").write_text(json.dumps({"snapshot": digest}))
        (card / "card.html").write_text("apples tells of one")
        (folder / "card.json").write_text(json.dumps({"verdict": {"snapshot": digest}}))
    if cleaned:
        for folder in run.folder.glob("*-*/"):
            shutil.rmtree(folder)
    # when a row is erased
    erase(plan_erasure(["7#one"], store), store)
    # then no card quotes it, and an approval writes none
    assert not list(run.folder.rglob("card.*"))
    assert len(list(other.rglob("card.*"))) == 2
    report_decision(store, "first", PromotionResult(version=None, promoted=False, why=""))
    assert not list(run.folder.rglob("card.*"))


@pytest.mark.usefixtures("prefect_server")
def test_erase_leaves_no_text_after_training_and_monitoring(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given a champion, the dry run of another model, and what monitoring keeps of the champion
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    recipe = make_recipe(write_rows(tmp_path / "rows.jsonl", 120))
    outcome = train(recipe, store)
    train(recipe.model_copy(update={"run_mode": "dry_run"}), store)
    monitor("models:/tiny/1", Window(address=str(write_rows(tmp_path / "new.jsonl", 60, 2))), store=store)
    rows = {row.id: row.text for _, snapshot in all_snapshots(store) for row in snapshot.examples()}
    assert outcome.promotion.version
    places = {id: places_of(text, store) for id, text in rows.items()}
    chosen = [next(id for id, found in places.items() if ("monitoring" in found) == kept) for kept in (True, False)]
    for id in chosen:
        text = rows[id]
        assert {"runs", "mlartifacts"} <= places[id]
        # when a row is erased
        erase(plan_erasure([id], store, outcome.tracking_uri), store)
        # then its text is in no file of rows any more
        assert places_of(text, store) == set()
    with pytest.raises(AssayError, match=r"models:/tiny/1: its predictions are no longer in MLflow .* train it again"):
        monitor("models:/tiny/1", Window(address=str(tmp_path / "new.jsonl")), store=store)


def places_of(text: str, store: Path) -> set[str]:
    """Folders of a store below which a file of rows holds a text."""
    return {
        path.relative_to(store).parts[0]
        for path in store.rglob("*.parquet")
        for column in pq.read_table(path).to_pydict().values()
        if text in column
    }


def test_erase_refuses_a_run_in_progress(store: Path) -> None:
    run, snapshot, _ = made(store, "first")
    plan = plan_erasure(["7"], store, None)
    with FileLock(run.folder / "lock"), pytest.raises(AssayError, match="nothing was erased"):
        erase(plan, store)
    assert Snapshot.load(snapshot.path).manifest.erased == 0


def test_erase_keeps_a_ledger_key_that_another_row_shares(store: Path) -> None:
    run, snapshot, _ = made(store, "first")
    size = ledger_size(store)
    # Another recipe's rows do not count; the same text under another id in a later run does.
    later = make_run(store, "later")
    later.folder.mkdir(parents=True)
    (later.folder / STATE).write_text((run.folder / STATE).read_text().replace('"first"', '"later"'))

    def one_row(folder: Path) -> None:
        with SnapshotWriter(folder, [], {}) as writer:
            writer.add([Example("other", next(iter(Snapshot.load(snapshot.path).examples())).text)])
            writer.finish()

    later.once("extract", {}, one_row)
    assert erase(plan_erasure(["0#one"], store, None), store) == 0
    assert ledger_size(store) == size


def test_plan_erasure_needs_an_id(store: Path) -> None:
    with pytest.raises(AssayError, match="no id to erase"):
        plan_erasure([], store, None)
