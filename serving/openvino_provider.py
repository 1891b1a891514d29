"""OpenVINO as an execution provider of onnxruntime: the same float32 graph, computed in bf16 (extra `openvino`)."""

import json
import threading
from collections.abc import Collection
from importlib.util import find_spec
from typing import Any

import onnxruntime as ort

from assay.corpus.errors import AssayError
from assay.serving.cpu import available_threads, computes_bf16, cpu_flags

PACKAGE = "onnxruntime_ep_openvino"
_LIBRARY = "assay-openvino"  # the name under which onnxruntime keeps the library of the package
_registration = threading.Lock()


def is_installed() -> bool:
    """Return whether the package of the extra `openvino` is installed."""
    return find_spec(PACKAGE) is not None


def runs_bf16(flags: Collection[str] | None = None) -> bool:
    """Return whether bf16 runs here: the CPU computes it, and the package is installed.

    Args:
        flags: flags of the CPU; None reads those of this one.
    """
    return computes_bf16(cpu_flags() if flags is None else flags) and is_installed()


def add_bf16(options: Any) -> None:
    """Let OpenVINO run the graph of a session in bf16, one batch per CPU at a time, each on one thread.

    Args:
        options: session options of onnxruntime.

    Raises:
        AssayError: the package is missing, or finds no CPU that it supports.
    """
    threads = str(available_threads())
    config = {
        "INFERENCE_PRECISION_HINT": "bf16",
        "NUM_STREAMS": threads,
        "INFERENCE_NUM_THREADS": threads,
        # Pinned threads of two processes would share the same cores, and leave the others idle.
        "ENABLE_CPU_PINNING": "NO",
    }
    options.add_provider_for_devices(_devices(), {"load_config": json.dumps({"CPU": config})})


def _devices() -> list[Any]:
    if not is_installed():
        raise AssayError("bf16 needs OpenVINO: pip install 'assay[openvino]'")
    import onnxruntime_ep_openvino as openvino

    with _registration:
        devices = _cpus(openvino.get_ep_name())
        if not devices:  # onnxruntime refuses to register a library twice
            ort.register_execution_provider_library(_LIBRARY, openvino.get_library_path())
            devices = _cpus(openvino.get_ep_name())
    if not devices:
        raise AssayError("OpenVINO supports no CPU of this machine; serve the bundle without assay[openvino]")
    return devices


def _cpus(provider: str) -> list[Any]:
    devices: list[Any] = ort.get_ep_devices()
    return [
        device
        for device in devices
        if device.ep_name == provider and device.device.type == ort.OrtHardwareDeviceType.CPU
    ]
