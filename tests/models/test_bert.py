from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import torch
from transformers import (
    AutoModelForTokenClassification,
    BertConfig,
    CamembertConfig,
    DistilBertConfig,
    ElectraConfig,
    RobertaConfig,
    XLMRobertaConfig,
)

from assay.models.bert import FirstTokenLayer, pruned_for_export
from assay.models.export.onnx_graph import export_graph, quantize_graph
from tests.models.bert import batch, joint, logits_of, make_network

FAMILY = [BertConfig, CamembertConfig, ElectraConfig, RobertaConfig, XLMRobertaConfig]


@pytest.mark.parametrize("config_class", FAMILY, ids=lambda one: one.__name__)
def test_pruned_for_export_keeps_predictions_of_sentence_heads(config_class: Any) -> None:
    network = make_network(config_class)
    expected = logits_of(network, batch())
    with pruned_for_export(network):
        assert isinstance(network.encoder.encoder.layer[-1], FirstTokenLayer)  # type: ignore[union-attr, index]
        torch.testing.assert_close(logits_of(network, batch()), expected, atol=1e-5, rtol=0)
    torch.testing.assert_close(logits_of(network, batch()), expected, atol=0, rtol=0)
    assert not isinstance(network.encoder.encoder.layer[-1], FirstTokenLayer)  # type: ignore[union-attr, index]


def test_pruned_for_export_keeps_the_last_layer_of_token_heads() -> None:
    for network in (make_network(loader=AutoModelForTokenClassification), joint(make_network())):
        expected = logits_of(network, batch())
        with pruned_for_export(network):
            assert not isinstance(network.encoder.encoder.layer[-1], FirstTokenLayer)  # type: ignore[union-attr, index]
            torch.testing.assert_close(logits_of(network, batch()), expected, atol=1e-5, rtol=0)


def test_pruned_for_export_skips_other_encoders() -> None:
    network = make_network(DistilBertConfig)
    expected = logits_of(network, batch())
    with pruned_for_export(network):
        torch.testing.assert_close(logits_of(network, batch()), expected, atol=0, rtol=0)


@pytest.mark.slow  # two exports
@pytest.mark.parametrize("heads", ["sentence", "joint"])
def test_pruned_for_export_graph_is_as_small_as_measured(tmp_path: Path, heads: str) -> None:
    network = make_network() if heads == "sentence" else joint(make_network())
    with pruned_for_export(network):
        export_graph(network, tmp_path / "plain.onnx", type_ids=False, max_length=64)
    quantize_graph(tmp_path / "plain.onnx", tmp_path / "int8.onnx")
    # One operator a GELU; a mask that is computed once, without a choice for each pair of tokens.
    nodes = [node.op_type for node in onnx.load(tmp_path / "plain.onnx").graph.node]
    assert nodes.count("Gelu") == 2
    assert not {"Erf", "Where", "And", "GatherND"} & set(nodes)
    # After onnxruntime's own fusions each quantised product is one operator, its bias included.
    fused = [node.op_type for node in _optimised(tmp_path / "int8.onnx", tmp_path).graph.node]
    assert not {"SkipLayerNormalization", "MultiHeadAttention", "MatMulInteger", "QAttention"} & set(fused)
    assert fused.count("MatMulIntegerToFloat") + fused.count("DynamicQuantizeMatMul") >= 12
    # and it predicts as torch does.
    inputs = batch()
    session = ort.InferenceSession(tmp_path / "plain.onnx")
    given = session.run(None, {name: values.numpy() for name, values in inputs.items()})
    for values, expected in zip(given, logits_of(network, inputs).values(), strict=True):
        np.testing.assert_allclose(values[:, : expected.shape[1]], expected.numpy(), atol=1e-5)


def _optimised(path: Path, folder: Path) -> onnx.ModelProto:
    options = ort.SessionOptions()
    options.optimized_model_filepath = str(folder / "optimised.onnx")
    options.log_severity_level = 3
    ort.InferenceSession(path, options)
    return onnx.load(options.optimized_model_filepath)
