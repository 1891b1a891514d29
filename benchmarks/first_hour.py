"""The first hour: the start of `assay run`, and from a stranger's data to a served champion (`make bench-first-hour`).

`assay run` is started as a command of its own with a tiny recipe, and stopped once its flow has begun: the seconds to
its first line and to the begun flow, the median of three. The first start on a machine comes before these and has a row
of its own, since Prefect creates its database in it. Then the tests of the first hour play `init`, `validate`, `run`,
`predict`, `serve`, `history` and more in a terminal, for a CSV file, words with tags, and a MongoDB collection.
Times are those of this machine, which should do nothing else.
"""

import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from benchmarks.results import Row, write_rows

COMMAND = "make bench-first-hour"
STARTS = 3
TINY = """
name: start
source: {{kind: files, paths: {{{rows}: all}}, fields: {{label: label}}}}
model: {{scratch: {{layers: 1}}, heads: [sentence]}}
gate: {{min_f1: {{sentence: 0.5}}}}
registry: {{name: start}}
"""
WAYS = {
    "a CSV file": "csv",
    "words with tags": "words",
    "a MongoDB collection": "collection",
}
# Five minutes after the installation.
AIM_S = 300


def main() -> None:
    """Measure and record."""
    with tempfile.TemporaryDirectory() as home:
        first, *later = [start_seconds(Path(home)) for _ in range(1 + STARTS)]
    write_rows("first_hour", [*start_rows(first, later), *(hour_row(data, test) for data, test in WAYS.items())])


def hour_row(data: str, test: str) -> Row:
    """Play the first hour on some data, and return the row of its wall time."""
    begun = time.perf_counter()
    subprocess.run([sys.executable, "-m", "pytest", "-q", "tests/test_first_hour.py", "-k", test], check=True)
    seconds = time.perf_counter() - begun
    measure = f"from {data} to a served champion, seconds"
    return Row(measure=measure, value=round(seconds), better="lower", aim=AIM_S, command=COMMAND)


class Start(NamedTuple):
    """Seconds from the start of the command to an event, and processor seconds until the second event."""

    first_line: float
    begun_flow: float
    processor: float


def start_seconds(home: Path) -> Start:
    """Start `assay run` in a new store and a home of Prefect without a server; stop it once its flow has begun."""
    with tempfile.TemporaryDirectory() as folder:
        rows = Path(folder) / "rows.jsonl"
        rows.write_text("".join(f'{{"text": "row {number}", "label": "{number % 2}"}}\n' for number in range(100)))
        recipe = Path(folder) / "recipe.yaml"
        recipe.write_text(TINY.format(rows=rows))
        environment = {**os.environ, "PREFECT_HOME": str(home)}
        for variable in ("PREFECT_API_URL", "MLFLOW_TRACKING_URI"):
            environment.pop(variable, None)
        command = [sys.executable, "-m", "assay.cli", "run", str(recipe), "--store", f"{folder}/store"]
        begun, used = time.perf_counter(), processor_seconds()
        with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as process:
            assert process.stderr is not None
            process.stderr.readline()
            first_line = time.perf_counter() - begun
            # The flow creates the folder of its run first.
            while not list(Path(folder).glob("store/runs/*")) and process.poll() is None:
                time.sleep(0.01)
            begun_flow = time.perf_counter() - begun
            process.terminate()
            process.stderr.read()
        return Start(first_line, begun_flow, processor_seconds() - used)


def processor_seconds() -> float:
    """Return the processor seconds of all ended child processes, with their own children."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def start_rows(first_start: Start, later: Sequence[Start]) -> list[Row]:
    """Return the rows about the start of the command."""
    first, begun, processor = (statistics.median(values) for values in zip(*later, strict=True))
    note = f"median of {len(later)}, {processor:.1f} s of processor time"
    rows = [
        Row(
            measure=f"assay run: seconds to {event}",
            value=round(value, 2),
            better="lower",
            required=required,
            command=COMMAND,
            note=note,
        )
        for event, value, required in (("the first line", first, 1.0), ("the begun flow", begun, 8.0))
    ]
    first_row = Row(
        measure="the first assay run on a machine: seconds to the begun flow",
        value=round(first_start.begun_flow, 2),
        better="lower",
        required=8.0,
        command=COMMAND,
        note=f"Prefect creates its database meanwhile; {first_start.processor:.1f} s of processor time",
    )
    return [*rows, first_row]


if __name__ == "__main__":
    main()
