"""DeBERTa on a CPU: the rewritten graph against transformers' own, exported in the same way (`make bench-serving`).

Both graphs run in onnxruntime, and in bf16 in OpenVINO where the CPU has it.

The shape is that of DeBERTa-v3-xsmall with random weights, which take the same time as trained ones. Each graph runs on
one thread, as in the engine, and its processor time counts, which other load on the machine lengthens less than the
time on the clock. Rounds are interleaved, and the median of the ratios counts.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime as ort
import torch
from transformers import AutoModelForSequenceClassification, AutoModelForTokenClassification, DebertaV2Config

from assay.models.deberta import optimised_for_export
from assay.models.export.onnx_graph import export_graph, quantize_graph
from assay.models.network import Network, quiet
from assay.serving.openvino_provider import add_bf16, runs_bf16
from benchmarks.results import Row, write_rows

COMMAND = "make bench-serving"
LONGEST = 512
VOCABULARY = 128100
SHAPES = ((1, 16), (8, 32), (32, 64), (8, 128), (2, 256))
# For 2 x 256, the rewrite must not be slower in float32.
LONG = (2, 256)
# Required and aimed at for bf16 against the plain fp32 export, for each shape.
BF16 = ((2.5, 3.0), (4.0, 5.0), (5.0, 7.0), (2.7, 3.5), (2.7, 3.5))
# Tokens per graph and round, at least one batch.
TOKENS_PER_ROUND = 1024

Runner = Callable[[dict[str, npt.NDArray[np.int64]]], list[npt.NDArray[np.float32]]]


def main() -> None:
    """Measure and record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--heads", choices=["sentence", "tokens"], nargs="+", default=["tokens", "sentence"])
    parser.add_argument("--graphs", type=Path, help="folder for exported graphs, which are reused")
    parser.add_argument("--no-record", action="store_true", help="print the rows only")
    arguments = parser.parse_args()
    for heads in arguments.heads:
        with tempfile.TemporaryDirectory() as name:
            graphs = make_graphs((arguments.graphs or Path(name)) / heads, heads)
            rows = measure(heads, graphs, arguments.rounds)
        if arguments.no_record:
            print("\n".join(row.model_dump_json() for row in rows))
        else:
            write_rows("deberta", rows)


def measure(heads: str, graphs: dict[str, Path], rounds: int) -> list[Row]:
    """Return the rows of all shapes for one kind of head; those of bf16 only where it runs."""
    runners = {kind: _runner(path) for kind, path in graphs.items()}
    if runs_bf16():
        runners |= {"bf16": _runner(graphs["fp32"], bf16=True), "plain bf16": _runner(graphs["plain"], bf16=True)}
    return [row for shape in SHAPES for row in _rows(heads, shape, _times(runners, shape, rounds))]


def make_graphs(folder: Path, heads: str) -> dict[str, Path]:
    """Export the same weights three times: without the rewrite, with it, and with it in int8."""
    paths = {kind: folder / f"{kind}.onnx" for kind in ("plain", "fp32", "int8")}
    if all(path.is_file() for path in paths.values()):
        return paths
    folder.mkdir(parents=True, exist_ok=True)
    network = make_network(heads)
    export_graph(network, paths["plain"], type_ids=False, max_length=LONGEST)
    with optimised_for_export(network, LONGEST):
        export_graph(network, paths["fp32"], type_ids=False, max_length=LONGEST)
    quantize_graph(paths["fp32"], paths["int8"])
    return paths


def xsmall_config(**changes: Any) -> DebertaV2Config:
    """Return the configuration of DeBERTa-v3-xsmall with these changes."""
    make: Any = DebertaV2Config
    config: DebertaV2Config = make(
        hidden_size=384,
        num_attention_heads=6,
        intermediate_size=1536,
        max_position_embeddings=LONGEST,
        relative_attention=True,
        position_buckets=256,
        norm_rel_ebd="layer_norm",
        share_att_key=True,
        pos_att_type=["p2c", "c2p"],
        type_vocab_size=0,
        position_biased_input=False,
        **changes,
    )
    return config


def make_network(heads: str) -> Network:
    """Build DeBERTa-v3-xsmall with random weights and three classes or tags."""
    torch.manual_seed(0)
    config = xsmall_config(vocab_size=VOCABULARY, num_hidden_layers=12, num_labels=3)
    loader: Any = AutoModelForSequenceClassification if heads == "sentence" else AutoModelForTokenClassification
    with quiet():
        return Network(loader.from_config(config), None).eval()


def _runner(path: Path, *, bf16: bool = False) -> Runner:
    options = ort.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = 1, 1
    options.enable_mem_pattern = False
    options.log_severity_level = 3
    if bf16:
        add_bf16(options, threads=1)
    session: Any = ort.InferenceSession(path.read_bytes(), options, None if bf16 else ["CPUExecutionProvider"])
    return lambda inputs: session.run(None, inputs)


def _times(runners: dict[str, Runner], shape: tuple[int, int], rounds: int) -> dict[str, list[float]]:
    """Return the processor seconds per batch of each graph in each round."""
    ids = np.random.default_rng(0).integers(5, VOCABULARY, shape)
    inputs = {"input_ids": ids, "attention_mask": np.ones(shape, dtype=np.int64)}
    outputs = {kind: run(inputs)[0] for kind, run in runners.items()}
    np.testing.assert_allclose(outputs["fp32"], outputs["plain"], atol=1e-4)
    for kind in runners.keys() & {"bf16", "plain bf16"}:
        np.testing.assert_allclose(outputs[kind], outputs["plain"], atol=0.02)
    batches = max(1, TOKENS_PER_ROUND // ids.size)
    times: dict[str, list[float]] = {kind: [] for kind in runners}
    for _ in range(rounds):
        for kind, run in runners.items():
            began = time.process_time()
            for _ in range(batches):
                run(inputs)
            times[kind].append((time.process_time() - began) / batches)
    return times


def _rows(heads: str, shape: tuple[int, int], times: dict[str, list[float]]) -> list[Row]:
    no_slower = shape == LONG
    return [
        _row(f"DeBERTa {heads} {shape[0]}x{shape[1]}, {name}", times[reference], times[kind], required, aim)
        for kind, reference, name, required, aim in (
            ("fp32", "plain", "fp32 against the plain fp32 export", *((1.0, None) if no_slower else (1.2, 1.5))),
            ("int8", "plain", "int8 against the plain fp32 export", 2.3, 3.0),
            ("bf16", "plain", "bf16 against the plain fp32 export", *BF16[SHAPES.index(shape)]),
            ("bf16", "plain bf16", "bf16 against the plain export in bf16", 1.4, 1.6),
        )
        if kind in times
    ]


def _row(measure: str, plain: Sequence[float], ours: Sequence[float], required: float, aim: float | None) -> Row:
    ratios = [reference / own for reference, own in zip(plain, ours, strict=True)]
    return Row(
        measure=measure,
        value=round(statistics.median(ratios), 2),
        better="higher",
        required=required,
        aim=aim,
        spread=(round(min(ratios), 2), round(max(ratios), 2)),
        command=COMMAND,
        note=f"{statistics.median(ours) * 1000:.1f} against {statistics.median(plain) * 1000:.1f} ms, "
        f"{len(ratios)} interleaved rounds of processor time",
    )


if __name__ == "__main__":
    main()
