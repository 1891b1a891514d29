"""`assay predict` on a million rows: memory and speed from the first to the last (`make bench-predict`).

A separate process predicts the rows with a model so small that reading and writing are a good part of the work. Its
memory is read from /proc ten times per second, its speed from the times at which its shards of 8,192 rows are complete.
Then, on fewer rows, interleaved: the speed of each format against the engine on the same texts in memory.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from assay.serving.batch.prediction_job import ROWS_PER_SHARD
from assay.serving.bundle import Bundle
from assay.serving.engine import Engine
from assay.serving.engine import Row as Text
from assay.serving.predict import predict_file
from benchmarks.results import Row, write_rows
from benchmarks.tiny_bundle import tiny_bundle, virtual_examples
from benchmarks.turns import in_turns

COMMAND = "make bench-predict"
ROWS = 1_000_000
EDGE = 100_000
SPEED_ROWS = 10_000
ROUNDS = 5
PAUSE_S = 0.1
SPREAD = 7_654_321  # has no factor in common with 10: the marks of ten million rows differ
PAGE = os.sysconf("SC_PAGE_SIZE")
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass
class Course:
    """Samples of a process: megabytes over time, and the wall and CPU seconds at which shards were complete."""

    memory: list[tuple[int, float]] = field(default_factory=list)
    shards: list[tuple[float, float]] = field(default_factory=list)
    seconds: float = 0.0

    def peak(self, first: int, last: int) -> float:
        """Return the peak memory while these shards were written."""
        return max(size for shard, size in self.memory if first <= shard < last)

    def tenths(self, clock: int) -> str:
        """Return the median microseconds per row in each tenth of the run."""
        step = max(2, len(self.shards) // 10)
        parts = [slice(begin, begin + step + 1) for begin in range(0, step * 10, step)]
        return " ".join(
            f"{self.pace(part, clock) / ROWS_PER_SHARD * 1e6:.0f}" for part in parts if self.shards[part][1:]
        )

    def pace(self, shards: slice, clock: int) -> float:
        """Return the median seconds per shard; clock 0 is wall time, 1 CPU time."""
        moments = [moment[clock] for moment in self.shards[shards]]
        return statistics.median(later - earlier for earlier, later in pairwise(moments))


def main() -> None:
    """Measure and record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--speed-rows", type=int, default=SPEED_ROWS)
    parser.add_argument("--only", choices=["scale", "speed"], help="default: both")
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        bundle = tiny_bundle(folder)
        if wanted.only != "speed":
            write_rows("predict", scale_rows(bundle, folder, wanted.rows))
        if wanted.only != "scale":
            write_rows("predict", speed_rows(bundle, folder, wanted.speed_rows))


def scale_rows(bundle: Bundle, folder: Path, rows: int) -> list[Row]:
    """Return the results of the long run."""
    source, output = folder / "rows.jsonl", folder / "predictions.jsonl"
    with source.open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(row) + "\n" for row in texts(rows))
    course = watch(bundle, source, output)
    with output.open("rb") as file:
        assert sum(1 for _ in file) == rows
    edge = max(2, EDGE // ROWS_PER_SHARD)
    whole = rows // ROWS_PER_SHARD
    first, last = slice(0, edge + 1), slice(whole - edge - 1, whole)
    early, late = course.peak(0, edge), course.peak(edge, whole + 2)
    count = f"{rows:,} rows"
    note = (
        f"{course.seconds:.0f} s, {rows / course.seconds:,.0f} rows/s from start to end; median of the {edge} whole "
        f"shards of 8,192 rows in each; model of 2 layers, 64 wide, a sentence head; JSONL to JSONL"
    )
    pace = [round(course.pace(last, clock) / course.pace(first, clock), 3) for clock in (0, 1)]
    trend = [f"microseconds a row in each tenth: {course.tenths(clock)}" for clock in (0, 1)]
    memory = f"{early:.0f} MB at most in the first 100,000 rows, {late:.0f} MB behind them, joining the shards included"
    return [
        _row(f"assay predict on {count}: peak memory behind the first 100,000 against in them", late / early, memory),
        _row(f"assay predict on {count}: seconds a row, last 100,000 against first", pace[0], f"{note}; {trend[0]}"),
        _row(f"assay predict on {count}: CPU seconds a row, last 100,000 against first", pace[1], trend[1]),
    ]


def watch(bundle: Bundle, source: Path, output: Path) -> Course:
    """Run the command, and sample it until it ends."""
    words = ["predict", "--model", bundle.folder, "--input", source, "--output", output]
    begun = time.perf_counter()
    process = subprocess.Popen([sys.executable, "-m", "assay.cli", *map(str, words)])
    course = Course()
    work = output.with_name(f".{output.name}.shards")
    while process.poll() is None:
        done = sum(path.stem.isdigit() for path in work.glob("*.json")) if work.is_dir() else 0
        size, cpu = usage(process.pid)
        course.shards += [(time.perf_counter(), cpu)] * (done - len(course.shards))
        course.memory.append((len(course.shards), size))
        time.sleep(PAUSE_S)
    assert process.returncode == 0, process.returncode
    course.seconds = time.perf_counter() - begun
    return course


def usage(process: int) -> tuple[float, float]:
    """Return the megabytes in memory, and the CPU seconds so far."""
    try:
        pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
        times = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError, IndexError):
        return 0.0, 0.0
    return pages * PAGE / 1e6, (int(times[11]) + int(times[12])) / TICKS


def speed_rows(bundle: Bundle, folder: Path, rows: int) -> list[Row]:
    """Return the speed of each format as a share of the engine's own."""
    engine = Engine(bundle)
    sample = list(texts(rows))
    plain = [Text(row["text"]) for row in sample]
    runs: dict[str, Callable[[], Any]] = {"engine": lambda: sum(1 for _ in engine.predict_stream(plain))}
    for kind in ("jsonl", "csv", "parquet"):
        source = _write(folder / f"some.{kind}", sample)
        runs[kind] = _run(engine, source, folder / f"predictions.{kind}")
    seconds = {kind: times[1:] for kind, times in in_turns(runs, ROUNDS).items()}
    results = []
    for kind in list(runs)[1:]:
        shares = [own / format_seconds for own, format_seconds in zip(seconds["engine"], seconds[kind], strict=True)]
        results.append(
            Row(
                measure=f"assay predict {kind} to {kind}: speed as a share of the engine's on texts in memory",
                value=round(statistics.median(shares), 3),
                better="higher",
                spread=(round(min(shares), 3), round(max(shares), 3)),
                command=COMMAND,
                note=f"{rows:,} rows, {ROUNDS} rounds in turns; a larger model hides more of it",
            )
        )
    return results


def texts(count: int) -> Iterator[dict[str, Any]]:
    """Return rows with distinct texts whose length does not change over the file."""
    bases = [example.text for example in virtual_examples(10_000, seed=2)]
    for number in range(count):
        mark = number * SPREAD % 10**7
        yield {"id": number, "source": "newswire", "text": f"{bases[number % len(bases)]} ({mark:07d})"}


def _run(engine: Engine, source: Path, target: Path) -> Callable[[], Any]:
    return lambda: predict_file(engine, source, target)


def _write(path: Path, rows: Sequence[dict[str, Any]]) -> Path:
    if path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    elif path.suffix == ".csv":
        pa.csv.write_csv(pa.Table.from_pylist(list(rows)), path)
    else:
        pq.write_table(pa.Table.from_pylist(list(rows)), path)
    return path


def _row(measure: str, value: float, note: str) -> Row:
    return Row(measure=measure, value=round(value, 3), better="lower", required=1.1, command=COMMAND, note=note)


if __name__ == "__main__":
    main()
