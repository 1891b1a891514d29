"""Operators of onnxruntime that do in one pass what torch's exporter would write as several.

In torch each is what its name says; in an exported graph it is one node of the domain com.microsoft
(ContribOperators.md of onnxruntime).
"""

import torch
from torch import Tensor


def product_with_transposed(left: Tensor, right: Tensor) -> Tensor:
    """`left @ right` with the last two dimensions of `right` exchanged, but not copied."""
    if torch.onnx.is_in_onnx_export():
        shape = (*left.shape[:-1], right.shape[-2])
        return torch.onnx.ops.symbolic(
            "com.microsoft::FusedMatMul", (left, right), {"transB": 1}, dtype=left.dtype, shape=shape, version=1
        )
    return left @ right.transpose(-1, -2)
