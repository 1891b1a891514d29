from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from assay.corpus.errors import AssayError
from assay.serving.bundle import Bundle
from assay.serving.graph_check import check_graph

MODEL_PATH = Path("model.onnx")


def external_tensor() -> TensorProto:
    """Return a tensor whose values lie in another file."""
    tensor = numpy_helper.from_array(np.zeros(4, dtype=np.float32), "weights")
    onnx.external_data_helper.set_external_data(tensor, "../../etc/passwd")
    tensor.ClearField("raw_data")
    return tensor


def model_of(*nodes: onnx.NodeProto, weights: TensorProto | None = None, domain: str = "") -> bytes:
    output = helper.make_tensor_value_info("out", TensorProto.FLOAT, None)
    graph = helper.make_graph([*nodes], "g", [], [output], [weights] if weights else [])
    imports = [helper.make_opsetid("", 17), *([helper.make_opsetid(domain, 1)] if domain else [])]
    return bytes(helper.make_model(graph, opset_imports=imports).SerializeToString())


def test_check_graph_accepts_exported_graphs(toy: Bundle) -> None:
    check_graph(toy.model_path.read_bytes(), toy.model_path)
    check_graph(
        model_of(helper.make_node("Gelu", ["x"], ["out"], domain="com.microsoft"), domain="com.microsoft"), MODEL_PATH
    )


def branch_with(weights: TensorProto) -> onnx.NodeProto:
    output = helper.make_tensor_value_info("out", TensorProto.FLOAT, None)
    branch = helper.make_graph([], "branch", [], [output], [weights])
    return helper.make_node("If", ["c"], ["out"], then_branch=branch, else_branch=branch)


@pytest.mark.parametrize(
    "model",
    [
        model_of(weights=external_tensor()),
        model_of(helper.make_node("Constant", [], ["out"], value=external_tensor())),
        model_of(branch_with(external_tensor())),
    ],
    ids=["weights", "constant", "branch"],
)
def test_check_graph_refuses_weights_in_another_file_at_every_level(model: bytes) -> None:
    with pytest.raises(AssayError, match=r"model\.onnx keeps weights in another file"):
        check_graph(model, MODEL_PATH)


@pytest.mark.parametrize(
    "model",
    [
        model_of(helper.make_node("Run", ["x"], ["out"], domain="evil")),
        model_of(domain="evil"),
    ],
    ids=["node", "import"],
)
def test_check_graph_refuses_operators_of_foreign_domains(model: bytes) -> None:
    with pytest.raises(AssayError, match=r"uses operators of the domain 'evil'"):
        check_graph(model, MODEL_PATH)


@pytest.mark.parametrize("model", [b"hello", b"\x08", b"\xff" * 20, b"\x3a\x05ab", b"\x00\x00"])
def test_check_graph_refuses_bytes_that_are_no_onnx_file(model: bytes) -> None:
    with pytest.raises(AssayError, match="is damaged or not an ONNX file"):
        check_graph(model, MODEL_PATH)
