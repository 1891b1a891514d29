"""A Prefect server that restarts during a run: the run completes, by itself or after a restart."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import yaml
from mlflow import MlflowClient

from assay.registry.model_registry import ModelRegistry
from tests.faults.counts import count, many
from tests.faults.victim import PATIENCE_S
from tests.flows.tiny import make_recipe, write_rows
from tests.ports import free_port
from tests.servers import ROOT
from tests.waiting import wait_until

RESTARTS = many(1, 6)
STARTS = 4


class Prefect:
    """A server with its own persistent database."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def api(self) -> str:
        """Return the value of PREFECT_API_URL."""
        return f"http://127.0.0.1:{self.port}/api"

    def start(self) -> None:
        """Start the server, and wait until it responds."""
        words = ["prefect", "server", "start", "--host", "127.0.0.1", "--port", str(self.port)]
        own = {"PREFECT_HOME": str(self._folder), "PREFECT_SERVER_ANALYTICS_ENABLED": "false"}
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", *words],
                env={**os.environ, **own, "PREFECT_API_DATABASE_TIMEOUT": "60"},
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        wait_until(self._answers, PATIENCE_S)

    def kill(self) -> None:
        """Kill the server with all its processes."""
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, (self._folder / "log").read_text()
        try:
            return httpx.get(f"{self.api}/health").status_code == 200
        except httpx.TransportError:
            return False


@pytest.fixture
def prefect(tmp_path: Path) -> Iterator[Prefect]:
    folder = tmp_path / "prefect"
    folder.mkdir()
    server = Prefect(folder)
    server.start()
    yield server
    server.kill()


@pytest.mark.slow  # a server that starts twice, and a whole run
def test_run_survives_a_restart_of_its_prefect_server(prefect: Prefect, tmp_path: Path, mlflow_database: Path) -> None:
    recipe = make_recipe(
        write_rows(tmp_path / "rows.jsonl"),
        training={"epochs": 6},
        gate={"min_f1": {"sentence": 0.001, "tokens": 0.001}},
    )
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(recipe.model_dump(mode="json")))
    starts = 0
    for number in range(RESTARTS):
        store = tmp_path / f"store{number}"
        store.mkdir()
        shutil.copy(mlflow_database, store / "mlflow.db")
        starts += run_through_a_restart(prefect, tmp_path / "recipe.yaml", store, random.Random(number))
        uri = f"sqlite:///{store}/mlflow.db"
        moves = ModelRegistry("tiny", uri, store).history()
        assert [(move.target, move.state) for move in moves] == [("1", "done")]
        client = MlflowClient(tracking_uri=uri)
        [mlflow_run] = client.search_runs([one.experiment_id for one in client.search_experiments()])
        assert mlflow_run.info.status == "FINISHED"
        assert len(list((store / "runs").iterdir())) == 1
    count("a Prefect server killed during a run, and started again", RESTARTS, f"restarts, {starts} starts of the run")


def run_through_a_restart(prefect: Prefect, recipe: Path, store: Path, draw: random.Random) -> int:
    """Run the command until it succeeds, kill the server once meanwhile, and return the number of starts."""
    command = [sys.executable, "-m", "assay.cli", "run", str(recipe), "--store", str(store)]
    environment = {**os.environ, "PREFECT_API_URL": prefect.api, "PYTHONPATH": str(ROOT)}
    environment.pop("MLFLOW_TRACKING_URI", None)
    for start in range(1, STARTS):
        with (store / "said").open("wb") as said:
            process = subprocess.Popen(command, env=environment, stdout=said, stderr=said)
        try:
            if start == 1:
                step = draw.choice(["extract", "train", "train", "evaluate"]) if RESTARTS > 1 else "train"
                wait_until(
                    lambda step=step: (  # type: ignore[misc]
                        list(store.glob(f"runs/*/{step}-*")) or process.poll() is not None  # noqa: B023
                    ),
                    PATIENCE_S,
                )
                time.sleep(draw.uniform(0, 1))
                prefect.kill()
                time.sleep(draw.uniform(0, 10))
                prefect.start()
            if process.wait(PATIENCE_S) == 0:
                return start
        finally:
            process.kill()
    raise AssertionError((store / "said").read_text())
