"""`assay erase` and `assay gc` on stores whose runs lie in several MLflows, some of which do not respond."""

import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

from assay.corpus.snapshot import Snapshot
from assay.corpus.splits import Splits
from assay.registry.retention import erasure as forgetting
from assay.registry.retention.erasure import IncompleteError, erase, plan_erasure
from assay.registry.retention.mlflow_erasure import MatchedRun, erase_artifacts
from assay.registry.retention.protected import protected_snapshots
from assay.registry.retention.tracking_addresses import runs_elsewhere, tracking_addresses
from assay.runs.lifecycle import open_run
from assay.runs.lineage_record import data_folder, snapshot_folder
from assay.runs.run_states import STATE, RunState, read_state
from tests.cli.calls import call
from tests.registry.retention.erasable import made, write
from tests.snapshots import make_run

UNREACHABLE = "http://127.0.0.1:9"
ID = "7#one"


@pytest.fixture(autouse=True)
def no_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")


@pytest.fixture
def recipes_own(tmp_path: Path, mlflow_database: Path) -> Path:
    """An MLflow that only a recipe names."""
    return Path(shutil.copy(mlflow_database, tmp_path / "of-the-recipe.db"))


def keep_in(database: Path, store: Path, key: str = "first") -> Path:
    """Make a run whose rows lie in the store and in an MLflow; gives the folder of the rows there."""
    _, snapshot, splits = made(store, key)
    uri = f"sqlite:///{database}"
    client = MlflowClient(tracking_uri=uri)
    place = database.parent / f"artifacts of {database.stem}"
    found = client.get_experiment_by_name("toy")
    experiment = found.experiment_id if found else client.create_experiment("toy", artifact_location=place.as_uri())
    tags = {"assay.splits": Splits.load(splits.path).digest, "assay.recipe": "tiny"}
    mlflow_run = client.create_run(experiment, tags=tags).info.run_id
    client.log_artifacts(mlflow_run, str(splits.path), data_folder(tags["assay.splits"]))
    rows = snapshot_folder(Snapshot.load(snapshot.path).digest)
    client.log_artifacts(mlflow_run, str(snapshot.path), rows)
    client.create_registered_model(f"O'Brien's {key}")
    copied = {"assay.copied_to.x": "copied to toy of sqlite:////srv/mlflow.db (store /srv)"}
    client.create_model_version(f"O'Brien's {key}", "s", mlflow_run, tags=tags | copied)
    rewrite(store, key, mlflow_run=mlflow_run, tracking=["mlflow.db" if database.parent == store else uri])
    return Path(place, str(mlflow_run), "artifacts", rows)


def rewrite(store: Path, key: str, **changes: str | list[str]) -> None:
    file = store / "runs" / key / STATE
    file.write_text(read_state(file.parent).model_copy(update=changes).model_dump_json())


def test_plan_erasure_searches_the_mlflow_of_each_run(
    store: Path, tmp_path: Path, recipes_own: Path, mlflow_database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given runs in the MLflow that a recipe names, in the database of the store, and in one that is no longer named
    third = Path(shutil.copy(mlflow_database, tmp_path / "third.db"))
    kept = [keep_in(recipes_own, store, "a"), keep_in(store / "mlflow.db", store, "b"), keep_in(third, store, "c")]
    # when rows are erased where the environment names a fourth
    fourth = shutil.copy(mlflow_database, tmp_path / "fourth.db")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{fourth}")
    plan = plan_erasure([ID], store)
    assert plan.missed == {}
    assert len(plan.tracks.runs) == 3
    # then they are in none of them, and the copies of the versions are named
    assert all(folder.exists() for folder in kept)
    assert erase(plan, store) == 1
    assert not any(folder.exists() for folder in kept)
    assert len(plan.tracks.copied) == 3
    assert plan.tracks.copied[0] == "models:/O'Brien's a/1: copied to toy of sqlite:////srv/mlflow.db (store /srv)"
    # and asked again, the versions still tell that they knew the row
    again = plan_erasure([ID], store)
    assert (again.found, again.tracks.runs, len(again.tracks.versions)) == ([], [], 3)
    assert erase(again, store) == 0


def test_plan_erasure_names_a_missing_database(store: Path, tmp_path: Path, recipes_own: Path) -> None:
    missing, present = keep_in(recipes_own, store, "a"), keep_in(store / "mlflow.db", store, "b")
    aside = recipes_own.rename(tmp_path / "aside.db")
    plan = plan_erasure([ID], store)
    assert list(plan.missed) == [f"sqlite:///{recipes_own}"]
    with pytest.raises(IncompleteError, match=r"erased from 2 snapshots.* not searched: sqlite:.*no sqlite:.*again"):
        erase(plan, store)
    # what could be reached is erased, and nothing was created in place of the missing database
    assert (present.exists(), missing.exists(), recipes_own.exists()) == (False, True, False)
    assert not plan_erasure([ID], store).found
    aside.rename(recipes_own)
    erase(plan_erasure([ID], store), store)
    assert not missing.exists()


@pytest.mark.parametrize("tracking", [UNREACHABLE, "postgresql://db.example/mlflow", "no-scheme://x", None])
def test_plan_erasure_names_what_it_could_not_search(store: Path, tracking: str | None) -> None:
    keep_in(store / "mlflow.db", store)
    rewrite(store, "first", tracking=[tracking] if tracking else [], mlflow_run="m")
    plan = plan_erasure([ID], store)
    assert list(plan.missed) == [tracking or "run first"]
    with pytest.raises(IncompleteError) as error:
        erase(plan, store)
    assert (tracking or "run first: no MLflow").split(":")[0] in str(error.value)
    assert "\n" not in str(error.value)
    assert not plan_erasure([ID], store).found


def test_erase_continues_when_one_mlflow_fails(store: Path, recipes_own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = {
        recipes_own: keep_in(recipes_own, store, "a"),
        store / "mlflow.db": keep_in(store / "mlflow.db", store, "b"),
    }

    def broken(runs: list[MatchedRun], uri: str) -> None:
        if uri.endswith(recipes_own.name):
            raise MlflowException("the server went away")
        erase_artifacts(runs, uri)

    with monkeypatch.context() as patched:
        patched.setattr(forgetting, "erase_artifacts", broken)
        with pytest.raises(IncompleteError, match=r"1 run in MLflow, but not .*of-the-recipe.db .*went away"):
            erase(plan_erasure([ID], store), store)
    assert [folder.exists() for folder in kept.values()] == [True, False]
    erase(plan_erasure([ID], store), store)
    assert not kept[recipes_own].exists()


def test_plan_erasure_finds_runs_of_a_moved_store(store: Path, tmp_path: Path) -> None:
    keep_in(store / "mlflow.db", store)
    moved = store.rename(tmp_path / "moved")
    assert tracking_addresses(moved) == [f"sqlite:///{moved}/mlflow.db"]
    assert runs_elsewhere(moved, tracking_addresses(moved)) == []


def test_plan_erasure_accepts_a_version_whose_run_was_removed_permanently(store: Path) -> None:
    keep_in(store / "mlflow.db", store)
    uri = f"sqlite:///{store}/mlflow.db"
    run_id = read_state(store / "runs" / "first").mlflow_run
    MlflowClient(tracking_uri=uri).delete_run(run_id)
    tracking: Any = SqlAlchemyStore  # MLflow declares no types here
    tracking(uri, ".")._hard_delete_run(run_id)
    assert protected_snapshots(store) == set()
    plan = plan_erasure([ID], store)
    assert plan.missed == {}
    assert erase(plan, store) == 1


def test_protected_snapshots_includes_runs_of_an_mlflow_that_does_not_respond(store: Path, recipes_own: Path) -> None:
    keep_in(recipes_own, store, "a")
    keep_in(store / "mlflow.db", store, "b")
    assert protected_snapshots(store) == set()
    recipes_own.unlink()
    folder = next((store / "runs" / "a").glob("extract-*"))
    assert protected_snapshots(store) == {Snapshot.load(folder).digest}


def test_open_run_records_the_address_of_its_mlflow(
    store: Path, recipes_own: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = make_run(store).recipe
    with open_run(recipe, store) as run:
        assert read_state(run.folder).tracking == ["mlflow.db"]
    monkeypatch.chdir(recipes_own.parent)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{recipes_own.name}")
    with open_run(recipe, store) as run:
        assert read_state(run.folder).tracking == [f"sqlite:///{recipes_own}"]


@pytest.mark.parametrize("way", ["resumed", "from", "back"])
def test_plan_erasure_searches_every_mlflow_that_a_run_has_used(
    store: Path, recipes_own: Path, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    # given a run whose rows lie in one MLflow, and that was resumed with another one, or with that one again
    recipe = make_run(store).recipe
    elsewhere = f"sqlite:///{recipes_own}"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", elsewhere)
    with open_run(recipe, store, keep_open=way != "from") as run:
        pass
    snapshot = run.once("extract", {}, write)
    data = snapshot_folder(snapshot.digest)
    first = MlflowClient(tracking_uri=elsewhere)
    first.log_artifacts(run.mlflow_run, str(snapshot.path), data)
    first.set_tag(run.mlflow_run, "assay.splits", "s")
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    registry = recipe.registry.model_copy(update={"tracking_uri": f"sqlite:///{store}/mlflow.db"})
    changed = recipe.model_copy(update={"registry": registry})
    with open_run(changed if way == "from" else recipe, store, from_step="gate" if way == "from" else None) as again:
        assert again.key == run.key
        assert again.mlflow_run != run.mlflow_run
    assert read_state(run.folder).tracking == [elsewhere, "mlflow.db"]
    if way == "back":
        monkeypatch.setenv("MLFLOW_TRACKING_URI", elsewhere)
        with open_run(recipe, store, from_step="gate"):
            pass
        monkeypatch.delenv("MLFLOW_TRACKING_URI")
        assert read_state(run.folder).tracking == ["mlflow.db", elsewhere]
    # then an MLflow of it that does not respond is named, and its snapshot stays
    aside = recipes_own.rename(recipes_own.with_suffix(".aside"))
    assert list(plan_erasure([ID], store).missed) == [elsewhere]
    assert protected_snapshots(store) == {Snapshot.load(snapshot.path).digest}
    # and when it responds again, the rows there are erased
    aside.rename(recipes_own)
    erase(plan_erasure([ID], store), store)
    assert first.list_artifacts(run.mlflow_run, "snapshot") == []


def test_erase_command_fails_without_a_password_where_something_was_missed(
    store: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    keep_in(store / "mlflow.db", store)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://user:secret@127.0.0.1:9")
    for words in ([ID], [ID, "--yes"], [ID, "--yes"], [ID, "--yes", "--json"], ["nobody"]):
        assert call(monkeypatch, "erase", *words, "--store", store) == 1
        printed = capsys.readouterr()
        assert "127.0.0.1:9" in printed.err
        assert "again" in printed.err
        assert "secret" not in printed.out + printed.err
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    assert call(monkeypatch, "erase", ID, "--yes", "--store", store) == 0
    printed_out = capsys.readouterr().out.replace("\n", " ")
    assert "copied to toy of sqlite:////srv/mlflow.db (store /srv) may hold them, too" in printed_out


def test_erase_command_accepts_a_further_mlflow(
    store: Path, recipes_own: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given a run whose state does not say where its MLflow run lies
    kept = keep_in(recipes_own, store)
    rewrite(store, "first", tracking=[])
    assert call(monkeypatch, "erase", ID, "--store", store) == 1
    words: list[str | Path] = ["erase", ID, "--yes", "--mlflow", f"sqlite:///{recipes_own}", "--store", store]
    assert call(monkeypatch, *words) == 0
    assert not kept.exists()


def test_run_state_reads_a_state_without_an_address() -> None:
    state = RunState(key="k", recipe_name="r", recipe_digest="d", recipe={}, mlflow_run="m", opened=datetime.now(UTC))
    assert RunState.model_validate_json(state.model_dump_json()).tracking == []
