"""Overhead of the pipeline over bare training and evaluation, and the start of `assay run` (`make bench-train`).

First, `assay run` is started as a command of its own with a tiny recipe, and stopped once its flow has begun: the
seconds to its first line and to the begun flow, the median of three.

Then one process runs the whole flow on SNIPS (extraction, validation, split, training, export, evaluation, gate,
registration, model card), and trains and evaluates the same network on the same rows without the pipeline. Packages are
imported and Prefect's temporary server is up before these clocks start.
"""

import argparse
import json
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

from prefect import flow

from assay.corpus.snapshot import Snapshot
from assay.corpus.splits import Splits
from assay.flows.local import run_training
from assay.models.batching import Collator
from assay.models.checkpoint import Checkpoint
from assay.models.dataset import EncodedRows, LabelSet
from assay.models.training_loop import train
from assay.models.validation_scores import metrics, predict
from assay.recipes.loader import load_recipe
from assay.recipes.recipe import Recipe
from assay.serving.encoding import TextEncoder
from benchmarks.encoder import minilm_folder
from benchmarks.results import Row, write_rows

DATA = Path(__file__).parents[2] / "shared" / "data" / "snips"
SPLIT_NAMES = {"train": "train", "dev": "validation", "test": "test"}
COMMAND = "make bench-train"
STARTS = 3
TINY = """
name: start
source: {{kind: files, paths: {{{rows}: all}}, fields: {{label: label}}}}
model: {{scratch: {{layers: 1}}, heads: [sentence]}}
gate: {{min_f1: {{sentence: 0.5}}}}
registry: {{name: start}}
"""


def main() -> None:
    """Measure and record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=3, help="fewer epochs increase the share of the overhead")
    epochs = parser.parse_args().epochs
    if not DATA.is_dir():
        raise SystemExit(f"{DATA} is absent: this benchmark reads real rows from there")
    paths = json.dumps({str(DATA / f"snips_{name}.jsonl"): split_name for name, split_name in SPLIT_NAMES.items()})
    encoder = [f"model.encoder={minilm_folder()}", "model.revision=null"]
    recipe = load_recipe("snips", [*encoder, f"source.paths={paths}", f"training.epochs={epochs}"])
    starts = [start_seconds() for _ in range(STARTS)]
    warm_up()
    with tempfile.TemporaryDirectory() as folder:
        store, bare_folder = Path(folder) / "store", Path(folder) / "bare"
        bare_folder.mkdir()
        begun = time.perf_counter()
        run_training(recipe, store)
        whole = time.perf_counter() - begun
        bare = bare_seconds(recipe, store, bare_folder)
    measure = f"flow wall time against bare training and evaluation, {epochs} epoch{'s' * (epochs > 1)}"
    note = f"{whole:.0f} s against {bare:.0f} s, {epochs} epochs"
    overhead = Row(
        measure=measure, value=round(whole / bare, 3), better="lower", required=1.25, command=COMMAND, note=note
    )
    write_rows("train", [*start_rows(starts), overhead])


class Start(NamedTuple):
    """Seconds from the start of the command to an event, and processor seconds until the second event."""

    first_line: float
    begun_flow: float
    processor: float


def start_seconds() -> Start:
    """Start `assay run` in a new store, without a configured Prefect server, and stop it once its flow has begun."""
    with tempfile.TemporaryDirectory() as folder:
        rows = Path(folder) / "rows.jsonl"
        rows.write_text("".join(f'{{"text": "row {number}", "label": "{number % 2}"}}\n' for number in range(100)))
        recipe = Path(folder) / "recipe.yaml"
        recipe.write_text(TINY.format(rows=rows))
        environment = {**os.environ, "PREFECT_HOME": f"{folder}/prefect"}
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


def start_rows(starts: Sequence[Start]) -> list[Row]:
    """Return the rows about the start of the command."""
    first, begun, processor = (statistics.median(values) for values in zip(*starts, strict=True))
    note = f"median of {len(starts)}, {processor:.1f} s of processor time"
    return [
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


@flow
def warm_up() -> None:
    """Start Prefect's temporary server, unless one is configured."""


def bare_seconds(recipe: Recipe, store: Path, folder: Path) -> float:
    """Train on the rows that the flow trained on, and score its test rows."""
    data = Snapshot.load(next(store.glob("runs/*/extract-*")))
    splits = Splits.load(next(store.glob("runs/*/split-*")))
    rows, validation, test = (splits.rows(data, split_name) for split_name in ("train", "validation", "test"))
    begun = time.perf_counter()
    train(rows, validation, recipe.model, recipe.training, folder)
    checkpoint = Checkpoint.load(folder)
    label_set = LabelSet(checkpoint.labels, checkpoint.tags)
    encoder = TextEncoder.from_file(checkpoint.tokenizer_path, checkpoint.max_length, checkpoint.cleaning)
    encoded = EncodedRows.write(folder / "test.arrow", test, encoder, label_set)
    collate = Collator(checkpoint.pad_id, type_ids=checkpoint.uses_type_ids, sentence=True, tokens=True)
    metrics(test, predict(checkpoint.network(attention=None), encoded, collate, label_set), label_set)
    return time.perf_counter() - begun


if __name__ == "__main__":
    main()
