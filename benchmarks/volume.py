"""From MongoDB to splits with a million parse documents: speed against a bare cursor, memory, and growth of the cost.

The server is a stand-in that has encoded every document in advance (`benchmarks.volume_server`), so that only the
reader is measured. Each size runs in a separate process, whose memory is sampled together with that of its workers.
"""

import argparse
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml
from pymongo import MongoClient

from assay.corpus.snapshot import Snapshot
from assay.recipes.recipe import Recipe
from assay.runs.run import Run
from assay.tasks.extract import extract
from assay.tasks.split import split
from assay.tasks.validate import validate
from benchmarks.results import Row, write_rows

COMMAND = "make bench-volume"
SIZES = (10_000, 100_000, 1_000_000)
ROUNDS = 3
BREAK_EVERY = 300_000
WARM_UP = 2_000
FILTER = {"Parse": {"$exists": True, "$ne": []}, "isRepost": None}
FIELDS = {"Parse": 1, "isRepost": 1, "source": 1}
STEPS = ("extract", "validate", "split")
PAGE = os.sysconf("SC_PAGE_SIZE")
LIMIT_MIB = 1536


def main() -> None:
    """Measure and record, or, with `--steps`, run as the measured process."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=["speed", "steps"], help="default: both")
    parser.add_argument("--sizes", type=int, nargs="+", default=list(SIZES))
    parser.add_argument("--steps", nargs=2, metavar=("URI", "STORE"), help="run as the measured process")
    wanted = parser.parse_args()
    if wanted.steps:
        print(json.dumps(steps(wanted.steps[0], Path(wanted.steps[1]))))
        return
    if wanted.only != "steps":
        write_rows("volume", speed_rows(max(wanted.sizes)))
    if wanted.only != "speed":
        write_rows("volume", step_rows(wanted.sizes))


@contextmanager
def server(documents: int, break_every: int = 0) -> Iterator[str]:
    """Start a stand-in with so many documents. Yields: its address."""
    command = [sys.executable, "-m", "benchmarks.volume_server", str(documents), str(break_every)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout
        yield process.stdout.readline().strip()
    finally:
        process.kill()
        process.communicate()


def speed_rows(documents: int) -> list[Row]:
    """Compare extraction with a bare loop, interleaved, and with the stand-in alone, which must be faster than both."""
    with server(documents) as uri, tempfile.TemporaryDirectory() as name:
        runs: dict[str, Callable[[int], object]] = {
            "server": lambda _: sum(len(batch) for batch in _find(uri, "find_raw_batches")),
            "bare": lambda _: sum(1 for _ in _find(uri, "find")),
            "extract": lambda number: extract.fn(_run(uri, Path(name) / str(number))),
        }
        seconds = _in_turns(runs)
    shares = [bare / own for bare, own in zip(seconds["bare"], seconds["extract"], strict=True)]
    spare = [bare / own for bare, own in zip(seconds["bare"], seconds["server"], strict=True)]
    pace = {name: statistics.median(times) / documents * 1e6 for name, times in seconds.items()}
    note = (
        f"microseconds a document: {pace['bare']:.1f} bare, {pace['extract']:.1f} extraction to a finished snapshot, "
        f"{pace['server']:.1f} the stand-in alone; two sentences, four entities, 600 bytes a document; {ROUNDS} rounds"
    )
    count = f"{documents:,} documents"
    return [
        _row(f"extract {count}: speed as a share of a bare pymongo cursor loop", "higher", shares, 0.7, note),
        _row("volume: speed of the stand-in against the bare loop that it serves", "higher", spare, None, ""),
    ]


def step_rows(sizes: list[int]) -> list[Row]:
    """Return the seconds of each step at each size, their growth, and the memory at the largest size."""
    measured = {size: _measure(size) for size in sizes}
    largest = measured[max(sizes)]
    rows = []
    for step in STEPS:
        seconds = {size: measured[size]["seconds"][step] for size in sizes}
        note = "; ".join(f"{size:,} documents: {value:.1f} s" for size, value in seconds.items())
        exponent = _exponent(seconds)
        name = f"{step}: exponent of the cost, {min(sizes):,} to {max(sizes):,} documents"
        rows.append(_row(name, "lower", [exponent], 1.1, note))
    memory = ", ".join(f"{largest['memory'][step]:.0f} MiB during {step}" for step in STEPS)
    note = f"{memory}; with helpers at most {largest['with_helpers']:.0f} MiB; {largest['rows']:,} rows"
    name = f"extract, validate and split {max(sizes):,} documents: peak memory of the process in MiB"
    rows.append(_row(name, "lower", [max(largest["memory"].values())], LIMIT_MIB, note))
    return rows


def _measure(documents: int) -> dict[str, Any]:
    with server(documents, BREAK_EVERY) as uri, tempfile.TemporaryDirectory() as store:
        command = [sys.executable, "-m", "benchmarks.volume", "--steps", uri, store]
        result = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    measured: dict[str, Any] = json.loads(result.stdout.splitlines()[-1])
    assert measured["documents"] == documents, measured
    return measured


def steps(uri: str, store: Path) -> dict[str, Any]:
    """Extract, validate and split, each with its time and peak memory."""
    run, seconds, memory = _run(uri, store), {}, {}
    _all_steps(_run(uri, store / "first", limit=WARM_UP))
    with Watch() as watch:
        begun = time.perf_counter()
        snapshot = extract.fn(run)
        seconds["extract"], begun = time.perf_counter() - begun, time.perf_counter()
        memory["extract"] = watch.take()
        validate.fn(run, snapshot)
        seconds["validate"], begun = time.perf_counter() - begun, time.perf_counter()
        memory["validate"] = watch.take()
        split.fn(run, snapshot)
        seconds["split"] = time.perf_counter() - begun
        memory["split"] = watch.take()
    counts = Snapshot.load(snapshot.path).manifest.counts
    return {
        "seconds": seconds,
        "memory": memory,
        "with_helpers": watch.with_helpers,
        "rows": counts.rows,
        "documents": counts.documents,
    }


def _all_steps(run: Run) -> None:
    """Import everything beforehand, so that no measurement includes imports."""
    snapshot = extract.fn(run)
    validate.fn(run, snapshot)
    split.fn(run, snapshot)


class Watch:
    """Sampler of the memory of this process, and of it with its children, during a block; in MiB."""

    def __init__(self, pause_s: float = 0.1) -> None:
        self._most = self.with_helpers = 0.0
        self._pause_s = pause_s
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def take(self) -> float:
        """Return the peak memory of this process since the last call."""
        most, self._most = self._most, 0.0
        return most

    def _look(self) -> None:
        while not self._over.wait(self._pause_s):
            own = _resident(os.getpid())
            children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
            self._most = max(self._most, own)
            self.with_helpers = max(self.with_helpers, own + sum(_resident(int(child)) for child in children))

    def __enter__(self) -> "Watch":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()


def _resident(process: int) -> float:
    try:
        return int(Path(f"/proc/{process}/statm").read_text().split()[1]) * PAGE / 2**20
    except (FileNotFoundError, ProcessLookupError):
        return 0.0


def _run(uri: str, store: Path, limit: int | None = None) -> Run:
    values = yaml.safe_load((Path(__file__).parent.parent / "demo" / "recipe.yaml").read_text(encoding="utf-8"))
    values["source"] |= {"uri": uri, "database": "volume", "collection": "news", "filter": FILTER, "limit": limit}
    recipe = Recipe.model_validate(values)
    return Run(key="volume", recipe=recipe, store=store, tracking_uri="none", mlflow_run="none")


def _find(uri: str, method: str) -> Iterator[Any]:
    with MongoClient[dict[str, Any]](uri) as client:
        find = getattr(client.volume.news, method)
        yield from find(FILTER, FIELDS, sort=[("_id", 1)], batch_size=1_000)


def _in_turns(runs: dict[str, Callable[[int], object]]) -> dict[str, list[float]]:
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for number in range(ROUNDS):
        for name, run in runs.items():
            begun = time.perf_counter()
            run(number)
            seconds[name].append(time.perf_counter() - begun)
    return seconds


def _exponent(seconds: dict[int, float]) -> float:
    """Return the slope of a line through the logarithms of size and seconds."""
    points = [(math.log(size), math.log(value)) for size, value in seconds.items()]
    return statistics.linear_regression(*zip(*points, strict=True)).slope


def _row(measure: str, better: Any, values: list[float], required: float | None, note: str) -> Row:
    return Row(
        measure=measure,
        value=round(statistics.median(values), 3),
        better=better,
        required=required,
        spread=(round(min(values), 3), round(max(values), 3)) if len(values) > 1 else None,
        command=COMMAND,
        note=note,
    )


if __name__ == "__main__":
    main()
