"""The device of a training and the precision of its matrix products."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import torch

from assay.corpus.errors import AssayError
from assay.serving.cpu import cpu_flags


def training_device() -> torch.device:
    """Return the GPU if there is one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def device_name(device: torch.device) -> str:
    """Return the device name that is recorded with a run."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"cpu, {torch.get_num_threads()} threads"


def has_bf16(device: torch.device) -> bool:
    """Return whether the device multiplies bfloat16 in hardware; without it, autocast is much slower than float32."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    capabilities = torch.cpu.get_capabilities()
    return any(capabilities.get(name) for name in ("avx512_bf16", "amx_bf16", "bf16"))


def choose_precision(requested: Literal["auto", "fp32", "bf16"], device: torch.device) -> Literal["fp32", "bf16"]:
    """Choose the precision of a device for `training.precision`.

    Raises:
        AssayError: bf16 is requested and the device does not support it.
    """
    if requested == "auto":
        return "bf16" if has_bf16(device) else "fp32"
    if requested == "bf16" and not has_bf16(device):
        raise AssayError(
            f"training.precision is 'bf16', but {device_name(device)} does not support it in hardware; set it to auto"
        )
    return requested


def numeric_environment(requested: Literal["auto", "fp32", "bf16"]) -> dict[str, str]:
    """Return the numeric environment that weights depend on besides rows, recipe, code and packages.

    Args:
        requested: `training.precision`; only the training itself checks it against the device.
    """
    device = training_device()
    precision = choose_precision("auto", device) if requested == "auto" else requested
    flags = " ".join(cpu_flags()) if device.type == "cpu" else ""
    return {"device": device.type, "name": device_name(device), "precision": precision, "cpu_flags": flags}


@contextmanager
def own_determinism() -> Iterator[None]:
    """Restore the determinism settings of torch after the block; torch would keep them for the process."""
    cudnn = torch.backends.cudnn
    previous = torch.are_deterministic_algorithms_enabled(), cudnn.deterministic, cudnn.benchmark
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(previous[0])
        cudnn.deterministic, cudnn.benchmark = previous[1:]
