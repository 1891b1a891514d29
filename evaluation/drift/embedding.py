"""The champion's own embedding of a text: the vector that its head reads, taken out of the graph that serves."""

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
# What may lie between the product of the head and its output. Heads stay in float32 where the rest is int8.
_PASSED = {"Add", "Cast", "Identity", "Reshape"}
_PRODUCTS = {"Gemm", "MatMul"}
_ROWS_A_BATCH = 32


class Embedder:
    """Embeddings of texts; none where the graph has no head that is a product with weights."""

    def __init__(self, bundle: Bundle, engine: Engine) -> None:
        """Open the graph of a bundle with one more output.

        Args:
            bundle: a verified bundle.
            engine: of the same bundle.
        """
        self._engine = engine
        self._session = _session(bundle)

    def embed(self, rows: Sequence[Row]) -> Floats | None:
        """Rows x width, of the first window of each text; of a token head the mean over the tokens."""
        if self._session is None or not rows:
            return None
        items = self._engine.encode(rows)
        order = sorted(range(len(items)), key=lambda index: len(items[index].ids))
        found: dict[int, Floats] = {}
        for begin in range(0, len(order), _ROWS_A_BATCH):
            batch = order[begin : begin + _ROWS_A_BATCH]
            inputs = pad([items[index] for index in batch], self._engine.manifest.pad_id)
            hidden = self._session.run(inputs)[EMBEDDING]
            if hidden.ndim == 3:
                mask = inputs["attention_mask"][:, :, None]
                hidden = (hidden * mask).sum(axis=1) / mask.sum(axis=1)
            found.update(zip(batch, hidden.astype(np.float64), strict=True))
        return np.stack([found[index] for index in range(len(items))])


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
    """Name of what the head multiplies with its weights: of the sentence head where there is one."""
    made_by = {output: node for node in graph.node for output in node.output}
    constants = {one.name for one in graph.initializer}
    constants |= {node.output[0] for node in graph.node if node.op_type == "Constant"}
    outputs = [output.name for output in graph.output]
    name: str | None = "sentence" if "sentence" in outputs else outputs[0]
    while node := made_by.get(name):
        name = next((value for value in node.input if value not in constants), None)
        if node.op_type in _PRODUCTS:
            return name if name in made_by else None
        if node.op_type not in _PASSED:
            return None
    return None
