"""Embeddings of texts from the champion's own graph: the vector that its head reads."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort

from assay.evaluation.statistics import Floats
from assay.serving.bundle import Bundle
from assay.serving.encoding import pad
from assay.serving.engine import Engine, Row
from assay.serving.inference_session import ModelSession

EMBEDDING = "assay.embedding"
# Operators between the product of the head and its output. Heads stay in float32 in an int8 graph.
_PASSED_THROUGH = {"Add", "Cast", "Identity", "Reshape"}
_PRODUCTS = {"Gemm", "MatMul"}
_ROWS_PER_BATCH = 32


class Embedder:
    """Embedder of texts; it returns None if the graph has no head that is a product with weights."""

    def __init__(self, bundle: Bundle, engine: Engine) -> None:
        """Open the graph of a bundle with an additional output.

        Args:
            bundle: a verified bundle.
            engine: engine of the same bundle.
        """
        self._engine = engine
        self._session = _session(bundle)

    def embed(self, rows: Sequence[Row]) -> Floats | None:
        """Embed the first window of each text: rows x width; for a token head, the mean over the tokens."""
        if self._session is None or not rows:
            return None
        items = self._engine.encode(rows)
        order = sorted(range(len(items)), key=lambda index: len(items[index].ids))
        vectors: dict[int, Floats] = {}
        for begin in range(0, len(order), _ROWS_PER_BATCH):
            batch = order[begin : begin + _ROWS_PER_BATCH]
            inputs = pad([items[index] for index in batch], self._engine.manifest.pad_id)
            hidden = self._session.run(inputs)[EMBEDDING]
            if hidden.ndim == 3:
                mask = inputs["attention_mask"][:, :, None]
                hidden = (hidden * mask).sum(axis=1) / mask.sum(axis=1)
            vectors.update(zip(batch, hidden.astype(np.float64), strict=True))
        return np.stack([vectors[index] for index in range(len(items))])


def _session(bundle: Bundle) -> ModelSession | None:
    model = onnx.load_from_string(bundle.model_path.read_bytes())
    name = _head_input(model.graph)
    if name is None:
        return None
    model.graph.node.append(onnx.helper.make_node("Identity", [name], [EMBEDDING]))
    del model.graph.output[:]
    model.graph.output.append(onnx.helper.make_tensor_value_info(EMBEDDING, onnx.TensorProto.FLOAT, None))
    options = ort.SessionOptions()
    options.log_severity_level = 4
    return ModelSession(ort.InferenceSession(model.SerializeToString(), options, ["CPUExecutionProvider"]))


def _head_input(graph: Any) -> str | None:
    """Return the name of the tensor that the head multiplies with its weights; prefer the sentence head."""
    producers = {output: node for node in graph.node for output in node.output}
    constants = {initializer.name for initializer in graph.initializer}
    constants |= {node.output[0] for node in graph.node if node.op_type == "Constant"}
    outputs = [output.name for output in graph.output]
    name: str | None = "sentence" if "sentence" in outputs else outputs[0]
    while node := producers.get(name):
        name = next((value for value in node.input if value not in constants), None)
        if node.op_type in _PRODUCTS:
            return name if name in producers else None
        if node.op_type not in _PASSED_THROUGH:
            return None
    return None
