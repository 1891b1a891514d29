import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from mlflow import MlflowClient

from corpus.errors import AssayError, DataError
from flows.training import TrainingOutcome, train
from serving.address import open_bundle
from serving.engine import Engine, Row
from tasks.registry import ModelRegistry
from tasks.session import RunState
from tests.flows.tiny import make_recipe, write_rows

pytestmark = pytest.mark.usefixtures("prefect_server", "no_tracking_server")


@pytest.fixture
def no_tracking_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)


def registry(store: Path) -> ModelRegistry:
    return ModelRegistry("tiny", f"sqlite:///{store.resolve()}/mlflow.db", store)


def steps_done(outcome: TrainingOutcome, store: Path) -> dict[str, float]:
    """When each finished step began."""
    folder = store / "runs" / outcome.run
    markers = [json.loads(path.read_text()) for path in folder.glob("*/step.json")]
    return {marker["step"]: marker["began"] for marker in markers}


def test_a_good_model_becomes_champion_and_answers(corpus: Path, store: Path) -> None:
    # given a recipe and an empty registry
    outcome = train(make_recipe(corpus), store)
    # then version 1 is champion, with its card, and the bundle of the registry answers
    assert outcome.verdict.outcome == "passed", outcome.verdict.failed
    assert outcome.promotion.promoted
    champion = registry(store).champion()
    assert champion is not None
    assert champion.number == "1"
    assert outcome.card.is_file()
    bundle = open_bundle("models:/tiny@champion", tracking_uri=outcome.tracking_uri)
    answer = Engine(bundle).predict([Row("Caramon falls again")])[0]
    assert answer.label == "bad"
    assert [(entity.start, entity.end) for entity in answer.entities] == [(0, 7)]


def test_a_worse_model_is_refused_registered_and_leaves_the_champion(corpus: Path, store: Path) -> None:
    train(make_recipe(corpus), store)
    worse = train(make_recipe(corpus, training={"epochs": 1, "learning_rate": 1e-6}), store)
    assert worse.verdict.outcome == "refused"
    assert {"score: sentence", "score: tokens"} <= {check.name for check in worse.verdict.failed}
    assert any(check.name.startswith("champion") for check in worse.verdict.failed)
    champion = registry(store).champion()
    assert champion is not None
    assert champion.number == "1"
    version = MlflowClient(tracking_uri=worse.tracking_uri).get_model_version("tiny", "2")
    assert version.tags["assay.outcome"] == "refused"


def test_a_dry_run_registers_nothing(corpus: Path, store: Path) -> None:
    outcome = train(make_recipe(corpus, run_mode="dry_run"), store)
    assert outcome.verdict.outcome == "passed"
    assert not outcome.promotion.promoted
    assert registry(store).champion() is None
    assert MlflowClient(tracking_uri=outcome.tracking_uri).search_model_versions("name='tiny'") == []


def test_from_step_does_that_step_and_the_later_ones_only(corpus: Path, store: Path) -> None:
    first = train(make_recipe(corpus), store)
    before = steps_done(first, store)
    again = train(make_recipe(corpus), store, from_step="export")
    after = steps_done(again, store)
    assert again.run == first.run
    for step in ("extract", "validate", "split", "train"):
        assert after[step] == before[step]
    assert after["export"] > before["export"]


def test_bad_data_stop_the_run_and_mended_data_are_read(corpus: Path, store: Path) -> None:
    # given rows of one class only
    rows = [json.loads(line) for line in corpus.read_text().splitlines()]
    one_class = "".join(json.dumps(row) + "\n" for row in rows if row["label"] == "good")
    everything = corpus.read_text()
    corpus.write_text(one_class)
    with pytest.raises(DataError, match="good"):
        train(make_recipe(corpus), store)
    # when they are mended, the same recipe reads them anew
    corpus.write_text(everything)
    assert train(make_recipe(corpus), store).promotion.promoted


def test_a_new_champion_is_compared_on_rows_that_it_never_saw(corpus: Path, store: Path) -> None:
    train(make_recipe(corpus), store)
    write_rows(corpus, 500)
    second = train(make_recipe(corpus, training={"seed": 5}), store)
    champion = {check.name: check for check in second.verdict.checks if check.name.startswith("champion")}
    assert set(champion) == {"champion: sentence", "champion: tokens"}
    assert all("not comparable" not in check.why for check in champion.values())


@pytest.mark.slow  # starts the command three times, each of which imports torch, prefect and mlflow
def test_a_killed_run_goes_on_where_it_was(corpus: Path, store: Path, tmp_path: Path) -> None:
    # given the command line, killed once training has left a checkpoint
    recipe = make_recipe(corpus, training={"epochs": 30, "learning_rate": 0.002})
    file = tmp_path / "recipe.yaml"
    file.write_text(yaml.safe_dump(recipe.model_dump(mode="json")))
    command = [sys.executable, "-m", "cli", "run", str(file), "--store", str(store)]
    environment = {**os.environ, "PREFECT_HOME": str(tmp_path / "prefect")}
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while not list(store.glob("runs/*/train-*.partial/**/checkpoint-*/*.json")):
        assert process.poll() is None, "the run ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    [state] = [RunState.model_validate_json(path.read_bytes()) for path in store.glob("runs/*/run.json")]
    assert state.state == "open"
    extracted = next(store.glob("runs/*/extract-*/step.json")).stat().st_mtime_ns
    # when it is started again
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    # then the same run ends, extraction was not repeated, and one version exists
    assert done.returncode == 0, done.stderr
    [state] = [RunState.model_validate_json(path.read_bytes()) for path in store.glob("runs/*/run.json")]
    assert state.state == "closed"
    assert next(store.glob("runs/*/extract-*/step.json")).stat().st_mtime_ns == extracted
    # and its figures equal those of a run that nobody killed
    unbroken = train(make_recipe(corpus, training={"epochs": 30, "learning_rate": 0.002}), tmp_path / "other")
    killed = MlflowClient(tracking_uri=f"sqlite:///{store}/mlflow.db").get_run(state.mlflow_run).data.metrics
    straight = MlflowClient(tracking_uri=unbroken.tracking_uri).get_run(unbroken.mlflow_run).data.metrics
    for name in ("sentence.macro_f1", "tokens.f1", "frame_accuracy"):
        assert killed[name] == straight[name]


def test_errors_name_the_step_that_was_meant(corpus: Path, store: Path) -> None:
    with pytest.raises(AssayError, match="no earlier run"):
        train(make_recipe(corpus), store, from_step="train")
