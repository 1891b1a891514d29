"""SIGTERM during a run: a message, exit code 143, a failed run in MLflow, and the same command resumes."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from mlflow import MlflowClient
from prefect.settings import PREFECT_API_URL

from tests.faults.counts import LONG, count
from tests.faults.victim import PATIENCE_S
from tests.flows.tiny import make_recipe, write_rows
from tests.servers import ROOT

pytestmark = [pytest.mark.usefixtures("prefect_server"), pytest.mark.slow]  # two starts of a whole run each

STEPS = ["extract", "validate", "split", "train", "export", "evaluate"]
WHEN = [(step, after) for step in STEPS for after in range(2)] if LONG else [("train", 0)]


def status(store: Path) -> str:
    client = MlflowClient(tracking_uri=f"sqlite:///{store}/mlflow.db")
    [run] = client.search_runs([one.experiment_id for one in client.search_experiments()])
    return str(run.info.status)


@pytest.mark.parametrize(("step", "after"), WHEN)
def test_run_resumes_after_sigterm(step: str, after: int, store: Path, tmp_path: Path) -> None:
    # given a run in one of its steps
    rows = write_rows(tmp_path / "rows.jsonl")
    recipe = make_recipe(rows, training={"epochs": 6}, gate={"min_f1": {"sentence": 0.001, "tokens": 0.001}})
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(recipe.model_dump(mode="json")))
    command = [sys.executable, "-m", "assay.cli", "run", str(tmp_path / "recipe.yaml"), "--store", str(store)]
    environment = {**os.environ, "PREFECT_API_URL": str(PREFECT_API_URL.value()), "PYTHONPATH": str(ROOT)}
    environment.pop("MLFLOW_TRACKING_URI", None)
    with (tmp_path / "said").open("wb") as said:
        process = subprocess.Popen(command, env=environment, stdout=said, stderr=said)
    until = time.monotonic() + PATIENCE_S
    while not list(store.glob(f"runs/*/{step}-*")):
        assert process.poll() is None, (tmp_path / "said").read_text()
        assert time.monotonic() < until
        time.sleep(0.01)
    time.sleep(after * random.Random(step).random())
    # when the system tells it to end
    process.send_signal(signal.SIGTERM)
    code, text = process.wait(PATIENCE_S), (tmp_path / "said").read_text()
    # then it does, in order
    assert code == 128 + signal.SIGTERM, text
    [line] = [line for line in text.splitlines() if line.startswith("assay: ")]
    assert line.startswith("assay: stopped by SIGTERM; ")
    assert "Traceback" not in text, text
    assert status(store) == "FAILED"
    # and the same command ends what it began
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert status(store) == "FINISHED"
    assert len(list((store / "runs").iterdir())) == 1
    count("SIGTERM in a step of a run", 1, "runs, each resumed")
