import json
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from filelock import FileLock
from mlflow import MlflowClient

from assay.corpus.errors import AssayError
from assay.corpus.example import Example
from assay.corpus.snapshot import Snapshot, SnapshotWriter
from assay.corpus.splits import Splits
from assay.corpus.splitting.ledger import ledger_path, open_ledger
from assay.corpus.storage.artifact_ref import ArtifactRef
from assay.evaluation.drift.window import Window
from assay.flows.data_check import check_data
from assay.flows.monitoring import monitor
from assay.flows.training import train
from assay.registry.promotion import PromotionResult
from assay.registry.retention.erasure import erase, plan_erasure
from assay.registry.retention.store_erasure import all_snapshots, is_one_of
from assay.runs.lifecycle import run_lock
from assay.runs.lineage_record import data_folder, snapshot_folder
from assay.runs.run import Run
from assay.runs.run_states import STATE, RunState
from assay.tasks.report import report_decision
from assay.tasks.split import split
from tests.flows.tiny import make_recipe, write_rows
from tests.snapshots import make_run, write_snapshot

ROWS = [
    Example(f"{number}#{part}", f"{word} tells of {part}", label=word)
    for number, word in enumerate(["apples", "pears"] * 30)
    for part in ("one", "two")
]
TEXTS = [
    f"{row.text} {'abcdefghij'[int(row.id.split('#')[0]) % 10] * (1 + number // 4)}" for number, row in enumerate(ROWS)
]


def write(folder: Path) -> None:
    with SnapshotWriter(folder, [], {"kind": "test"}) as writer:
        for row, text in zip(ROWS, TEXTS, strict=True):
            writer.add([Example(row.id, text, label=row.label)])
        # What str.splitlines() takes for the end of a line may stand in one.
        writer.add([], [("7#three", "text is too long", {"Text": "a\u2028b\u0085c"})])
        writer.finish()


def made(store: Path, key: str) -> tuple[Run, ArtifactRef[Snapshot], ArtifactRef[Splits]]:
    run = make_run(store, key)
    run.folder.mkdir(parents=True)
    state = RunState(
        key=key,
        recipe_name="tiny",
        recipe_digest="d",
        recipe={},
        mlflow_run="m",
        tracking=["mlflow.db"],
        opened=datetime.now(UTC),
    )
    (run.folder / STATE).write_text(state.model_dump_json())
    snapshot = run.once("extract", {}, write).to(Snapshot)
    return run, snapshot, split.fn(run, snapshot)


def ledger_size(store: Path) -> int:
    with open_ledger(ledger_path(store, "tiny")) as ledger:
        return len(ledger)


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


def test_erase_names_versions_and_removes_copies_in_mlflow(store: Path, tmp_path: Path) -> None:
    _, snapshot, splits = made(store, "first")
    client = MlflowClient(tracking_uri=f"sqlite:///{store}/mlflow.db")
    experiment = client.create_experiment("toy", artifact_location=(tmp_path / "artifacts").as_uri())
    mlflow_run = client.create_run(experiment).info.run_id
    split_of, data = Splits.load(splits.path), Snapshot.load(snapshot.path)
    client.log_artifacts(mlflow_run, str(splits.path), data_folder(split_of.digest))
    client.log_artifacts(mlflow_run, str(snapshot.path), snapshot_folder(data.digest))
    client.create_registered_model("toy")
    tags = {"assay.splits": split_of.digest, "assay.snapshot": data.digest}
    client.create_model_version("toy", "s", mlflow_run, tags=tags)

    trained = next(row for row, split_name in split_of.split_of.items() if split_name == "train")
    plan = plan_erasure([trained], store, f"sqlite:///{store}/mlflow.db")
    assert [(one.address, one.split_of) for one in plan.tracks.versions] == [("models:/toy/1", {"train": 1})]
    erase(plan, store)
    assert client.list_artifacts(mlflow_run, snapshot_folder(data.digest)) == []
    assert client.list_artifacts(mlflow_run, data_folder(split_of.digest))


def test_erase_removes_rows_of_runs_without_a_version(store: Path, tmp_path: Path) -> None:
    # given a run that was cleaned, one that never became a version, and one that was deleted in MLflow
    _, snapshot, splits = made(store, "first")
    uri = f"sqlite:///{store}/mlflow.db"
    client = MlflowClient(tracking_uri=uri)
    experiment = client.create_experiment("toy", artifact_location=(tmp_path / "artifacts").as_uri())
    split_of, data, size = Splits.load(splits.path), Snapshot.load(snapshot.path), ledger_size(store)
    runs = [client.create_run(experiment, tags={"assay.splits": "s", "assay.recipe": "tiny"}) for _ in range(2)]
    for one in runs:
        client.log_artifacts(one.info.run_id, str(splits.path), data_folder(split_of.digest))
        client.log_artifacts(one.info.run_id, str(snapshot.path), snapshot_folder(data.digest))
        client.log_text(one.info.run_id, "predictions", "evaluation/b/rows.parquet")
    client.delete_run(runs[1].info.run_id)
    shutil.rmtree(snapshot.path)
    shutil.rmtree(splits.path)
    # when a row is erased
    plan = plan_erasure(["7#one"], store, uri)
    assert not plan.found
    assert {one.run_id for one in plan.tracks.runs} == {one.info.run_id for one in runs}
    # then its key leaves the ledger, and MLflow keeps neither rows nor predictions, but the splits
    assert erase(plan, store) == 1
    assert ledger_size(store) == size - 1
    for one in runs:
        kept = [client.list_artifacts(one.info.run_id, folder) for folder in ("lineage", "snapshot", "evaluation")]
        assert [len(items) for items in kept] == [1, 0, 0]
    assert plan_erasure(["7#one"], store, uri).tracks.runs == []


def test_erase_removes_incomplete_artifacts(store: Path, tmp_path: Path) -> None:
    # given a complete run in MLflow, one that ended while its splits were logged, one whose rows were removed in part
    _, snapshot, splits = made(store, "first")
    uri = f"sqlite:///{store}/mlflow.db"
    client = MlflowClient(tracking_uri=uri)
    experiment = client.create_experiment("toy", artifact_location=(tmp_path / "artifacts").as_uri())
    split_of, data = data_folder(Splits.load(splits.path).digest), snapshot_folder(Snapshot.load(snapshot.path).digest)
    tags = {"assay.splits": "s", "assay.recipe": "tiny"}
    no_sides, no_rows, whole = (client.create_run(experiment, tags=tags).info.run_id for _ in range(3))
    for run in (no_sides, no_rows, whole):
        client.log_artifacts(run, str(splits.path), split_of)
        client.log_artifacts(run, str(snapshot.path), data)
    place = tmp_path / "artifacts"
    (place / no_sides / "artifacts" / split_of / "splits.parquet").unlink()
    (place / no_rows / "artifacts" / data / "snapshot.json").unlink()
    # when a row is erased
    plan = plan_erasure(["7#one"], store, uri)
    assert erase(plan, store) == 1
    # then none of them keeps rows
    assert {one.run_id for one in plan.tracks.runs} == {no_sides, no_rows, whole}
    assert [client.list_artifacts(run, "snapshot") for run in (no_sides, no_rows, whole)] == [[], [], []]
    # and the remaining splits still tell which snapshot it was, of which copies may be found on another machine
    assert [snapshot_folder(one) for one in plan_erasure(["7#one"], store, uri).tracks.digests] == [data]


def test_erase_accepts_runs_without_a_state_and_killed_ones(store: Path) -> None:
    run, snapshot, _ = made(store, "first")
    shutil.copytree(snapshot.path, run.folder / "extract-0.partial")
    shutil.copytree(snapshot.path, store / "runs" / "elsewhere" / snapshot.path.name)
    assert erase(plan_erasure(["7"], store, None), store) == 2
    assert plan_erasure(["7"], store, None).empty


def test_erase_refuses_while_monitoring_reads_the_rows(store: Path) -> None:
    _, snapshot, _ = made(store, "first")
    place = store / "monitoring" / "toy"
    shutil.copytree(snapshot.path, place / "runs" / "monitoring" / "extract-1")
    plan = plan_erasure(["7"], store, None)
    with FileLock(place / "lock"), pytest.raises(AssayError, match="nothing was erased"):
        erase(plan, store)
    assert Snapshot.load(snapshot.path).manifest.erased == 0


def test_erase_removes_only_copies_that_hold_a_row(store: Path) -> None:
    # given copies of a snapshot, those that one step or another leaves where it is broken off, and one without the row
    run, snapshot, splits = made(store, "first")
    downloaded = store / "monitoring" / "toy" / "runs" / "monitoring" / "snapshot" / "d"
    again = store / "reproductions" / "toy-1" / "runs" / "r"
    other = store / "reproductions" / "toy-2" / "runs" / "r" / "extract-1"
    shutil.copytree(snapshot.path, downloaded)
    shutil.copytree(splits.path, again / "split-1")
    unfinished = store / "reproductions" / "toy-3" / "runs" / "r" / "extract-1.partial"
    unfinished.mkdir(parents=True)
    half = store / "monitoring" / "other" / "runs" / "monitoring" / "snapshot" / "d"
    half.mkdir(parents=True)
    shutil.copy(Snapshot.load(snapshot.path).part_paths()[0], half)
    write_snapshot(other, [Example("8", "another one")])
    for name, digest in (("old", "another"), ("new", Snapshot.load(snapshot.path).digest)):
        reference = store / "monitoring" / "toy" / f"reference-{name}"
        reference.mkdir()
        (reference / "reference.json").write_text(json.dumps({"snapshot": digest}))
    broken_off = run.folder / "extract-2.partial"
    broken_off.mkdir()
    shutil.copy(snapshot.path / "rejects.jsonl", run.folder)
    # when a row is erased
    plan = plan_erasure(["7"], store, None)
    erase(plan, store)
    # then the copies that hold it, or may hold it, are removed
    removed = [downloaded.parents[2], half.parents[2], again.parents[1], unfinished.parents[2], broken_off]
    removed.append(run.folder / "rejects.jsonl")
    assert {one.path for one in plan.copies} == {*removed, store / "monitoring" / "toy" / "reference-new"}
    assert not [one.path for one in plan.copies if one.path.exists()]
    assert other.exists()
    assert (store / "monitoring" / "toy" / "reference-old").exists()


def test_erase_removes_what_a_validation_left(store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # given a validation that rejects too many rows, one of other rows, and one that was killed
    corpus = write_rows(tmp_path / "rows.jsonl", 20)
    first = json.loads(corpus.read_text().splitlines()[0])
    corpus.write_text(corpus.read_text().replace(first["text"], "", 1))
    recipe = make_recipe(corpus)
    for name in ("one", "two"):
        report = check_data(recipe.model_copy(update={"name": name}), store)
        assert any("rejected" in problem for problem in report.problems)
    rejects = [store / "checks" / name / "runs" / "check" / "rejects.jsonl" for name in ("one", "two")]
    rejects[1].write_text(rejects[1].read_text().replace(f'"{first["id"]}"', '"another"'))
    killed = store / "checks" / "three" / "runs" / "check"
    for name in ("extract-1.partial", "split-1"):
        (killed / name).mkdir(parents=True)
        write(killed / name)
    (store / "checks" / "three" / "ledger").mkdir()
    # while another one is at work, nothing goes
    plan = plan_erasure([first["id"]], store)
    with run_lock(killed), pytest.raises(AssayError, match="nothing was erased"):
        erase(plan, store)
    with run_lock(rejects[0].parent), pytest.raises(AssayError, match="another process"):
        check_data(recipe.model_copy(update={"name": "one"}), store)
    # then what holds the row, or may hold it, is removed
    erase(plan, store)
    assert [path.exists() for path in rejects] == [False, True]
    assert [path.name for path in (store / "checks" / "three").rglob("*") if path.name != "lock"] == ["runs", "check"]


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


def test_is_one_of_matches_the_sentences_of_a_document() -> None:
    assert is_one_of("7#0", ["7"])
    assert not is_one_of("77#0", ["7"])
    assert not is_one_of("7", ["7#0"])
