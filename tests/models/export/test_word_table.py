import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper

from assay.models.export.word_table import quantize_word_table

ROWS, WIDTH = 50, 8


def make_model(values: np.ndarray, *, shared: bool = False) -> onnx.ModelProto:
    """Make a model that looks up `input_ids`; if `shared`, a second output needs the table itself."""
    nodes = [helper.make_node("Gather", ["table", "input_ids"], ["rows"])]
    outputs = [helper.make_tensor_value_info("rows", TensorProto.FLOAT, ["b", "l", WIDTH])]
    if shared:
        nodes.append(helper.make_node("Transpose", ["table"], ["turned"]))
        outputs.append(helper.make_tensor_value_info("turned", TensorProto.FLOAT, [WIDTH, ROWS]))
    ids = helper.make_tensor_value_info("input_ids", TensorProto.INT64, ["b", "l"])
    graph = helper.make_graph(nodes, "lookup", [ids], outputs, [numpy_helper.from_array(values, "table")])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


def make_values() -> np.ndarray:
    """Return rows of very different size, and one of zeros."""
    values = np.random.default_rng(0).normal(size=(ROWS, WIDTH)).astype(np.float32)
    values *= np.geomspace(1e-3, 1e3, ROWS, dtype=np.float32)[:, None]
    values[7] = 0
    return values


def test_quantize_word_table_keeps_each_row_close_in_its_own_scale() -> None:
    values, model = make_values(), make_model(make_values())
    quantize_word_table(model)
    onnx.checker.check_model(model, full_check=True)
    ids = np.arange(ROWS, dtype=np.int64).reshape(5, 10)
    (given,) = ort.InferenceSession(model.SerializeToString()).run(None, {"input_ids": ids})
    error = np.abs(given.reshape(ROWS, WIDTH) - values)
    assert (error <= np.abs(values).max(axis=1, keepdims=True) / 253).all()


def test_quantize_word_table_removes_an_unused_float_table() -> None:
    alone, shared = make_model(make_values()), make_model(make_values(), shared=True)
    for model in (alone, shared):
        quantize_word_table(model)
    assert {table.name for table in alone.graph.initializer} == {"table_int8", "table_scales"}
    assert "table" in {table.name for table in shared.graph.initializer}
    ort.InferenceSession(shared.SerializeToString())
