"""OpenVINO as an execution provider of onnxruntime: the same float32 graph, computed in bf16 (extra `openvino`)."""

import json
import threading
from importlib.util import find_spec
from typing import Any

from assay.corpus.errors import AssayError, first_line
from assay.corpus.extras import install_command
from assay.serving.cpu import available_threads, computes_bf16, cpu_flags, cpu_vendor

PACKAGE = "onnxruntime_ep_openvino"
VENDOR = "GenuineIntel"
_LIBRARY = "assay-openvino"  # the name under which onnxruntime keeps the library of the package
_registration = threading.Lock()


def is_installed() -> bool:
    """Return whether the package of the extra `openvino` is installed."""
    return find_spec(PACKAGE) is not None


def supports_cpu() -> bool:
    """Return whether this CPU multiplies bf16 and the plugin takes it.

    OpenVINO itself computes bf16 on CPUs of AMD, too, but the plugin (1.8.1) offers onnxruntime those of Intel alone.
    """
    return computes_bf16(cpu_flags()) and cpu_vendor() == VENDOR


def runs_bf16() -> bool:
    """Return whether bf16 runs here: the plugin takes the CPU, and is installed."""
    return supports_cpu() and is_installed()


def add_bf16(options: Any, threads: int | None = None) -> None:
    """Let OpenVINO run the graph of a session in bf16.

    Args:
        options: session options of onnxruntime.
        threads: number of batches that run at once, each on one thread; None uses the CPUs available to this process.

    Raises:
        AssayError: the package is missing, or finds no CPU that it supports.
    """
    count = str(threads or available_threads())
    config = {
        "INFERENCE_PRECISION_HINT": "bf16",
        "NUM_STREAMS": count,
        "INFERENCE_NUM_THREADS": count,
        # Pinned threads of two processes would share the same cores, and leave the others idle.
        "ENABLE_CPU_PINNING": "NO",
    }
    options.add_provider_for_devices(_devices(), {"load_config": json.dumps({"CPU": config})})


def _devices() -> list[Any]:
    if not is_installed():
        raise AssayError(f"bf16 needs OpenVINO; run {install_command('openvino')}")
    # Imported here, since `assay doctor` only asks whether the package is installed.
    import onnxruntime_ep_openvino as openvino

    with _registration:
        devices = _cpus(openvino.get_ep_name())
        if not devices:  # onnxruntime refuses to register a library twice
            _register(openvino.get_library_path())
            devices = _cpus(openvino.get_ep_name())
    if not devices:
        raise AssayError("OpenVINO finds no CPU here; remove onnxruntime-ep-openvino to serve without bf16")
    return devices


def _register(library: str) -> None:
    import onnxruntime as ort

    try:
        ort.register_execution_provider_library(_LIBRARY, library)
    except Exception as error:  # onnxruntime's errors have no common base below Exception
        raise AssayError(
            f"onnxruntime {ort.__version__} does not load OpenVINO: {first_line(error)}; install the versions of "
            "constraints.txt, or remove onnxruntime-ep-openvino to serve without bf16"
        ) from error


def _cpus(provider: str) -> list[Any]:
    import onnxruntime as ort

    devices: list[Any] = ort.get_ep_devices()
    return [
        device
        for device in devices
        if device.ep_name == provider and device.device.type == ort.OrtHardwareDeviceType.CPU
    ]
