"""The engine on many rows: against transformers' pipeline, float32, and the limit of the CPU (`make bench-serving`).

All methods predict the published validation split of Twitter Financial News with the same weights, in interleaved
rounds of one process, tokenisation included; the medians of the ratios count.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from transformers import AutoModelForSequenceClassification, AutoTokenizer, pipeline

from assay.models.bert import pruned_for_export
from assay.models.checkpoint import Checkpoint
from assay.models.export.onnx_graph import export_graph, quantize_graph
from assay.models.network import quiet
from assay.recipes.loader import load_recipe
from assay.serving.bundle import MODEL, Bundle, Precision
from assay.serving.engine import Engine
from assay.serving.engine import Row as TextRow
from assay.tasks.export import _finish_bundle, _Source
from benchmarks.encoder import minilm_folder
from benchmarks.matmul_limit import Limit
from benchmarks.results import Row, ratio_row, write_rows
from benchmarks.serving_bundle import PLACE, open_minilm_bundle, read_texts

COMMAND = "make bench-serving"
ROUNDS = 5
# The pipeline is so slow that a share of the rows is enough for its speed: every so many.
ALONE_STEP, BATCHED_STEP, EQUAL_STEP = 24, 12, 6
BATCH_SIZES = (8, 32, 128)
MEMORY_ROWS = 256

SERVING = """
import json, resource, sys
import assay.serving.http.app  # the imports of a server
from assay.serving.bundle import Bundle
from assay.serving.engine import Engine, Row
from pathlib import Path
engine = Engine(Bundle.load(Path(sys.argv[1])))
engine.predict([Row(text) for text in json.load(sys.stdin)])
assert "torch" not in sys.modules
"""
TRANSFORMERS = """
import json, sys
from transformers import AutoModelForSequenceClassification, AutoTokenizer, pipeline
model = AutoModelForSequenceClassification.from_pretrained(sys.argv[1])
pipe = pipeline("text-classification", model=model, tokenizer=AutoTokenizer.from_pretrained(sys.argv[2]))
pipe(json.load(sys.stdin), batch_size=32, truncation=True, max_length=int(sys.argv[3]))
"""
PARTS = ("speed", "memory")
RESIDENT = """
print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmRSS")))
"""


def main() -> None:
    """Measure and record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--part", choices=PARTS, action="append", help="may be repeated; default: all")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--no-record", action="store_true", help="print the rows only")
    arguments = parser.parse_args()
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    with tempfile.TemporaryDirectory() as name:
        bench = Bench(Path(name))
        for part in arguments.part or PARTS:
            rows = bench.speed(arguments.rounds) if part == "speed" else [bench.memory()]
            if arguments.no_record:
                print("\n".join(row.model_dump_json() for row in rows))
            else:
                write_rows("serving_batch", rows)


class Bench:
    """One checkpoint in every compared form."""

    def __init__(self, folder: Path) -> None:
        open_minilm_bundle()  # created on the first call
        self._checkpoint = Checkpoint.load(PLACE / "checkpoint")
        self._bundles = export_both(self._checkpoint, folder)
        self._texts = read_texts()
        with quiet():
            model: Any = AutoModelForSequenceClassification.from_pretrained(PLACE / "checkpoint", local_files_only=True)
            make: Any = pipeline
            self._pipe: Any = make(
                "text-classification", model=model, tokenizer=AutoTokenizer.from_pretrained(minilm_folder())
            )

    def speed(self, rounds: int) -> list[Row]:
        """Return ratios of rows per second, and shares of the limit."""
        int8, fp32 = (Engine(self._bundles[precision]) for precision in ("int8", "fp32"))
        rows = [TextRow(text) for text in self._texts]
        size = max(BATCH_SIZES, key=lambda size: self._piped(self._texts[::ALONE_STEP], size)[0])
        precisions: tuple[Precision, ...] = ("fp32", "int8")
        limits = {precision: Limit(self._checkpoint.network().config, precision) for precision in precisions}
        items = fp32.encode(rows)
        tokens = sum(map(len, items))
        ways: dict[str, Callable[[], float]] = {
            "int8": lambda: _rate(int8, rows),
            "fp32": lambda: _rate(fp32, rows),
            "alone": lambda: self._piped(self._texts[::ALONE_STEP], 1)[0],
            "batched": lambda: self._piped(self._texts[::BATCHED_STEP], size)[0],
            **{f"limit {name}": partial(limit.rows_per_second, len(rows), tokens) for name, limit in limits.items()},
        }
        metrics: dict[str, list[float]] = {name: [] for name in ways}
        agreement = self._agreement(int8, fp32, size)  # also warms up all of them
        for number in range(rounds):
            for name, way in ways.items():
                metrics[name].append(way())
            speeds = ", ".join(f"{name} {values[-1]:.0f}" for name, values in metrics.items())
            print(f"round {number}, rows a second: {speeds}", flush=True)
        return self._rows(metrics, size, agreement)

    def memory(self) -> Row:
        """Return the resident memory after some rows, of a process of each kind."""
        texts = json.dumps(self._texts[:MEMORY_ROWS])
        ours = _resident(SERVING, texts, [str(self._bundles["int8"].folder)])
        arguments = [str(PLACE / "checkpoint"), str(minilm_folder()), str(self._checkpoint.max_length)]
        peer = _resident(TRANSFORMERS, texts, arguments)
        note = f"{ours:.0f} MB against {peer:.0f} MB, {MEMORY_ROWS} rows answered, model included"
        return Row(
            measure="memory: serving process against one with torch and transformers",
            value=round(ours / peer, 2),
            better="lower",
            required=0.5,
            aim=0.33,
            command=COMMAND,
            note=note,
        )

    def _piped(self, texts: Sequence[str], size: int) -> tuple[float, list[str]]:
        begun = time.perf_counter()
        predictions = self._pipe(list(texts), batch_size=size, truncation=True, max_length=self._checkpoint.max_length)
        return len(texts) / (time.perf_counter() - begun), [prediction["label"] for prediction in predictions]

    def _agreement(self, int8: Engine, fp32: Engine, size: int) -> str:
        small, whole = (
            [prediction.label for prediction in engine.predict([TextRow(text) for text in self._texts])]
            for engine in (int8, fp32)
        )
        # The pipeline names classes by number.
        names = self._piped(self._texts[::EQUAL_STEP], size)[1]
        piped = [self._checkpoint.labels[int(name.rpartition("_")[2])] for name in names]
        return (
            f"labels equal: float32 to the pipeline's {_share(whole[::EQUAL_STEP], piped):.2%} of {len(piped)}, "
            f"int8 to float32's {_share(small, whole):.2%} of {len(whole)}"
        )

    def _rows(self, metrics: dict[str, list[float]], size: int, agreement: str) -> list[Row]:
        speeds = ", ".join(f"{name} {statistics.median(values):.0f}" for name, values in metrics.items())
        note = f"rows/s: {speeds}; best batch size of the pipeline {size}; {agreement}"
        counted = "counted are the products that the graph computes, which leaves out what no head reads"
        rest = "; the rest is attention, normalisation, GELU and tokenisation, which stay float32"
        wanted = [
            ("batch: int8 engine against transformers.pipeline, batch 1", "int8", "alone", 8, 11, note),
            ("batch: int8 engine against transformers.pipeline, best batch size", "int8", "batched", 5, 7, ""),
            ("batch: int8 engine against the float32 engine", "int8", "fp32", 1.9, 2.5, ""),
            ("batch: share of the limit of matrix products, float32", "fp32", "limit fp32", 0.75, 0.85, counted),
            ("batch: share of the limit of matrix products, int8", "int8", "limit int8", 0.55, 0.7, counted + rest),
        ]
        return [
            ratio_row(
                measure,
                metrics[ours],
                metrics[reference],
                command=COMMAND,
                required=required,
                aim=aim,
                note=why,
            )
            for measure, ours, reference, required, aim, why in wanted
        ]


def export_both(checkpoint: Checkpoint, folder: Path) -> dict[str, Bundle]:
    """Export bundles of one checkpoint in float32 and int8."""
    changes = [f"model.encoder={minilm_folder()}", "model.revision=null", "model.lora=null"]
    source = _Source(load_recipe("financial-tweets", changes), checkpoint, "0" * 64, [])
    plain, small = folder / "fp32", folder / "int8"
    plain.mkdir()
    small.mkdir()
    network = checkpoint.network(attention="eager")
    with pruned_for_export(network):
        export_graph(network, plain / MODEL, type_ids=False, max_length=checkpoint.max_length)
    quantize_graph(plain / MODEL, small / MODEL)
    _finish_bundle(source, plain, "fp32")
    _finish_bundle(source, small, "int8")
    return {"fp32": Bundle.load(plain), "int8": Bundle.load(small)}


def _rate(engine: Engine, rows: Sequence[TextRow]) -> float:
    begun = time.perf_counter()
    engine.predict(rows)
    return len(rows) / (time.perf_counter() - begun)


def _share(first: Sequence[str | None], second: Sequence[str | None]) -> float:
    return sum(a == b for a, b in zip(first, second, strict=True)) / len(first)


def _resident(code: str, texts: str, arguments: Sequence[str]) -> float:
    command = [sys.executable, "-W", "ignore", "-c", code + RESIDENT, *arguments]
    done = subprocess.run(command, input=texts, capture_output=True, text=True, check=True)
    return int(done.stdout.split()[-1]) / 1024


if __name__ == "__main__":
    main()
