import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper

from assay.models.export.position_products import quantize_position_products

HEADS, WIDTH, DISTANCES = 2, 8, 21


def make_model(positions: np.ndarray) -> onnx.ModelProto:
    """Make a model of vectors times the first columns of a constant, and times all columns of another."""
    nodes = [
        helper.make_node("Slice", ["positions", "begin", "columns", "axis"], ["cut"], name="slice"),
        helper.make_node("MatMul", ["vectors", "cut"], ["scores"], name="cut_product"),
        helper.make_node("MatMul", ["vectors", "whole"], ["others"], name="whole_product"),
    ]
    graph = helper.make_graph(
        nodes,
        "products",
        [
            helper.make_tensor_value_info("vectors", TensorProto.FLOAT, ["batch", HEADS, "length", WIDTH]),
            helper.make_tensor_value_info("columns", TensorProto.INT64, [1]),
        ],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in ("scores", "others")],
        [
            numpy_helper.from_array(positions, "positions"),
            numpy_helper.from_array(positions, "whole"),
            numpy_helper.from_array(np.array([0]), "begin"),
            numpy_helper.from_array(np.array([2]), "axis"),
        ],
    )
    imports = [helper.make_opsetid("", 18), helper.make_opsetid("com.microsoft", 1)]
    return helper.make_model(graph, opset_imports=imports, ir_version=10)


def run(model: onnx.ModelProto, vectors: np.ndarray, columns: int) -> list[np.ndarray]:
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    outputs: list[np.ndarray] = session.run(None, {"vectors": vectors, "columns": np.array([columns])})
    return outputs


def test_quantize_position_products_is_int8_and_close() -> None:
    random = np.random.default_rng(0)
    positions = random.standard_normal((HEADS, WIDTH, DISTANCES), dtype=np.float32)
    vectors = random.standard_normal((3, HEADS, 5, WIDTH), dtype=np.float32)
    model = make_model(positions)
    wanted = run(model, vectors, 9)
    assert quantize_position_products(model) == 1
    given = run(model, vectors, 9)
    error = np.abs(given[0] - wanted[0]).max() / wanted[0].std()
    assert 0 < error < 0.1
    np.testing.assert_array_equal(given[1], wanted[1])


def test_quantize_position_products_keeps_zeros() -> None:
    model = make_model(np.zeros((HEADS, WIDTH, DISTANCES), dtype=np.float32))
    quantize_position_products(model)
    vectors = np.ones((1, HEADS, 2, WIDTH), dtype=np.float32)
    assert not run(model, vectors, 3)[0].any()
