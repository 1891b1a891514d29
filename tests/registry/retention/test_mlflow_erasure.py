import shutil
from pathlib import Path

from mlflow import MlflowClient

from assay.corpus.snapshot import Snapshot
from assay.corpus.splits import Splits
from assay.registry.retention.erasure import erase, plan_erasure
from assay.registry.retention.mlflow_erasure import MatchedRun, download_rows, find_tracks
from assay.runs.lineage_record import data_folder, snapshot_folder
from tests.registry.retention.erasable import ledger_size, made


def test_find_tracks_names_versions_and_their_copies(store: Path, tmp_path: Path) -> None:
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


def test_erase_artifacts_removes_rows_of_runs_without_a_version(store: Path, tmp_path: Path) -> None:
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


def test_erase_artifacts_removes_incomplete_ones(store: Path, tmp_path: Path) -> None:
    # given a complete run in MLflow, one that ended while its splits were logged, one whose rows were removed in part
    _, snapshot, splits = made(store, "first")
    uri = f"sqlite:///{store}/mlflow.db"
    client = MlflowClient(tracking_uri=uri)
    experiment = client.create_experiment("toy", artifact_location=(tmp_path / "artifacts").as_uri())
    split_of, data = data_folder(Splits.load(splits.path).digest), snapshot_folder(Snapshot.load(snapshot.path).digest)
    tags = {"assay.splits": "s", "assay.recipe": "tiny"}
    no_splits, no_rows, whole = (client.create_run(experiment, tags=tags).info.run_id for _ in range(3))
    for run in (no_splits, no_rows, whole):
        client.log_artifacts(run, str(splits.path), split_of)
        client.log_artifacts(run, str(snapshot.path), data)
    place = tmp_path / "artifacts"
    (place / no_splits / "artifacts" / split_of / "splits.parquet").unlink()
    (place / no_rows / "artifacts" / data / "snapshot.json").unlink()
    # when a row is erased
    plan = plan_erasure(["7#one"], store, uri)
    assert erase(plan, store) == 1
    # then none of them keeps rows
    assert {one.run_id for one in plan.tracks.runs} == {no_splits, no_rows, whole}
    assert [client.list_artifacts(run, "snapshot") for run in (no_splits, no_rows, whole)] == [[], [], []]
    # and the remaining splits still tell which snapshot it was, of which copies may be found on another machine
    assert [snapshot_folder(one) for one in plan_erasure(["7#one"], store, uri).tracks.digests] == [data]


def test_find_tracks_passes_over_versions_of_which_mlflow_keeps_no_rows(store: Path) -> None:
    # given a version that another program registered, one whose run recorded no data, and one whose run is gone
    uri = f"sqlite:///{store}/mlflow.db"
    client = MlflowClient(tracking_uri=uri)
    bare = client.create_run(client.create_experiment("toy")).info.run_id
    client.create_registered_model("toy")
    client.create_model_version("toy", "s")
    for run in (bare, "0" * 32):
        client.create_model_version("toy", "s", run, tags={"assay.splits": "s", "assay.snapshot": "d"})
    tracks = find_tracks(["7#one"], uri)
    assert (tracks.versions, tracks.runs, tracks.digests, tracks.copied) == ([], [], set(), [])


def test_find_tracks_leaves_other_rows(store: Path, tmp_path: Path) -> None:
    _, snapshot, splits = made(store, "first")
    uri = f"sqlite:///{store}/mlflow.db"
    client = MlflowClient(tracking_uri=uri)
    experiment = client.create_experiment("toy", artifact_location=(tmp_path / "artifacts").as_uri())
    run = client.create_run(experiment, tags={"assay.splits": "s", "assay.recipe": "tiny"}).info.run_id
    client.log_artifacts(run, str(splits.path), data_folder(Splits.load(splits.path).digest))
    client.log_artifacts(run, str(snapshot.path), snapshot_folder(Snapshot.load(snapshot.path).digest))
    assert find_tracks(["none such"], uri).runs == []
    assert [one.run_id for one in find_tracks(["7#one"], uri).runs] == [run]


def test_download_rows_needs_the_recipe_and_a_complete_snapshot(store: Path, tmp_path: Path) -> None:
    _, snapshot, _ = made(store, "first")
    uri, data = f"sqlite:///{store}/mlflow.db", Snapshot.load(snapshot.path)
    client = MlflowClient(tracking_uri=uri)
    experiment = client.create_experiment("toy", artifact_location=(tmp_path / "artifacts").as_uri())
    path, runs = snapshot_folder(data.digest), []
    for recipe in ("tiny", None, "broken"):
        run = client.create_run(experiment).info.run_id
        client.log_artifacts(run, str(snapshot.path), path)
        runs.append(MatchedRun(run_id=run, name="r", recipe=recipe, artifacts=[path], snapshots=[path]))
    (tmp_path / "artifacts" / runs[-1].run_id / "artifacts" / path / "snapshot.json").unlink()
    (tmp_path / "tiny").mkdir()
    (tmp_path / "broken").mkdir()
    [(recipe_name, rows)] = download_rows(runs[:2], uri, tmp_path / "tiny")
    assert (recipe_name, rows.digest) == ("tiny", data.digest)
    assert list(download_rows(runs[2:], uri, tmp_path / "broken")) == []
