from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest

from assay.models.bert import pruned_for_export
from assay.models.export.onnx_graph import export_graph, quantize_graph
from assay.models.network import Network
from tests.models.bert import batch, joint, make_network


def export(network: Network, path: Path) -> Path:
    with pruned_for_export(network):
        export_graph(network, path, type_ids=False, max_length=64)
    return path


@pytest.fixture(scope="module")
def network() -> Network:
    """A BERT of two layers with both heads."""
    return joint(make_network())


@pytest.fixture(scope="module")
def graph(network: Network, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return export(network, tmp_path_factory.mktemp("graph") / "model.onnx")


@pytest.mark.parametrize(("rows", "length"), [(1, 3), (1, 5), (7, 33), (2, 64)])
def test_export_graph_accepts_any_batch_and_length(network: Network, graph: Path, rows: int, length: int) -> None:
    # given rows of which the last is padded
    inputs = batch(rows, length)
    # when both run
    session = ort.InferenceSession(graph)
    heads = ["sentence", "tokens"]
    given = session.run(heads, {name: values.numpy() for name, values in inputs.items()})
    # then they agree wherever a token is
    real = inputs["attention_mask"].numpy()[..., None]
    expected = {head: values.detach().numpy() for head, values in network(**inputs).items()}
    np.testing.assert_allclose(given[0], expected["sentence"], atol=1e-5)
    np.testing.assert_allclose(given[1] * real, expected["tokens"] * real, atol=1e-5)


def test_export_graph_is_reproducible_and_independent_of_the_machine(
    network: Network, graph: Path, tmp_path: Path
) -> None:
    # when the same weights are exported again, then not a byte differs
    data = export(network, tmp_path / "again.onnx").read_bytes()
    assert data == graph.read_bytes()
    assert b".py" not in data
    assert str(Path.cwd()).encode() not in data
    model = onnx.load(graph)
    assert not model.metadata_props
    assert not any(node.doc_string or node.metadata_props for node in model.graph.node)


def test_quantize_graph_keeps_heads_and_attention_in_float(graph: Path, tmp_path: Path) -> None:
    quantize_graph(graph, tmp_path / "int8.onnx")
    operators = [node.op_type for node in onnx.load(tmp_path / "int8.onnx").graph.node]
    # 6 products per layer and the pooler are in int8; the two heads, and two products of attention per layer, stay
    assert operators.count("MatMulInteger") == 2 * 6 + 1
    assert operators.count("MatMul") + operators.count("Gemm") == 2 * 2 + 2
