"""Operators of onnxruntime that do in one pass what torch's exporter would write as several.

In torch each is what its name says; in an exported graph it is one node of the domain com.microsoft
(ContribOperators.md of onnxruntime).
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional


def product_with_transposed(left: Tensor, right: Tensor) -> Tensor:
    """`left @ right` with the last two dimensions of `right` exchanged, but not copied."""
    if torch.onnx.is_in_onnx_export():
        shape = (*left.shape[:-1], right.shape[-2])
        return _contrib("FusedMatMul", (left, right), {"transB": 1}, shape)
    return left @ right.transpose(-1, -2)


def dense_gelu(linear: nn.Linear, states: Tensor) -> Tensor:
    """GELU (the exact one) of a linear layer."""
    products = functional.linear(states, linear.weight)
    if torch.onnx.is_in_onnx_export():
        return _contrib("BiasGelu", (products, linear.bias), {}, products.shape)
    return functional.gelu(products + linear.bias)


def dense_add_norm(linear: nn.Linear, norm: nn.LayerNorm, states: Tensor, residual: Tensor) -> Tensor:
    """Layer norm of the residual and a linear layer."""
    products = functional.linear(states, linear.weight)
    if torch.onnx.is_in_onnx_export():
        inputs = (products, residual, norm.weight, norm.bias, linear.bias)
        return _contrib("SkipLayerNormalization", inputs, {"epsilon": norm.eps}, products.shape)
    normed: Tensor = norm(products + residual + linear.bias)
    return normed


def _contrib(name: str, inputs: tuple[Tensor, ...], attributes: dict[str, Any], shape: tuple[int, ...]) -> Tensor:
    return torch.onnx.ops.symbolic(
        f"com.microsoft::{name}", inputs, attributes, dtype=inputs[0].dtype, shape=shape, version=1
    )
