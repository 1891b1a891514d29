import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from assay.flows.inference import predict
from assay.flows.partial_run import run_until
from assay.flows.runners import task_resources, task_runner
from assay.flows.seeds import train_across_seeds
from assay.tasks.tuning.result import TuningResult
from tests.bundles import build_bundle
from tests.flows.tiny import make_recipe

ray = pytest.importorskip("ray", reason="the extra [ray] is not installed")
pytest.importorskip("prefect_ray", reason="the extra [ray] is not installed")
ROWS = 60_000


@pytest.fixture
def cluster() -> Iterator[Any]:
    """Start a cluster: a head without tasks, and two worker processes with one core each."""
    from ray.cluster_utils import Cluster

    found = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    for _ in range(2):
        found.add_node(num_cpus=1)
    yield found
    ray.shutdown()
    found.shutdown()


@pytest.mark.slow  # a cluster of three nodes starts, and one of them dies
@pytest.mark.filterwarnings("default")
def test_predict_on_ray_predicts_every_row_once_after_a_killed_worker(
    cluster: Any, prefect_server: None, tmp_path: Path
) -> None:
    (tmp_path / "bundle").mkdir()
    bundle = build_bundle(tmp_path / "bundle", {"good": "up", "bad": "down"}, {})
    source, output = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    source.write_text("".join(json.dumps({"id": row, "text": f"good {row}"}) + "\n" for row in range(ROWS)))
    killed: list[int] = []

    def kill_a_worker() -> None:
        work = tmp_path / ".out.jsonl.shards"
        while not (done := len(list(work.glob("0*.json")))):
            time.sleep(0.01)
        victim = sorted(cluster.worker_nodes, key=lambda node: node.node_id)[0]
        cluster.remove_node(victim, allow_graceful=False)
        killed.append(done)

    killer = threading.Thread(target=kill_a_worker, daemon=True)
    killer.start()
    where = f"ray:{cluster.address}"
    with task_resources(where, cpus=1):
        flow = predict.with_options(task_runner=task_runner(where))
        counts = flow(str(bundle.folder), str(source), str(output), shard_rows=500, parts=12, threads=1)
    killer.join(60)

    assert killed, "the worker was not killed"
    assert killed[0] < ROWS // 500, "it was killed when all was done"
    assert counts.rows == ROWS
    assert [json.loads(line)["id"] for line in output.read_text().splitlines()] == list(range(ROWS))


@pytest.mark.slow  # a cluster of three nodes starts, and its workers import torch
@pytest.mark.filterwarnings("default")
def test_trials_and_seeds_run_on_ray_workers(cluster: Any, prefect_server: None, corpus: Path, store: Path) -> None:
    where = f"ray:{cluster.address}"
    runner = task_runner(where)
    space = {"training.learning_rate": [0.001, 0.002]}
    recipe = make_recipe(corpus, training={"epochs": 1}, tuning={"trials": 2, "parallel": 2, "space": space})
    with task_resources(where, cpus=1):
        steps = run_until.with_options(task_runner=runner)(recipe, "tune", store)
        seeds = train_across_seeds.with_options(task_runner=runner)(recipe, [0, 1], store)
    assert [trial.state for trial in TuningResult.load(steps["tune"]).trials] == ["finished"] * 2
    assert sorted(seeds.scores) == [0, 1]
