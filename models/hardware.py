"""What this machine computes with: the device and the number format of the matrix products."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import torch

from assay.corpus.errors import AssayError
from assay.serving.cpu import cpu_flags


def training_device() -> torch.device:
    """The GPU when there is one, else the processor."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def device_name(device: torch.device) -> str:
    """The name that is recorded with a run."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"cpu, {torch.get_num_threads()} threads"


def has_bf16(device: torch.device) -> bool:
    """Whether the device multiplies bfloat16 in hardware. Without that, autocast is many times slower than float32."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    found = torch.cpu.get_capabilities()
    return any(found.get(name) for name in ("avx512_bf16", "amx_bf16", "bf16"))


def choose_precision(asked: Literal["auto", "fp32", "bf16"], device: torch.device) -> Literal["fp32", "bf16"]:
    """Settle `training.precision` for a device.

    Raises:
        AssayError: bf16 was asked for and the device lacks it.
    """
    if asked == "auto":
        return "bf16" if has_bf16(device) else "fp32"
    if asked == "bf16" and not has_bf16(device):
        raise AssayError(
            f"training.precision is 'bf16', but {device_name(device)} does not compute it in hardware; set it to auto"
        )
    return asked


def numeric_environment(asked: Literal["auto", "fp32", "bf16"]) -> dict[str, str]:
    """Return what the weights of a training depend on besides rows, recipe, code and packages.

    Args:
        asked: `training.precision`, which only the training itself checks against the device.
    """
    device = training_device()
    precision = choose_precision("auto", device) if asked == "auto" else asked
    flags = " ".join(cpu_flags()) if device.type == "cpu" else ""
    return {"device": device.type, "name": device_name(device), "precision": precision, "cpu_flags": flags}


@contextmanager
def own_determinism() -> Iterator[None]:
    """What is set inside the block about orders of computation ends with it; torch keeps it for the process."""
    cudnn = torch.backends.cudnn
    before = torch.are_deterministic_algorithms_enabled(), cudnn.deterministic, cudnn.benchmark
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before[0])
        cudnn.deterministic, cudnn.benchmark = before[1:]
