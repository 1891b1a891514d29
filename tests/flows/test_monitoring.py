"""Compare windows with the data of a real trained champion."""

import json
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient
from prefect.client.orchestration import get_client

from assay import cli
from assay.corpus.errors import AssayError
from assay.evaluation.drift.window import Window
from assay.flows.monitoring import monitor
from assay.flows.training import train
from assay.recipes.recipe import Recipe
from assay.runs.lifecycle import open_run
from assay.runs.run import Run
from tests.flows.tiny import make_recipe, rows, write_rows

pytestmark = pytest.mark.usefixtures("prefect_server")
CHAMPION = "models:/tiny@champion"


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, prefect_server: None) -> Path:
    """Return a store with a champion in its registry."""
    folder = tmp_path_factory.mktemp("champion")
    outcome = train(make_recipe(write_rows(folder / "rows.jsonl", 500)), folder / "store")
    assert outcome.promotion.promoted, outcome.promotion.why
    return folder / "store"


def write_drifted(path: Path, count: int = 80) -> Path:
    """Write rows about another topic, of one class and without labels."""
    texts = [f"{row['text'].split()[0]} rises and climbs beyond every shore" for row in rows(count, 3)]
    lines = [json.dumps({"id": f"new-{number}", "text": text}) for number, text in enumerate(texts)]
    path.write_text("\n".join(lines))
    return path


def drift_events() -> list[dict[str, Any]]:
    """Return the drift events of the model in Prefect, after waiting for them."""
    until = time.monotonic() + 300
    while time.monotonic() < until:
        with get_client(sync_client=True) as client:
            answer = client._client.post("/events/filter", json={"filter": {"event": {"name": ["assay.drift"]}}})
        if found := answer.json()["events"]:
            return list(found)
        time.sleep(0.2)
    return []


def versions(store: Path) -> int:
    return len(MlflowClient(tracking_uri=f"sqlite:///{store}/mlflow.db").search_model_versions("name='tiny'"))


def test_monitor_reports_no_drift_for_similar_rows(trained: Path, tmp_path: Path) -> None:
    window = Window(address=str(write_rows(tmp_path / "in.jsonl", 150, 2)))

    report = monitor(CHAMPION, window, store=trained)

    assert report.drifted == []
    assert {one.name for one in report.findings if one.effect is not None} == {
        "length of the text",
        "words unknown to the training rows",
        "words of the text",
        "embedding of the text",
        "predicted classes",
        "confidence of the class",
        "entities in a text",
        "types of entities",
        "confidence of entities",
        "F1 of classes",
        "F1 of entities",
        "calibration of classes",
        "calibration of entities",
    }
    assert "no drift in 150 rows" in report.page.read_text()
    # What is kept of the champion are its answers: no second snapshot, and no address, which may hold a password.
    kept = {path.name for path in (trained / "monitoring" / "tiny").rglob("*") if path.is_file()}
    assert {"texts.parquet", "reference.json"} <= kept
    assert "snapshot.json" not in kept
    assert not [path for path in (trained / "monitoring").rglob("*.json") if "mlflow.db" in path.read_text()]


def test_monitor_records_drift_and_retrains(trained: Path, tmp_path: Path) -> None:
    window = Window(address=str(write_drifted(tmp_path / "in.jsonl")))
    before = versions(trained)

    report = monitor(CHAMPION, window, retrain=True, store=trained)

    assert {"words of the text", "predicted classes"} <= {one.name for one in report.drifted}
    [event] = drift_events()
    assert event["resource"]["prefect.resource.id"] == "assay.model.tiny"
    assert event["resource"]["assay.recipe"] == "tiny"
    assert event["payload"]["signals"]["predicted classes"]["effect"] > 0.1
    client = MlflowClient(tracking_uri=f"sqlite:///{trained}/mlflow.db")
    run = str(client.get_model_version("tiny", "1").run_id)
    assert client.get_run(run).data.metrics["drift.predicted_classes"] > 0.1
    kept = {path.path.rpartition("/")[2] for path in client.list_artifacts(run, f"monitoring/{report.folder.name}")}
    assert kept == {"drift.html", "drift.json"}
    # the same rows make the same model, which is the version that is there: the gate has judged it again
    assert versions(trained) >= before
    assert len(list((trained / "runs").glob("*/cards/*/verdict.json"))) == 2


def test_monitor_resumes_a_crashed_retraining(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # given retrainings from a terminal, of which some crash
    runs: list[Run] = []

    def retrain(name: str, *, crash: bool) -> str:
        def train(recipe: Recipe, store: Path, *, run_key: str | None, fresh: bool) -> None:
            with open_run(recipe, store, key=run_key, fresh=fresh) as run:
                runs.append(run)
                if crash:
                    raise OSError(5, "a crash")

        monkeypatch.setattr("assay.flows.monitoring.train", train)
        with suppress(OSError):
            monitor(CHAMPION, Window(address=str(tmp_path / name)), retrain=True, store=trained)
        return runs[-1].key

    write_drifted(tmp_path / "a.jsonl")
    write_drifted(tmp_path / "b.jsonl")
    # then the same command resumes, neither another window nor `run --fresh` does, and what has ended is not resumed
    first = retrain("a.jsonl", crash=True)
    with suppress(KeyboardInterrupt), open_run(runs[-1].recipe, trained, fresh=True, keep_open=True) as other:
        raise KeyboardInterrupt
    assert other.key != first
    second = retrain("b.jsonl", crash=True)
    assert retrain("b.jsonl", crash=False) == second != first
    third = retrain("b.jsonl", crash=True)
    assert third != second
    assert retrain("b.jsonl", crash=False) == third
    assert not any(run.reuse for run in runs)


def test_monitor_refuses_to_retrain_into_another_registry(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given a champion elsewhere than where its recipe would be trained
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://anna:secret@mlflow.example")
    there = f"sqlite:///{trained}/mlflow.db"
    window = Window(address=str(write_drifted(tmp_path / "in.jsonl")))
    # then its windows can be looked at, but not answered with a training
    assert monitor(CHAMPION, window, retrain=False, store=trained, registry_uri=there).drifted
    before = list((trained / "runs").iterdir())
    with pytest.raises(
        AssayError, match=r"trained into tiny of http://\*\*\*@mlflow\.example; set MLFLOW_TRACKING_URI"
    ):
        monitor(CHAMPION, window, retrain=True, store=trained, registry_uri=there)
    assert list((trained / "runs").iterdir()) == before


def test_monitor_command_exits_with_3_on_drift(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    write_drifted(tmp_path / "in.jsonl")
    words = ["assay", "monitor", "--model", "models:/tiny/1", "--window", "in.jsonl", "--store", str(trained)]
    monkeypatch.setattr(sys, "argv", words)

    with pytest.raises(SystemExit) as ended:
        cli.main()

    assert ended.value.code == 6
    shown = capsys.readouterr().out
    assert "drift in 80 rows" in shown
    assert "drift.html" in shown


def test_monitor_names_missing_versions_and_windows(trained: Path) -> None:
    with pytest.raises(AssayError, match="no version with the alias 'other'"):
        monitor("models:/tiny@other", Window(address="in.jsonl"), store=trained)
    with pytest.raises(AssayError, match=r"no\.jsonl"):
        monitor(CHAMPION, Window(address="no.jsonl"), store=trained)


def test_monitor_ignores_known_rows_of_a_window(trained: Path, tmp_path: Path) -> None:
    # given the rows that the champion is made of, among them some that came in since
    drifted = write_drifted(tmp_path / "new.jsonl").read_text()
    path = write_rows(tmp_path / "in.jsonl", 500)
    path.write_text(path.read_text() + drifted)

    report = monitor(CHAMPION, Window(address=str(path)), retrain=False, store=trained)

    assert (report.seen, report.known, report.rows) == (580, 500, 80)
    assert report.drifted
    left_out = "500 rows are in that snapshot and are left out"
    assert left_out in report.page.read_text()
    assert left_out in report.markdown()


def test_monitor_accepts_a_window_without_new_rows(trained: Path, tmp_path: Path) -> None:
    window = Window(address=str(write_rows(tmp_path / "in.jsonl", 500)))

    report = monitor(CHAMPION, window, retrain=True, store=trained)

    assert (report.outcome, report.known, report.rows) == ("open", 500, 0)
    assert "nothing new, all 500 rows are in its own snapshot" in report.page.read_text()
