"""The engine on many rows against peers, as their users run them (`make bench-serving`).

All predict the same rows with the same weights, tokenisation included, in interleaved rounds of one process. The
medians of the ratios count, by the clock and by processor time, which other load on the machine lengthens less (but
threads of onnxruntime that wait for work count as busy). Peers take the rows in their order, in the batch size that is
best for each:

- transformers: its `pipeline`;
- onnxruntime: the plain export in float32;
- openvino: the plain export in bf16. optimum-intel, which wraps it, cannot be imported with the pinned transformers;
- ctranslate2: its encoder in int8 and the head in numpy, for the sentence only.
"""

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
from transformers import AutoModelForSequenceClassification, AutoTokenizer, pipeline

from assay.models.checkpoint import Checkpoint
from assay.models.export.onnx_graph import export_graph
from assay.models.network import quiet
from assay.serving.engine import Engine
from assay.serving.engine import Row as TextRow
from assay.serving.openvino_provider import runs_bf16
from benchmarks.encoder import minilm_folder
from benchmarks.matmul_limit import Limit
from benchmarks.results import Row, ratio_row, write_rows
from benchmarks.serving_batch import export_both
from benchmarks.serving_bundle import PLACE, open_joint_checkpoint, open_minilm_bundle, read_intent_texts, read_texts

COMMAND = "make bench-serving"
ROUNDS = 5
BATCH_SIZES = (8, 32, 128)
# Peers are slower, and a share of the rows is enough for their speed: every so many.
PEER_STEP, PIPELINE_STEP, PROBE_STEP = 6, 24, 24
TASKS = ("sentence", "tokens")
PEERS = ("transformers", "onnxruntime", "openvino", "ctranslate2", "onnxruntime-ep-openvino")

# Predicts texts in batches of this size.
Predict = Callable[[Sequence[str], int], Any]


@dataclass(frozen=True)
class Peer:
    """A way to predict texts, with the share of the rows that is timed."""

    predict: Predict
    step: int


def main() -> None:
    """Measure and record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--task", choices=TASKS, action="append", help="may be repeated; default: all")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--rows", type=int, default=None, help="use the first rows only")
    parser.add_argument("--no-record", action="store_true", help="print the rows only")
    arguments = parser.parse_args()
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    for task in arguments.task or TASKS:
        with tempfile.TemporaryDirectory() as name:
            rows = measure(task, Path(name), arguments.rounds, arguments.rows)
        if arguments.no_record:
            print("\n".join(row.model_dump_json() for row in rows))
        else:
            write_rows("serving_peers", rows)


def measure(task: str, folder: Path, rounds: int, limit: int | None) -> list[Row]:
    """Return the rows of one task."""
    checkpoint, texts = _sentence_task() if task == "sentence" else (open_joint_checkpoint(), read_intent_texts())
    texts = texts[:limit]
    bundles = export_both(checkpoint, folder)
    engines = {"int8": Engine(bundles["int8"]), "fp32": Engine(bundles["fp32"])}
    if runs_bf16():
        engines["bf16"] = Engine(bundles["fp32"], precision="bf16")
    rows = [TextRow(text) for text in texts]
    peers = make_peers(task, checkpoint, folder)
    sizes = {name: _best_size(peer, texts[::PROBE_STEP]) for name, peer in peers.items()}
    ways: dict[str, Callable[[], tuple[float, float]]] = {
        **{name: partial(_rate, engine.predict, rows) for name, engine in engines.items()},
        **{name: partial(_peer_rate, peer, texts, sizes[name]) for name, peer in peers.items()},
    }
    tokens = sum(map(len, engines["fp32"].encode(rows)))
    limit_of = Limit(checkpoint.network().config, "bf16") if "bf16" in engines and task == "sentence" else None
    predictions = {name: engine.predict(rows) for name, engine in engines.items()}  # also warms up
    speeds: dict[str, list[float]] = {name: [] for name in ways}
    frugality: dict[str, list[float]] = {name: [] for name in ways}
    limits: list[float] = []
    for number in range(rounds):
        for name, way in ways.items():
            by_clock, by_processor = way()
            speeds[name].append(by_clock)
            frugality[name].append(by_processor)
        if limit_of is not None:
            limits.append(limit_of.rows_per_second(len(rows), tokens))
        print(f"round {number}, rows/s: {_speeds(speeds, -1)}", flush=True)
    note = f"rows/s: {_speeds(speeds)}; batch sizes of the peers {sizes}; versions {_versions()}"
    rows_of = partial(_rows, task, list(peers))
    shown = [*rows_of(speeds, "", note), *rows_of(frugality, ", processor time", ""), *_equality(task, predictions)]
    if limits:
        counted = "of the products that the graph computes; the rest is attention, normalisation, GELU and tokenisation"
        measure = f"{task}: share of the limit of matrix products, bf16"
        shown.append(ratio_row(measure, speeds["bf16"], limits, command=COMMAND, note=counted))
    return shown


def make_peers(task: str, checkpoint: Checkpoint, folder: Path) -> dict[str, Peer]:
    """Return the peers that are installed and can run the model."""
    plain = folder / "plain.onnx"
    export_graph(checkpoint.network(attention="eager"), plain, type_ids=False, max_length=checkpoint.max_length)
    tokenizer: Any = AutoTokenizer.from_pretrained(minilm_folder())
    encode = partial(tokenizer, padding=True, truncation=True, max_length=checkpoint.max_length, return_tensors="np")
    session: Any = ort.InferenceSession(plain, providers=["CPUExecutionProvider"])
    peers = {"onnxruntime fp32": Peer(partial(_batched, encode, partial(session.run, None)), PEER_STEP)}
    if find_spec("openvino") and runs_bf16():
        peers["openvino bf16"] = Peer(partial(_batched, encode, _openvino(plain)), PEER_STEP)
    if task == "sentence":
        peers["transformers"] = Peer(_pipeline(tokenizer, checkpoint.max_length), PIPELINE_STEP)
        if find_spec("ctranslate2"):
            peers["ctranslate2 int8"] = Peer(_ctranslate2(tokenizer, folder, checkpoint.max_length), PEER_STEP)
    return peers


def _sentence_task() -> tuple[Checkpoint, list[str]]:
    open_minilm_bundle()  # created on the first call
    return Checkpoint.load(PLACE / "checkpoint"), read_texts()


def _batched(encode: Callable[..., Any], run: Callable[[dict[str, Any]], Any], texts: Sequence[str], size: int) -> None:
    for begin in range(0, len(texts), size):
        inputs = encode(list(texts[begin : begin + size]))
        outputs = run({name: inputs[name] for name in ("input_ids", "attention_mask")})
        for logits in outputs:
            np.asarray(logits).argmax(-1).tolist()


def _openvino(plain: Path) -> Callable[[dict[str, Any]], Any]:
    """Compile a graph with the settings of optimum-intel's models, in bf16."""
    import openvino

    settings = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "bf16"}
    compiled = openvino.Core().compile_model(str(plain), "CPU", settings)
    return lambda inputs: [compiled(inputs)[output] for output in compiled.outputs]


def _pipeline(tokenizer: Any, max_length: int) -> Predict:
    with quiet():
        model: Any = AutoModelForSequenceClassification.from_pretrained(PLACE / "checkpoint", local_files_only=True)
    make: Any = pipeline
    pipe: Any = make("text-classification", model=model, tokenizer=tokenizer)
    return lambda texts, size: pipe(list(texts), batch_size=size, truncation=True, max_length=max_length)


def _ctranslate2(tokenizer: Any, folder: Path, max_length: int) -> Predict:
    import ctranslate2
    from ctranslate2.converters import TransformersConverter

    source, target = folder / "encoder", folder / "ctranslate2"
    with quiet():
        model: Any = AutoModelForSequenceClassification.from_pretrained(PLACE / "checkpoint", local_files_only=True)
    model.bert.save_pretrained(source)
    tokenizer.save_pretrained(source)
    # The converter asks for this key, which transformers 5 no longer writes.
    config = source / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"position_embedding_type": "absolute"}))
    with quiet():
        TransformersConverter(str(source)).convert(str(target), quantization="int8")
    encoder = ctranslate2.Encoder(str(target), device="cpu")
    weight, bias = (value.detach().numpy() for value in (model.classifier.weight, model.classifier.bias))

    def predict(texts: Sequence[str], size: int) -> None:
        for begin in range(0, len(texts), size):
            ids = tokenizer(list(texts[begin : begin + size]), truncation=True, max_length=max_length)["input_ids"]
            pooled = np.asarray(encoder.forward_batch(ids).pooler_output)
            (pooled @ weight.T + bias).argmax(-1).tolist()

    return predict


def _best_size(peer: Peer, texts: Sequence[str]) -> int:
    for size in BATCH_SIZES:
        peer.predict(texts, size)
    return max(BATCH_SIZES, key=lambda size: _rate(lambda rows: peer.predict(rows, size), texts)[0])


def _peer_rate(peer: Peer, texts: Sequence[str], size: int) -> tuple[float, float]:
    return _rate(lambda rows: peer.predict(rows, size), texts[:: peer.step])


def _rate(predict: Callable[[Any], Any], rows: Sequence[Any]) -> tuple[float, float]:
    """Return rows per second of the clock, and per second of processor time."""
    begun, used = time.perf_counter(), time.process_time()
    predict(rows)
    return len(rows) / (time.perf_counter() - begun), len(rows) / (time.process_time() - used)


def _rows(task: str, peers: Sequence[str], speeds: dict[str, list[float]], kind: str, note: str) -> list[Row]:
    """Return the ratios of the fastest engine to the best peer, which alone has a requirement, and to all others."""
    best_peer = max(peers, key=lambda name: statistics.median(speeds[name]))
    ours = "bf16" if "bf16" in speeds else "int8"
    required, aim = (None, None) if kind else (1.5, 2.0)
    measure = f"{task}: {ours} engine against"
    others = [name for name in (*peers, "int8", "fp32") if name != ours]
    return [
        ratio_row(
            f"{measure} the best peer{kind}",
            speeds[ours],
            speeds[best_peer],
            command=COMMAND,
            required=required,
            aim=aim,
            note=note,
        ),
        *(ratio_row(f"{measure} {name}{kind}", speeds[ours], speeds[name], command=COMMAND) for name in others),
    ]


def _equality(task: str, predictions: dict[str, list[Any]]) -> list[Row]:
    rows = []
    for name in [name for name in predictions if name != "fp32"]:
        pairs = list(zip(predictions[name], predictions["fp32"], strict=True))
        labels = sum(first.label == second.label for first, second in pairs) / len(pairs)
        whole = sum(_decoded(first) == _decoded(second) for first, second in pairs) / len(pairs)
        rows.append(
            Row(
                measure=f"{task}: labels of the {name} engine equal to float32's",
                value=round(labels, 4),
                better="higher",
                required=0.995 if name == "bf16" else None,
                command=COMMAND,
                note=f"of {len(pairs)}; labels and entities of {whole:.2%}",
            )
        )
    return rows


def _decoded(prediction: Any) -> tuple[Any, ...]:
    return (prediction.label, *((entity.start, entity.end, entity.label) for entity in prediction.entities))


def _speeds(speeds: dict[str, list[float]], which: int | None = None) -> str:
    values = {name: statistics.median(all_) if which is None else all_[which] for name, all_ in speeds.items()}
    return ", ".join(f"{name} {value:.0f}" for name, value in values.items())


def _versions() -> str:
    return ", ".join(f"{name} {version(name)}" for name in PEERS if find_spec(name.replace("-", "_")))


if __name__ == "__main__":
    main()
