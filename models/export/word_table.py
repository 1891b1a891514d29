"""The table of word embeddings in 8 bits: it is most of the file of a small encoder, and of its memory when served."""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

IDS = "input_ids"


def quantize_word_table(model: onnx.ModelProto) -> None:
    """Store the table that `input_ids` looks up as int8, with a scale for each word.

    A scale a word keeps the error of each value below 1/254 of the largest in its row; one scale for the whole table,
    as the quantiser of onnxruntime has it, would leave most words with few of the 256 values.

    Args:
        model: is changed in place.
    """
    tables = {table.name: table for table in model.graph.initializer}
    for place, node in enumerate(model.graph.node):
        if node.op_type == "Gather" and node.input[1] == IDS and node.input[0] in tables:
            _replace(model, place, tables[node.input[0]])
            return


def _replace(model: onnx.ModelProto, place: int, table: onnx.TensorProto) -> None:
    node, name = model.graph.node[place], table.name
    values = numpy_helper.to_array(table)
    scales = np.maximum(np.abs(values).max(axis=1, keepdims=True) / 127, np.finfo(np.float32).tiny)
    small = np.round(values / scales).astype(np.int8)
    nodes = [
        helper.make_node("Gather", [f"{name}_int8", IDS], [f"{name}_words"]),
        helper.make_node("Cast", [f"{name}_words"], [f"{name}_floats"], to=TensorProto.FLOAT),
        helper.make_node("Gather", [f"{name}_scales", IDS], [f"{name}_scale"]),
        helper.make_node("Mul", [f"{name}_floats", f"{name}_scale"], [node.output[0]]),
    ]
    del model.graph.node[place]
    for offset, new in enumerate(nodes):
        model.graph.node.insert(place + offset, new)
    model.graph.initializer.append(numpy_helper.from_array(small, f"{name}_int8"))
    model.graph.initializer.append(numpy_helper.from_array(scales.astype(np.float32), f"{name}_scales"))
    if not any(name in other.input for other in model.graph.node):
        model.graph.initializer.remove(table)
