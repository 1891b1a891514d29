"""Batch prediction on Ray: two workers against one, and one against plain `assay predict`, on two cores.

One thread per worker. The cluster and the Prefect server are up before the clock starts, and every worker has loaded
the model: the measurement covers the flow from its first read of the input to the joined output. Ray starts separate
workers for each driver, so this one stays connected from round to round; the note states how much longer the first
round takes, in which workers start, import and load.
"""

import argparse
import json
import statistics
import tempfile
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import ray
from prefect.testing.utilities import prefect_test_harness
from prefect_ray.context import remote_options
from ray.cluster_utils import Cluster

from assay.flows.inference import predict
from assay.flows.runners import task_runner
from assay.serving.bundle import Bundle
from assay.serving.engine import Engine
from assay.serving.predict import predict_file
from benchmarks.predict_scale import texts
from benchmarks.results import Row, write_rows
from benchmarks.tiny_bundle import tiny_bundle
from benchmarks.turns import in_turns

COMMAND = "make bench-ray"
ROWS = 120_000
ROUNDS = 3
PARTS = 8
SHARD_ROWS = 1_500


def main() -> None:
    """Measure and record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=ROWS)
    rows = parser.parse_args().rows
    with tempfile.TemporaryDirectory() as name, prefect_test_harness(server_startup_timeout=120):
        folder = Path(name)
        bundle, source = tiny_bundle(folder).folder, folder / "rows.jsonl"
        with source.open("w", encoding="utf-8") as file:
            file.writelines(json.dumps(row) + "\n" for row in texts(rows))
        cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
        try:
            cluster.add_node(num_cpus=1, resources={"first": 1})
            cluster.add_node(num_cpus=1)
            ray.init(cluster.address)  # a runner does not touch an existing connection
            seconds = in_turns(_runs(f"ray:{cluster.address}", bundle, source, rows), ROUNDS)
        finally:
            ray.shutdown()
            cluster.shutdown()
    write_rows("ray", _rows(seconds, rows))


def _runs(where: str, bundle: Path, source: Path, rows: int) -> dict[str, Callable[[], None]]:
    def run(runner: str, options: AbstractContextManager[Any]) -> None:
        output = source.with_name("predictions.jsonl")
        with options:
            flow = predict.with_options(task_runner=task_runner(runner))
            counts = flow(str(bundle), str(source), str(output), shard_rows=SHARD_ROWS, parts=PARTS, threads=1)
        assert counts.rows == rows
        output.unlink()

    engine = Engine(Bundle.load(bundle), threads=1)

    def plain() -> None:
        output = source.with_name("predictions.jsonl")
        assert predict_file(engine, source, output, shard_rows=SHARD_ROWS).rows == rows
        output.unlink()

    return {
        "plain": plain,
        "one": lambda: run(where, remote_options(num_cpus=1, resources={"first": 1})),
        "two": lambda: run(where, remote_options(num_cpus=1)),
    }


def _rows(seconds: dict[str, list[float]], rows: int) -> list[Row]:
    start = seconds["one"][0] - statistics.median(seconds["one"][1:])
    seconds = {name: times[1:] for name, times in seconds.items()}
    speedup = [one / two for one, two in zip(seconds["one"], seconds["two"], strict=True)]
    overhead = [one / plain - 1 for one, plain in zip(seconds["one"], seconds["plain"], strict=True)]
    note = ", ".join(f"{name}: {statistics.median(times):.1f} s" for name, times in seconds.items())
    note += f"; {rows:,} rows, {PARTS} tasks, {ROUNDS} rounds in turns, model of 2 layers, JSONL to JSONL; "
    note += f"a first run, for which a worker starts, takes {start:.1f} s longer"
    return [
        _row("predict on Ray: speed of two workers against one", "higher", speedup, 1.6, note),
        _row("predict on Ray: what one worker takes longer than assay predict", "lower", overhead, 0.1, note),
    ]


def _row(measure: str, better: Any, values: list[float], required: float, note: str) -> Row:
    spread = round(min(values), 3), round(max(values), 3)
    value = round(statistics.median(values), 3)
    return Row(
        measure=measure, value=value, better=better, required=required, spread=spread, command=COMMAND, note=note
    )


if __name__ == "__main__":
    main()
