"""A run that is killed in every step and restarted has the same results as an uninterrupted one."""

import json
import random
import shutil
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from mlflow import MlflowClient
from prefect.settings import PREFECT_API_URL

from assay.corpus.storage.digest import digest_file
from assay.recipes.recipe import Recipe
from assay.registry.model_registry import ModelRegistry
from assay.runs.step_result import STEP_MANIFEST
from assay.serving.address import open_bundle
from tests.faults.counts import LONG, count, many
from tests.faults.victim import CONTEXT, POINTS, Point, _train, train_until
from tests.flows.tiny import make_recipe

pytestmark = pytest.mark.usefixtures("prefect_server")

# By default the precision depends on measured speeds, which differ from run to run.
SETTINGS: dict[str, Any] = {
    "training": {"epochs": 6},
    "gate": {"min_f1": {"sentence": 0.3, "tokens": 0.001}, "precision": "fp32"},
}


class Trial:
    """A recipe, a store, and the starts of `train` with them."""

    def __init__(self, recipe: Recipe, store: Path, folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        self.store = store
        self.recipe = folder / "recipe.yaml"
        self.recipe.write_text(yaml.safe_dump(recipe.model_dump(mode="json")))
        self.report = folder / "outcome.json"

    def start(self, point: Point | None = None) -> int | None:
        """Run until the kill point, or to the end."""
        return train_until(point, self.recipe, self.store, PREFECT_API_URL.value() or "", self.report)

    def start_for(self, seconds: float) -> bool:
        """Run, kill after some seconds, and return whether the run was killed before its end."""
        process = CONTEXT.Process(
            target=_train, args=(None, self.recipe, self.store, PREFECT_API_URL.value() or "", self.report)
        )
        process.start()
        process.join(seconds)
        alive = process.is_alive()
        process.kill()
        process.join()
        assert alive or process.exitcode == 0
        return alive

    @property
    def registry(self) -> ModelRegistry:
        return ModelRegistry("tiny", f"sqlite:///{self.store}/mlflow.db", self.store)

    @property
    def client(self) -> MlflowClient:
        return MlflowClient(tracking_uri=f"sqlite:///{self.store}/mlflow.db")

    def finished(self) -> dict[str, int]:
        """Return the finished steps with the time of their completion manifest; each must be complete."""
        finished = {}
        for marker in self.store.glob(f"runs/*/*/{STEP_MANIFEST}"):
            if not marker.parent.name.endswith(".partial"):
                for name, digest in json.loads(marker.read_text())["files"].items():
                    assert digest_file(marker.parent / name) == digest, marker.parent / name
                finished[marker.parent.name] = marker.stat().st_mtime_ns
        return finished

    def states(self) -> list[dict[str, Any]]:
        """Return the states of all runs."""
        return [json.loads(path.read_text()) for path in self.store.glob("runs/*/run.json")]

    def metrics(self) -> dict[str, float]:
        """Return the metrics of the run, except durations."""
        [state] = self.states()
        metrics = self.client.get_run(state["mlflow_run"]).data.metrics
        timed = ("latency", "seconds", "per_second", "memory")
        return {name: value for name, value in metrics.items() if not any(word in name for word in timed)}

    def check_end(self) -> None:
        """Check that there is one run, one version, one promotion, and a champion that predicts."""
        [state] = self.states()
        assert state["state"] == "closed"
        assert self.client.get_run(state["mlflow_run"]).info.status == "FINISHED"
        assert len(self.client.search_model_versions("name = 'tiny'")) == 1
        assert [(move.target, move.state) for move in self.registry.history() if move.state != "undone"] == [
            ("1", "done")
        ]
        champion = self.registry.champion()
        assert champion is not None
        uri = f"sqlite:///{self.store}/mlflow.db"
        assert open_bundle("models:/tiny@champion", self.store / "cache", uri).digest == champion.bundle


@pytest.fixture(scope="module")
def unbroken(
    tmp_path_factory: pytest.TempPathFactory, mlflow_database: Path, prefect_server: None
) -> tuple[Recipe, dict[str, float]]:
    """Return the recipe, and the metrics of an uninterrupted run."""
    from tests.flows.tiny import write_rows

    folder = tmp_path_factory.mktemp("unbroken")
    recipe = make_recipe(write_rows(folder / "rows.jsonl"), **SETTINGS)
    store = folder / "store"
    store.mkdir()
    shutil.copy(mlflow_database, store / "mlflow.db")
    trial = Trial(recipe, store, folder)
    assert trial.start() == 0
    trial.check_end()
    return recipe, trial.metrics()


def killed_at(points: Sequence[Point], trial: Trial) -> None:
    """Kill the run at each point in turn; finished steps must not change."""
    done: dict[str, int] = {}
    for point in points:
        assert trial.start(point) == -signal.SIGKILL, point.name
        now = trial.finished()
        assert {name: now.get(name) for name in done} == done, f"{point.name}: a finished step was repeated"
        done = now


@pytest.mark.slow  # each kill is a start
def test_run_resumes_after_a_kill_in_every_step_with_equal_results(
    unbroken: tuple[Recipe, dict[str, float]], store: Path, tmp_path: Path
) -> None:
    recipe, metrics = unbroken
    trial = Trial(recipe, store, tmp_path / "trial")
    points = [point for point in POINTS if LONG or point.often]

    killed_at(points, trial)
    assert trial.start() == 0

    trial.check_end()
    assert trial.metrics() == metrics
    count("kill -9 at every point of a run: each step, upload, registration, promotion", len(points), "kills")


@pytest.mark.skipif(not LONG, reason="make faults: each kill is a start of the whole run")
def test_run_resumes_after_random_kills_with_equal_results(
    unbroken: tuple[Recipe, dict[str, float]], tmp_path: Path, mlflow_database: Path
) -> None:
    recipe, metrics = unbroken
    kills = 0
    for seed in range(many(1, 5)):
        draw = random.Random(seed)
        store = tmp_path / f"store{seed}"
        store.mkdir()
        shutil.copy(mlflow_database, store / "mlflow.db")
        trial = Trial(recipe, store, tmp_path / f"trial{seed}")
        # the longest step must fit into the time at last, on whatever machine
        longest = 15.0
        while trial.start_for(draw.uniform(2, longest)):
            kills += 1
            longest *= 1.2
            trial.finished()
            if any(state["state"] == "closed" for state in trial.states()):
                break  # the run was over, and only its process was not
        trial.check_end()
        assert trial.metrics() == metrics
    count("kill -9 at random moments of a run", kills, "kills")
