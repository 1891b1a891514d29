import logging
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import torch
from torch import Tensor
from transformers import AutoModelForSequenceClassification

from assay.models.deberta import InferenceEncoder, optimised_for_export
from assay.models.export.onnx_graph import export_graph, quantize_graph
from assay.models.network import Network, quiet
from tests.models.deberta import ATTENTION_KINDS, batch, make_network

LONGEST = 512


def logits_of(network: Network, inputs: dict[str, Tensor]) -> Tensor:
    """Return the logits of the rows, or of each token that is not padding."""
    with torch.inference_mode():
        logits: dict[str, Tensor] = network(**inputs)
    return logits["sentence"] if "sentence" in logits else logits["tokens"][inputs["attention_mask"].bool()]


def test_inference_encoder_equals_transformers_at_every_length() -> None:
    network = make_network()
    for length in range(1, LONGEST + 1):
        inputs = batch(length)
        expected = logits_of(network, inputs)
        with optimised_for_export(network, LONGEST):
            torch.testing.assert_close(logits_of(network, inputs), expected, atol=1e-5, rtol=0, msg=f"length {length}")


@pytest.mark.parametrize(
    "changes",
    [
        *ATTENTION_KINDS,
        {"norm_rel_ebd": "none", "position_biased_input": True, "type_vocab_size": 2},
        {"hidden_act": "gelu_new", "embedding_size": 16},
        {"conv_kernel_size": 3, "conv_act": "gelu"},
    ],
    ids=str,
)
@pytest.mark.parametrize("heads", ["sentence", "tokens"])
def test_inference_encoder_equals_transformers_for_every_kind_of_model(heads: str, changes: dict[str, Any]) -> None:
    network = make_network(heads, **changes)
    longest = min(LONGEST, changes.get("max_position_embeddings", LONGEST))
    for length in (1, 2, 9, 20, longest):
        inputs = batch(length)
        expected = logits_of(network, inputs)
        with optimised_for_export(network, longest):
            torch.testing.assert_close(logits_of(network, inputs), expected, atol=1e-5, rtol=0)


def test_optimised_for_export_restores_the_network() -> None:
    network = make_network()
    before, encoder = {name: value.clone() for name, value in network.state_dict().items()}, network.encoder
    with optimised_for_export(network, 64):
        assert isinstance(network.encoder, InferenceEncoder)
    assert network.encoder is encoder
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


@pytest.mark.parametrize("heads", ["sentence", "tokens"])
def test_optimised_for_export_graph_equals_torch(tmp_path: Path, heads: str) -> None:
    network = make_network(heads, share_att_key=False, conv_kernel_size=3 if heads == "tokens" else 0)
    with optimised_for_export(network, LONGEST):
        export_graph(network, tmp_path / "model.onnx", type_ids=False, max_length=LONGEST)
    session = ort.InferenceSession(tmp_path / "model.onnx")
    for shape in ((1, 3), (7, 33), (3, 300), (1, LONGEST)):
        inputs = batch(shape[1], shape[0])
        with torch.inference_mode():
            expected = network(**inputs)[heads].numpy()
        given = session.run([heads], {name: value.numpy() for name, value in inputs.items()})[0]
        real = inputs["attention_mask"].numpy() if heads == "tokens" else np.ones(shape[0])
        np.testing.assert_allclose(given * real[..., None], expected * real[..., None], atol=1e-5)


def test_optimised_for_export_graph_gathers_by_shape_and_projects_no_position(tmp_path: Path) -> None:
    network = make_network()
    with optimised_for_export(network, LONGEST):
        export_graph(network, tmp_path / "model.onnx", type_ids=False, max_length=LONGEST)
    quantize_graph(tmp_path / "model.onnx", tmp_path / "int8.onnx")
    for name in ("model.onnx", "int8.onnx"):
        graph = onnx.load(tmp_path / name).graph
        kinds = {node.op_type for node in graph.node}
        assert not kinds & {"GatherElements", "Tile", "Expand", "Where"}
        assert "FusedMatMul" in kinds
        # What is made of constants alone would be made again in every call.
        constants = {value.name for value in graph.initializer}
        made = [node.name for node in graph.node if node.input and set(node.input) - {""} <= constants]
        assert not made
    products = [node for node in onnx.load(tmp_path / "model.onnx").graph.node if node.op_type in ("MatMul", "Gemm")]
    # Six dense layers, two products with positions and one with values a layer; the head.
    assert len(products) == 2 * (6 + 3) + 1


def test_optimised_for_export_skips_unsupported_models_with_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    network = make_network()
    encoder: Any = network.encoder
    encoder.z_steps = 2
    with caplog.at_level(logging.WARNING), optimised_for_export(network, 64):
        assert network.encoder is encoder
    assert [record.message for record in caplog.records] == [
        "this DeBERTa is exported without optimisation, which is slower: it repeats its last layer (z_steps)"
    ]


def test_optimised_for_export_skips_other_encoders(tiny_bert_folder: Path) -> None:
    with quiet():
        network = Network(AutoModelForSequenceClassification.from_pretrained(tiny_bert_folder), None)
    encoder = network.encoder
    with optimised_for_export(network, 64):
        assert network.encoder is encoder
