"""Speed of onnxruntime's matrix products alone on this machine: the limit that an engine is compared with.

Each shape of the encoder is a graph of one product with constant weights, run on as many threads at once as there
are CPUs; the limit for a model is the time of its products at these speeds.
"""

import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper

from assay.models.export.onnx_graph import OPSET, quantize_graph
from assay.serving.bundle import Precision
from assay.serving.cpu import available_threads
from assay.serving.engine import BATCH_TOKENS
from assay.serving.openvino_provider import add_bf16

SECONDS = 0.25


@dataclass(frozen=True)
class Product:
    """Width and height of the weights, with the number of such products per token and per row."""

    inner: int
    outer: int
    a_token: float
    a_row: float


def products(config: Any) -> list[Product]:
    """Return the products of a BERT whose last layer, except keys and values, is computed for the first token only."""
    layers, hidden, inner = config.num_hidden_layers, config.hidden_size, config.intermediate_size
    return [
        Product(hidden, hidden, 4 * (layers - 1) + 2, 2 + 1),  # with the pooler
        Product(hidden, inner, layers - 1, 1),
        Product(inner, hidden, layers - 1, 1),
    ]


class Limit:
    """Measurement of the products of one encoder in one precision."""

    def __init__(self, config: Any, precision: Precision) -> None:
        self._products = products(config)
        self._sessions = [_session(product, precision) for product in self._products]
        # Rows of a product: the tokens of a batch.
        self._tokens = BATCH_TOKENS[precision]

    def rows_per_second(self, rows: int, tokens: int) -> float:
        """Return the rows per second of an encoder that consists of its products alone."""
        seconds = 0.0
        for product, session in zip(self._products, self._sessions, strict=True):
            flops = 2 * product.inner * product.outer * (product.a_token * tokens + product.a_row * rows)
            seconds += flops / _flops_per_second(session, product, self._tokens)
        return rows / seconds


def _session(product: Product, precision: Precision) -> Any:
    weights = np.random.default_rng(0).normal(size=(product.inner, product.outer)).astype(np.float32)
    # Only its first row leaves the graph, through a product that stays float32 as heads do.
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["y"], name="measured"),
        helper.make_node("Slice", ["y", "begin", "end", "begin"], ["top"]),
        helper.make_node("MatMul", ["top", "one"], ["z"], name="head"),
    ]
    tables = [
        numpy_helper.from_array(weights, "w"),
        numpy_helper.from_array(np.ones((product.outer, 1), dtype=np.float32), "one"),
        numpy_helper.from_array(np.array([0]), "begin"),
        numpy_helper.from_array(np.array([1]), "end"),
    ]
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["tokens", product.inner])]
    outputs = [helper.make_tensor_value_info("z", TensorProto.FLOAT, [1, 1])]
    graph = helper.make_graph(nodes, "product", inputs, outputs, tables)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=10)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        onnx.save(model, path)
        if precision == "int8":
            quantize_graph(path, path)
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        options.log_severity_level = 3
        if precision == "bf16":
            add_bf16(options)
        providers = None if precision == "bf16" else ["CPUExecutionProvider"]
        return ort.InferenceSession(path.read_bytes(), options, providers)


def _flops_per_second(session: Any, product: Product, tokens: int) -> float:
    """Return the speed of all threads together."""
    x = np.random.default_rng(1).normal(size=(tokens, product.inner)).astype(np.float32)
    session.run(None, {"x": x})
    threads = available_threads()
    counts = [0] * threads
    end = time.perf_counter() + SECONDS

    def work(number: int) -> None:
        while not counts[number] or time.perf_counter() < end:
            session.run(None, {"x": x})
            counts[number] += 1

    workers = [threading.Thread(target=work, args=(number,)) for number in range(threads)]
    begun = time.perf_counter()
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return 2 * tokens * product.inner * product.outer * sum(counts) / (time.perf_counter() - begun)
