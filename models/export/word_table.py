"""8-bit quantisation of the table of word embeddings, the largest part of a small encoder on disk and in memory."""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

IDS = "input_ids"


def quantize_word_table(model: onnx.ModelProto) -> None:
    """Store the embedding table of `input_ids` as int8, with one scale per word.

    One scale per word keeps the error of each value below 1/254 of the largest value in its row. With one scale for the
    whole table, as in the quantiser of onnxruntime, most words would use few of the 256 values.

    Args:
        model: model to change in place.
    """
    tables = {table.name: table for table in model.graph.initializer}
    for position, node in enumerate(model.graph.node):
        if node.op_type == "Gather" and node.input[1] == IDS and node.input[0] in tables:
            _replace(model, position, tables[node.input[0]])
            return


def _replace(model: onnx.ModelProto, position: int, table: onnx.TensorProto) -> None:
    node, name = model.graph.node[position], table.name
    values = numpy_helper.to_array(table)
    scales = np.maximum(np.abs(values).max(axis=1, keepdims=True) / 127, np.finfo(np.float32).tiny)
    quantised = np.round(values / scales).astype(np.int8)
    nodes = [
        helper.make_node("Gather", [f"{name}_int8", IDS], [f"{name}_words"]),
        helper.make_node("Cast", [f"{name}_words"], [f"{name}_floats"], to=TensorProto.FLOAT),
        helper.make_node("Gather", [f"{name}_scales", IDS], [f"{name}_scale"]),
        helper.make_node("Mul", [f"{name}_floats", f"{name}_scale"], [node.output[0]]),
    ]
    del model.graph.node[position]
    for offset, new in enumerate(nodes):
        model.graph.node.insert(position + offset, new)
    model.graph.initializer.append(numpy_helper.from_array(quantised, f"{name}_int8"))
    model.graph.initializer.append(numpy_helper.from_array(scales.astype(np.float32), f"{name}_scales"))
    if not any(name in consumer.input for consumer in model.graph.node):
        model.graph.initializer.remove(table)
