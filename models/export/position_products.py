"""int8 products of DeBERTa's optimised attention with its positions, which the quantiser of onnxruntime skips.

The positions are constant, but cut to the length of the text before the product (see `assay.models.deberta`), and the
quantiser only handles products with a constant itself.
"""

from collections.abc import Iterator

import numpy as np
import onnx
from onnx import helper, numpy_helper

# Seven bits, as for all weights: see `quantize_graph`.
LARGEST = 63
# Operators between a constant and the product, which cut and join pieces of it.
PIECES = {"Slice", "Squeeze", "Concat"}


def quantize_position_products(model: onnx.ModelProto) -> int:
    """Convert products with cut constants to int8, in place; the other operand is quantised in each call.

    Returns:
        Number of converted products.
    """
    products = list(_products(model.graph))
    for product, constant in products:
        scale, zero = _quantize(constant)
        a, name = product.input[0], product.name
        quantised = [f"{name}_{part}" for part in ("quantized", "scale", "zero_point")]
        model.graph.initializer.extend([scale, zero])
        position = list(model.graph.node).index(product)
        model.graph.node.insert(
            position, helper.make_node("DynamicQuantizeLinear", [a], quantised, name=f"{name}_quantize")
        )
        inputs = [quantised[0], product.input[1], quantised[1], scale.name, quantised[2], zero.name]
        integer = helper.make_node(
            "MatMulIntegerToFloat", inputs, list(product.output), name=f"{name}_int8", domain="com.microsoft"
        )
        product.CopyFrom(integer)
    return len(products)


def _products(graph: onnx.GraphProto) -> Iterator[tuple[onnx.NodeProto, onnx.TensorProto]]:
    """Yield products whose right operand is cut from a constant with more dimensions than a dense layer."""
    constants = {value.name: value for value in graph.initializer if len(value.dims) > 2}
    sources = {node.output[0]: node.input[0] for node in graph.node if node.op_type in PIECES}
    for node in graph.node:
        if node.op_type == "MatMul" and node.input[1] in sources:
            source = node.input[1]
            while source in sources:
                source = sources[source]
            if source in constants:
                yield node, constants[source]


def _quantize(constant: onnx.TensorProto) -> tuple[onnx.TensorProto, onnx.TensorProto]:
    """Round a constant in place, and return its scale and zero point."""
    values = numpy_helper.to_array(constant)
    scale = np.float32(max(float(np.abs(values).max()), 1e-9) / LARGEST)
    constant.CopyFrom(numpy_helper.from_array(np.rint(values / scale).astype(np.int8), constant.name))
    return (
        numpy_helper.from_array(np.asarray(scale), f"{constant.name}_scale"),
        numpy_helper.from_array(np.asarray(0, dtype=np.int8), f"{constant.name}_zero_point"),
    )
