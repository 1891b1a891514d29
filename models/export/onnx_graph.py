"""Export of a network to an ONNX file, and quantisation of that file to int8; independent of recipes and runs."""

import logging
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import onnx
import onnxruntime as ort
import torch
from onnxruntime.quantization import QuantType, quantize_dynamic
from torch import Tensor, nn

from assay.corpus.example import HEADS
from assay.models.export.position_products import quantize_position_products
from assay.models.export.word_table import quantize_word_table

# The first opset with GELU as one operator, which saves 7 % of the time of an int8 BERT.
OPSET = 20
INPUTS = ("input_ids", "attention_mask", "token_type_ids")


class _Positional(nn.Module):
    """Wrapper of a network that returns its outputs as a tuple, in the order of `heads`."""

    def __init__(self, network: nn.Module, heads: Sequence[str]) -> None:
        super().__init__()
        self.network = network
        self.heads = heads

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        """Return the logits of each head."""
        outputs = self.network(*inputs)
        return tuple(outputs[head] for head in self.heads)


def export_graph(network: nn.Module, path: Path, *, type_ids: bool, max_length: int) -> None:
    """Write the network as one ONNX file with free batch size and length.

    Constants are folded (the position projections of DeBERTa are constants at inference), and details of the machine
    are removed: the same weights give the same bytes.

    Args:
        network: returns the logits of its heads from input ids, attention mask and, with `type_ids`, type ids.
        path: file to write.
        type_ids: whether the graph takes `token_type_ids`.
        max_length: maximum input length in tokens.
    """
    names = INPUTS if type_ids else INPUTS[:2]
    example = _example(len(names), max_length)
    network.eval()
    with torch.no_grad():
        outputs = network(*example)
    heads = [head for head in HEADS if head in outputs]
    wrapper = _Positional(network, heads).eval()
    axes = {0: torch.export.Dim("batch"), 1: torch.export.Dim("length", min=3, max=max_length)}
    with _quiet(), torch.no_grad():
        program = torch.onnx.export(
            wrapper,
            example,
            dynamo=True,
            opset_version=OPSET,
            input_names=names,
            output_names=heads,
            dynamic_shapes=(tuple(axes for _ in names),),
            external_data=False,
            verbose=False,
        )
    # The exporter leaves its wrapper in training mode, and dropout would look like a difference between graphs.
    network.eval()
    _finish(cast(torch.onnx.ONNXProgram, program).model_proto, path)


def quantize_graph(source: Path, target: Path) -> None:
    """Write the graph with int8 weights for its matrix products (dynamic, per channel), heads left in float32.

    The table of word embeddings is stored in 8 bits, too.

    Weights use 7 bits (`reduce_range`): their products with 8-bit activations cannot overflow 16 bits, so that
    the predictions are the same on CPUs with and without VNNI.
    """
    model = onnx.load(source)
    with _quiet():
        quantize_dynamic(
            model,
            target,
            op_types_to_quantize=["MatMul"],
            per_channel=True,
            reduce_range=True,
            weight_type=QuantType.QInt8,
            nodes_to_exclude=_head_products(model),
            # Type of the outputs of operators of the domain com.microsoft, which onnx cannot infer.
            extra_options={"MatMulConstBOnly": True, "DefaultTensorType": onnx.TensorProto.FLOAT},
        )
    quantized = onnx.load(target)
    quantize_position_products(quantized)
    quantize_word_table(quantized)
    _strip(quantized)
    onnx.save(quantized, target)


def _example(inputs: int, max_length: int) -> tuple[Tensor, ...]:
    shape = (2, min(7, max_length))
    values = (torch.ones(shape, dtype=torch.int64), torch.ones(shape, dtype=torch.int64))
    return (*values, torch.zeros(shape, dtype=torch.int64))[:inputs]


def _finish(model: onnx.ModelProto, path: Path) -> None:
    _strip(model)
    folded = _fold_constants(model)
    _strip(folded)
    onnx.checker.check_model(folded, full_check=True)
    onnx.save(folded, path)


def _fold_constants(model: onnx.ModelProto) -> onnx.ModelProto:
    """Fold constants with onnxruntime, since the folding of the exporter skips large results.

    Folding must precede quantisation, which would otherwise quantise constants in every call.
    """
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.log_severity_level = 4
    with tempfile.TemporaryDirectory() as folder:
        options.optimized_model_filepath = str(Path(folder) / "folded.onnx")
        ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
        return onnx.load(options.optimized_model_filepath)


def _strip(model: onnx.ModelProto) -> None:
    """Remove source paths, stack traces and inferred shapes (these contradict those of the quantised graph)."""
    del model.graph.value_info[:]
    used = {node.domain for node in model.graph.node}
    unused = [opset for opset in model.opset_import if opset.domain not in used]
    for opset in unused:
        model.opset_import.remove(opset)
    for element in (model, model.graph, *_parts(model.graph)):
        element.doc_string = ""
        del element.metadata_props[:]


def _parts(graph: onnx.GraphProto) -> Iterator[Any]:
    yield from (*graph.node, *graph.input, *graph.output, *graph.initializer)
    for node in graph.node:
        for attribute in node.attribute:
            attribute.doc_string = ""
            for inner in (attribute.g, *attribute.graphs):
                yield from _parts(inner)


def _head_products(model: onnx.ModelProto) -> list[str]:
    """Return the name of the last matrix product before each output."""
    producers = {output: node for node in model.graph.node for output in node.output}
    names = []
    for output in model.graph.output:
        node = producers.get(output.name)
        while node is not None and node.op_type not in ("MatMul", "Gemm"):
            node = next((producers[name] for name in node.input if name in producers), None)
        if node is not None:
            # The quantiser first converts a Gemm into MatMul and Add, with this name.
            names.append(node.name + ("_MatMul" if node.op_type == "Gemm" else ""))
    return names


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence log lines and warnings of exporter and quantiser that are meant for their developers."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "torch.export", "onnxscript", "onnx_ir")]
    levels = [logger.level for logger in loggers]
    root = logging.getLogger()
    root.addFilter(_is_not_from_quantiser)  # which logs straight to the root logger
    try:
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", r"# The axis name: \w+ will not be used", UserWarning)
            warnings.filterwarnings("ignore", r"`isinstance\(treespec, LeafSpec\)` is deprecated", FutureWarning)
            yield
    finally:
        root.removeFilter(_is_not_from_quantiser)
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def _is_not_from_quantiser(record: logging.LogRecord) -> bool:
    return "onnxruntime" not in Path(record.pathname).parts
